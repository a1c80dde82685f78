"""What a CPU tells of its energy: the processor time of this process, and the counters of its packages.

The first is turned into an estimate. The second (RAPL, which Linux shows under /sys/class/powercap, to root alone on
most systems) is a measurement, but of whole packages: of every process that ran on them meanwhile.
"""

import math
import resource
import time
from pathlib import Path

from read_repro.measure.energy_formulas import Sample

POWERCAP = Path("/sys/class/powercap")


class CpuReader:
    """Processor time of this process and of its children that have ended (worker processes count when they end)."""

    power_limit_w: float | None = None

    def open(self) -> None: ...

    def read(self) -> Sample:
        start_s = time.monotonic()
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        cpu_s = math.fsum(u.ru_utime + u.ru_stime for u in usage)
        return Sample(time_s=start_s, cpu_s=cpu_s, read_s=time.monotonic() - start_s)

    def close(self) -> None: ...

    def kill(self) -> None: ...


class PackageCounters:
    """The energy counters of the processor packages; none where the system shows none to this user.

    Args:
        root: powercap's folder. Of its zones only packages count: cores and memory are parts of them, and the platform
            (psys) holds them.
    """

    def __init__(self, root: Path) -> None:
        # A package may be there twice: by registers (intel-rapl:0), and by memory (intel-rapl-mmio:0), sorted first.
        zones = {_text(zone / "name"): zone for zone in sorted(root.glob("*"))}
        found = [zone for name, zone in zones.items() if name is not None and name.startswith("package-")]
        ranges = [_joules(zone / "max_energy_range_uj") for zone in found]
        known = [r for r in ranges if r]
        self._zones = tuple(found) if len(known) == len(found) and self._readable(found) else ()
        self.ranges_j = tuple(known) if self._zones else ()

    def read(self) -> tuple[float, ...] | None:
        """Joules, one number a package, each below its range; None unless all could be read."""
        values = [_joules(zone / "energy_uj") for zone in self._zones]
        known = [value for value in values if value is not None]
        return tuple(known) if known and len(known) == len(values) else None

    @staticmethod
    def _readable(zones: list[Path]) -> bool:
        return all(_joules(zone / "energy_uj") is not None for zone in zones)


def _joules(path: Path) -> float | None:
    text = _text(path)
    return int(text) / 1e6 if text is not None and text.isdecimal() else None  # from microjoules


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
