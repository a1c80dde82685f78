"""BERT-like encoders as backbones: one stack, and a linear task head on the mean of its last states.

Letters: B batch, S source tokens, D width.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertModel

from read_repro.backbones.backbone import Backbone, Batch, Decode, Released


class BertBackbone(Backbone):
    """An encoder with a linear task head on the mean of its last states; the head trains with every method.

    Args:
        outputs: the number of classes, or 1 with ``regression``.
    """

    pre_norm = False

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
        return hidden  # BERT's layers end with a norm, so that their outputs are normalised already

    def logits(self, state: Tensor, batch: Batch) -> Tensor:
        assert self.head is not None
        mask = batch["attention_mask"][:, :, None].to(state.dtype)  # (B, S, 1)
        return self.head((state * mask).sum(dim=1) / mask.sum(dim=1))

    def training_logits(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        return self.logits(state, batch)

    def release(self) -> None:
        self.model = Released(self.model.config)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.regression:
            return F.mse_loss(logits[:, 0].float(), batch["labels"].float())
        return F.cross_entropy(logits.float(), batch["labels"])

    def predict(self, state: Tensor, batch: Batch, decode: Decode) -> Tensor:
        return self.predict_with_probabilities(state, batch, decode)[0]

    def predict_with_probabilities(self, state: Tensor, batch: Batch, decode: Decode) -> tuple[Tensor, Tensor]:
        logits = self.logits(state, batch)
        predicted = logits[:, 0] if self.regression else logits.argmax(dim=1)
        return predicted, logits.softmax(dim=1)
