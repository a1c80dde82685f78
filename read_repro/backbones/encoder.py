"""Encoders as backbones: one stack, and a linear task head on the mean of its last states, or on that of [CLS].

Letters: B batch, S source tokens, D width.
"""

from typing import Any, Literal

from torch import Tensor
from transformers import PreTrainedModel

from read_repro.backbones.backbone import Backbone, Batch, Released
from read_repro.backbones.frozen_pass import Keep, Take

Pooling = Literal["mean", "cls"]


def first_token(state: Tensor) -> Tensor:
    """The state of [CLS]: (B, S, D) -> (B, 1, D)."""
    return state[:, :1]


class EncoderBackbone(Backbone):
    """An encoder with a linear task head, which trains with every method.

    Args:
        pooling: whether the head reads the mean of the tokens' last states, or the first token's, [CLS]; then a side
            network that reads each token by itself needs that one token alone.
        outputs, regression: see `Backbone`.
    """

    def __init__(self, model: PreTrainedModel, *, outputs: int, regression: bool, pooling: Pooling = "mean") -> None:
        super().__init__(model, outputs=outputs, regression=regression)
        self.pooling = pooling

    def encode(self, batch: Batch, inputs_embeds: Tensor | None = None) -> Tensor:
        tokens: dict[str, Any] = {} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
        if inputs_embeds is None:
            tokens = {"input_ids": batch["input_ids"]}
        if "token_type_ids" in batch:  # a tokenizer gives them only where its model has segments
            tokens["token_type_ids"] = batch["token_type_ids"]
        return self.model(**tokens, attention_mask=batch["attention_mask"]).last_hidden_state

    def taken(self, keep: Keep) -> Take | None:
        return first_token if self.positions_kept("encoder", keep) == "first" else None

    def positions_kept(self, stack: str, keep: Keep) -> str:
        return "first" if self.pooling == "cls" and keep.token_wise else "tokens"

    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        state = state.float() if self.narrow else state
        if self.pooling == "cls":
            return self._head_of(state[:, 0])
        return self._head_of(mean_state(state, batch["attention_mask"]))

    def release(self) -> None:
        self.model = Released(self.model.config)


def mean_state(states: Tensor, mask: Tensor) -> Tensor:
    """The mean of a text's states over the tokens of its mask: (B, S, D), (B, S) -> (B, D)."""
    weights = mask[:, :, None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)
