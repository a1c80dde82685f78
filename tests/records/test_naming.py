"""A run's folder is named by its choices, and two different choices never share a name."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from read_repro.errors import InputError
from read_repro.records.naming import LONGEST, SHORT, full, run_name, setting, short, show

PLACE = {"backbone": "minilm", "data": "local", "task": "cola", "method": "read", "seed": 1}


def name_of(changes: dict[str, object]) -> str:
    """The name of a run whose dotted keys are changed from an empty configuration."""
    config: dict[str, dict[str, object]] = {"method": {}}
    for key, value in changes.items():
        section, _, leaf = key.rpartition(".")
        config.setdefault(section, {})[leaf] = value
    return run_name(**PLACE, setting=setting(config, {}))


def test_a_run_is_named_by_its_choices() -> None:
    name = run_name(**PLACE, setting={"hidden": 128, "lr": 3e-05})
    assert name == "minilm/local/cola/read,hidden=128,lr=3e-05/seed=1"


def test_a_setting_is_what_differs_from_the_files_but_for_places_and_tools() -> None:
    files = {"optim": {"lr": 1e-3}, "data": {"batch_size": 48, "path": None}, "seed": 0, "logger": {"x": 1}}
    ours = {"optim": {"lr": 1e-4}, "data": {"batch_size": 48, "path": "/tmp"}, "seed": 3, "logger": {"x": 2}}
    assert setting(ours, files) == {"lr": 1e-4}


def test_where_frozen_states_come_from_is_named_although_a_file_says_it() -> None:
    files = {"cache": {"place": "disk", "dtype": "fp32", "path": None}}
    assert setting({"cache": {"place": "disk", "dtype": "fp16", "path": "/tmp"}}, files) == {
        "cache.dtype": "fp16", "cache.place": "disk"
    }  # fmt: skip
    assert setting({"cache": {"place": "none"}}, {"cache": {"place": "none"}}) == {}


def test_an_energy_that_is_computed_otherwise_is_named() -> None:
    files = {"energy": {"p0_kw": 0.25, "interval_s": 60}}
    assert setting({"energy": {"p0_kw": 0.3, "interval_s": 1}}, files) == {"p0_kw": 0.3}


def test_keys_of_one_short_name_are_told_apart_whatever_else_is_set() -> None:
    assert setting({"data": {"targets": "x"}}, {}) == {"targets": "x"}
    assert setting({"method": {"targets": "x"}}, {}) == {"method.targets": "x"}
    assert name_of({"data.targets": "x"}) != name_of({"method.targets": "x"})
    assert short("backbone.shape.d_model") == "shape.d_model"


KEYS = st.builds(
    lambda section, leaf: f"{section}.{leaf}",
    st.sampled_from(("data", "optim", "trainer", "energy", "method", "cache", "backbone.shape")),
    st.sampled_from((*SHORT, "hidden", "dropout", "d_model", "place")),
)


@given(KEYS, KEYS)
def test_two_keys_never_share_a_short_name(one: str, other: str) -> None:
    assume(one != other)
    assert short(one) != short(other)
    assert full(short(one)) == one


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
)


@given(VALUES, VALUES)
def test_two_values_never_look_the_same(one: object, other: object) -> None:
    same = json.dumps(one) == json.dumps(other) or (
        one == other and type(one) in (int, float) and type(other) in (int, float)
    )
    assert (show(one) == show(other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [("a b", "a_b"), ("true", True), ("null", None), ("1", 1), (0.12345678, 0.12345679), ("a,b=1", "a"), ("é", "e")],
)
def test_values_that_once_shared_a_name_do_not(one: object, other: object) -> None:
    assert show(one) != show(other)


@given(st.text())
def test_no_value_can_leave_its_folder(value: str) -> None:
    shown = show(value)
    assert not set(shown) & set("/,=\0\n|$")
    assert run_name(**PLACE, setting={"k": value}).count("/") == 4


def test_a_long_name_is_cut_and_stays_its_own(tmp_path: Path) -> None:
    names = {run_name(**PLACE, setting={"biases": ["é" * 300, ending]}) for ending in ("a", "b")}
    assert len(names) == 2
    for name in names:
        (tmp_path / name).mkdir(parents=True)
        assert max(len(part.encode()) for part in name.split("/")) <= LONGEST


@pytest.mark.parametrize("backbone", ["../../x", "", ".", "a/b", "a b", "a\nb", "-x"])
def test_a_name_that_is_no_folders_is_refused(backbone: str) -> None:
    with pytest.raises(InputError, match=r"backbone.name="):
        run_name(**{**PLACE, "backbone": backbone}, setting={})
