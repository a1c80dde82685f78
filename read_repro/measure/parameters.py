"""How many parameters a method trains, counted as the paper counts them; as a command, the counts of its tables.

The paper's percentages are those of a T5 whose lm_head is counted apart from its embedding (247,577,856 parameters for
T5-base); transformers ties the two (222,903,552). Both percentages are reported; a BERT-like task head, which every
method trains alike, is counted apart.

``python -m read_repro.measure.parameters`` builds every method as shipped on the meta device (shapes without numbers),
and prints the parameter columns of Tables 1 and 2, ours beside the paper's, and counts of what the paper leaves open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from read_repro.backbones.backbone import Backbone
from read_repro.config.files import names
from read_repro.methods.base import Method
from read_repro.methods.from_conf import load_method, shape_of
from read_repro.paper import rows as printed_rows

COUNTED_BACKBONES = ("t5-base", "t5-large")

NOTES = {
    "full": "100 by definition; the tied weights are {percent_of_untied:.2f}% of the paper's count.",
    "lst": "Not reproduced: the paper does not say which side network it counts. This one, a ladder at every layer and "
    "the authors' width (r = 8), is the nearest; the authors' own, which drops every fourth layer, is lst_9x9 below.",
    "unrolled t5-base": "As the paper counts. Without `weight_hh`, which gets no gradient when nothing is recurrent, "
    "it is {live:.2f}%.",
    "unrolled t5-large": "Not reproduced: T5-large has 24 layers, so 24 cells and projections. 6.4 is 20 times 0.32, "
    "as 9.6 is 12 times 0.80. Without `weight_hh`, which gets no gradient when nothing is recurrent, it is "
    "{live:.2f}%.",
}


def paper_size(backbone: Backbone) -> int | None:
    """The paper's count of a T5's parameters, its output layer counted apart from the embedding."""
    if not {"encoder", "decoder"} <= backbone.depth.keys():
        return None
    embeddings, output = backbone.model.get_input_embeddings().weight, backbone.model.get_output_embeddings().weight
    return backbone.size + (embeddings.numel() if output is embeddings else 0)


def count(method: Method) -> dict[str, float | None]:
    """``params/trainable`` (without the task head), ``params/head``, ``params/backbone`` and both percentages.

    Full-tuning's percentage is 100 by definition, under either count.
    """
    head = method.backbone.head
    head_size = 0 if head is None else sum(parameter.numel() for parameter in head.parameters())
    trainable = sum(parameter.numel() for parameter in method.trainable().values()) - head_size
    size, paper = method.backbone.size, paper_size(method.backbone)
    everything = trainable == size
    return {
        "params/trainable": trainable,
        "params/head": head_size,
        "params/backbone": size,
        "params/percent": 100 * trainable / size,
        "params/percent_paper": None if paper is None else 100.0 if everything else 100 * trainable / paper,
    }


def build_on_meta(method: str, backbone: str, changes: Mapping[str, Any]) -> Method:
    """A method on a T5 of ``conf/backbone``, both as shipped, without weights."""
    with torch.device("meta"):
        return load_method(method, shape_of(backbone), **changes)


@dataclass(frozen=True)
class ShippedMethod:
    """A method as shipped, with ``changes``, on a backbone; ``printed`` is the paper's percentage, if it has one."""

    method: str
    backbone: str
    printed: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Counted:
    """What was counted of a method: its trained parameters, and what they are a percentage of in either count."""

    row: ShippedMethod
    trainable: int
    percent_paper: float
    percent_tied: float
    note: str | None

    @property
    def agrees(self) -> bool:
        """Whether our percentage, rounded to the paper's digits, is the paper's; True where the paper has none."""
        printed = self.row.printed
        if printed is None:
            return True
        digits = len(printed.partition(".")[2])
        return f"{self.percent_paper:.{digits}f}" == printed


def counted(row: ShippedMethod) -> Counted:
    """Build a method without weights and count what it trains."""
    method = build_on_meta(row.method, row.backbone, row.changes)
    sizes = {key.removeprefix("params/"): float(value or 0) for key, value in count(method).items()}
    trainable = int(sizes["trainable"])
    return Counted(row, trainable, sizes["percent_paper"], sizes["percent"], _note(row, method, trainable))


def _note(row: ShippedMethod, method: Method, trainable: int) -> str | None:
    untied = paper_size(method.backbone)
    assert untied is not None
    if row.printed is None:
        return None
    if row.changes.get("recurrent") is False:
        idle = sum(weight.numel() for name, weight in method.trainable().items() if name.endswith("weight_hh"))
        return NOTES[f"unrolled {row.backbone}"].format(live=100 * (trainable - idle) / untied)
    if row.method in NOTES:
        return NOTES[row.method].format(percent_of_untied=100 * trainable / untied)
    return None


def table1_methods() -> list[ShippedMethod]:
    """The methods of Table 1 that are shipped, on both of its backbones."""
    rows = printed_rows("table1")
    printed = {(row["method"], row["backbone"]): row["trainable_params_pct"] for row in rows}
    methods = [method for method in dict.fromkeys(row["method"] for row in rows) if method in names("method")]
    return [
        ShippedMethod(method, backbone, printed.get((method, backbone)))
        for backbone in COUNTED_BACKBONES
        for method in methods
    ]


def table2_methods() -> list[ShippedMethod]:
    """Table 2: READ with and without recurrence."""
    return [
        ShippedMethod("read", row["backbone"], row["trainable_params_pct"], {"recurrent": row["recurrence"] == "true"})
        for row in printed_rows("table2")
    ]


def prototype_choices() -> list[ShippedMethod]:
    """READ with each choice of its author's prototype (``read_repro.methods.read``), beside what Table 1 prints."""
    choices: list[dict[str, Any]] = [
        {"aggregate": "mean"},
        {"norm": "learned"},
        {"readout_init": "default"},
        {"output_scale": 0.1},
    ]
    printed = {row.backbone: row.printed for row in table1_methods() if row.method == "read"}
    return [
        ShippedMethod("read", backbone, printed[backbone], choice)
        for backbone in COUNTED_BACKBONES
        for choice in choices
    ]


def lst_presets() -> list[ShippedMethod]:
    """What LST's authors ran, as shipped; the paper prints no percentage for them."""
    presets = [name for name in names("method") if name.endswith("_lst") or name.startswith("lst_")]
    return [ShippedMethod(name, backbone) for backbone in COUNTED_BACKBONES for name in presets]


def render(title: str, rows: Iterable[Counted]) -> str:
    """A table as text, its notes below."""
    notes: list[str] = []
    lines = [
        title,
        f"{'method':<25} {'backbone':<9} {'trainable':>12} {'ours %':>8} {'paper %':>8} {'of tied %':>10}",
    ]
    for item in rows:
        if item.note is not None and item.note not in notes:
            notes.append(item.note)
        marks = ("" if item.agrees else " differs") + (f" [{notes.index(item.note) + 1}]" if item.note else "")
        changes = "".join(f" {key}={str(value).lower()}" for key, value in item.row.changes.items())
        lines.append(
            f"{item.row.method + changes:<25} {item.row.backbone:<9} {item.trainable:>12,} {item.percent_paper:>8.3f} "
            f"{item.row.printed or '-':>8} {item.percent_tied:>10.3f}{marks}"
        )
    return "\n".join([*lines, *(f"[{number}] {note}" for number, note in enumerate(notes, start=1))])


def main() -> None:
    print("ours %: of a T5 whose lm_head is counted apart, as the paper counts; of tied %: of transformers' count.\n")
    tables = {
        "Table 1: trainable parameters": table1_methods(),
        "Table 2: READ with and without recurrence": table2_methods(),
        "READ as its author's prototype has it (github.com/JohnlNguyen/READ): Table 1 cannot tell": prototype_choices(),
        "As LST's authors ran the baselines (arXiv 2206.06522)": lst_presets(),
    }
    for title, rows in tables.items():
        print(render(title, map(counted, rows)), end="\n\n")


if __name__ == "__main__":
    main()
