"""Decoders as backbones: one causal stack, which answers behind its prompt by label words, or by a task head.

Nothing is encoded beforehand: what ``encode`` hands on to ``decode`` is the prompt itself, as tokens (B, S) or as
vectors that stand for them (B, S, D). Decoder tokens (B, T) are the prompt's last token and those of an answer that
follow it, so that the states of ``decode`` are those behind which the answer's T tokens are told. No other state of
the stack matters to a side network that reads each token by itself: it is handed none, and a store keeps none.

Letters: B batch, S prompt tokens, T decoder tokens, D width, V vocabulary.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from read_repro.backbones.backbone import Backbone, Batch, Released, rows_of
from read_repro.backbones.frozen_pass import Each, Keep, States
from read_repro.backbones.label_decoding import Answers, PrefixTree
from read_repro.backbones.stored_pass import frozen_or_stored, has_stored

NO_WORDS = ((0,),)  # a task head reads one state, that behind the empty prefix; so does a label string of one token


class DecoderBackbone(Backbone):
    """A decoder that answers by ``answers``, or without them by a task head on the prompt's last state.

    Args:
        outputs, regression: see `Backbone`.
    """

    tree: PrefixTree

    def __init__(self, model: PreTrainedModel, *, answers: Answers | None, outputs: int, regression: bool) -> None:
        own: Any = model if answers is not None else model.base_model  # a task head leaves no work to the output layer
        super().__init__(own, answers=answers, outputs=outputs, regression=regression)
        self.tree = PrefixTree(NO_WORDS if answers is None else answers.tokens)

    def encode(self, batch: Batch, inputs_embeds: Tensor | None = None) -> Tensor:
        """What ``decode`` goes on with: the prompt's tokens (B, S), or the vectors (B, S, D) that stand for them."""
        return batch["input_ids"] if inputs_embeds is None else inputs_embeds

    def decode(self, encoded: Tensor, batch: Batch, decoder_ids: Tensor) -> Tensor:
        return at(self.run(encoded, batch, decoder_ids), answer_positions(batch, decoder_ids))

    def run(self, encoded: Tensor, batch: Batch, decoder_ids: Tensor) -> Tensor:
        """The last states of the prompt and of the answer's tokens but the last: (B, S + T - 1, D)."""
        vectors = encoded.is_floating_point()
        ahead = decoder_ids[:, 1:]
        sequence = behind(encoded, batch, self.embed(ahead) if vectors else ahead)
        lengths = batch["attention_mask"].sum(dim=1, keepdim=True) + ahead.shape[1]
        mask = (torch.arange(sequence.shape[1], device=lengths.device) < lengths).to(batch["attention_mask"].dtype)
        tokens = {"inputs_embeds" if vectors else "input_ids": sequence}
        return self.base(**tokens, attention_mask=mask, use_cache=False).last_hidden_state

    def frozen_decoder(
        self, encoded: Tensor, batch: Batch, decoder_ids: Tensor, keep: Keep, each: Each | None = None
    ) -> States:
        def live(rows: Tensor | None, each: Each | None) -> States:
            own, source, ids = batch, encoded, decoder_ids
            if rows is not None:
                own, source, ids = rows_of(batch, rows), encoded[rows], decoder_ids[rows]
            take = partial(at, positions=answer_positions(own, ids)) if keep.token_wise else None
            return self._frozen("decoder", lambda: self.run(source, own, ids), keep, each, take)

        nodes = self.tree.nodes(decoder_ids) if has_stored(batch, "decoder") else None
        return frozen_or_stored(
            batch, "decoder", keep, pre_norm=self.pre_norm, normalise=self.normalise, live=live, nodes=nodes, each=each
        )

    def positions_kept(self, stack: str, keep: Keep) -> str:
        return "answers" if keep.token_wise else "tokens"

    def answered(self, state: Tensor, batch: Batch, decoder_ids: Tensor, keep: Keep) -> Tensor:
        return state if keep.token_wise else at(state, answer_positions(batch, decoder_ids))

    def start_ids(self, batch: Batch) -> Tensor:
        ids, mask = batch["input_ids"], batch["attention_mask"]
        longer = mask.shape[1] - ids.shape[1]  # vectors of prompt-tuning, which stand before the tokens
        return at(ids, mask.sum(dim=1, keepdim=True) - 1 - longer)

    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        if self.answers is not None:
            return self._words_of(state)
        return self._head_of(state[:, -1].float() if self.narrow else state[:, -1])

    def release(self) -> None:
        released = Released(self.model.config)
        if self.answers is None:
            self.model = released
        else:
            setattr(self.model, self.model.base_model_prefix, released)


def answer_positions(batch: Batch, decoder_ids: Tensor) -> Tensor:
    """Where the decoder tokens stand in rows that are padded on the right: (B, T)."""
    last = batch["attention_mask"].sum(dim=1, keepdim=True) - 1
    return last + torch.arange(decoder_ids.shape[1], device=last.device)


def at(values: Tensor, positions: Tensor) -> Tensor:
    """The values of some positions of each row: (B, S, ...), (B, T) -> (B, T, ...)."""
    return values[torch.arange(len(values), device=values.device)[:, None], positions]


def behind(prompt: Tensor, batch: Batch, ahead: Tensor) -> Tensor:
    """Each row's prompt with what follows right behind its last token: (B, S, ...), (B, T, ...) -> (B, S + T, ...)."""
    if not ahead.shape[1]:
        return prompt
    longer = torch.cat([prompt, torch.zeros_like(ahead)], dim=1)
    rows = torch.arange(len(prompt), device=prompt.device)[:, None]
    return longer.index_put((rows, answer_positions(batch, ahead) + 1), ahead)
