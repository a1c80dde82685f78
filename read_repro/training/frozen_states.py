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

from read_repro.config.schema import CacheSection
from read_repro.data.datamodule import GlueData
from read_repro.errors import InputError
from read_repro.measure.energy_meter import EnergyMeter
from read_repro.methods.base import Method
from read_repro.store.filling import fill, fitting, missing
from read_repro.store.fillings import owed, read_fillings, write_filling
from read_repro.store.reading import stored_tensors
from read_repro.store.segments import free_bytes
from read_repro.store.states import StateStore, default_folder
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
    cache: CacheSection,
    *,
    weights: str,
    meter: EnergyMeter,
    device: torch.device,
    show_bar: bool,
    about: Mapping[str, Any],
) -> FrozenStates:
    """Let the data module read stored states, after those that are missing were computed; or leave all as it is.

    With every example stored the backbone is released: it never comes onto the device.

    Args:
        cache: ``conf/cache``.
        weights: the sha256 of the backbone's weights, or ``random``.
        meter: not yet started; measures the filling.
        about: kept beside the filling's energy: hardware, commit.
    """
    if cache.place == "none":
        return FrozenStates()
    root = None if cache.place == "ram" else default_folder() if cache.path is None else Path(cache.path)
    backbone = method.backbone
    weights = content_of(backbone.model) if weights == "random" else weights
    if backbone.narrow:  # then the states of the same file are others
        weights = f"{weights}-{backbone.model.dtype}"
    store = StateStore.of(backbone, method.keep, dtype=cache.dtype, weights=weights, folder=root)
    examples = [example for split in data.encoded.values() for example in split.examples]
    lacking = missing(store, examples)
    unlike = len({store.key(example, "encoder") for example in examples})
    spent: dict[str, Any] = {}
    if lacking:
        with one_filling_at_a_time(root, weights):
            store.refresh()
            lacking = missing(store, lacking)
            room = _announce(store, lacking, cache.budget_gb)
            if room:
                method.to(device).backbone.eval()
                spent = _fill(store, method, data, lacking[:room], meter, show_bar=show_bar, about=about)
    filled = sum(map(store.held, lacking))
    share = sum(map(store.held, examples)) / len(examples)
    if share == 1:
        backbone.release()
    data.stored = partial(stored_tensors, store)
    written = store.bytes_by_writer(examples)
    cost = owed(written, {"ram": spent} if root is None else read_fillings(root)) if written else {}
    size = sum(written.values())
    found = unlike - len(lacking)
    metrics = {"examples": unlike, "found": found, "filled": filled, "share": share, "size_gb": size / BYTES_PER_GB}
    return FrozenStates(
        True, {f"store/{key}": value for key, value in metrics.items()} | cost, _labels(share, cache.dtype)
    )


def as_found(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Those of ``FrozenStates.metrics`` that would differ the second time, were the run begun again."""
    return {key: metrics[key] for key in ("store/found", "store/filled") if key in metrics}


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


def _announce(store: StateStore, lacking: list[Any], budget_gb: float | None) -> int:
    """How many of the lacking examples will be filled in; what that takes and when it pays is said before."""
    used = 0 if store.folder is None else sum(path.stat().st_size for path in store.folder.glob("*/*.data"))
    room = fitting(store, lacking, budget_gb, used)
    size = sum(map(store.size_bytes, lacking[:room])) / BYTES_PER_GB
    free = "" if store.folder is None else f" ({free_bytes(store.folder) / BYTES_PER_GB:.1f} GB free)"
    left = f"; {len(lacking) - room} more do not fit and are computed at each step" if room < len(lacking) else ""
    where = store.folder or "memory"
    log.info("frozen states: %d examples are filled in once, %.2f GB in %s%s%s", room, size, where, free, left)
    log.info("frozen states: that is one pass of the backbone; every epoch after the first, and later run, saves one")
    return room


def _fill(
    store: StateStore,
    method: Method,
    data: GlueData,
    examples: list[Any],
    meter: EnergyMeter,
    *,
    show_bar: bool,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Fill in the examples; what that took, which is also kept beside the store each time entries reach the disk."""
    started_s, spent = time.perf_counter(), dict[str, Any]()

    def flushed(size_bytes: int) -> None:
        spent.update(size_bytes=size_bytes, time_s=time.perf_counter() - started_s, energy=meter.summary())
        if store.folder is None or not size_bytes:
            return
        try:
            write_filling(store.folder, store.name, {**spent, "labels": meter.summary_labels(), **about})
        except OSError as error:  # the entries stand all the same; what they cost is then not known to later runs
            log.warning("frozen states: what filling cost cannot be kept in %s (%s)", store.folder, error.strerror)

    with meter:
        size_bytes = fill(
            store,
            method.backbone,
            examples,
            data.collate,
            batch_size=data.eval_batch_size,
            show_bar=show_bar,
            flushed=flushed,
        )
    flushed(size_bytes)  # again, with the reading that closes the window
    return spent


def _labels(share: float, dtype: str) -> tuple[str, ...]:
    from_store = "frozen states from the store" if share == 1 else f"{share:.0%} of frozen states from the store"
    return (from_store, *([] if dtype == "fp32" else [f"stored in {dtype}"]))
