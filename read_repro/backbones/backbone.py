"""T5-like and BERT-like backbones behind one interface.

A *stack* is a pile of transformer layers: T5 has an encoder and a decoder, BERT an encoder. A side network meets a
backbone in two calls with plain tensors between them: ``frozen_encoder`` / ``frozen_decoder`` run a stack without a
graph and hand on its states, ``logits`` turns a corrected last state into scores. Methods that change the backbone
itself use ``encode`` / ``decode``, which do build a graph. How scores become a label is the backbone's business, too:
T5 spells a label string, BERT's task head has one output a class.

Letters: B batch, S source tokens, T decoder tokens, D width, N layers, V vocabulary.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from read_repro.backbones.frozen_pass import Each, Keep, States, run_frozen
from read_repro.backbones.stored_pass import frozen_or_stored

Batch = dict[str, Tensor]
Decode = Callable[[Tensor], Tensor]  # a method's decoder: tokens (B, T) -> its last state (B, T, D)


class Backbone(nn.Module, ABC):
    """A pre-trained transformer, with every parameter frozen until a method says otherwise.

    ``width`` is D, ``depth`` the number of layers N of each stack, ``size`` the number of its own parameters, ``head``
    the task head where there is one.
    """

    model: Any  # a PreTrainedModel; Any, because what its parts are called differs with the architecture
    width: int
    depth: dict[str, int]
    head: nn.Linear | None
    pre_norm: bool  # whether the norm is inside a layer's branches, so that its output is the raw residual stream

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        self.head = None
        self.size = sum(parameter.numel() for parameter in model.parameters())  # a tied weight counts once

    @abstractmethod
    def stack(self, name: str) -> Any:
        """The module that runs a stack."""

    @abstractmethod
    def layers(self, stack: str) -> Any:
        """The blocks of a stack, in order."""

    @abstractmethod
    def attentions(self, stack: str, *, cross: bool = False) -> list[nn.Module]:
        """The self- (or cross-) attention modules of a stack, in order; the last item of their output is the scores."""

    @abstractmethod
    def embed(self, input_ids: Tensor) -> Tensor:
        """Word embeddings (B, S) -> (B, S, D)."""

    @abstractmethod
    def encode(self, batch: Batch, inputs_embeds: Tensor | None = None) -> Tensor:
        """The encoder's last state (B, S, D); ``inputs_embeds`` (B, S, D) stands for the tokens if given."""

    @abstractmethod
    def normalise(self, hidden: Tensor) -> Tensor:
        """A block's output as READ's cell takes it: of a size that does not grow from layer to layer."""

    @abstractmethod
    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        """Corrected last state of the last stack -> (B, T, V) on T5, (B, outputs) on BERT."""

    @abstractmethod
    def training_logits(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        """What ``loss`` takes, from the encoder's last state (B, S, D) and, on T5, ``decode`` over the targets."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The training loss of a batch."""

    @abstractmethod
    def predict(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        """The class ids of a batch, or the numbers of a regression task: (B,)."""

    @abstractmethod
    def predict_with_probabilities(self, state: Tensor, batch: Batch, decode: Decode) -> tuple[Tensor, Tensor]:
        """What ``predict`` returns, (B,), and the probability of each class or label string, (B, K)."""

    def decode(self, encoded: Tensor, batch: Batch, decoder_ids: Tensor) -> Tensor:
        """The decoder's last state: encoder state (B, S, D), tokens (B, T) -> (B, T, D)."""
        raise TypeError(f"{type(self).__name__} has no decoder")

    def frozen_decoder(
        self, encoded: Tensor, batch: Batch, decoder_ids: Tensor, keep: Keep, each: Each | None = None
    ) -> States:
        """As ``frozen_encoder``, for the decoder over the uncorrected encoder output (B, S, D)."""
        raise TypeError(f"{type(self).__name__} has no decoder")

    def open_attention(self, stack: str) -> None:
        """Make a stack compute its attention step by step, because the fused kernels do not return the scores."""
        self.stack(stack).set_attn_implementation("eager")

    def frozen_encoder(self, batch: Batch, keep: Keep, each: Each | None = None) -> States:
        """Run the encoder once, without a graph, or take its states from the batch if it carries stored ones.

        ``each`` reads the layers one by one; without it the states of all are kept.
        """

        def live(rows: Tensor | None, each: Each | None) -> States:
            own = batch if rows is None else rows_of(batch, rows)
            return self._frozen("encoder", lambda: self.encode(own), keep, each)

        return frozen_or_stored(
            batch, "encoder", keep, pre_norm=self.pre_norm, normalise=self.normalise, live=live, each=each
        )

    @abstractmethod
    def release(self) -> None:
        """Give up the weights of the stacks, which stored states make needless; what comes after them stays."""

    def _frozen(self, stack: str, forward: Callable[[], Tensor], keep: Keep, each: Each | None) -> States:
        return run_frozen(
            forward,
            layers=list(self.layers(stack)),
            attentions=self.attentions(stack),
            cross_attentions=self.attentions(stack, cross=True),
            normalise=self.normalise,
            keep=keep,
            each=each,
        )


def rows_of(batch: Batch, rows: Tensor) -> Batch:
    """The rows of a batch's tokens that a mask (B,) chooses, without stored states."""
    return {key: value[rows] for key, value in batch.items() if "/" not in key}


class Released(nn.Module):
    """In place of a stack that stored states made needless; its configuration stays."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        raise RuntimeError("the backbone was released: an example without stored states came")
