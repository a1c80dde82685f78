"""A run's share in the store of frozen states: what is missing is filled in, in an energy window of its own."""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from read_repro.backbones.t5 import T5Backbone
from read_repro.data.datamodule import GlueData
from read_repro.errors import InputError
from read_repro.measure.energy_meter import EnergyMeter
from read_repro.methods.base import Method
from read_repro.store.filling import fill, fitting, missing
from read_repro.store.fillings import owed, read_fillings, write_filling
from read_repro.store.reading import stored_tensors
from read_repro.store.states import StateStore, default_folder, specs_of
from read_repro.units import BYTES_PER_GB

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrozenStates:
    """What a run knows of the states it reads.

    ``metrics``: ``filling/...`` is what filling all that this run reads has cost, whoever did it; ``store/examples``,
    ``store/found`` (there before this run), ``store/filled`` (by this run), ``store/share`` of the examples that are
    read from the store, the others being computed at each step, and ``store/size_gb`` of their entries.
    """

    used: bool = False
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


def prepare(
    method: Method,
    data: GlueData,
    *,
    place: str,
    path: str | None,
    budget_gb: float | None,
    dtype: str,
    weights: str,
    meter: EnergyMeter,
    device: torch.device,
    show_bar: bool,
    about: Mapping[str, Any],
) -> FrozenStates:
    """Let the data module read stored states, after those that are missing were computed; or leave all as it is.

    With every example stored the backbone is released: it never comes onto the device.

    Args:
        place: none, ram or disk. path: of the store on the disk; None is the user's cache folder.
        budget_gb: what all entries together may take; None is what the disk holds.
        weights: the sha256 of the backbone's weights, or ``random``.
        meter: not yet started; measures the filling.
        about: kept beside the filling's energy: hardware, commit.
    """
    if place == "none" or not method.keep:
        return FrozenStates()
    root = None if place == "ram" else default_folder() if path is None else Path(path)
    backbone = method.backbone
    weights = content_of(backbone.model) if weights == "random" else weights
    tree = backbone.tree if isinstance(backbone, T5Backbone) else None
    store = StateStore(specs_of(backbone, dtype), method.keep, weights=weights, answers=tree, folder=root)
    examples = [example for split in data.encoded.values() for example in split.examples]
    lacking = missing(store, examples)
    unlike = len({store.key(example, "encoder") for example in examples})
    filled, spent = 0, dict[str, Any]()
    if lacking:
        with one_filling_at_a_time(root, weights):
            store.refresh()
            lacking = missing(store, lacking)
            filled, spent = _fill(
                store, method, data, lacking, budget_gb, meter, device, show_bar=show_bar, about=about
            )
    share = sum(map(store.held, examples)) / len(examples)
    if share == 1:
        backbone.release()
    data.stored = partial(stored_tensors, store)
    written = store.bytes_by_writer(examples)
    cost = owed(written, {"ram": spent} if root is None else read_fillings(root)) if written else {}
    size = sum(written.values())
    found = unlike - len(lacking)
    metrics = {"examples": unlike, "found": found, "filled": filled, "share": share, "size_gb": size / BYTES_PER_GB}
    return FrozenStates(True, {f"store/{key}": value for key, value in metrics.items()} | cost, _labels(share, dtype))


def content_of(model: nn.Module) -> str:
    """The sha256 of a model's tensors, for weights that come from no file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def one_filling_at_a_time(root: Path | None, weights: str) -> Iterator[None]:
    """For each backbone: a second process waits, and finds what the first has filled.

    Raises:
        InputError: the folder cannot be written.
    """
    if root is None:
        yield
        return
    lock = FileLock(root / f"{weights[:16]}.lock")
    try:
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("frozen states: another process is filling the store; waiting for it")
            lock.acquire()
    except OSError as error:
        raise InputError(f"cache.path={root} cannot be written ({error.strerror}): choose another folder") from error
    try:
        yield
    finally:
        lock.release()


def _fill(
    store: StateStore,
    method: Method,
    data: GlueData,
    lacking: list[Any],
    budget_gb: float | None,
    meter: EnergyMeter,
    device: torch.device,
    *,
    show_bar: bool,
    about: Mapping[str, Any],
) -> tuple[int, dict[str, Any]]:
    """How many of the lacking examples were filled in, and what that took; what it will take is said before."""
    used = 0 if store.folder is None else sum(path.stat().st_size for path in store.folder.glob("*/*.data"))
    room = fitting(store, lacking, budget_gb, used)
    size = sum(map(store.size_bytes, lacking)) / BYTES_PER_GB
    log.info(
        "frozen states: %d examples are filled in once, %.2f GB in %s%s; from the second epoch on, and in every later "
        "run on these examples, nothing of the backbone is computed",
        room, size, store.folder or "memory",
        "" if room == len(lacking) else f" ({len(lacking) - room} do not fit and are computed at each step)",
    )  # fmt: skip
    if not room:
        return 0, {}
    method.to(device)
    method.backbone.eval()

    started_s, spent = time.perf_counter(), dict[str, Any]()

    def flushed(size_bytes: int) -> None:
        spent.update(size_bytes=size_bytes, time_s=time.perf_counter() - started_s, energy=meter.summary())
        if store.folder is not None and size_bytes:
            write_filling(store.folder, store.name, {**spent, "labels": meter.summary_labels(), **about})

    with meter:
        filled, size_bytes = fill(
            store,
            method.backbone,
            lacking[:room],
            data.collate,
            batch_size=data.eval_batch_size,
            show_bar=show_bar,
            flushed=flushed,
        )
    flushed(size_bytes)  # again, with the reading that closes the window
    return filled, spent


def _labels(share: float, dtype: str) -> tuple[str, ...]:
    from_store = "frozen states from the store" if share == 1 else f"{share:.0%} of frozen states from the store"
    return (from_store, *([] if dtype == "fp32" else [f"stored in {dtype}"]))
