"""What ``bench.py`` has measured, as text and as a picture."""

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = [f"{'':<24}{'over a frozen forward':>24}{'law':>7}{'over full':>22}{'kept MiB':>10}"]
    for row in rows:
        cells = [f"{s['median']:.3f} ({s['low']:.3f}-{s['high']:.3f})" for s in (row["over_frozen"], row["over_full"])]
        saved = "–" if row["saved_mib"] is None else f"{row['saved_mib']:.1f}"
        lines.append(f"{row['name']:<24}{cells[0]:>24}{row['law']:>7.2f}{cells[1]:>22}{saved:>10}")
    return "\n".join(lines)


def draw(folder: Path) -> None:
    """All records of a folder as bars, the law as a line on each."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json")) if "one_pass" not in path.name]
    figure, grid = plt.subplots(1, len(records), figsize=(4.6 * len(records), 4.2), squeeze=False, layout="constrained")
    for axes, record in zip(grid[0], records, strict=True):
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
    figure.savefig(folder / "bench.png", dpi=130)
