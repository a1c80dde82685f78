"""Reading NVIDIA GPUs through a child process that alone loads NVML, so that no fault of the library ends the run.

Time stamps are taken here, so that all readings have one clock.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from read_repro.measure.energy_formulas import Sample

CHILD = Path(__file__).with_name("nvml_child.py")
GOODBYE_S = 1.0  # how long the child may take to end


class ReaderError(RuntimeError):
    """No reading is possible, or none any more."""


class GpuReader:
    """Utilisation, power and energy counter of the GPUs with these UUIDs."""

    def __init__(self, uuids: Sequence[str]) -> None:
        self._uuids = tuple(uuids)
        self._child: subprocess.Popen[str] | None = None
        self.power_limit_w: float | None = None  # summed over the GPUs

    def open(self) -> None:
        """Raises OSError where no process can be started, ReaderError where there is no library or no such GPU."""
        # By its path and without the folder of the script in sys.path (-P), whatever folder the run was started in.
        self._child = subprocess.Popen(
            [sys.executable, "-P", str(CHILD), *self._uuids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        opened = self._answer()
        if "error" in opened:
            raise ReaderError(opened["error"])
        self.power_limit_w = opened["power_limit_w"]

    def read(self) -> Sample:
        """One look; whatever fails is None in it, with its error. Raises ReaderError when the child has ended."""
        assert self._child is not None
        assert self._child.stdin is not None
        start_s = time.monotonic()
        try:
            self._child.stdin.write("\n")
            self._child.stdin.flush()
        except OSError:
            raise ReaderError(self._last_words()) from None
        answer = self._answer()
        counters_j = answer.get("counters_j")
        return Sample(
            time_s=start_s,
            utilisation_percent=answer.get("utilisation_percent"),
            power_w=answer.get("power_w"),
            counters_j=None if counters_j is None else tuple(counters_j),
            read_s=time.monotonic() - start_s,
            errors=tuple(answer["errors"]),
        )

    def close(self) -> None:
        """End the child: by the end of its input, or where it does not mind that, by force."""
        if self._child is None:
            return
        for pipe in (self._child.stdin, self._child.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:  # what was written last was never read
                pass
        try:
            self._child.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """From another thread, while ``read`` hangs; a process stuck in the driver may outlive it."""
        if self._child is not None:
            self._child.kill()

    def _answer(self) -> dict[str, Any]:
        assert self._child is not None
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise ReaderError(self._last_words())
        return json.loads(line)

    def _last_words(self) -> str:
        assert self._child is not None
        try:
            code = self._child.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            return "the process that reads NVML closed its output"
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"the process that reads NVML ended {how}"


def visible_uuids(indices: Sequence[int] | None = None) -> tuple[str, ...]:
    """UUIDs of torch's CUDA devices with these indices (None: all), whatever CUDA_VISIBLE_DEVICES made of them."""
    chosen = range(torch.cuda.device_count()) if indices is None else indices
    return tuple(str(torch.cuda.get_device_properties(i).uuid) for i in chosen)
