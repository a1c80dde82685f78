"""A small real task on files: nonsense sentences whose label a tiny model can learn."""

import json
from pathlib import Path
from typing import Any

import torch

WORDS = [first + second for first in "bdfgklmn" for second in ("a", "e", "o")]
MOVING = ("time/", "energy/", "memory/")  # what two runs of one seed may differ in

TINY_T5 = (  # a backbone of one layer a stack, for runs by the command line
    "backbone=t5-random",
    "backbone.shape={vocab_size: 200, d_model: 32, d_ff: 64, d_kv: 8, num_heads: 4, num_layers: 1}",
)
TINY_RUN = (
    *TINY_T5, "data=local", "task=cola", "method=read", "method.hidden=8", "logger=none", "data.targets=digits",
    "trainer.accelerator=cpu", "trainer.threads=1",
)  # fmt: skip


def sentence(row: int, *, one_token: bool) -> dict[str, Any]:
    """A nonsense sentence. The label turns on one word in the middle, or on which half of a word list all come from."""
    generator = torch.Generator().manual_seed(row)
    words = torch.randint(0, 12, (6,), generator=generator).tolist()
    label = row % 2
    if one_token:
        words[2] = 20 + label
    else:
        words = [word + 12 * label for word in words]
    return {"sentence": " ".join(WORDS[word] for word in words), "label": label}


def write_glue(folder: Path, *, one_token: bool, rows: int = 400) -> Path:
    (folder / "glue" / "cola").mkdir(parents=True)
    for name, start, count in (("train", 0, rows), ("validation", 10_000, 200)):
        lines = [json.dumps(sentence(start + row, one_token=one_token)) for row in range(count)]
        (folder / "glue" / "cola" / f"{name}.jsonl").write_text("\n".join(lines))
    return folder / "glue"
