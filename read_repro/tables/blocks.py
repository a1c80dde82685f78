"""Blocks: what one table may hold, and the names by which runs are told apart."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from read_repro.paper import TASKS
from read_repro.records.record import Record
from read_repro.records.standing import place

PAPER_BACKBONE = "t5-base"


class Block(NamedTuple):
    """What one table may hold: no mean and no sum ever crosses the border of a block.

    The paper's seven tasks are one block and all `other_tasks` of the same runs another, so that an average never goes
    over a task that its table does not show. `shared` is what its runs have in common and the shipped files have not.
    """

    backbone: str
    data: str
    cut: bool
    train_limit: int | None
    device: str
    other_tasks: bool = False
    shared: str = ""

    @property
    def label(self) -> str:
        """`minilm, local, cut data, train_limit=1000, batch_size=32, CPU`."""
        limit = "" if self.train_limit is None else f", train_limit={self.train_limit}"
        kind = "cut data" if self.cut else "whole data"
        shared = f", {self.shared}" if self.shared else ""
        others = ", other tasks" if self.other_tasks else ""
        return f"{self.backbone}, {self.data}, {kind}{limit}{shared}, {self.device}{others}"

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


def block_of(record: Record, shared: str = "") -> Block:
    """The block a run belongs to."""
    return Block(*place(record), record.task not in TASKS, shared)


def in_order(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Each block once in the order of the tables, the paper's first even when it has no run."""
    found = set(blocks)
    if not any(block.of_paper for block in found):
        found.add(Block(PAPER_BACKBONE, "hub", False, None, "no GPU yet"))
    return tuple(sorted(found, key=_order))


def _order(block: Block) -> tuple[Any, ...]:
    limit = block.train_limit or 0
    return (
        not block.of_paper,
        block.backbone,
        block.data,
        block.cut,
        limit,
        block.device,
        block.other_tasks,
        block.shared,
    )
