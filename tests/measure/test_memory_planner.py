"""The planner against what is known: bytes counted by hand, the CPU's own allocator, and methods that differ."""

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile

from read_repro.backbones.build import build_backbone
from read_repro.backbones.checkpoint import Checkpoint
from read_repro.backbones.encoder_decoder import EncoderDecoderBackbone
from read_repro.backbones.label_decoding import Answers
from read_repro.errors import InputError
from read_repro.measure import memory_planner as planner
from read_repro.measure.allocation_tracker import Ledger
from read_repro.measure.memory_planner import Plan, count_inference, count_training, full_batch, materialise, planned
from read_repro.methods.base import Method
from read_repro.methods.from_conf import load_method
from read_repro.records.record import PlannedRecord
from read_repro.records.store import read_as

TINY = {"vocab_size": 512, "d_model": 128, "d_ff": 256, "d_kv": 32, "num_layers": 2, "num_heads": 4}
SIZES = {"batch_size": 8, "source_tokens": 64, "target_tokens": 2}


def tiny(name: str, *, eager: bool = True, **changes: Any) -> Method:
    """A method on a T5 that is small, but whose tensors are large beside the allocator's rounding."""
    checkpoint = Checkpoint(name="tiny", architecture="t5", random=True, shape=TINY)
    answers = Answers(tokens=((2, 1), (3, 1)), values=(0.0, 1.0))
    backbone = build_backbone(checkpoint, answers=answers, outputs=2, regression=False)
    assert isinstance(backbone, EncoderDecoderBackbone)
    for stack in backbone.depth if eager else ():
        backbone.open_attention(stack)
    return load_method(name, backbone, **changes)


def fake_parts(name: str, counted: Any = count_training, **changes: Any) -> dict[str, int]:
    with torch.device("meta"):
        method = tiny(name, **changes)
    with FakeTensorMode():
        materialise(method)
        return counted(method, full_batch(**SIZES))


def fake_peak(name: str, **changes: Any) -> int:
    return sum(fake_parts(name, **changes).values())


def allocated_peak(profiled: Any) -> int:
    """The peak of the running sum of what the CPU's allocator handed out and took back."""
    events = profiled.profiler.kineto_results.events()
    memory = [event for event in events if event.name() == "[memory]"]
    steps = [event.nbytes() for event in sorted(memory, key=lambda event: event.start_ns())]
    return max(itertools.accumulate(steps))


def test_a_linear_layer_with_adamw_counted_by_hand() -> None:
    rows, inputs, outputs = 64, 256, 128
    layer, x = nn.Linear(inputs, outputs, bias=False), torch.randn(rows, inputs)
    optimizer = torch.optim.AdamW(layer.parameters(), foreach=True)
    with Ledger(layer, [x]) as ledger:
        for _ in range(2):
            optimizer.zero_grad()
            layer(x).sum().backward()
            optimizer.step()
            for value in optimizer.state[layer.weight].values():
                ledger.mark(value, "optimizer")
    weight = inputs * outputs * 4
    parts = ledger.peak()
    assert parts["weights"] == parts["gradients"] == weight
    assert parts["optimizer"] == 2 * weight + 512  # both moments, and the count of steps in one block
    assert parts["activations"] == rows * inputs * 4
    assert parts["temporary"] >= weight  # the root of the second moment
    assert parts["temporary"] <= 1.1 * weight


def test_a_storage_saved_twice_counts_once_and_its_death_is_seen() -> None:
    x = torch.randn(128, 4, requires_grad=True)
    with Ledger(nn.Module(), [x]) as ledger:
        y = x.exp()  # saved as a result by exp and as an input by the product
        z = (y * y).sum()
        del y, z
        torch.empty(512)
    assert sum(ledger.peak().values()) == 3 * 2048 + 512


@pytest.mark.parametrize("name", ["full", "read"])
def test_it_agrees_with_the_allocator_of_the_cpu(name: str) -> None:
    method, batch = tiny(name), full_batch(**SIZES)
    held = sum(p.numel() * p.element_size() for p in method.parameters()) + sum(t.nbytes for t in batch.values())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        count_training(method, batch)
    assert fake_peak(name) == pytest.approx(allocated_peak(profiled) + held, rel=0.05)


def test_a_changed_method_changes_the_peak() -> None:
    rows = SIZES["batch_size"] * (SIZES["source_tokens"] + SIZES["target_tokens"]) * TINY["num_layers"]
    difference = fake_peak("read", hidden=64) - fake_peak("read", hidden=16)
    assert difference > 5 * (64 - 16) * rows * 4  # what the GRU keeps: 5 H a row


def test_inference_takes_less_than_training_and_keeps_nothing() -> None:
    train, infer = fake_parts("full"), fake_parts("full", count_inference)
    assert sum(infer.values()) < sum(train.values()) / 2
    assert infer["gradients"] == infer["optimizer"] == 0
    assert infer["weights"] == train["weights"]


def test_materialised_weights_stay_tied_and_frozen() -> None:
    with torch.device("meta"):
        method = tiny("read")
    trainable = set(method.trainable())
    with FakeTensorMode():
        materialise(method)
    assert set(method.trainable()) == trainable
    assert method.backbone.model.lm_head.weight is method.backbone.model.shared.weight


def test_read_takes_a_fifth_of_full_tuning_on_t5_base() -> None:
    peaks = {
        name: planned(Plan(backbone="t5-base", method=name)).metrics["memory/train_peak_gib"]
        for name in ("full", "read")
    }
    assert peaks["full"] == pytest.approx(8.998, abs=0.01)
    assert peaks["read"] <= 0.20 * (peaks["full"] - 0.69)  # also where a loop clears the gradients before its forward


def test_read_takes_two_percent_more_than_the_backbone_to_predict() -> None:
    peaks = {
        name: planned(Plan(backbone="t5-base", method=name, phase="infer")).metrics["memory/inference_gib"]
        for name in ("full", "read")
    }
    assert 1 < peaks["read"] / peaks["full"] <= 1.02  # 1.20 where all layers' states are kept


def test_fused_attention_keeps_less() -> None:
    assert fake_parts("full", eager=False)["activations"] < fake_parts("full")["activations"]


def test_the_command_prints_the_peak_first_and_parts_that_sum_to_it() -> None:
    command = [
        sys.executable,
        "-m",
        "read_repro.measure.memory_planner",
        "backbone=t5-small",
        "method=read",
        "batch_size=2",
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    word, peak, unit = printed[0].split()
    assert (word, unit) == ("peak", "GiB")
    assert sum(float(line.split()[1]) for line in printed[1:6]) == pytest.approx(float(peak), abs=0.01)
    assert printed[6].startswith("planned")


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("methd=read", "batch_size"),
        ("batch_size=0", "at least 1"),
        ("phase=test", "train or infer"),
        ("method.hiden=3", "hidden"),
        ("method=reed", "read"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_is_allowed(
    argument: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planner.main(["backbone=t5-small", "method=read", argument]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_record_says_what_was_planned(tmp_path: Path) -> None:
    asked = ["--write", str(tmp_path), "backbone=t5-small", "method=read", "batch_size=2", "method.hidden=16"]
    assert planner.main(asked) == 0
    record = read_as(PlannedRecord, tmp_path / "t5-small" / "read,hidden=16,batch_size=2.json")
    assert (record.phase, record.batch_size) == ("train", 2)
    assert record.setting == {"hidden": 16, "batch_size": 2}
    assert "planned" in record.labels


def test_a_backbone_without_a_size_is_refused() -> None:
    with pytest.raises(InputError, match="no shape"):
        planned(Plan(backbone="local-t5", method="full"))


def test_a_plan_of_stored_states_is_a_record_that_can_be_read(tmp_path: Path) -> None:
    asked = ["--write", str(tmp_path), "backbone=t5-small", "method=read", "batch_size=2", "states=fp16"]
    assert planner.main(asked) == 0
    (path,) = tmp_path.rglob("*.json")
    assert read_as(PlannedRecord, path).states == "fp16"


def test_states_from_the_store_need_no_backbone() -> None:
    """READ on T5-base keeps the output map and its states: at most a tenth of full-tuning's 9 GiB."""
    live, stored = (planned(Plan(backbone="t5-small", method="read", states=kind)).metrics for kind in ("live", "fp16"))
    assert stored["memory/weights_gib"] < 0.5 * live["memory/weights_gib"]
    assert planned(Plan(backbone="t5-base", method="read", states="fp32")).metrics["memory/train_peak_gib"] < 0.9
    with pytest.raises(InputError, match="trains through the backbone"):
        planned(Plan(backbone="t5-small", method="lora", states="fp32"))
