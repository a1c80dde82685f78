"""What the report opens with: what was measured, and what it says of READ beside full-tuning."""

from collections import Counter
from collections.abc import Callable, Iterator
from statistics import fmean

from read_repro.figures.energy_figures import block_words
from read_repro.figures.size_figures import SIZE_TICKS
from read_repro.paper import BACKBONES, TASK_NAMES
from read_repro.tables.aggregate import MethodRows, Stat, methods_of
from read_repro.tables.blocks import Block
from read_repro.tables.claims import FAILS, HOLDS, NO_TABLE
from read_repro.tables.device_tables import gpus, planned_row, reference_row, stat_of
from read_repro.tables.load import Store
from read_repro.tables.table import DASH, Cell, Column, Table, number, text

SAME_QUALITY = (
    1.0  # points below full-tuning's score that still count as the same quality, as `reaches` does in the claims
)
PEAK_MEMORY = "memory/train_peak_gib"
VERDICT_NOTES = (
    "READ beside full-tuning over the tasks that both have; energy and memory on one hardware, energy with what came "
    "before training. The same quality: at most one point below. A verdict is of these runs, seeds and epochs alone.",
    "Planned: the project's own classes under fake tensors. A dash is what was not measured.",
)


def verdict_table(store: Store) -> Table:
    """A row for each block, plan and GPU in which READ and full-tuning stand beside each other."""
    titles = ("where", "verdict on READ", "tasks", "runs")
    numbers = (Column("score: READ", ".2f"), Column("full-tuning", ".2f"), Column("energy: READ / full", ".2f"))
    columns = (*map(Column, titles), *numbers, Column("memory: READ / full", ".2f"), Column("epochs: READ, full"))
    rows = [row for block in store.blocks if (row := _of_block(store, block, columns))]
    return Table("READ beside full-tuning", columns, (*rows, *_of_sizes(store, columns)), (), VERDICT_NOTES)


def _of_block(store: Store, block: Block, columns: tuple[Column, ...]) -> tuple[Cell, ...] | None:
    methods = methods_of(store, block)
    read, full = methods["read"], methods["full"]
    tasks, scores = _shared(read, full, lambda method, task: method.score(task))
    if not tasks:
        return None
    metric = "memory/train_resident_gib" if block.device == "CPU" else PEAK_MEMORY
    energy = _ratio(*_shared(read, full, lambda method, task: method.cost(task, block.energy[0]))[1])
    memory = _ratio(*_shared(read, full, lambda method, task: method.cost(task, metric))[1])
    epochs = [method.mean_cost("epochs").mean for method in (read, full)]
    words = [_verdict(scores[0].mean, scores[1].mean, energy.mean, memory.mean)]
    words += [", ".join(TASK_NAMES.get(task, task) for task in tasks), str(len(set(scores[0].runs + scores[1].runs)))]
    cells = (number(stat, column) for stat, column in zip((*scores, energy, memory), columns[4:], strict=False))
    trained = ", ".join(DASH if mean is None else f"{mean:.3g}" for mean in epochs)
    return (text(block_words(block)), *map(text, words), *cells, text(trained))


def _shared(
    read: MethodRows, full: MethodRows, find: Callable[[MethodRows, str], Stat]
) -> tuple[list[str], tuple[Stat, Stat]]:
    """The tasks for which both have a number, and each one's mean over them."""
    found = {task: (find(read, task), find(full, task)) for task in read.tasks}
    both = {task: pair for task, pair in found.items() if None not in (pair[0].mean, pair[1].mean)}
    return list(both), (_mean([pair[0] for pair in both.values()]), _mean([pair[1] for pair in both.values()]))


def _mean(stats: list[Stat]) -> Stat:
    means = [stat.mean for stat in stats if stat.mean is not None]
    return Stat(fmean(means) if means else None, runs=tuple(run for stat in stats for run in stat.runs))


def _ratio(read: Stat, full: Stat) -> Stat:
    mean = read.mean / full.mean if read.mean is not None and full.mean else None
    return Stat(mean, runs=(*read.runs, *full.runs))


def _verdict(read: float | None, full: float | None, energy: float | None, memory: float | None) -> str:
    """`the same quality for 46% of the energy and 29% of the memory`."""
    if read is None or full is None:
        quality = ""
    else:
        gap = read - full
        quality = f"{gap:.2f} points better" if gap > SAME_QUALITY else f"{-gap:.2f} points worse"
        quality = "the same quality" if abs(gap) <= SAME_QUALITY else quality
    costs = {"energy": energy, "memory": memory}
    price = " and ".join(f"{ratio:.0%} of the {name}" for name, ratio in costs.items() if ratio is not None)
    return " for ".join(filter(None, (quality, price)))


def _of_sizes(store: Store, columns: tuple[Column, ...]) -> Iterator[tuple[Cell, ...]]:
    """The memory of each T5 as planned, and as measured on each GPU; neither has a score."""
    for backbone, name in zip(BACKBONES, SIZE_TICKS, strict=True):
        found = {"planned": [stat_of(planned_row(store, backbone, m, "train"), PEAK_MEMORY) for m in ("read", "full")]}
        for gpu in gpus(store):
            steps = [stat_of(reference_row(store, gpu, backbone, m), PEAK_MEMORY) for m in ("read", "full")]
            found[f"{gpu}, random weights"] = steps
        for source, (read, full) in found.items():
            ratio = _ratio(read, full)
            if ratio.mean is not None:
                words = (f"{name}, {source}", _verdict(None, None, None, ratio.mean), None, str(len(ratio.runs)))
                yield (*map(text, words), *(text(None) for _ in range(3)), number(ratio, columns[7]), text(None))


TALLY_WORDS = {HOLDS: "hold", FAILS: "do not hold", DASH: "cannot be judged", NO_TABLE: "cannot be judged"}


def tally(claims: Table) -> list[str]:
    """`by the paper's own tables 30 hold, 4 do not hold, 7 cannot be judged`, for each source that judges any claim."""
    sentences = []
    for index, column in enumerate(claims.columns):
        if column.title.startswith("verdict"):
            source = column.title.removeprefix("verdict").removeprefix(": ") or "the paper's own tables"
            counts = Counter(TALLY_WORDS[row[index].text] for row in claims.rows)
            if counts.total() > counts[TALLY_WORDS[DASH]]:
                found = ", ".join(
                    f"{counts[words]} {words}" for words in dict.fromkeys(TALLY_WORDS.values()) if counts[words]
                )
                sentences.append(f"by {source}: {found}")
    return sentences


def condensed(claims: Table) -> Table:
    """The claims with one column for all blocks of ours, which names those that judge a claim, a line each."""
    titles = [column.title for column in claims.columns]
    theirs = [titles.index(title) for title in ("place", "sentence", "the paper's tables", "verdict")]
    ours = {i: title.removeprefix("ours: ") for i, title in enumerate(titles) if title.startswith("ours: ")}
    formula = titles.index("formula")
    rows = []
    for row in claims.rows:
        judged = [i for i in ours if row[i].text != DASH]
        lines = [f"{ours[i]}: {row[i].text}, {row[i + 1].text}" for i in judged]
        cell = Cell("\n".join(lines) or DASH, Stat(runs=tuple(run for i in judged for run in row[i].stat.runs)))
        rows.append((*(row[i] for i in theirs), cell, row[formula]))
    columns = (*(claims.columns[i] for i in theirs), Column("ours"), claims.columns[formula])
    return Table(claims.title, columns, tuple(rows), claims.numbered, claims.notes)
