"""Every method but the head can learn 64 real sentences by heart: one that cannot has a defect."""

import json
from itertools import cycle, islice
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from places import GLUE, needs_glue

from read_repro.config.composition import composed
from read_repro.training.checks import check
from read_repro.training.parts import build

LEARNING_RATES = {
    "full": 2e-4, "read": 5e-3, "adapter": 2e-3, "lora": 3e-3, "bitfit": 3e-3, "prompt": 3e-2, "lst": 5e-3,
}  # fmt: skip


@pytest.mark.slow
@needs_glue
@pytest.mark.parametrize("name", LEARNING_RATES)
def test_64_cola_sentences_are_learned_by_heart(name: str, tmp_path: Path) -> None:
    rows = pq.read_table(GLUE / "cola" / "train.parquet").to_pylist()
    (tmp_path / "cola").mkdir()
    for file, part in (("train", rows[:64]), ("validation", rows[64:68])):
        (tmp_path / "cola" / f"{file}.jsonl").write_text("\n".join(map(json.dumps, part)))
    overrides = [f"method={name}", "task=cola", "backbone=minilm", "data=local", f"data.path={tmp_path}"]
    overrides += ["data.batch_size=16", f"optim.lr={LEARNING_RATES[name]}", "optim.warmup=0", "trainer.max_epochs=150"]
    config = composed(*overrides)
    parts = build(config, check(config, tmp_path / "run"))
    method, batches = parts.method, list(parts.data.train_dataloader())
    method.initialise(parts.data.single_examples)
    optimizer = method.configure_optimizers()["optimizer"]
    accuracy = 0.0
    for step, batch in enumerate(islice(cycle(batches), 600)):
        method.train()
        optimizer.zero_grad()
        method.backbone.loss(method(batch), batch).backward()
        torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
        optimizer.step()
        if step % 40 == 39:
            method.eval()
            accuracy = torch.cat([method.predict(b) == b["labels"] for b in batches]).float().mean().item()
            if accuracy >= 0.95:
                break
    print(f"{name}: {100 * accuracy:.1f}% after {step + 1} steps")
    assert accuracy >= 0.95
