"""Measured memory: the peak of a phase, and the bytes that the backward pass needs kept.

On CUDA the peak is what torch's allocator had handed out at once; on the CPU it is the resident memory of the process
at its peak less that at the start, another quantity under another key. On the CPU inference is not measured: training
has freed a heap by then, which inference fills again without the process growing (1e-4 GiB were read), and a process
of its own would have to load the model a second time.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from read_repro.units import BYTES_PER_GIB

log = logging.getLogger(__name__)

# (CUDA, CPU): allocated and resident memory are never compared, so they never share a key. None: not measured there.
KEYS = {
    "train": ("memory/train_peak_gib", "memory/train_resident_gib"),
    "inference": ("memory/inference_gib", None),
}
SAMPLING_S = 0.01


class PeakMemory:
    """Peak memory between ``start`` and ``stop``, or in a ``with``; build the model before, for building costs more.

    Both kinds of peak belong to the process: windows must not overlap.

    Args:
        phase: a key of ``KEYS``.
        device: where the phase runs.
    """

    def __init__(self, phase: str, device: torch.device | str) -> None:
        self._device = torch.device(device)
        self._on_cuda = self._device.type == "cuda"
        self._key = KEYS[phase][0 if self._on_cuda else 1]
        self._resident = _ResidentPeak() if self._key and not self._on_cuda else None
        self._peak_bytes: int | None = None

    def start(self) -> None:
        if self._on_cuda:
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self._resident is not None:
            self._resident.start()

    def stop(self) -> None:
        self._look()
        if self._resident is not None:
            self._resident.stop()

    def so_far(self) -> dict[str, float | None]:
        """As ``metrics``, of a phase that is under way."""
        self._look()
        return self.metrics()

    def _look(self) -> None:
        if self._on_cuda:
            self._peak_bytes = torch.cuda.max_memory_allocated(self._device)
        elif self._resident is not None:
            self._peak_bytes = self._resident.peak()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def metrics(self) -> dict[str, float | None]:
        """Nothing where the phase is not measured on this device."""
        if self._key is None:
            return {}
        return {self._key: None if self._peak_bytes is None else self._peak_bytes / BYTES_PER_GIB}

    def labels(self) -> list[str]:
        return [] if self._resident is None else self._resident.labels()


class SavedForBackward:
    """Bytes of the distinct storages that autograd keeps for the backward pass; wrap one forward pass in it.

    Args:
        parameters: they are in memory anyway and do not count, nor do their views.
    """

    def __init__(self, parameters: Iterable[torch.Tensor]) -> None:
        self._excluded = {parameter.untyped_storage()._cdata for parameter in parameters}
        # The weak references keep a freed storage's address from being given to another that would then not count.
        self._seen: dict[int, StorageWeakRef] = {}
        self._bytes = 0
        # Detached: a hook that hands an operation's own output back would close a reference cycle.
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)

    def __enter__(self) -> Self:
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.__exit__(kind, error, trace)

    @property
    def saved_gib(self) -> float:
        return self._bytes / BYTES_PER_GIB

    def metrics(self) -> dict[str, float | None]:
        return {"memory/saved_gib": self.saved_gib}

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._excluded and storage._cdata not in self._seen:
            self._seen[storage._cdata] = StorageWeakRef(storage)
            self._bytes += storage.nbytes()
        return tensor.detach()


def largest(earlier: Mapping[str, float | None], now: Mapping[str, float | None]) -> dict[str, float | None]:
    """The larger of two peaks by key, of a phase that was ended and gone on with; None where neither is known."""
    both = {key: (earlier.get(key), value) for key, value in now.items()}
    return {key: max((each for each in pair if each is not None), default=None) for key, pair in both.items()}


class _ResidentPeak:
    """Peak resident memory above that at the start, by the kernel's own high-water mark where it can be reset."""

    def __init__(self) -> None:
        self._start_bytes: int | None = None
        self._sampler: _Sampler | None = None

    def start(self) -> None:
        self._start_bytes = _status_bytes("VmRSS")
        if self._start_bytes is not None and not _reset_high_water_mark():
            self._sampler = _Sampler()
            self._sampler.start()

    def stop(self) -> None:
        if self._sampler is not None:
            self._sampler.stop()

    def peak(self) -> int | None:
        peak = _status_bytes("VmHWM") if self._sampler is None else self._sampler.peak()
        return None if peak is None or self._start_bytes is None else max(0, peak - self._start_bytes)

    def labels(self) -> list[str]:
        if self._start_bytes is None:
            return ["resident memory not measured: no /proc on this system"]
        how = "" if self._sampler is None else f", sampled every {SAMPLING_S * 1000:g} ms"
        return [f"memory is peak resident minus resident at start{how}"]


class _Sampler(threading.Thread):
    """Where the high-water mark cannot be reset, a look every few milliseconds; a shorter peak escapes it."""

    def __init__(self) -> None:
        super().__init__(name="memory", daemon=True)
        self._ended = threading.Event()
        self._peak_bytes = 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLING_S):
            self._peak_bytes = max(self._peak_bytes, _status_bytes("VmRSS") or 0)

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def peak(self) -> int:
        return max(self._peak_bytes, _status_bytes("VmRSS") or 0)


def _status_bytes(field: str) -> int | None:
    """``VmRSS`` (resident now) or ``VmHWM`` (its high-water mark); None where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), None)


def _reset_high_water_mark() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        log.debug("high-water mark of the memory not reset: %s", error)
        return False
    return True
