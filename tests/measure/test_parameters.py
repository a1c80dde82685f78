"""Every percentage of the paper's Tables 1 and 2, counted on the meta device."""

import pytest
import torch
from safetensors.torch import save
from tiny import KINDS, backbone, build

from read_repro.measure.parameters import (
    COUNTED_BACKBONES,
    ShippedMethod,
    build_on_meta,
    count,
    counted,
    lst_presets,
    paper_size,
    prototype_choices,
    render,
    table1_methods,
    table2_methods,
)

NOT_REPRODUCED = {("lst", "t5-base"), ("read", "t5-large", "recurrent=false")}
# the closed forms and their values: the specification's own arithmetic
TRAINABLE = {
    ("full", "t5-base"): 222_903_552,
    ("adapter", "t5-base"): 24 * (2 * 768 * 64 + 64 + 768),
    ("lora", "t5-base"): 24 * 4 * 2 * 8 * 768,
    ("bitfit", "t5-base"): 24 * (3 * 768 + 3072 + 768),
    ("prompt", "t5-base"): 20 * 768,
    ("lst", "t5-base"): 5_097_240,
    ("read", "t5-base"): 1_970_688,
    ("read", "t5-large"): 2_495_488,
    ("read", "t5-base", "recurrent=true"): 1_970_688,
    ("read", "t5-base", "recurrent=false"): 23_648_256,
    ("read", "t5-large", "recurrent=true"): 2_495_488,
    ("read", "t5-large", "recurrent=false"): 59_891_712,
}
AUTHORS = {
    "adapter_lst": 48 * (2 * 768 * 48 + 48 + 768) + 62 * 768,
    "lora_lst": 72 * 2 * 768 * 32 + 12 * (8_448 + 12_288) + 32_128 + 2 * 32 * 12,
    "bitfit_lst": 12 * (8_448 + 12_288) + 32_128,
    "prompt_lst": 100 * 768,
}


def key(row: ShippedMethod) -> tuple[str, ...]:
    return (row.method, row.backbone, *(f"{name}={str(value).lower()}" for name, value in row.changes.items()))


@pytest.mark.parametrize(
    "row", [row for row in (*table1_methods(), *table2_methods()) if row.printed], ids=lambda row: "-".join(key(row))
)
def test_every_percentage_of_the_paper_to_its_printed_digits(row: ShippedMethod) -> None:
    result = counted(row)
    assert result.trainable == TRAINABLE[key(row)]
    assert result.agrees == (key(row) not in NOT_REPRODUCED)
    assert (result.note is not None) == (key(row) in NOT_REPRODUCED or row.method == "full" or result.percent_paper > 5)


@pytest.mark.parametrize("name", AUTHORS)
def test_what_lst_authors_ran_counts_as_theirs(name: str) -> None:
    assert AUTHORS[name] == {
        "adapter_lst": 3_625_728, "lora_lst": 3_820_672, "bitfit_lst": 280_960, "prompt_lst": 76_800,
    }[name]  # fmt: skip
    assert counted(ShippedMethod(name, "t5-base")).trainable == AUTHORS[name]


def test_the_text_of_section_3_1_misses_table_1s_adapter_by_a_digit() -> None:
    row = ShippedMethod("adapter", "t5-base", "0.96", {"placement": "sublayer", "bottleneck": 32})
    assert counted(row).trainable == 2_397_696
    assert not counted(row).agrees


def test_no_parameter_holds_numbers_on_the_meta_device() -> None:
    method = build_on_meta("lora_lst", "t5-base", {})
    assert {weight.device.type for weight in method.parameters()} == {"meta"}
    assert paper_size(method.backbone) == 247_577_856


def test_every_method_is_counted_on_both_backbones() -> None:
    wanted = {"full", "adapter", "lora", "bitfit", "prompt", "lst", "read"}
    assert {(row.method, row.backbone) for row in table1_methods()} == {
        (name, size) for name in wanted for size in COUNTED_BACKBONES
    }
    assert len(table2_methods()) == 4
    assert {row.method for row in lst_presets()} >= AUTHORS.keys()


def test_the_table_shows_digits_the_paper_and_what_differs() -> None:
    text = render("Table 2", map(counted, table2_methods()))
    line = next(line for line in text.splitlines() if "t5-large" in line and "recurrent=false" in line)
    assert line.split()[3:6] == ["59,891,712", "7.772", "6.4"]
    assert line.endswith("differs [2]")
    assert "7.65%" in text


def test_table_1_cannot_tell_which_of_its_prototypes_choices_read_made() -> None:
    found = {(row.backbone, *row.changes): counted(row) for row in prototype_choices()}
    assert len(found) == 8
    assert all(result.agrees and result.row.printed for result in found.values())
    assert round(found["t5-base", "norm"].percent_paper, 3) == 0.797
    assert round(found["t5-large", "norm"].percent_paper, 3) == 0.324
    sizes = {name: 2 * width for name, width in (("t5-base", 768), ("t5-large", 1024))}
    for (name, choice), result in found.items():
        plain = TRAINABLE["read", name]
        assert result.trainable == plain + (sizes[name] if choice == "norm" else 0)


def test_read_on_t5_base_is_under_8_mb_on_disk() -> None:
    method = build_on_meta("read", "t5-base", {})
    weights = {name: torch.zeros(weight.shape) for name, weight in method.trainable().items()}
    assert len(save(weights)) < 8_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_the_task_head_is_counted_apart_and_the_backbone_before_anything_is_added(kind: str) -> None:
    counts, plain = count(build("bitfit", kind)), backbone(kind)
    assert counts["params/backbone"] == plain.size == sum(w.numel() for w in plain.model.parameters())
    assert counts["params/head"] == (3 * 32 + 3 if kind == "bert" else 0)
    assert (counts["params/percent_paper"] is None) == (kind == "bert")
