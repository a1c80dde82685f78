"""Reading NVIDIA GPUs through NVML (the library behind nvidia-smi), each found by its UUID.

NVML numbers the boards of the machine in its own order and knows nothing of CUDA_VISIBLE_DEVICES, so an index of
torch's names another board there: only the UUID is the same in both.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import pynvml
import torch

from read_repro.measure.energy_formulas import Sample

MIG = "energy not measured: a MIG slice has no utilisation, and its board's power is its neighbours' too"


class GpuReader:
    """Reads utilisation, power and energy counter of the GPUs with these UUIDs; open it in the thread that reads."""

    def __init__(self, uuids: Sequence[str]) -> None:
        self._uuids = tuple(uuids)
        self._handles: tuple[Any, ...] = ()
        self._mig = False
        self.power_limit_w: float | None = None  # summed over the GPUs

    def open(self) -> None:
        """Raises pynvml.NVMLError where there is no library, or no such GPU."""
        pynvml.nvmlInit()
        found = [_find(uuid) for uuid in self._uuids]
        self._handles = tuple(handle for handle, _ in found)
        self._mig = any(is_mig for _, is_mig in found)
        limits = None if self._mig else self._each("power limit", _power_limit_w, [])
        self.power_limit_w = None if limits is None else sum(limits)

    def read(self) -> Sample:
        """One look; whatever fails is None in it, with its error."""
        start_s = time.monotonic()
        if self._mig:
            return Sample(time_s=start_s, errors=(MIG,))
        errors: list[str] = []
        utilisation = self._each("utilisation", _utilisation_percent, errors)
        power = self._each("power", _power_w, errors)
        counters = self._each("energy counter", _counter_j, errors)
        return Sample(
            time_s=start_s,
            utilisation_percent=None if utilisation is None else sum(utilisation),
            power_w=None if power is None else sum(power),
            counters_j=counters,
            read_s=time.monotonic() - start_s,
            errors=tuple(errors),
        )

    def close(self) -> None:
        pynvml.nvmlShutdown()

    def _each(self, what: str, read: Callable[[Any], float], errors: list[str]) -> tuple[float, ...] | None:
        """One value a GPU, or None: without one of them the sum would be too small."""
        values = []
        for uuid, handle in zip(self._uuids, self._handles, strict=True):
            try:
                values.append(read(handle))
            except (pynvml.NVMLError, ValueError) as error:
                errors.append(f"{what} of {uuid[:12]} not read: {error}")
        return tuple(values) if len(values) == len(self._handles) else None


def visible_uuids(indices: Sequence[int] | None = None) -> tuple[str, ...]:
    """UUIDs of torch's CUDA devices with these indices (None: all); without CUDA in torch, of what NVML shows."""
    if torch.cuda.is_available():
        chosen = range(torch.cuda.device_count()) if indices is None else indices
        return tuple(str(torch.cuda.get_device_properties(i).uuid) for i in chosen)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        present = [pynvml.nvmlDeviceGetUUID(handle) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
    shown = parse_visible_devices(os.environ.get("CUDA_VISIBLE_DEVICES"), present)
    return shown if indices is None else tuple(shown[i] for i in indices)


def parse_visible_devices(visible: str | None, present: Sequence[str]) -> tuple[str, ...]:
    """The UUIDs that CUDA_VISIBLE_DEVICES shows of those present, in its order; indices count as in ``present``.

    As CUDA does it: unset shows all; the list ends at the first entry that names no GPU; a GPU named twice shows none.
    """
    if visible is None:
        return tuple(present)
    shown: list[str] = []
    for entry in visible.split(","):
        uuid = _named(entry.strip(), present)
        if uuid is None:
            break
        if uuid in shown:
            return ()
        shown.append(uuid)
    return tuple(shown)


def _named(entry: str, present: Sequence[str]) -> str | None:
    """The GPU that one entry names: an index, a UUID, the unambiguous beginning of one, or a MIG slice as it stands."""
    if entry.startswith("MIG-"):
        return entry
    if entry.startswith("GPU-"):
        begun = [uuid for uuid in present if uuid.lower().startswith(entry.lower())]
        return begun[0] if len(begun) == 1 else None
    return present[int(entry)] if entry.isdecimal() and int(entry) < len(present) else None


def _find(uuid: str) -> tuple[Any, bool]:
    """Handle of a GPU, and whether it is (a part of) a MIG board; torch gives UUIDs without "GPU-" or "MIG-"."""
    if uuid.startswith("MIG-"):
        return pynvml.nvmlDeviceGetHandleByUUID(uuid), True
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID("GPU-" + uuid.removeprefix("GPU-"))
    except pynvml.NVMLError_NotFound:
        return pynvml.nvmlDeviceGetHandleByUUID("MIG-" + uuid.removeprefix("GPU-")), True
    try:
        return handle, pynvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    except pynvml.NVMLError:  # boards older than MIG
        return handle, False


def _utilisation_percent(handle: Any) -> float:
    percent = float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    if percent > 100:
        raise ValueError(f"{percent:g}% is more than 100%")
    return percent


def _power_w(handle: Any) -> float:
    return pynvml.nvmlDeviceGetPowerUsage(handle) / 1000  # from mW


def _counter_j(handle: Any) -> float:
    return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000  # from mJ


def _power_limit_w(handle: Any) -> float:
    return pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000  # from mW
