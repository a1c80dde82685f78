"""What ``bench.py`` has measured, as text and as pictures; ``python scripts/bench_picture.py`` draws them again."""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SHOWN = {"minilm-cola": "MiniLM, CoLA, batch 32", "t5-base-random": "T5-base's shape, random weights, 8 x 128 tokens"}
METHODS = {  # as the short picture calls them, and as the records do
    "full-tuning": "full",
    "LoRA": "LoRA",
    "READ (H=128)": "READ H=128, live",
    "READ, frozen states stored": "READ H=128, stored",
}
COLOURS = ("#0072B2", "#D55E00")


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = [f"{'':<24}{'over a frozen forward':>24}{'law':>7}{'over full':>22}{'kept MiB':>10}"]
    for row in rows:
        cells = [f"{s['median']:.3f} ({s['low']:.3f}-{s['high']:.3f})" for s in (row["over_frozen"], row["over_full"])]
        saved = "–" if row["saved_mib"] is None else f"{row['saved_mib']:.1f}"
        lines.append(f"{row['name']:<24}{cells[0]:>24}{row['law']:>7.2f}{cells[1]:>22}{saved:>10}")
    return "\n".join(lines)


def draw(folder: Path) -> None:
    """Both pictures of a folder's records: every row beside its law, and in short what READ saves."""
    paths = [path for path in sorted(folder.glob("*.json")) if "one_pass" not in path.name]
    records = {path.stem: json.loads(path.read_text()) for path in paths}
    _draw_rows(list(records.values()), folder / "bench.png")
    shown = {name: records[stem] for stem, name in SHOWN.items() if stem in records}
    if shown:
        _draw_saving(shown, folder / "saving.png")


def _draw_rows(records: list[dict[str, Any]], path: Path) -> None:
    """All records as bars, two beside each other, the law as a line on each bar."""
    lines = -(-len(records) // 2)
    figure, grid = plt.subplots(lines, 2, figsize=(9.2, 4.0 * lines), squeeze=False, layout="constrained")
    for axes in grid.flat[len(records) :]:
        axes.set_axis_off()
    for axes, record in zip(grid.flat, records, strict=False):
        rows = record["rows"][::-1]
        ratios = [row["over_frozen"]["median"] for row in rows]
        errors = [[row["over_frozen"][end] for row in rows] for end in ("low", "high")]
        spread = [
            [r - low for r, low in zip(ratios, errors[0], strict=True)],
            [h - r for r, h in zip(ratios, errors[1], strict=True)],
        ]
        colours = [
            "#D55E00" if "stored" in row["name"] else "#56B4E9" if "live" in row["name"] else "0.6" for row in rows
        ]
        axes.barh([row["name"] for row in rows], ratios, xerr=spread, color=colours, error_kw={"lw": 0.8})
        axes.plot([row["law"] for row in rows], range(len(rows)), "k|", markersize=12, label="law: operations alone")
        axes.set(
            title=f"{record['backbone']}, {record['data']}\nbatch {record['batch_size']}, {record['hardware']}",
            xlabel="time a step over a frozen forward pass",
        )
        axes.title.set_fontsize(8)
        axes.legend(fontsize=7, loc="center right")
    figure.savefig(path, dpi=130)


def _draw_saving(records: dict[str, dict[str, Any]], path: Path) -> None:
    """The time of a step and the bytes kept for its backward pass, in percent of full-tuning's, by setting."""
    figure, pair = plt.subplots(1, 2, figsize=(8.6, 3.4), sharey=True, layout="constrained")
    height = 0.8 / len(records)
    for place, (setting, record) in enumerate(records.items()):
        rows = {row["name"]: row for row in record["rows"]}
        full = rows["full"]["saved_mib"]
        parts = {
            "time of a training step": [100 * rows[name]["over_full"]["median"] for name in METHODS.values()],
            "kept for the backward pass": [100 * rows[name]["saved_mib"] / full for name in METHODS.values()],
        }
        at = [index + (place - (len(records) - 1) / 2) * height for index in range(len(METHODS))]
        for axes, (title, percents) in zip(pair, parts.items(), strict=True):
            bars = axes.barh(at, percents, height, color=COLOURS[place], label=setting)
            axes.bar_label(
                bars, fmt=lambda percent: f"{percent:.2g}%" if percent < 99.5 else "100%", padding=2, fontsize=8
            )
            axes.set(title=title, xlabel="% of full-tuning's", xlim=(0, 120))
    pair[0].set_yticks(range(len(METHODS)), list(METHODS))
    pair[0].invert_yaxis()
    figure.legend(*pair[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    for axes in pair:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    draw(Path("results/bench"))
