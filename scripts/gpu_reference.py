"""Steps of the seven methods on a GPU: time, peak memory and energy of training, latency and memory of inference.

Costs need no trained weights, so the backbones are random, of T5's shapes, and the batches random ids of MNLI's
lengths (LST is not pruned first: its weights are as random). Needs neither the hub nor Hydra. Each record is written
when it is done; a later call skips those there are, so that several short calls complete the set. From the
repository's root:

    PYTHONPATH=. python scripts/gpu_reference.py --budget-s 540 --out results/gpu
"""

import argparse
import gc
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from read_repro.backbones.backbone import Batch
from read_repro.backbones.build import build_backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.label_decoding import Answers
from read_repro.config.files import settings
from read_repro.errors import InputError
from read_repro.measure.energy_meter import EnergyMeter
from read_repro.measure.gpu_reader import visible_uuids
from read_repro.measure.parameters import count
from read_repro.measure.peak_memory import PeakMemory
from read_repro.measure.train_step import train_step
from read_repro.methods.base import Method
from read_repro.methods.from_conf import load_checkpoint, load_method
from read_repro.paper import METHODS
from read_repro.records.record import Hardware, ReferenceRecord
from read_repro.records.store import write_record
from read_repro.training.provenance import commit, hardware_of, package_versions

log = logging.getLogger("gpu_reference")

ORDER = ("t5-base", "t5-large", "t5-small", "t5-3b")
TINY = {"vocab_size": 128, "d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4}
# The label strings have as many tokens as T5's words for MNLI's labels (entailment has 5, with the end of sequence).
# Which tokens they are makes no difference to any cost.
ANSWERS = Answers(tokens=((3, 35, 57, 29, 1), (71, 1), (27, 1)), values=(0.0, 1.0, 2.0))
# How many of 10,000 MNLI training examples in T5's format have 0 to 3 tokens, 4 to 7, and so on; the last number is for
# 128 and more. Counted on 8,999 examples with MiniLM's WordPiece tokenizer, because T5's was not at hand.
LENGTHS = (
    0, 0, 8, 92, 326, 627, 765, 896, 912, 928, 889, 816, 775, 636, 529, 460, 328, 254, 199, 143, 106, 77, 38, 41, 31,
    19, 18, 17, 10, 8, 6, 12, 38,
)  # fmt: skip
MAX_SOURCE_TOKENS = 128  # longer sources are cut, as in training
LONG_WINDOW_S, SHORT_WINDOW_S = 60.0, 15.0
INFERENCE_SHARE = 0.25  # how long inference is measured, as a share of the training window
INTERVAL_S = 1.0  # between two readings of the energy meter
ENERGY = settings("energy", "default")  # p0 as in every run
SET_UP_S = 15.0  # kept free in the budget for building, warming up and finishing the last step


def make_batches(*, number: int, batch_size: int, vocab_size: int) -> list[Batch]:
    """Batches of examples of like length, as the data module makes them; the longest first, the others at random."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.tensor(LENGTHS, dtype=torch.float)
    bins = torch.multinomial(weights, number * batch_size, replacement=True, generator=generator)
    lengths = (4 * bins + torch.randint(0, 4, bins.shape, generator=generator)).clamp(max=MAX_SOURCE_TOKENS)
    groups = lengths.sort(descending=True).values.split(batch_size)
    order = [0, *(torch.randperm(number - 1, generator=generator) + 1).tolist()]
    return [make_batch(groups[index], vocab_size, generator) for index in order]


def make_batch(lengths: Tensor, vocab_size: int, generator: torch.Generator) -> Batch:
    """Random ids of these lengths, padded on the right, and random labels."""
    longest = int(lengths.max())
    mask = (torch.arange(longest) < lengths[:, None]).long()
    labels = torch.randint(0, len(ANSWERS.tokens), lengths.shape, generator=generator)
    width = max(map(len, ANSWERS.tokens))
    targets = torch.tensor([[*row, *[-100] * (width - len(row))] for row in ANSWERS.tokens])[labels]
    ids = torch.randint(100, vocab_size, (len(lengths), longest), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "target_ids": targets}


def repeat(step: Callable[[Batch], Any], batches: Iterator[Batch], *, window_s: float, device: torch.device) -> float:
    """Seconds a step, over steps until the window is full; the device is never more than one step behind."""
    steps, started_s, behind = 0, time.perf_counter(), None
    while steps == 0 or time.perf_counter() - started_s < window_s:
        step(next(batches))
        steps += 1
        if device.type == "cuda":
            done = torch.cuda.Event()
            done.record()
            if behind is not None:
                behind.synchronize()
            behind = done
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - started_s) / steps


def measure_training(method: Method, batches: list[Batch], *, window_s: float) -> tuple[dict[str, Any], list[str]]:
    """Step time, peak memory and energy of a window of training steps, after three that warm up; and their labels."""
    device = method.device
    optimizer = method.configure_optimizers()["optimizer"]
    method.train()
    for batch in batches[:3]:
        train_step(method, optimizer, batch)
    uuids = visible_uuids() if device.type == "cuda" else ()
    meter = EnergyMeter(interval_s=INTERVAL_S, p0_kw=ENERGY["p0_kw"], cpu_p0_kw=ENERGY["cpu_p0_kw"], gpu_uuids=uuids)
    with PeakMemory("train", device) as memory, meter:
        step_s = repeat(
            lambda batch: train_step(method, optimizer, batch), cycle(batches), window_s=window_s, device=device
        )
    energy = meter.summary()
    metrics = {"time/step_s": step_s, **memory.metrics(), **energy, **own_limit(energy)}
    return metrics, [*meter.summary_labels(), *memory.labels()]


def own_limit(energy: dict[str, float | None]) -> dict[str, float | None]:
    """Eq. (4) with the card's power limit for p0 in place of the paper's 0.25 kW."""
    limit_w = energy["energy/power_limit_w"]
    factor = None if limit_w is None else limit_w / 1000 / ENERGY["p0_kw"]
    scaled = {}
    for unit in ("kwh", "power_kw"):
        value = energy[f"energy/eq4_{unit}"]
        scaled[f"energy/eq4_own_limit_{unit}"] = None if value is None or factor is None else value * factor
    return scaled


def measure_inference(method: Method, batches: list[Batch], *, window_s: float) -> dict[str, Any]:
    """Seconds an example and peak memory of predicting labels, with the method merged where it can be."""
    method.eval()
    method.merge()
    method.zero_grad()
    gc.collect()  # the optimiser and its schedule hold each other
    method.predict(batches[0])
    with PeakMemory("inference", method.device) as memory:
        batch_s = repeat(method.predict, cycle(batches), window_s=window_s, device=method.device)
    return {"time/latency_s": batch_s / len(batches[0]["labels"]), **memory.metrics()}


def measure(checkpoint: Checkpoint, name: str, options: argparse.Namespace, window_s: float) -> ReferenceRecord:
    """The record of one method on one backbone."""
    torch.manual_seed(0)
    with torch.device(options.device):
        backbone = build_backbone(checkpoint, answers=ANSWERS, outputs=3, regression=False)
        method = load_method(name, backbone)
    sizes = count(method)
    made = make_batches(
        number=options.batches, batch_size=options.batch_size, vocab_size=checkpoint.shape["vocab_size"]
    )
    batches = [{key: value.to(options.device) for key, value in batch.items()} for batch in made]
    training, labels = measure_training(method, batches, window_s=window_s)
    return ReferenceRecord(
        backbone=checkpoint.name,
        method=name,
        batch_size=options.batch_size,
        window_s=window_s,
        hardware=Hardware(**options.hardware),
        metrics={**training, **measure_inference(method, batches, window_s=window_s * INFERENCE_SHARE), **sizes},
        labels=("random weights", "fp32", "token lengths drawn like MNLI's", f"window {window_s:g} s", *labels),
        versions=package_versions(),
        commit=commit(),
    )


def window_of(backbone: str, method: str) -> float:
    """A minute for what the paper's Table 1 shows, less for the rest."""
    return LONG_WINDOW_S if backbone == "t5-base" or (backbone, method) == ("t5-large", "read") else SHORT_WINDOW_S


def place_of(hardware: str) -> Path:
    """The folder of a device's records, as in nvidia-h200."""
    return Path("-".join(re.findall(r"[a-z0-9.]+", hardware.lower())))


def measure_all(options: argparse.Namespace) -> int:
    """Measure what is missing, as long as the budget lasts; returns how many failed."""
    deadline_s = time.monotonic() + options.budget_s
    tiny = Checkpoint(name="t5-tiny", architecture="t5", random=True, shape=TINY)
    shapes = [tiny] if options.shape == "tiny" else [load_checkpoint(name, random=True) for name in ORDER]
    place = place_of(options.hardware["name"])
    failed = left = 0
    for checkpoint, name in product(shapes, options.methods):
        path = place / checkpoint.name / f"{name}.json"
        if any((folder / path).exists() for folder in (options.out, options.results)):
            continue
        window_s = options.window_s or window_of(checkpoint.name, name)
        if time.monotonic() + window_s * (1 + INFERENCE_SHARE) + SET_UP_S > deadline_s:
            left += 1
            continue
        try:
            record = measure(checkpoint, name, options, window_s)
        except RuntimeError:  # out of memory, most likely: the others can still be measured
            log.exception("failed: %s", path)
            failed += 1
        else:
            (options.out / path).parent.mkdir(parents=True, exist_ok=True)
            write_record(options.out / path, record)
            log.info("%s: %.3g s a step", path, record.metrics["time/step_s"])
        gc.collect()
        torch.cuda.empty_cache()
    log.info("%d left for another call, %d failed", left, failed)
    return failed


def main(arguments: Sequence[str]) -> int:
    """Parse, measure; exit code 1 if a measurement failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget-s", type=float, required=True, help="no measurement starts that would end later")
    parser.add_argument("--out", type=Path, required=True, help="where records go, by GPU and backbone")
    parser.add_argument("--results", type=Path, default=Path("results/gpu"), help="records there are done, too")
    parser.add_argument("--methods", type=lambda text: text.split(","), default=METHODS, help="as in full,read")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shape", choices=("shipped", "tiny"), default="shipped", help="tiny: to test this script")
    parser.add_argument("--window-s", type=float, help="instead of 60 and 15")
    parser.add_argument("--batch-size", type=int, default=48, help="the paper's, section 3.3")
    parser.add_argument("--batches", type=int, default=50, help="different ones")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    accelerator = "gpu" if options.device == "cuda" else "cpu"
    try:
        options.hardware = hardware_of(accelerator=accelerator, precision="32-true")
        return 1 if measure_all(options) else 0
    except InputError as error:
        log.error("%s", error)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
