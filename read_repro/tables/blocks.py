"""Blocks: what one table may hold, and the names by which runs are told apart."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from read_repro.paper import TASKS
from read_repro.records.record import Record
from read_repro.records.selection import Key, contest, limited, setting_name

PAPER_BACKBONE = "t5-base"


class Block(NamedTuple):
    """What one table may hold: no mean and no sum ever crosses the border of a block.

    The paper's seven tasks are one block and all `other_tasks` of the same runs another, so that an average never goes
    over a task that its table does not show.
    """

    backbone: str
    data: str
    cut: bool
    train_limit: int | None
    device: str
    other_tasks: bool = False

    @property
    def label(self) -> str:
        """`minilm, local, cut data, train_limit=1000, CPU`."""
        limit = "" if self.train_limit is None else f", train_limit={self.train_limit}"
        kind = "cut data" if self.cut else "whole data"
        others = ", other tasks" if self.other_tasks else ""
        return f"{self.backbone}, {self.data}, {kind}{limit}, {self.device}{others}"

    @property
    def energy(self) -> tuple[str, str]:
        """The metric of this block's energy, with what came before training, and what it is called."""
        if self.device == "CPU":
            return "sum/energy/cpu_estimate_kwh", "CPU estimate"
        return "sum/energy/eq4_kwh", "Eq. (4)"

    @property
    def of_paper(self) -> bool:
        """Whether the paper's numbers may be compared with this block's: T5-base on whole GLUE."""
        return (self.backbone, self.data, self.cut, self.other_tasks) == (PAPER_BACKBONE, "hub", False, False)


def hardware_name(record: Record) -> str:
    """The hardware that times, energies and memory belong to: the model and, on a CPU, the threads used."""
    hardware = record.hardware
    return f"{hardware.name}, {hardware.threads} threads" if hardware.kind == "cpu" else hardware.device


def contest_seed(record: Record) -> Key:
    """What names a run: its contest, its setting and its seed."""
    return (*contest(record), setting_name(record.setting), record.seed)


def block_of(record: Record) -> Block:
    """The block a run belongs to."""
    other_tasks = record.task not in TASKS
    return Block(record.backbone, record.data, *limited(record), record.hardware.device, other_tasks)


def blocks_of(runs: Iterable[Record]) -> tuple[Block, ...]:
    """The blocks of some runs in the order of the tables, the paper's first even when it has no run."""
    found = {block_of(record) for record in runs}
    if not any(block.of_paper for block in found):
        found.add(Block(PAPER_BACKBONE, "hub", False, None, "no GPU yet"))
    return tuple(sorted(found, key=_order))


def _order(block: Block) -> tuple[Any, ...]:
    limit = block.train_limit or 0
    return (not block.of_paper, block.backbone, block.data, block.cut, limit, block.device, block.other_tasks)
