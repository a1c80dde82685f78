"""The notes of the tables: which runs the store lacks, each with its command, and what an energy rests on."""

from collections.abc import Iterable

from read_repro.paper import TASK_NAMES, TASKS, UNROLLED, method_name
from read_repro.records.standing import overrides
from read_repro.tables.aggregate import MethodRows, RunRow
from read_repro.tables.blocks import Block

SEEDS = (0, 1, 2)  # the paper reports three seeds (section 4)

FEW_READINGS_LABEL = "energy by Eq. (4) from fewer than"  # how the label begins that such a run's record has


def few_readings(methods: Iterable[MethodRows]) -> str:
    """Names the methods and tasks whose energy by Eq. (4) rests on few readings; empty where none does."""
    found = []
    for method in methods:
        tasks = [task for task, rows in method.chosen.items() if any(map(_has_few_readings, rows))]
        names = ", ".join(TASK_NAMES.get(task, task) for task in tasks)
        found += [f"{method_name(method.variant, method.block.backbone)} on {names}"] if tasks else []
    return f"Energy by Eq. (4) from fewer than 10 readings: {'; '.join(found)}." if found else ""


def _has_few_readings(row: RunRow) -> bool:
    return any(label.startswith(FEW_READINGS_LABEL) for label in row["record"].labels)


def from_the_store(methods: Iterable[MethodRows]) -> str:
    """Names the methods whose chosen runs read frozen states from a store; empty where none does."""
    found = [
        method_name(method.variant, method.block.backbone)
        for method in methods
        if any(_stored(row) for rows in method.chosen.values() for row in rows)
    ]
    text = "Frozen states read from the store, all of its filling counted in each run's time and energy, once a search"
    return f"{text}: {', '.join(found)}." if found else ""


def _stored(row: RunRow) -> bool:
    return "store/share" in row["record"].metrics


def missing_runs(method: MethodRows) -> str | None:
    """A row's missing tasks, then its missing seeds, each with its command; None where no run is missing."""
    wanted = method.tasks if method.block.other_tasks else TASKS
    tasks = [task for task in wanted if task not in method.chosen]
    short: dict[str, list[str]] = {}
    for task, rows in method.chosen.items():
        if lacking := [str(seed) for seed in SEEDS if seed not in {row["seed"] for row in rows}]:
            short.setdefault(",".join(lacking), []).append(task)
    words = [f"no run on {', '.join(tasks)}: `{_command(method, tasks)}`"] if tasks else []
    words += [
        f"no seed {seeds} on {', '.join(on)}: `{_command(method, on, seeds)}`" for seeds, on in sorted(short.items())
    ]
    name = method_name(method.variant, method.block.backbone)
    return f"{name}: {'; '.join(words)}" if words else None


def _command(method: MethodRows, tasks: list[str], seeds: str = "") -> str:
    """The sweep that makes these runs; where only seeds are missing, its second stage is enough."""
    name, _, differs = method.variant.partition(",")
    words = [f"python train.py experiment={'table2' if method.variant == UNROLLED else 'table1'}"]
    words += [*_place(method.block), f"method={name}", *overrides(differs), *_asked(method.block, tasks)]
    return " ".join([*words, *([f"stage=final seed={seeds}"] if seeds else [])])


def _asked(block: Block, tasks: list[str]) -> list[str]:
    """The tasks as a command line has them; own data go by their files, of which a record keeps only the hash."""
    if block.data == "own":
        return ["task=custom", f"data.path=<the file of {' or '.join(tasks)}>"]
    return [f"task={','.join(tasks)}"]


def _place(block: Block) -> list[str]:
    words = [f"backbone={block.backbone}", *([] if block.data == "own" else [f"data={block.data}"])]
    words += [f"data.train_limit={block.train_limit}"] if block.train_limit is not None else []
    return words + overrides(block.shared)
