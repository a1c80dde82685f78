"""Every pre-trained transformer behind one interface.

A *stack* is a pile of transformer layers: an encoder has one, a decoder has one, an encoder-decoder has both. A side
network meets a backbone in two calls with plain tensors between them: ``frozen_encoder`` / ``frozen_decoder`` run a
stack without a graph and hand on its states, ``logits`` turns a corrected last state into scores. Methods that change
the backbone itself use ``encode`` / ``decode``, which do build a graph. How scores become a label is the backbone's
business, too: by the words of a label string, or by a task head with one output a class.

Where an architecture keeps its parts is said by ``read_repro.backbones.architectures`` alone.

Letters: B batch, S source tokens, T decoder tokens, D width, N layers, V vocabulary.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from read_repro.backbones.architectures import architecture_of
from read_repro.backbones.frozen_pass import Each, Keep, States, Take, rms_norm, run_frozen
from read_repro.backbones.label_decoding import Answers, PrefixTree
from read_repro.backbones.stored_pass import frozen_or_stored

Batch = dict[str, Tensor]
Decode = Callable[[Tensor], Tensor]  # a method's decoder: tokens (B, T) -> its last state (B, T, D)


class Backbone(nn.Module, ABC):
    """A pre-trained transformer, with every parameter frozen until a method says otherwise.

    ``width`` is D, ``depth`` the number of layers N of each stack, ``size`` the number of its own parameters, ``head``
    the task head where there is one, ``tree`` the prefixes of the label strings where there is a decoder.

    Args:
        model: in eval mode, as from_pretrained leaves it.
        answers: the label strings, one of which each prediction is; None where a task head answers.
        outputs: of the task head: the number of classes, or 1 with ``regression``.
    """

    model: Any  # a PreTrainedModel; Any, because what its parts are called differs with the architecture
    head: nn.Linear | None
    tree: PrefixTree | None = None

    def __init__(
        self, model: PreTrainedModel, *, answers: Answers | None = None, outputs: int = 0, regression: bool = False
    ) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        self.places = architecture_of(model.config.model_type)
        self.pre_norm = self.places.pre_norm
        self.width = int(model.config.hidden_size)
        self.depth = {stack: len(self.layers(stack)) for stack in self.places.stacks}
        self.size = sum(parameter.numel() for parameter in model.parameters())  # a tied weight counts once
        self.narrow = model.dtype != torch.float32  # then states are widened before a side network reads them
        self.answers, self.regression = answers, regression
        # By its name, because transformers finds the layer itself only while the stacks are there.
        self.output_layer = next((n for n, m in model.named_modules() if m is model.get_output_embeddings()), None)
        self.head = nn.Linear(self.width, outputs) if answers is None else None

    # ---- its parts --------------------------------------------------------------------------------------------

    @property
    def base(self) -> Any:
        """The model without its output layer, from which the places of the architecture start."""
        return self.model.base_model

    def stack(self, name: str) -> Any:
        """The module that runs a stack."""
        return self.places.stacks[name].stack_of(self.base)

    def layers(self, stack: str) -> Any:
        """The blocks of a stack, in order."""
        return self.places.stacks[stack].layers_of(self.base)

    def attentions(self, stack: str, *, cross: bool = False) -> list[nn.Module]:
        """The self- (or cross-) attention modules of a stack, in order; the last item of their output is the scores."""
        return self.places.stacks[stack].attentions_of(self.base, cross=cross)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Word embeddings (B, S) -> (B, S, D)."""
        return self.model.get_input_embeddings()(input_ids)

    def open_attention(self, stack: str) -> None:
        """Make a stack compute its attention step by step, because the fused kernels do not return the scores."""
        self.stack(stack).set_attn_implementation("eager")
        if self.places.scores_on_request:
            self.stack(stack).config.output_attentions = True

    @property
    def positions(self) -> int | None:
        """How many tokens have a position; None where positions are relative and without end."""
        config = self.model.config
        most = getattr(config, "max_position_embeddings", None)
        return most - config.pad_token_id - 1 if most and self.places.positions_after_padding else most

    # ---- states, with a graph and without ---------------------------------------------------------------------

    @abstractmethod
    def encode(self, batch: Batch, inputs_embeds: Tensor | None = None) -> Tensor:
        """The encoder's last state (B, S, D); ``inputs_embeds`` (B, S, D) stands for the tokens if given."""

    def decode(self, encoded: Tensor, batch: Batch, decoder_ids: Tensor) -> Tensor:
        """The decoder's last state: what ``encode`` gave, tokens (B, T) -> (B, T, D)."""
        raise TypeError(f"{type(self).__name__} has no decoder")

    def frozen_encoder(self, batch: Batch, keep: Keep, each: Each | None = None) -> States:
        """Run the encoder once, without a graph, or take its states from the batch if it carries stored ones.

        ``each`` reads the layers one by one; without it the states of all are kept.
        """

        def live(rows: Tensor | None, each: Each | None) -> States:
            own = batch if rows is None else rows_of(batch, rows)
            return self._frozen("encoder", lambda: self.encode(own), keep, each, self.taken(keep))

        return frozen_or_stored(
            batch, "encoder", keep, pre_norm=self.pre_norm, normalise=self.normalise, live=live, each=each
        )

    def frozen_decoder(
        self, encoded: Tensor, batch: Batch, decoder_ids: Tensor, keep: Keep, each: Each | None = None
    ) -> States:
        """As ``frozen_encoder``, for the decoder over what ``encode`` gave, uncorrected."""
        raise TypeError(f"{type(self).__name__} has no decoder")

    def taken(self, keep: Keep) -> Take | None:
        """Which tokens' states a frozen encoder hands on, (B, S, D) -> (B, fewer, D); None for all of them."""
        return None

    def positions_kept(self, stack: str, keep: Keep) -> str:
        """Of which tokens a store keeps the states of a stack: all ``tokens``, the ``first``, or the ``answers``."""
        return "tokens" if stack == "encoder" else "answers"

    def answered(self, state: Tensor, batch: Batch, decoder_ids: Tensor, keep: Keep) -> Tensor:
        """Of a decoder's states under ``keep`` those that follow each of the decoder tokens: (B, T, D)."""
        return state

    def normalise(self, hidden: Tensor) -> Tensor:
        """A block's output as READ's cell takes it: of a size that does not grow from layer to layer.

        Where the norms are in a layer's branches, layers add up without one, and the growing sum would saturate an RNN;
        where each layer ends with a norm, its output is normalised already.
        """
        return rms_norm(hidden) if self.pre_norm else hidden

    @abstractmethod
    def release(self) -> None:
        """Give up the weights of the stacks, which stored states make needless; what comes after them stays."""

    # ---- from states to answers -------------------------------------------------------------------------------

    @abstractmethod
    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        """Corrected last state of the last stack -> (B, T, V) where words answer, (B, outputs) where a head does."""

    def start_ids(self, batch: Batch) -> Tensor:
        """The token that every decoder input begins with: (B, 1)."""
        raise TypeError(f"{type(self).__name__} has no decoder")

    def decoder_ids(self, batch: Batch) -> Tensor:
        """What a decoder reads in training: the targets, shifted right behind the start token, (B, T)."""
        start = self.start_ids(batch)
        if self.answers is None:
            return start
        return torch.cat([start, batch["target_ids"][:, :-1].clamp(min=0)], dim=1)

    def training_logits(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        """What ``loss`` takes, from what ``encode`` gave and, where there is a decoder, ``decode`` over the targets."""
        if "decoder" in self.depth:  # teacher forcing: the decoder reads the targets
            return self.logits(decode(self.decoder_ids(batch)), batch)
        return self.logits(state, batch)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The training loss of a batch."""
        if self.answers is not None:
            return F.cross_entropy(logits.float().flatten(0, 1), batch["target_ids"].flatten(), ignore_index=-100)
        if self.regression:
            return F.mse_loss(logits[:, 0].float(), batch["labels"].float())
        return F.cross_entropy(logits.float(), batch["labels"])

    def predict(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        """The class ids of a batch, or the numbers of a regression task: (B,)."""
        if self.answers is not None:
            return self.answers.greedy(lambda ids: self.logits(decode(ids), batch), self.start_ids(batch))
        return self._of_head(self.training_logits(state, batch, decode))

    def predict_with_probabilities(self, state: Tensor, batch: Batch, decode: Decode) -> tuple[Tensor, Tensor]:
        """What ``predict`` returns, (B,), and the probability of each class or label string, (B, K)."""
        if self.answers is not None:
            chances = self.answers.probabilities(lambda ids: self.logits(decode(ids), batch), self.start_ids(batch))
            return self.predict(state, batch, decode), chances
        logits = self.training_logits(state, batch, decode)
        return self._of_head(logits), logits.softmax(dim=1)

    def _of_head(self, logits: Tensor) -> Tensor:
        return logits[:, 0] if self.regression else logits.argmax(dim=1)

    def _head_of(self, state: Tensor) -> Tensor:
        assert self.head is not None
        return self.head(state)

    def _words_of(self, state: Tensor) -> Tensor:
        """The output layer's scores of all tokens: (..., D) -> (..., V), in 32 bit whatever the weights are in."""
        layer = self.model.get_submodule(self.output_layer)
        if not self.narrow:
            return layer(state)
        return F.linear(state.float(), layer.weight.float(), None if layer.bias is None else layer.bias.float())

    def _frozen(
        self, stack: str, forward: Callable[[], Tensor], keep: Keep, each: Each | None, take: Take | None = None
    ) -> States:
        return run_frozen(
            forward,
            layers=list(self.layers(stack)),
            attentions=self.attentions(stack),
            cross_attentions=self.attentions(stack, cross=True),
            normalise=self.normalise,
            keep=keep,
            each=each,
            take=take,
            widen=self.narrow,
        )


def rows_of(batch: Batch, rows: Tensor) -> Batch:
    """The rows of a batch's tokens that a mask (B,) chooses, without stored states."""
    return {key: value[rows] for key, value in batch.items() if "/" not in key}


class Released(nn.Module):
    """In place of a stack that stored states made needless; its configuration stays."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @property
    def base_model(self) -> "Released":
        """Itself, as a model without an output layer has it."""
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        raise RuntimeError("the backbone was released: an example without stored states came")
