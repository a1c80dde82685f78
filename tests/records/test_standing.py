"""Who competes with whom, and what names the rows of a table apart."""

from typing import Any

import pytest
from store_factory import record_of, run_record

from read_repro.paper import UNROLLED
from read_repro.records.record import Record
from read_repro.records.standing import overrides, standings


def made(
    seed: int = 0, *, method: str = "read", task: str = "cola", more: dict[str, Any] | None = None, **setting: Any
) -> Record:
    """A record with a setting in its short names, and other values of the record itself under ``more``."""
    return record_of(run_record(task, method, seed, setting=setting) | (more or {}))


def variants(*records: Record) -> list[str]:
    return [standing.variant for standing in standings(records)]


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"precision": "bf16-mixed"}, "read,precision=bf16-mixed"),
        ({"targets": "digits"}, "read,targets=digits"),
        ({"max_source_tokens": 64}, "read,max_source_tokens=64"),
        ({"batch_size": 16}, "read,batch_size=16"),
        ({"p0_kw": 0.3}, "read,p0_kw=0.3"),
        ({"cpu_p0_kw": 0.05}, "read,cpu_p0_kw=0.05"),
        ({"weight_decay": 0.1}, "read,weight_decay=0.1"),
        ({"joiner": "attention"}, "read,joiner=attention"),
        ({"recurrent": False}, UNROLLED),
        ({"precision": "bf16-mixed", "targets": "digits"}, "read,precision=bf16-mixed,targets=digits"),
    ],
)
def test_what_no_grid_declares_stands_in_a_row_of_its_own(setting: dict[str, Any], name: str) -> None:
    usual, other = standings([made(hidden=256), made(hidden=256, **setting)])
    assert (usual.variant, other.variant) == ("read", name)
    assert usual.contest != other.contest
    assert usual.choice == other.choice


@pytest.mark.parametrize("setting", [{"lr": 3e-3}, {"max_epochs": 5}, {"hidden": 128}])
def test_rates_epochs_and_the_sizes_of_the_grid_compete(setting: dict[str, Any]) -> None:
    one, other = standings([made(hidden=256), made(**({"hidden": 256} | setting))])
    assert one.contest == other.contest
    assert one.choice != other.choice


def test_a_size_that_the_methods_file_declares_as_no_grid_stands_apart() -> None:
    assert variants(made(reduction=8), made(reduction=16))[0] != variants(made(reduction=8), made(reduction=16))[1]


def test_other_weights_and_versions_are_named() -> None:
    weights, version = {"weights": "abcdef" + "1" * 58}, {"method_version": 2}
    assert variants(made(), made(1), made(more=weights)) == ["read", "read", "read,weights=abcdef11"]
    assert variants(made(), made(1), made(more=version)) == ["read,version=1", "read,version=1", "read"]


def test_most_records_of_a_block_say_what_is_usual_and_a_shipped_value_goes_first() -> None:
    others = [made(method=method, batch_size=32) for method in ("full", "lora", "head")]
    assert variants(*others, made(), made(batch_size=32)) == ["full", "lora", "head", "read,batch_size=48", "read"]
    assert {standing.shared for standing in standings([*others, made()])} == {"batch_size=32"}
    assert variants(made(batch_size=32), made()) == ["read,batch_size=32", "read"]
    assert {standing.shared for standing in standings([made(), made(lr=0.1)])} == {""}


def test_a_method_changed_in_every_record_is_never_called_by_its_plain_name() -> None:
    assert variants(made(recurrent=False), made(1, recurrent=False)) == [UNROLLED, UNROLLED]


def test_a_shipped_value_that_has_changed_since_tells_old_records_from_new_ones() -> None:
    """Neither names the key in its setting: both were made as the files had it at their time."""
    old = [record_of(run_record(seed=seed) | {"config": with_order("ascending")}) for seed in (0, 1)]
    new = record_of(run_record() | {"config": with_order("authors")})
    assert variants(*old, new) == ["read", "read", "read,order=authors"]


def with_order(order: str | None) -> dict[str, Any]:
    config = run_record()["config"]
    return {**config, "method": {**config["method"], **({} if order is None else {"order": order})}}


def test_a_key_that_a_record_lacks_has_the_value_of_then() -> None:
    lacking = record_of(run_record() | {"config": with_order(None)})
    having = record_of(run_record(seed=1) | {"config": with_order("ascending")})
    assert variants(lacking, having) == ["read", "read"]


def test_tasks_differ_in_their_texts_without_being_rows_of_their_own() -> None:
    def of(task: str, text: str) -> Record:
        content = run_record(task)
        return record_of(content | {"config": {**content["config"], "task": {"text": text}}})

    assert variants(of("cola", "cola: {sentence}"), of("mrpc", "mrpc: {sentence}")) == ["read", "read"]
    changed = variants(of("cola", "a"), of("cola", "a"), of("cola", "a long text " * 10))
    assert changed[:2] == ["read", "read"]
    assert changed[2].startswith("read,task.text=sha256-")


def test_a_variant_says_what_to_ask_for() -> None:
    assert overrides("precision=bf16-mixed,recurrent=false,weights=ab,version=1") == [
        "trainer.precision=bf16-mixed",
        "method.recurrent=false",
    ]
    assert overrides("") == []
    assert overrides("text=a%20b,joiner=%0A") == ["'method.text=a b'", "method.joiner=%0A"]
