"""A model of transformers with READ beside it, which trainers take for the model itself.

base = AutoModelForSequenceClassification.from_pretrained("roberta-base", num_labels=4)
model = get_read_model(base, ReadConfig(hidden=128))
Trainer(model, args, train_dataset=train).train()
model.save_pretrained("read-tickets")
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from read_repro.errors import InputError
from read_repro.hf.adapters import AdaptedModel
from read_repro.hf.base_model import BaseIdentity, check_wrappable
from read_repro.hf.config import ReadConfig
from read_repro.hf.files import hub_upload, read_saved, write_saved
from read_repro.hf.identity import commit_of
from read_repro.hf.reading import ReadEncoder, Reading


class ReadModel(AdaptedModel):
    """A frozen model with one or several READs beside it, of which one is active.

    It has the model's own ``forward``, its signature and its outputs; what else is asked of it (``config``, ``device``,
    ``can_generate``) the model answers. One call at a time: hooks on the model collect its states.

    Args:
        base: a model of transformers, from any Auto class, whose layers ``read_repro.backbones.architectures`` knows.
        config: the READ. adapter_name: what it is called.

    Raises:
        InputError: a base that READ cannot stand beside.
    """

    def __init__(self, base: Any, config: ReadConfig, adapter_name: str = "default") -> None:
        check_wrappable(base)
        super().__init__(base, config, adapter_name)
        # Trainers look at the class for the names of columns and labels, so that it must have the base's signature.
        base_class: Any = type(base)
        self.__class__ = _with_signature_of(base_class)
        self._under_way = False
        self.base_commit = commit_of(base)  # asked now, when the hub's cache still is what the base was loaded from

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The base's own forward, with the correction where its head reads."""
        base_class: Any = type(self.base)
        keywords = {**dict(zip(_parameters(base_class)[: len(args)], args, strict=True)), **kwargs}
        if keywords.get("past_key_values") is not None:
            self._refuse_cache()
        with self.reading():
            return self.base(**keywords)

    @torch.no_grad()
    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """The base's own ``generate``, with beams and key-value cache; with the identity joiner only."""
        self._refuse_cache()
        with self.reading():
            return self.base.generate(*args, **kwargs)

    def get_encoder(self) -> Any:
        """The encoder of an encoder-decoder, whose outputs carry READ's correction, for ``encoder_outputs=``."""
        encoder = self.base.get_encoder()
        return ReadEncoder(encoder, self.reading) if self.architecture.kind == "encoder-decoder" else encoder

    @contextmanager
    def reading(self) -> Iterator[None]:
        """READ's hooks on the base, for as long as the context is open; none while READ is switched off."""
        if self.switched_off:
            yield
            return
        if self._under_way:
            raise RuntimeError("READ follows one call at a time, and another one of this model is under way")
        self._under_way = True
        read = self.active
        try:
            with Reading(self.base.base_model, self.architecture, read.sides, read.keep).open():
                yield
        finally:
            self._under_way = False

    def _refuse_cache(self) -> None:
        if self.active.config.joiner == "attention" and not self.switched_off:
            raise InputError(
                "joiner=attention cannot generate: its corrections depend on those of all earlier tokens, which no "
                "key-value cache holds; use ReadConfig(joiner='identity'), which works token by token"
            )

    # ---- files ------------------------------------------------------------------------------------------------------

    def save_pretrained(
        self, save_directory: str | Path, *, push_to_hub: bool = False, repo_id: str | None = None, **kwargs: Any
    ) -> None:
        """Write the active READ: ``read_config.json``, ``read_model.safetensors`` and a model card.

        Args:
            push_to_hub: upload them, too, as ``repo_id`` or by the folder's name, with ``push_to_hub``'s ``kwargs``.
        """
        write_saved(Path(save_directory), BaseIdentity.of(self.base, self.base_commit), self.active)
        if push_to_hub:
            self.push_to_hub(repo_id or Path(save_directory).name, **kwargs)

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:
        """Upload what ``save_pretrained`` writes to the hub; returns the commit.

        Args:
            kwargs: ``commit_message``, ``private``, ``token``, ``revision``.
        """
        identity = BaseIdentity.of(self.base, self.base_commit)
        return hub_upload(lambda folder: write_saved(folder, identity, self.active), repo_id, **kwargs)

    @classmethod
    def from_pretrained(
        cls,
        base: Any,
        model_id: str | Path,
        adapter_name: str = "default",
        *,
        is_trainable: bool = False,
        force: bool = False,
        **kwargs: Any,
    ) -> "ReadModel":
        """A saved READ beside ``base``, which must be the model it was trained beside.

        Args:
            model_id: a folder, or a name on the hub.
            is_trainable: whether it trains further. force: take another base than it was trained beside.
            kwargs: ``revision`` and ``token``, for the hub.

        Raises:
            InputError: nothing there, or not plain data, or another base's.
        """
        check_wrappable(base)
        saved = read_saved(model_id, **kwargs)
        saved.config.base.check(base, force=force)
        model = ReadModel(base, saved.config.read_config(), adapter_name)
        saved.fill(model.active)
        model.base_commit = model.base_commit if force else saved.config.base.commit
        model.active.requires_grad_(is_trainable)
        return model.eval()

    def load_adapter(self, model_id: str | Path, adapter_name: str, *, force: bool = False, **kwargs: Any) -> None:
        """A saved READ as a further one on this base; ``set_adapter`` makes it the active one."""
        saved = read_saved(model_id, **kwargs)
        saved.config.base.check(self.base, force=force)
        self.add_adapter(adapter_name, saved.config.read_config())
        saved.fill(self.named(adapter_name))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name in ("base", "active_adapter"):
                raise
            return getattr(self.base, name)


def get_read_model(base: Any, config: ReadConfig | None = None, adapter_name: str = "default") -> ReadModel:
    """Put READ beside a model of transformers, which is frozen and used as it is; the default READ is the paper's.

    Raises:
        InputError: a base that READ cannot stand beside.
    """
    return ReadModel(base, config or ReadConfig(), adapter_name)


@cache
def _parameters(base_class: type) -> tuple[str, ...]:
    """What ``forward`` of a model takes, in order."""
    return tuple(signature(base_class.forward).parameters)[1:]  # type: ignore[attr-defined]


@cache
def _with_signature_of(base_class: type) -> type[ReadModel]:
    """``ReadModel`` with the ``forward`` signature of a model, and with a name that says which it is."""

    def forward(self: ReadModel, *args: Any, **kwargs: Any) -> Any:
        return ReadModel.forward(self, *args, **kwargs)

    forward.__doc__ = ReadModel.forward.__doc__
    forward.__signature__ = signature(base_class.forward)  # type: ignore[attr-defined]
    return type(f"Read{base_class.__name__}", (ReadModel,), {"forward": forward, "__doc__": ReadModel.__doc__})
