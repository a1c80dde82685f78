"""Quantities as people read them, and tables of a name and its value."""

from collections.abc import Iterable, Mapping

from rich.table import Table
from rich.text import Text

from read_repro.records.record import Record
from read_repro.units import SECONDS_PER_HOUR

SECONDS_PER_MINUTE = 60
UNMEASURED = "-"
ENERGY_KINDS = {  # what stands for a run's energy, the first that was measured, and what kind of figure it is
    "energy/eq4_kwh": "by Eq. (4) from GPU utilisation",
    "energy/cpu_estimate_kwh": "estimated from CPU time",
}
PEAK_KINDS = {"memory/train_peak_gib": "allocated by torch", "memory/train_resident_gib": "resident above the start"}


def duration(seconds: float) -> str:
    """``7 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"
    if seconds < SECONDS_PER_HOUR:
        return "{:.0f} min {:02.0f} s".format(*divmod(round(seconds), SECONDS_PER_MINUTE))
    return "{:,.0f} h {:02.0f} min".format(*divmod(round(seconds / SECONDS_PER_MINUTE), 60))


def energy(kwh: float) -> str:
    """In watt-hours below a tenth of a kilowatt-hour, to three digits."""
    value, unit = (1e3 * kwh, "Wh") if abs(kwh) < 0.1 else (kwh, "kWh")
    return f"{value:.3g} {unit}"


def two_digits(value: float | None) -> str:
    """A score to two digits after the point, or a dash."""
    return UNMEASURED if value is None else f"{value:.2f}"


def score_name(metrics: Mapping[str, object], split: str) -> str:
    """What a task's one number is, by the parts that were measured: ``accuracy``, ``mean of accuracy and f1``."""
    parts = [key.removeprefix(f"{split}/") for key in metrics if key.startswith(f"{split}/")]
    parts = [part for part in parts if part not in ("score", "loss", "majority")]
    return parts[0] if len(parts) == 1 else f"mean of {' and '.join(parts)}" if parts else "score"


def trained(metrics: Mapping[str, float | None]) -> str:
    """How many parameters a method trains, and beside them the task's head, which is counted apart."""
    own, head, percent = (metrics.get(f"params/{name}") for name in ("trainable", "head", "percent"))
    if own is None:
        return UNMEASURED
    share = "" if percent is None else f", {percent:.3g}% of the backbone's"
    return f"{own:,.0f} parameters{share}" + (f"; and the task's head of {head:,.0f}" if head else "")


def first_measured(record: Record, kinds: Mapping[str, str]) -> tuple[float, str] | None:
    """The first of some figures that a record has, and what kind it is."""
    values = ((record.metrics.get(key), kind) for key, kind in kinds.items())
    return next(((value, kind) for value, kind in values if value is not None), None)


def named_values(rows: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values, the names dimmed."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(f"  {name}"), Text(value))
    return table


def columns(titles: Iterable[str], rows: Iterable[Iterable[str]], *, left: int = 1) -> Table:
    """A table with titles, whose first ``left`` columns stand to the left and all others to the right."""
    table = Table(box=None, padding=(0, 2), pad_edge=True, header_style="dim")
    for place, title in enumerate(titles):
        table.add_column(Text(title), justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
