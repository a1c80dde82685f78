"""The process that talks to NVML (the library behind nvidia-smi) for ``gpu_reader``, started as a script of its own.

A driver's library may hang, abort or call exit(); here it takes nobody with it. The process imports nothing heavy,
answers each line on its standard input with a line of JSON, and ends when its input does, as it does when the process
that started it is killed.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import pynvml

MIG = "energy not measured: a MIG slice has no utilisation, and its board's power is its neighbours' too"


class Boards:
    """The GPUs with these UUIDs. NVML counts boards in another order than CUDA: only the UUID is the same in both."""

    def __init__(self, uuids: Sequence[str]) -> None:
        """Raises pynvml.NVMLError where there is no library, or no such GPU."""
        pynvml.nvmlInit()
        found = [_find(uuid) for uuid in uuids]
        self._uuids = tuple(uuids)
        self._handles = tuple(handle for handle, _ in found)
        self._mig = any(is_mig for _, is_mig in found)

    def power_limit_w(self) -> float | None:
        limits = None if self._mig else self._each("power limit", pynvml.nvmlDeviceGetEnforcedPowerLimit, [])
        return None if limits is None else sum(limits) / 1000  # from mW

    def read(self) -> dict[str, Any]:
        """One look; whatever fails is None in it, with its error."""
        if self._mig:
            return {"errors": [MIG]}
        errors: list[str] = []
        utilisation = self._each("utilisation", _utilisation_percent, errors)
        power = self._each("power", pynvml.nvmlDeviceGetPowerUsage, errors)
        counters = self._each("energy counter", pynvml.nvmlDeviceGetTotalEnergyConsumption, errors)
        return {
            "utilisation_percent": None if utilisation is None else sum(utilisation),
            "power_w": None if power is None else sum(power) / 1000,  # from mW
            "counters_j": None if counters is None else [counter / 1000 for counter in counters],  # from mJ
            "errors": errors,
        }

    def _each(self, what: str, read: Callable[[Any], float], errors: list[str]) -> list[float] | None:
        """One value a GPU, or None: without one of them the sum would be too small."""
        values = []
        for uuid, handle in zip(self._uuids, self._handles, strict=True):
            try:
                values.append(read(handle))
            except (pynvml.NVMLError, ValueError) as error:
                errors.append(f"{what} of {uuid[:12]} not read: {error}")
        return values if len(values) == len(self._handles) else None


def main(uuids: Sequence[str]) -> None:
    """Say the power limit, or why nothing can be read; then answer each line until there are no more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the run, which still wants its last reading
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the library prints is no answer
    requests: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    try:
        boards = Boards(uuids)
    except pynvml.NVMLError as error:
        print(json.dumps({"error": str(error)}), file=answers, flush=True)
        return
    print(json.dumps({"power_limit_w": boards.power_limit_w()}), file=answers, flush=True)
    while True:
        requests.get()
        print(json.dumps(boards.read()), file=answers, flush=True)


def _listen(requests: "SimpleQueue[str]") -> None:
    """In a thread of its own, so that the process ends with its input even while the library hangs."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


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


if __name__ == "__main__":
    main(sys.argv[1:])
