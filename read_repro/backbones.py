"""T5-like and BERT-like backbones behind one interface.

A *stack* is a pile of transformer layers: T5 has an encoder and a decoder, BERT an encoder. A side network meets a
backbone in two calls with plain tensors between them: ``frozen_encoder`` / ``frozen_decoder`` run a stack without a
graph and keep its states, ``logits`` turns a corrected last state into an answer. Methods that change the backbone
itself use ``encode`` / ``decode``, which do build a graph.

Letters: B batch, S source tokens, T decoder tokens, D width, N layers, V vocabulary.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, PreTrainedModel, T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention
from transformers.utils import logging

from read_repro.answers import Answers
from read_repro.checkpoints import Checkpoint
from read_repro.states import Keep, States, rms_norm, run_frozen

Batch = dict[str, Tensor]


class Backbone(nn.Module, ABC):
    """A pre-trained transformer, with every parameter frozen until a method says otherwise.

    ``width`` is D, ``depth`` the number of layers N of each stack, ``size`` the number of its own parameters, ``head``
    the task head where there is one.
    """

    model: Any  # a PreTrainedModel: what its parts are called is the architecture's business
    width: int
    depth: dict[str, int]
    head: nn.Linear | None

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
        """A block's output as READ's cell wants it."""

    @abstractmethod
    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        """Corrected last state of the last stack -> (B, T, V) on T5, (B, outputs) on BERT."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The training loss of a batch."""

    def open_attention(self, stack: str) -> None:
        """Let a stack compute its attention in the open: the fused kernels return no scores."""
        self.stack(stack).set_attn_implementation("eager")

    def frozen_encoder(self, batch: Batch, keep: Keep) -> States:
        """Run the encoder once, without a graph."""
        return self._frozen("encoder", lambda: self.encode(batch), keep)

    @torch.no_grad()
    def _frozen(self, stack: str, forward: Callable[[], Tensor], keep: Keep) -> States:
        return run_frozen(
            forward,
            layers=list(self.layers(stack)),
            attentions=self.attentions(stack),
            cross_attentions=self.attentions(stack, cross=True),
            normalise=self.normalise,
            keep=keep,
        )


class T5Backbone(Backbone):
    """An encoder-decoder that answers in text. ``answers`` are the label strings a prediction may take."""

    def __init__(self, model: T5ForConditionalGeneration, answers: Answers) -> None:
        super().__init__(model)
        self.answers = answers
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
        """The decoder's last state: encoder state (B, S, D), tokens (B, T) -> (B, T, D)."""
        return self.model.decoder(
            input_ids=decoder_ids,
            encoder_hidden_states=encoded,
            encoder_attention_mask=batch["attention_mask"],
            use_cache=False,
        ).last_hidden_state

    def frozen_decoder(self, encoded: Tensor, batch: Batch, decoder_ids: Tensor, keep: Keep) -> States:
        """Run the decoder once, without a graph, over the uncorrected encoder output (B, S, D)."""
        return self._frozen("decoder", lambda: self.decode(encoded, batch, decoder_ids), keep)

    def decoder_ids(self, batch: Batch) -> Tensor:
        """The targets shifted right behind the start token: (B, T)."""
        return self.model.prepare_decoder_input_ids_from_labels(batch["target_ids"])

    def start_ids(self, batch: Batch) -> Tensor:
        """The start token of every row: (B, 1)."""
        return torch.full_like(batch["input_ids"][:, :1], self.model.config.decoder_start_token_id)

    def normalise(self, hidden: Tensor) -> Tensor:
        return rms_norm(hidden)  # pre-norm layers: the residual stream grows and would saturate an RNN

    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        scale = self.width**-0.5 if self.model.config.scale_decoder_outputs else 1.0
        return self.model.lm_head(state * scale)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(logits.float().flatten(0, 1), batch["target_ids"].flatten(), ignore_index=-100)


class BertBackbone(Backbone):
    """An encoder with a linear task head on the mean of its last states; the head trains with every method.

    ``outputs``: number of classes, or 1 with ``regression``.
    """

    def __init__(self, model: BertModel, *, outputs: int, regression: bool) -> None:
        super().__init__(model)
        self.regression = regression
        self.width = model.config.hidden_size
        self.depth = {"encoder": model.config.num_hidden_layers}
        self.head = nn.Linear(self.width, outputs)

    def stack(self, name: str) -> Any:
        return self.model

    def layers(self, stack: str) -> Any:
        return self.model.encoder.layer

    def attentions(self, stack: str, *, cross: bool = False) -> list[nn.Module]:
        if cross:
            return []
        layers: Any = self.layers(stack)
        return [layer.attention.self for layer in layers]

    def embed(self, input_ids: Tensor) -> Tensor:
        return self.model.embeddings.word_embeddings(input_ids)

    def encode(self, batch: Batch, inputs_embeds: Tensor | None = None) -> Tensor:
        tokens = {"input_ids": batch["input_ids"]} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
        types = batch.get("token_type_ids")
        return self.model(**tokens, attention_mask=batch["attention_mask"], token_type_ids=types).last_hidden_state

    def normalise(self, hidden: Tensor) -> Tensor:
        return hidden  # post-norm layers: their outputs are normalised already

    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        assert self.head is not None
        mask = batch["attention_mask"][:, :, None].to(state.dtype)  # (B, S, 1)
        return self.head((state * mask).sum(dim=1) / mask.sum(dim=1))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.regression:
            return F.mse_loss(logits[:, 0].float(), batch["labels"].float())
        return F.cross_entropy(logits.float(), batch["labels"])


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bar and its report on the pooler, which we leave out on purpose."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_model(checkpoint: Checkpoint) -> Any:
    """The transformer itself: pre-trained in 32 bit, or of the checkpoint's shape with random weights."""
    with quiet():
        return _load(checkpoint, checkpoint.locate())


def _load(checkpoint: Checkpoint, folder: Path | None) -> Any:
    if checkpoint.architecture == "t5":
        if folder is None:
            return T5ForConditionalGeneration(T5Config(**{**checkpoint.shape, "decoder_start_token_id": 0}))
        return T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    if folder is None:
        return BertModel(BertConfig(**checkpoint.shape), add_pooling_layer=False)
    return BertModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32, local_files_only=True)


def build_backbone(checkpoint: Checkpoint, *, answers: Answers | None, outputs: int, regression: bool) -> Backbone:
    """A frozen backbone for a task: T5 takes its ``answers``, BERT a fresh head of ``outputs`` numbers."""
    model = load_model(checkpoint)
    if isinstance(model, T5ForConditionalGeneration):
        assert answers is not None
        return T5Backbone(model, answers)
    return BertBackbone(model, outputs=outputs, regression=regression)
