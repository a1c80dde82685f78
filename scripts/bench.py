"""A training step of each method against the frozen backbone's forward pass (``make bench``), as ratios.

One process, alternating rounds, the same examples, precision, attention and padding for all: what a machine shared with
others does to one round it does to every method of it. Beside each ratio stands its law, the count of operations:
READ's recurrence costs rho = 0.5 H/D + 0.75 (H/D)^2 of a frozen forward pass, a pass with all gradients 3, one with
gradients of activations alone 2, and what is read from the store of frozen states costs no forward pass. Writes
``results/bench/<backbone>-<data>.json`` and draws ``results/bench/bench.png`` from all of them.

    python scripts/bench.py --backbone minilm --task mrpc --path <folder of GLUE>
    python scripts/bench.py --backbone t5-base            random weights, batches of 8 x 128 tokens
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_picture import draw, table
from peft_trainer import PeftTrainer

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.backbones.build import build_backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.encoder_decoder import EncoderDecoderBackbone
from read_repro.backbones.frozen_pass import Keep
from read_repro.backbones.label_decoding import Answers
from read_repro.config.files import construct_shipped, settings
from read_repro.data.batches import Example, collate
from read_repro.data.datamodule import GlueData, load_splits
from read_repro.machine import cpu_model
from read_repro.measure.peak_memory import SavedForBackward
from read_repro.measure.train_step import train_step
from read_repro.methods.base import Method
from read_repro.methods.from_conf import load_checkpoint, load_method
from read_repro.records.store import write_json
from read_repro.store.filling import fill, missing
from read_repro.store.reading import stored_tensors
from read_repro.store.states import StateStore
from read_repro.training.provenance import commit

FROZEN = "frozen forward"
WIDTHS = (128, 256)
ANSWERS = Answers(tokens=((3, 35, 57, 29, 1), (71, 1), (27, 1)), values=(0.0, 1.0, 2.0))  # MNLI's words, in length


@dataclass
class Contestant:
    """Something that steps on a batch of examples, how its cost follows from the law, and the bytes it keeps."""

    name: str
    law: float
    time_s: Callable[[list[list[Example]]], float]  # seconds a step over some batches
    saved_mib: float | None = None


def rho(hidden: int, width: int) -> float:
    """READ's recurrence, forward and backward, over one frozen forward pass: 12 H D + 18 H^2 over 24 D^2."""
    return 0.5 * hidden / width + 0.75 * (hidden / width) ** 2


def padded(examples: list[Example]) -> Batch:
    return collate(examples, pad_id=0)


def timed(step: Callable[[list[Example]], Any]) -> Callable[[list[list[Example]]], float]:
    """Seconds a step of a plain loop over batches."""

    def time_s(batches: list[list[Example]]) -> float:
        started_s = time.perf_counter()
        for batch in batches:
            step(batch)
        return (time.perf_counter() - started_s) / len(batches)

    return time_s


def stepper(
    method: Method, stored: Callable[[Sequence[Example]], Batch] | None = None
) -> Callable[[list[list[Example]]], float]:
    """A training step from examples on: padding, reading what is stored, forward, backward, clipping, AdamW."""
    optimizer = method.train().configure_optimizers()["optimizer"]

    def step(examples: list[Example]) -> None:
        batch = padded(examples) if stored is None else padded(examples) | stored(examples)
        train_step(method, optimizer, batch)

    return timed(step)


def saved_mib(method: Method, batch: Batch) -> float:
    """Bytes that the forward pass of a batch keeps for the backward pass."""
    with SavedForBackward(method.parameters()) as saved:
        method.backbone.loss(method(batch), batch)
    return saved.saved_gib * 1024


def filled_store(method: Method, examples: list[Example]) -> StateStore:
    """The states of all examples that will be stepped on, in memory."""
    store = StateStore.of(method.backbone, method.keep, dtype="fp32", weights="bench", folder=None)
    fill(store, method.backbone, missing(store, examples), padded, batch_size=8, show_bar=False)
    return store


def contestants(make: Callable[[], Backbone], batches: list[list[Example]]) -> list[Contestant]:
    """Every contestant; those that leave the backbone alone share one."""
    shared = make()
    flat = [example for batch in batches for example in batch]
    longest = max(batches, key=lambda batch: max(len(example["input_ids"]) for example in batch))  # type: ignore[arg-type]

    def forward(examples: list[Example]) -> None:
        with torch.no_grad():
            batch = padded(examples)
            states = shared.frozen_encoder(batch, Keep(normalised=True, output_only=True))
            if isinstance(shared, EncoderDecoderBackbone):
                shared.frozen_decoder(states.output, batch, shared.decoder_ids(batch), Keep(True, output_only=True))

    found = [Contestant(FROZEN, 1.0, timed(forward))]
    sides: list[tuple[str, float, str, dict[str, Any]]] = [
        *((f"READ H={h}", rho(h, shared.width), "read", {"hidden": h}) for h in WIDTHS),
        ("LST", 3 / 8**2, "lst", {"init": "random"}),
    ]
    for name, own, method_name, changes in sides:
        method = load_method(method_name, shared, **changes)
        store = filled_store(method, flat)
        saved = saved_mib(method.train(), padded(longest))
        found.append(Contestant(f"{name}, live", 1 + own, stepper(method), saved))
        read_stored = lambda examples, store=store: stored_tensors(store, examples)  # noqa: E731
        found.append(Contestant(f"{name}, stored", own, stepper(method, read_stored), saved))
    for name, law, method_name in (("full", 3.0, "full"), ("LoRA", 2.0, "lora"), ("Adapter", 2.0, "adapter")):
        method = load_method(method_name, make())
        found.append(Contestant(name, law, stepper(method), saved_mib(method.train(), padded(longest))))
    found.append(Contestant("LoRA, peft in Trainer", 2.0, PeftTrainer(make()).time_s))
    return found


def glue_batches(checkpoint: Checkpoint, options: argparse.Namespace) -> tuple[GlueData, list[list[Example]]]:
    """Batches of epoch 0 of a task, and the data they come from."""
    task = construct_shipped(settings("task", options.task))
    source = "local" if options.path else "synthetic"
    data = GlueData(
        task, checkpoint.tokenizer(lambda: []), load_splits(task, source=source, path=options.path, train_limit=None),
        targets="words", batch_size=options.batch_size, eval_batch_size=options.batch_size, max_source_tokens=128,
        text_to_text=False, seed=0,
    )  # fmt: skip
    data.setup()
    examples = data.encoded["train"].examples
    return data, [[examples[i] for i in batch] for batch in data.train_batches(0)[: options.batches]]


def random_batches(vocabulary: int, options: argparse.Namespace) -> list[list[Example]]:
    """Full batches of random ids."""
    rng = np.random.default_rng(0)

    def example() -> Example:
        ids = rng.integers(100, vocabulary, options.tokens).astype(np.int32)
        target = ANSWERS.tokens[rng.integers(len(ANSWERS.tokens))]
        return {"input_ids": ids, "target_ids": np.array(target, dtype=np.int32), "label": 0}

    return [[example() for _ in range(options.batch_size)] for _ in range(options.batches)]


def measure(found: list[Contestant], batches: list[list[Example]], rounds: int) -> dict[str, list[float]]:
    """Seconds a step by contestant and round; the first round, in which pools and optimisers fill, does not count."""
    times: dict[str, list[float]] = {one.name: [] for one in found}
    for number in range(rounds + 1):
        for one in found:
            seconds = one.time_s(batches)
            if number:
                times[one.name].append(seconds)
    return times


def summary(found: list[Contestant], times: dict[str, list[float]]) -> list[dict[str, Any]]:
    """A row a contestant: its ratio to the frozen forward pass and to full-tuning, median with the range of rounds."""
    rows = []
    for one in found:
        over = {base: [t / b for t, b in zip(times[one.name], times[base], strict=True)] for base in (FROZEN, "full")}
        spread = {
            f"over_{base.split()[0]}": {"median": statistics.median(r), "low": min(r), "high": max(r)}
            for base, r in over.items()
        }
        rows.append({"name": one.name, "law": one.law, "saved_mib": one.saved_mib, **spread})
    return rows


def main() -> None:
    """Measure, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="minilm", help="of conf/backbone; a T5 gets random weights")
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--path", help="folder of GLUE; synthetic data without it")
    parser.add_argument("--batch-size", type=int, help="32, and 8 for a T5")
    parser.add_argument("--tokens", type=int, default=128, help="of each example of a T5")
    parser.add_argument("--batches", type=int, help="steps in a round: 8, and 2 for a T5")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    t5 = options.backbone.startswith("t5")
    options.batch_size, options.batches = options.batch_size or (8 if t5 else 32), options.batches or (2 if t5 else 8)
    checkpoint = load_checkpoint(options.backbone, random=t5)
    if t5:
        batches, named, outputs = (
            random_batches(checkpoint.shape["vocab_size"], options),
            f"random ids, {options.tokens} tokens",
            3,
        )
    else:
        data, batches = glue_batches(checkpoint, options)
        named, outputs = f"{options.task} ({'local' if options.path else 'synthetic'})", data.task.outputs
        options.regression = data.task.regression

    def make() -> Backbone:
        torch.manual_seed(0)
        regression = not t5 and options.regression
        backbone = build_backbone(checkpoint, answers=ANSWERS if t5 else None, outputs=outputs, regression=regression)
        if t5:
            backbone.open_attention("decoder")  # READ reads its scores; all compute them alike
        return backbone

    found = contestants(make, batches)
    rows = summary(found, measure(found, batches, options.rounds))
    record = {
        "backbone": options.backbone, "data": named, "batch_size": options.batch_size, "batches": options.batches,
        "rounds": options.rounds, "threads": torch.get_num_threads(),
        "hardware": cpu_model(), "commit": commit(), "rows": rows,
    }  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    stem = f"{options.backbone}-{'random' if t5 else options.task}"
    write_json(options.out / f"{stem}.json", record)
    draw(options.out)
    where = f"{record['threads']} threads, {record['hardware']}, commit {record['commit']}"
    print(
        f"{options.backbone}, {named}, batch {options.batch_size}, {options.rounds} rounds of {options.batches} steps"
    )
    print(where)
    print(table(rows))


if __name__ == "__main__":
    main()
