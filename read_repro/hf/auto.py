"""A saved READ with its base: everything by one name."""

from pathlib import Path
from typing import Any

from read_repro.hf.files import read_saved
from read_repro.hf.model import ReadModel


class AutoReadModel:
    """Loads a saved READ and the base that its configuration names; it is never made itself."""

    @staticmethod
    def from_pretrained(
        model_id: str | Path,
        *,
        is_trainable: bool = False,
        force: bool = False,
        revision: str | None = None,
        token: str | None = None,
        base_revision: str | None = None,
        **base_options: Any,
    ) -> ReadModel:
        """A saved READ beside its base, which is loaded at the commit, and in the precision, that it was trained on.

        Args:
            model_id: a folder, or a name on the hub. revision, token: for the hub.
            base_revision: of the base, where its commit is not in the configuration.
            is_trainable: whether it trains further. force: take a base that has changed since.
            base_options: for ``from_pretrained`` of the base's Auto class, for instance ``device_map``.

        Raises:
            InputError: the READ or its base cannot be had, or is not plain data, or is another than it says.
        """
        if base_revision is not None:
            base_options["revision"] = base_revision
        base = read_saved(model_id, revision=revision, token=token).config.base.load(**base_options)
        return ReadModel.from_pretrained(
            base, model_id, is_trainable=is_trainable, force=force, revision=revision, token=token
        )
