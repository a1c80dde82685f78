"""The model that a READ was trained beside: what it is called, how it is told from another, how it is loaded again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
import transformers
from transformers import PreTrainedModel
from transformers.models.auto import modeling_auto

from read_repro.backbones.architectures import architecture_of
from read_repro.backbones.build import quiet
from read_repro.errors import InputError
from read_repro.foreign import reason, shown
from read_repro.hf.identity import frozen_sha256
from read_repro.hf.pooled import POOLINGS, PooledClassifier

# Every way in which a saved READ's base may be built again. A file can choose one of them, and name nothing else.
AUTO_CLASSES: dict[str, Mapping[str, Any]] = {
    "AutoModelForSequenceClassification": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "AutoModelForTokenClassification": modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    "AutoModelForQuestionAnswering": modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    "AutoModelForMultipleChoice": modeling_auto.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES,
    "AutoModelForSeq2SeqLM": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "AutoModelForCausalLM": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "AutoModelForMaskedLM": modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "AutoModel": modeling_auto.MODEL_MAPPING_NAMES,
}
POOLED = "PooledClassifier"  # ours: a linear head on an AutoModel's pooled states
PRECISIONS = {str(kind).removeprefix("torch."): kind for kind in (torch.float32, torch.bfloat16, torch.float16)}


def check_wrappable(base: Any) -> None:
    """Refuse what READ cannot stand beside.

    Raises:
        InputError: no model of transformers, layers that are not known, or a model whose activations are checkpointed.
    """
    if not isinstance(base, PreTrainedModel | PooledClassifier):
        raise InputError(
            f"READ stands beside a model of transformers, as AutoModelFor...from_pretrained returns it; this is a "
            f"{type(base).__name__}: give the model itself"
        )
    architecture_of(base.config.model_type)
    if any(getattr(module, "gradient_checkpointing", False) for module in base.modules()):
        raise InputError("this model checkpoints its activations, and READ keeps none of them: turn that off first")


@dataclass(frozen=True, kw_only=True)
class BaseIdentity:
    """What is written of a READ's base.

    Args:
        name: its name on the hub, or a folder; None for a model made by hand.
        auto_class: one of ``AUTO_CLASSES`` or ``POOLED``; None for a class that is none of them.
        commit: of the hub, where it came from there and that is known. sha256: over its frozen tensors.
        dtype: the precision of its weights.
        num_labels, id2label, problem_type: of its head. pad_token_id: by which a decoder finds a text's last token.
        pooling: of a ``PooledClassifier``.
    """

    name: str | None
    auto_class: str | None
    model_type: str
    commit: str | None
    sha256: str
    dtype: str
    num_labels: int
    id2label: Mapping[str, str] = field(default_factory=dict)
    problem_type: str | None = None
    pad_token_id: int | None = None
    pooling: str | None = None

    @classmethod
    def of(cls, base: Any, commit: str | None) -> Self:
        """Of a model in memory, and the commit it was loaded from."""
        config, pooled = base.config, isinstance(base, PooledClassifier)
        return cls(
            name=base.name_or_path or None,
            auto_class=POOLED if pooled else auto_class_of(base),
            model_type=config.model_type,
            commit=commit,
            sha256=frozen_sha256(base),
            dtype=str(base.dtype).removeprefix("torch."),
            num_labels=config.num_labels,
            id2label={str(number): str(label) for number, label in config.id2label.items()},
            problem_type=getattr(config, "problem_type", None),
            pad_token_id=getattr(config, "pad_token_id", None),
            pooling=base.pooling if pooled else None,
        )

    def check(self, base: Any, *, force: bool) -> None:
        """Refuse another base than this, unless ``force``.

        By its tensors and not by its commit: a model in memory may have been trained since it was loaded, and a later
        commit may hold the same weights.

        Raises:
            InputError: it is another one.
        """
        if force:
            return
        if self.model_type != base.config.model_type:
            self._refuse(f"this one is a {shown(base.config.model_type)}, not a {shown(self.model_type)}")
        if frozen_sha256(base) != self.sha256:
            self._refuse("its frozen weights have another sha256, or another precision")

    def _refuse(self, why: str) -> None:
        raise InputError(
            f"this READ was trained beside {shown(self.name or 'a model without a name')}, and beside another model "
            f"its corrections mean nothing: {why}; load that one, or pass force=True if you know that it is the same"
        )

    def load(self, **kwargs: Any) -> Any:
        """The base itself, by its name: never code that its repository brings, never pickled weights.

        Args:
            kwargs: as ``AutoModelFor...from_pretrained``'s, for instance ``device_map``.

        Raises:
            InputError: it has no name, or it cannot be had.
        """
        if self.name is None or self.auto_class not in (*AUTO_CLASSES, POOLED):
            raise InputError(
                "this READ's base has no name or no Auto class by which it could be loaded: load it yourself, and call "
                "ReadModel.from_pretrained(base, ...)"
            )
        pooled = self.auto_class == POOLED
        options: dict[str, Any] = {"dtype": self._dtype(), "trust_remote_code": False, "use_safetensors": True}
        if self.commit is not None:
            options["revision"] = self.commit
        labels = {int(number): label for number, label in self.id2label.items()}
        if not pooled and self.auto_class not in ("AutoModelForSeq2SeqLM", "AutoModelForCausalLM"):
            options |= {"num_labels": self.num_labels, "id2label": labels, "problem_type": self.problem_type}
            options["label2id"] = {label: number for number, label in labels.items()}
        try:
            with quiet():  # it would report the head as untrained, which READ's own replaces
                auto = getattr(transformers, "AutoModel" if pooled else self.auto_class)
                model = auto.from_pretrained(self.name, **{**options, **kwargs})
        except (OSError, ValueError) as error:
            raise InputError(f"this READ's base {shown(self.name)} cannot be had: {reason(error)}") from error
        if self.pad_token_id is not None:
            model.config.pad_token_id = self.pad_token_id
        if not pooled:
            return model
        assert self.pooling in POOLINGS
        return PooledClassifier(model, pooling=self.pooling, id2label=labels, problem_type=self.problem_type)

    def _dtype(self) -> torch.dtype:
        if self.dtype not in PRECISIONS:
            raise InputError(f"dtype={shown(self.dtype)} of this READ's base is none of {', '.join(PRECISIONS)}")
        return PRECISIONS[self.dtype]


def auto_class_of(base: Any) -> str | None:
    """The Auto class that makes such a model; None if none of ``AUTO_CLASSES`` does."""
    made = type(base).__name__
    for name, classes in AUTO_CLASSES.items():
        found = classes.get(base.config.model_type)
        if made == found or (isinstance(found, tuple | list) and made in found):
            return name
    return None
