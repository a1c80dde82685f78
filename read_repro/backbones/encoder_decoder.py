"""Encoder-decoders as backbones: T5 in all its kinds; they answer in text.

Letters: B batch, S source tokens, T decoder tokens, D width, V vocabulary.
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from read_repro.backbones.backbone import Backbone, Batch, Released, rows_of
from read_repro.backbones.frozen_pass import Each, Keep, States
from read_repro.backbones.label_decoding import Answers, PrefixTree
from read_repro.backbones.stored_pass import frozen_or_stored, has_stored


class EncoderDecoderBackbone(Backbone):
    """An encoder-decoder that answers in text. ``answers`` are the label strings, one of which each prediction is."""

    tree: PrefixTree

    def __init__(self, model: PreTrainedModel, answers: Answers) -> None:
        super().__init__(model, answers=answers)
        self.tree = PrefixTree(answers.tokens)

    def encode(self, batch: Batch, inputs_embeds: Tensor | None = None) -> Tensor:
        tokens = {"input_ids": batch["input_ids"]} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
        return self.model.encoder(**tokens, attention_mask=batch["attention_mask"]).last_hidden_state

    def decode(self, encoded: Tensor, batch: Batch, decoder_ids: Tensor) -> Tensor:
        return self.model.decoder(
            input_ids=decoder_ids,
            encoder_hidden_states=encoded.to(self.model.dtype) if self.narrow else encoded,
            encoder_attention_mask=batch["attention_mask"],
            use_cache=False,
        ).last_hidden_state

    def frozen_decoder(
        self, encoded: Tensor, batch: Batch, decoder_ids: Tensor, keep: Keep, each: Each | None = None
    ) -> States:
        def live(rows: Tensor | None, each: Each | None) -> States:
            if rows is None:
                return self._frozen("decoder", lambda: self.decode(encoded, batch, decoder_ids), keep, each)
            own = rows_of(batch, rows)
            return self._frozen("decoder", lambda: self.decode(encoded[rows], own, decoder_ids[rows]), keep, each)

        nodes = self.tree.nodes(decoder_ids) if has_stored(batch, "decoder") else None
        return frozen_or_stored(
            batch, "decoder", keep, pre_norm=self.pre_norm, normalise=self.normalise, live=live, nodes=nodes, each=each
        )

    def release(self) -> None:
        for stack in self.depth:
            setattr(self.model, stack, Released(self.stack(stack).config))

    def decoder_ids(self, batch: Batch) -> Tensor:
        return self.model.prepare_decoder_input_ids_from_labels(batch["target_ids"])

    def start_ids(self, batch: Batch) -> Tensor:
        return torch.full_like(batch["input_ids"][:, :1], int(self.model.config.decoder_start_token_id))

    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        # T5 1.0 has its embeddings for an output layer and scales its last state to fit them.
        scale = self.width**-0.5 if getattr(self.model.config, "scale_decoder_outputs", False) else 1.0
        return self._words_of(state * scale)
