"""The paper's own numbers (arXiv 2305.15348, Tables 1 to 3), as printed, from the CSV files beside this module.

May import: no other room.
"""

import csv
from pathlib import Path
from statistics import fmean

TASKS = ("cola", "mnli", "qnli", "mrpc", "qqp", "sst2", "stsb")
METHODS = ("full", "adapter", "lora", "bitfit", "prompt", "lst", "read")
BACKBONES = ("t5-small", "t5-base", "t5-large", "t5-3b")
UNROLLED = "read,recurrent=false"
LARGER = {"t5-base": "t5-large"}  # the paper shows READ on T5-large in T5-base's table
TASK_NAMES = dict(zip(TASKS, ("CoLA", "MNLI", "QNLI", "MRPC", "QQP", "SST-2", "STS-B"), strict=True))
METHOD_NAMES = {
    "full": "Full-tuning", "adapter": "Adapter", "lora": "LoRA", "bitfit": "BitFit", "prompt": "Prompt-tuning",
    "lst": "LST", "read": "READ", "head": "Head only", UNROLLED: "READ without recurrence",
}  # fmt: skip

Numbers = dict[tuple[str, str], dict[str, float]]  # (backbone, row) -> column -> number


def method_name(variant: str, backbone: str = "") -> str:
    """A method as the paper writes it: `READ-large` for READ on T5-large; others by their own name.

    What a variant adds to its method's name (`lora,precision=bf16-mixed`) stands behind it.
    """
    method, comma, differs = variant.partition(",")
    known = variant in METHOD_NAMES
    name = METHOD_NAMES.get(variant if known else method, method) + ("" if known or not comma else f", {differs}")
    return name.replace("READ", "READ-large") if backbone.endswith("-large") and method == "read" else name


def rows(name: str) -> list[dict[str, str]]:
    """The rows of `<name>.csv` as text."""
    with (Path(__file__).parent / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table1() -> Numbers:
    """Table 1 by (backbone, method); `avg` is the mean of the seven columns, `avg_printed` the paper's."""
    return {(row["backbone"], row["method"]): _numbers(row) for row in rows("table1")}


def table2() -> Numbers:
    """Table 2 by (backbone, `read` or `read,recurrent=false`)."""
    kinds = {"true": "read", "false": UNROLLED}
    return {(row["backbone"], kinds[row["recurrence"]]): _numbers(row) for row in rows("table2")}


def table3() -> Numbers:
    """Table 3, inference memory in GiB (printed as GB), by (backbone, method), under `inference_gib`."""
    return {
        (row["backbone"], method): {"inference_gib": float(row[method])} for row in rows("table3") for method in METHODS
    }


def untied_count(backbone: str) -> int | None:
    """Parameters of a T5 as the paper counts them, its lm_head apart from the embedding; None for others."""
    return next((int(row["untied"]) for row in rows("counts") if row["backbone"] == backbone), None)


def _numbers(row: dict[str, str]) -> dict[str, float]:
    skip = ("method", "backbone", "recurrence", "avg")
    numbers = {key: float(value) for key, value in row.items() if key not in skip}
    return numbers | {"avg": fmean(numbers[task] for task in TASKS), "avg_printed": float(row["avg"])}
