"""The figures of docs/why-read.md, from the planner's records and the benchmark's: ``python scripts/why_read.py``.

No number on that page is typed: this script writes what stands between its two marks, and a test compares them.

    python scripts/why_read.py --check    say whether the page is what the records say, and change nothing
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from read_repro.paper import METHOD_NAMES, METHODS
from read_repro.records.record import PlannedRecord
from read_repro.records.store import read_as

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "why-read.md"
BACKBONE, BENCH = "t5-base", "t5-base-random"
BEGIN = "<!-- figures: written by scripts/why_read.py from the records in results/, never by hand -->\n"
END = "<!-- figures end -->"
MEASURED = {"full": "full", "lora": "LoRA", "adapter": "Adapter", "lst": "LST, live", "read": "READ H=256, live"}
STORED = "READ H=256, stored"
PARTS = ("weights", "gradients", "optimizer", "activations", "temporary")
COLUMNS = (
    "method", "trained", "planned peak, GiB", "weights", "gradients, optimiser", "activations, temporary",
    "a step over full's: law", "measured",
)  # fmt: skip

Numbers = Mapping[str, float]


def plan_of(results: Path, method: str) -> PlannedRecord:
    """The plan of a training step."""
    record = read_as(PlannedRecord, results / "planned" / BACKBONE / f"{method}.json")
    if record is None:
        raise SystemExit(f"no plan of {method} on {BACKBONE}: python train.py experiment=figure5")
    return record


def row(name: str, plan: Numbers, step: Numbers | None, law: float) -> str:
    """A method's line."""
    gib = {part: plan[f"memory/{part}_gib"] for part in PARTS}
    cells = (
        name,
        f"{plan['params/percent']:.3g}%",
        f"{plan['memory/train_peak_gib']:.2f}",
        f"{gib['weights']:.2f}",
        f"{gib['gradients'] + gib['optimizer']:.2f}",
        f"{gib['activations'] + gib['temporary']:.2f}",
        f"{law:.2g}",
        "—" if step is None else spread(step),
    )
    return line(cells)


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def spread(step: Numbers) -> str:
    """Median and range of a measured step; full-tuning's own is the unit."""
    if step["low"] == step["high"]:
        return f"{step['median']:.2g}"
    return f"{step['median']:.2g} ({step['low']:.2g}-{step['high']:.2g})"


def figures(results: Path) -> str:
    """All that stands between the marks."""
    records = {method: plan_of(results, method) for method in METHODS}
    plans = {method: {k: v for k, v in r.metrics.items() if v is not None} for method, r in records.items()}
    bench = json.loads((results / "bench" / f"{BENCH}.json").read_text(encoding="utf-8"))
    steps = {each["name"]: {"law": each["law"], **each["over_full"]} for each in bench["rows"]}
    lines = [line(COLUMNS), line(["---"] * len(COLUMNS))]
    for method in METHODS:
        step = steps.get(MEASURED.get(method, ""))
        law = (steps["LoRA"] if step is None else step)["law"]  # whatever sits inside the layers has LoRA's law
        lines.append(row(METHOD_NAMES[method], plans[method], step, law / steps["full"]["law"]))
    return "\n".join([*lines, "", *said(plans, steps[STORED]), "", *conditions(records["full"], bench)])


def said(plans: Mapping[str, Numbers], stored: Numbers) -> list[str]:
    """What the table comes to."""
    full, lora, read = plans["full"], plans["lora"], plans["read"]
    peak, kept = "memory/train_peak_gib", "memory/activations_gib"
    return [
        f"So LoRA trains {lora['params/percent']:.2g}% of the weights and still needs {lora[peak] / full[peak]:.0%} of",
        f"full-tuning's memory: it keeps {lora[kept]:.2f} GiB of activations where full-tuning keeps {full[kept]:.2f}.",
        f"READ trains {read['params/percent']:.2g}%, more than LoRA, needs {read[peak] / full[peak]:.0%}, and keeps",
        f"{read[kept]:.2f} GiB. From stored states its step takes {spread(stored)} of full-tuning's.",
    ]


def conditions(plan: PlannedRecord, bench: Mapping[str, object]) -> list[str]:
    """What the figures hold for, and the commands that make them."""
    return [
        f"Memory is planned, not measured: {BACKBONE}, batch {plan.batch_size}, {plan.source_tokens} source and",
        f"{plan.target_tokens} target tokens, 32 bit, {plan.attention} attention, every method as shipped",
        "(`python train.py experiment=figure5`; one of them: `python -m read_repro.measure.memory_planner",
        f"backbone={BACKBONE} method=lora`). Time is measured on {BACKBONE}'s shape with random weights",
        f"({bench['data']}), batch {bench['batch_size']}, median and range of {bench['rounds']} rounds on",
        f"{bench['threads']} threads of a CPU ({bench['hardware']}), READ at H=256",
        f"(`python scripts/bench.py --backbone {BACKBONE}`); a dash is what was not measured. The law counts",
        "operations alone.",
    ]


def page_with(text: str, block: str) -> str:
    """The page with this block between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise SystemExit(f"{PAGE.name} has lost its marks")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` say whether it is up to date; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args(arguments).check
    text = PAGE.read_text(encoding="utf-8")
    made = page_with(text, figures(ROOT / "results"))
    if check:
        print(
            "docs/why-read.md " + ("is up to date" if made == text else "is not what the records say: run this script")
        )
        return int(made != text)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
