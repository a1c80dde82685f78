"""What is not in the store yet, as the command that would fill it: the footnotes of the tables."""

from read_repro.paper import TASKS, method_name
from read_repro.tables.aggregate import MethodRows
from read_repro.tables.blocks import Block

SEEDS = (0, 1, 2)  # three seeds, section 4


def missing_runs(method: MethodRows) -> str | None:
    """The footnote of a row: its missing tasks, then its missing seeds, each with its command; None if all is there."""
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
    """The sweep that makes these runs; missing seeds need only its second stage."""
    name, _, option = method.variant.partition(",")
    words = [f"python train.py experiment={'table2' if option else 'table1'}", *_place(method.block), f"method={name}"]
    words += [f"method.{option}"] if option else []
    words += [f"task={','.join(tasks)}"]
    return " ".join([*words, *([f"stage=final seed={seeds}"] if seeds else [])])


def _place(block: Block) -> list[str]:
    words = [f"backbone={block.backbone}", f"data={block.data}"]
    return words + ([f"data.train_limit={block.train_limit}"] if block.train_limit is not None else [])
