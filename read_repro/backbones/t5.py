"""T5 as a backbone: an encoder and a decoder; it answers in text.

Letters: B batch, S source tokens, T decoder tokens, D width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from read_repro.backbones.backbone import Backbone, Batch, Decode, Released, rows_of
from read_repro.backbones.frozen_pass import Each, Keep, States, rms_norm
from read_repro.backbones.label_decoding import Answers
from read_repro.backbones.prefix_tree import PrefixTree
from read_repro.backbones.stored_pass import frozen_or_stored, has_stored


class T5Backbone(Backbone):
    """An encoder-decoder that answers in text. ``answers`` are the label strings, one of which each prediction is."""

    pre_norm = True

    def __init__(self, model: T5ForConditionalGeneration, answers: Answers) -> None:
        super().__init__(model)
        self.answers = answers
        self.tree = PrefixTree(answers.tokens)
        self.width = model.config.d_model
        self.depth = {name: len(self.layers(name)) for name in ("encoder", "decoder")}

    def stack(self, name: str) -> Any:
        return getattr(self.model, name)

    def layers(self, stack: str) -> Any:
        return self.stack(stack).block

    def attentions(self, stack: str, *, cross: bool = False) -> list[nn.Module]:
        place = "EncDecAttention" if cross else "SelfAttention"
        modules = self.stack(stack).named_modules()
        return [module for name, module in modules if isinstance(module, T5Attention) and name.endswith(place)]

    def embed(self, input_ids: Tensor) -> Tensor:
        return self.model.shared(input_ids)

    def encode(self, batch: Batch, inputs_embeds: Tensor | None = None) -> Tensor:
        tokens = {"input_ids": batch["input_ids"]} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
        return self.model.encoder(**tokens, attention_mask=batch["attention_mask"]).last_hidden_state

    def decode(self, encoded: Tensor, batch: Batch, decoder_ids: Tensor) -> Tensor:
        return self.model.decoder(
            input_ids=decoder_ids,
            encoder_hidden_states=encoded,
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
        """The targets shifted right behind the start token: (B, T)."""
        return self.model.prepare_decoder_input_ids_from_labels(batch["target_ids"])

    def start_ids(self, batch: Batch) -> Tensor:
        """The start token of every row: (B, 1)."""
        return torch.full_like(batch["input_ids"][:, :1], self.start_id)

    @property
    def start_id(self) -> int:
        """The token that every decoder input begins with."""
        return int(self.model.config.decoder_start_token_id)

    def normalise(self, hidden: Tensor) -> Tensor:
        return rms_norm(hidden)  # T5 adds up its layers without a norm; the growing sum would saturate an RNN

    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        scale = self.width**-0.5 if self.model.config.scale_decoder_outputs else 1.0
        return self.model.lm_head(state * scale)

    def training_logits(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        return self.logits(decode(self.decoder_ids(batch)), batch)  # teacher forcing: the decoder reads the targets

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(logits.float().flatten(0, 1), batch["target_ids"].flatten(), ignore_index=-100)

    def predict(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        return self.answers.greedy(lambda ids: self.logits(decode(ids), batch), self.start_ids(batch))

    def predict_with_probabilities(self, state: Tensor, batch: Batch, decode: Decode) -> tuple[Tensor, Tensor]:
        chances = self.answers.probabilities(lambda ids: self.logits(decode(ids), batch), self.start_ids(batch))
        return self.predict(state, batch, decode), chances
