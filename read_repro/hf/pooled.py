"""A linear head on a model's pooled states: the classifier of this project's runs, as a model of transformers is one.

``AutoModelForSequenceClassification`` pools as each architecture was pre-trained to; sentence encoders such as MiniLM
were trained to be averaged, and none of its classes does that.

Letters: B batch, T tokens, D width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.modeling_outputs import SequenceClassifierOutput

from read_repro.backbones.encoder import mean_state
from read_repro.errors import InputError

POOLINGS = ("mean", "cls", "last")


class PooledClassifier(nn.Module):
    """A linear head on the mean state of a text, its first, or its last.

    Args:
        model: what ``AutoModel.from_pretrained`` returns.
        pooling: mean, over the tokens of the mask; cls, the first; last, the last of the mask.
        id2label: the classes, or one label for a number. problem_type: regression for a number.

    Raises:
        InputError: a pooling that does not exist.
    """

    def __init__(
        self, model: Any, *, pooling: str, id2label: Mapping[int, str], problem_type: str | None = None
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise InputError(f"pooling={pooling!r} does not exist: choose one of {', '.join(POOLINGS)}")
        self.model, self.pooling, self.config = model, pooling, model.config
        self.config.id2label = dict(id2label)
        self.config.label2id = {label: number for number, label in id2label.items()}
        self.config.problem_type = problem_type
        self.classifier = nn.Linear(model.config.hidden_size, len(id2label)).to(model.device, model.dtype)

    @property
    def base_model(self) -> Any:
        """The pre-trained part."""
        return self.model

    @property
    def name_or_path(self) -> str:
        """Where that comes from."""
        return self.model.name_or_path

    @property
    def device(self) -> torch.device:
        """Where that is."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision of that."""
        return self.model.dtype

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Tokens (B, T) -> logits (B, classes), and with ``labels`` the loss."""
        given = {"input_ids": input_ids, "token_type_ids": token_type_ids, "inputs_embeds": inputs_embeds}
        inputs = {name: value for name, value in given.items() if value is not None}
        states = self.model(**inputs, attention_mask=attention_mask).last_hidden_state  # (B, T, D)
        mask = states.new_ones(states.shape[:2]) if attention_mask is None else attention_mask
        logits = self.classifier(pooled(states, mask, self.pooling))
        return SequenceClassifierOutput(loss=None if labels is None else self.loss(logits, labels), logits=logits)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy over classes, or the squared error of a number."""
        if self.config.problem_type == "regression":
            return F.mse_loss(logits[:, 0].float(), labels.float())
        return F.cross_entropy(logits.float(), labels)


def pooled(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """States (B, T, D) and their mask (B, T) -> one state a text, (B, D)."""
    if pooling == "mean":
        return mean_state(states, mask)
    if pooling == "cls":
        return states[:, 0]
    places = torch.arange(mask.shape[1], device=mask.device)
    last = (places * (mask != 0)).argmax(dim=1)  # padding may be on either side
    return states[torch.arange(len(states), device=states.device), last]
