"""Energy windows written by hand."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from read_repro.measure.energy_formulas import Sample, Window
from read_repro.measure.energy_journal import read_windows
from read_repro.measure.energy_summary import labels, summarise

GPUS = (
    "GPU-8f2b1c3e-5d6a-4f70-9b1e-2c3d4e5f6071",
    "GPU-8f2b9a77-0c1d-4e2f-8a3b-4c5d6e7f8091",
    "GPU-13adb09e-7c55-4b1a-a0de-99f1d2c3b4a5",
)
P0: dict[str, Any] = {"p0_kw": 0.25, "cpu_p0_kw": 0.004}


def make_window(*samples: Sample, gpus: tuple[str, ...] = GPUS[:1], **changes: Any) -> Window:
    """A window of one GPU with a power limit of 300 W."""
    return Window(**({"interval_s": 60.0, **P0, "gpus": gpus, "power_limit_w": 300.0, "samples": samples} | changes))


def minutes(start_s: float = 0.0, **columns: Sequence[Any]) -> list[Sample]:
    """A sample a minute, the last of them the closing one, with these values."""
    rows = list(zip(*columns.values(), strict=True))
    return [
        Sample(time_s=start_s + 60.0 * k, last=k == len(rows) - 1, **dict(zip(columns, row, strict=True)))
        for k, row in enumerate(rows)
    ]


def burn(seconds: float) -> None:
    """Use the processor for so long."""
    limit_s = time.process_time() + seconds
    while time.process_time() < limit_s:
        pass


def write_package(root: Path, energy_uj: str) -> Path:
    """A powercap tree with one package; returns its counter's file."""
    zone = root / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in {"name": "package-0", "energy_uj": energy_uj, "max_energy_range_uj": "262143000000"}.items():
        (zone / name).write_text(text)
    return zone / "energy_uj"


def read_journal(path: Path) -> dict[str, float | None]:
    """The metrics over all windows of a journal, as `EnergyMeter.summary` gives them for one."""
    return summarise(read_windows(path))


def journal_labels(path: Path) -> list[str]:
    """What `EnergyMeter.summary_labels` says of one window, for all of a journal."""
    return labels(read_windows(path))
