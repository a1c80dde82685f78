"""What a run may take that resembles no run with a record here: its operations, at the speed of a matrix product here.

Operations are counted step by step on shapes, as the memory planner runs a method: nothing is computed. A real run
reaches only a part of a matrix product's speed, and may stop before its last epoch; so the figure tells the order of
magnitude, and is marked wherever it is printed.
"""

import json
import time
from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import Any

from read_repro.config.files import construct_shipped
from read_repro.data import sources
from read_repro.errors import InputError
from read_repro.records.costs import RunCost
from read_repro.sweep.jobs import Job
from read_repro.units import SECONDS_PER_HOUR

TOKENS_PER_WORD = 1.3  # of English text, for T5's and BERT's tokenizers
SAMPLE = 500  # examples whose words are counted
MATRIX_SIZE = 1024  # of the matrices whose product is timed
MEASURED_S = 0.5


def by_operations(job: Job) -> RunCost | None:
    """What a training run may take, by its operations; None where they cannot be counted."""
    if job.config is None:
        return None
    config = job.config
    if (sizes := _sizes(config)) is None:
        return None
    train, evaluated, tokens = sizes
    changes = {key: value for key, value in config["method"].items() if not key.startswith("_")}
    stored = config["cache"]["dtype"] if config["cache"]["place"] != "none" else "live"
    batch = config["data"]["batch_size"]
    try:
        step, forward, filling = _operations(job.cost[0], job.cost[2], batch, tokens, stored, json.dumps(changes))
    except InputError:  # a backbone whose sizes only its weights tell
        return None
    epochs = config["trainer"]["max_epochs"]
    total = epochs * (step * train + forward * evaluated) / batch + filling * (train + evaluated) / batch
    hours = total / _speed(config["trainer"]["accelerator"]) / SECONDS_PER_HOUR
    return RunCost(hours, hours * _power_kw(config))


def _sizes(config: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Training examples, examples evaluated after each epoch, and source tokens of an example.

    Where the data are at hand their words are counted; else the official sizes stand, at full length. None where there
    are none, as a user's own task has none.
    """
    official, data = config["task"].get("official"), config["data"]
    rows = None if data["source"] == "hub" else _rows(json.dumps(config["task"]), data["source"], data["path"])
    if rows is None and not official:
        return None
    tokens = data["max_source_tokens"]
    if rows is None:
        train, evaluated = official["train"], official["validation"]
    else:
        train, evaluated, words = rows
        tokens = min(tokens, max(1, round(words * TOKENS_PER_WORD)))
    limit = data["train_limit"]
    return (train if limit is None else min(train, limit)), evaluated, tokens


@cache
def _rows(task: str, source: str, path: str | None) -> tuple[int, int, float] | None:
    """The sizes of a task's files for training and validation, and words an example; None if they are absent."""
    made = construct_shipped(json.loads(task))
    try:
        tables = sources.read(made, source=source, path=path)
    except (InputError, OSError):
        return None
    train = tables[made.files["train"]]
    sample = [made.source(row, "words") for row in islice(train, SAMPLE)]
    words = sum(len(text.split()) for text in sample) / len(sample)
    held = made.hold_out or 0
    return len(train), len(tables[made.files["validation"]]) if "validation" in made.files else held, words


@cache
def _operations(
    backbone: str, method: str, batch_size: int, tokens: int, stored: str, changes: str
) -> tuple[int, int, int]:
    """Floating-point operations of a training step, of a forward pass, and of one that fills the store (0 without).

    ``changes`` are the method's keywords in JSON: some of them are lists, which no cache takes.
    """
    import torch  # and a planner that needs it, which a sweep can do without
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    from read_repro.measure import memory_planner as planner

    plan = planner.Plan(
        backbone=backbone, method=method, batch_size=batch_size, source_tokens=tokens, states=stored,
        attention="sdpa", changes=json.loads(changes),
    )  # fmt: skip
    made = planner.build_planned(plan)
    if stored != "live":
        made.backbone.release()
    with FakeTensorMode():
        planner.materialise(made)
        batch = planner.full_batch(**{key: getattr(plan, key) for key in planner.SIZE_KEYS})
        batch |= planner.stored_batch(made, plan) if stored != "live" else {}
        with FlopCounterMode(display=False) as step:
            planner.train_step(made, made.train().configure_optimizers()["optimizer"], batch)
        with torch.no_grad(), FlopCounterMode(display=False) as forward:
            made.eval()(batch)
    filling = 0 if stored == "live" else _operations(backbone, method, batch_size, tokens, "live", changes)[1]
    return step.get_total_flops(), forward.get_total_flops(), filling


@cache
def _speed(accelerator: str) -> float:
    """Operations a second of a product of matrices in 32 bit, on the device that a run would use."""
    import torch

    device = "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    matrix = torch.randn(MATRIX_SIZE, MATRIX_SIZE, device=device)
    float((matrix @ matrix)[0, 0])  # the first one warms up
    started_s, products = time.perf_counter(), 0
    while (passed_s := time.perf_counter() - started_s) < MEASURED_S:
        float((matrix @ matrix)[0, 0])  # asking for a number waits for the device
        products += 1
    return 2 * MATRIX_SIZE**3 * products / passed_s


def _power_kw(config: Mapping[str, Any]) -> float:
    """What the energy of a run is reckoned from: a GPU that is always busy, or as many busy threads as torch uses."""
    import torch

    if config["trainer"]["accelerator"] != "cpu" and torch.cuda.is_available():
        return config["energy"]["p0_kw"]
    return config["energy"]["cpu_p0_kw"] * (config["trainer"]["threads"] or torch.get_num_threads())
