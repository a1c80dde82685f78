"""Learning curves: the validation score of each run against the epochs it trained and the energy it took."""

from collections.abc import Sequence

from read_repro.figures.energy_figures import SMALL_KWH, block_words
from read_repro.figures.figure import Drawing, Panel, Point, Series
from read_repro.paper import TASK_NAMES, method_name
from read_repro.tables.aggregate import RunRow, methods_of
from read_repro.tables.blocks import Block
from read_repro.tables.load import Store

CAPTION = (
    "One line a run, one colour a method: the runs of the setting that validation chose. The energy is that of the "
    "training from its beginning to the end of the epoch, without what came before it."
)


def learning_curves(store: Store) -> Drawing:
    """A row a task of each block that has runs: validation score against epochs, and against energy."""
    rows = []
    for block in store.blocks:
        methods = methods_of(store, block).values()
        for task in next(iter(methods)).tasks:
            rows.append(_row(block, task, [row for method in methods for row in method.chosen.get(task, [])]))
    return Drawing("curves", "Validation score by epochs and by energy", tuple(rows), CAPTION)


def _row(block: Block, task: str, runs: Sequence[RunRow]) -> tuple[Panel, Panel]:
    title = f"{TASK_NAMES.get(task, task)}, {block_words(block)}"
    spent = [entry["energy_kwh"] for run in runs for entry in run["record"].history if entry.get("energy_kwh")]
    unit, factor = ("Wh", 1000) if max(spent, default=0) < SMALL_KWH else ("kWh", 1)
    y, energy = "validation score", f"training energy ({unit}, {block.energy[1]})"
    by_epoch = tuple(filter(None, (_curve(run, "epoch") for run in runs)))
    by_energy = tuple(filter(None, (_curve(run, "energy_kwh", factor) for run in runs)))
    return Panel(title, "epoch", y, by_epoch), Panel(title, energy, y, by_energy)


def _curve(run: RunRow, key: str, factor: float = 1) -> Series | None:
    """One run's line; None where its history lacks the key or the score throughout."""
    found = [(entry.get(key), entry.get("val/score")) for entry in run["record"].history]
    points = tuple(Point(factor * x, y, runs=(run["run"],)) for x, y in found if x is not None and y is not None)
    name = method_name(run["variant"], run["backbone"])
    return Series(run["variant"].split(",")[0], name, points, "line", f"seed {run['seed']}") if points else None
