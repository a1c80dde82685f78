"""The schema: what it refuses in which words, and that it knows exactly what the files and the classes know."""

import inspect
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from read_repro.config.composition import composed
from read_repro.config.files import names, settings
from read_repro.config.refusals import nearest
from read_repro.config.schema import DataSection, OptimSection, RunConfig, read_config, read_section
from read_repro.config.signatures import keywords
from read_repro.errors import InputError

OPTIM = {"lr": 1e-3, "weight_decay": 0.0, "warmup": 0.06}
DATA = {
    "source": "local", "path": "folder", "targets": "words", "batch_size": 4, "eval_batch_size": 8,
    "max_source_tokens": 128, "train_limit": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The configuration of READ on MNLI, as the files have it."""
    return composed("method=read", "task=mnli").plain()


def changed(plain: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with one key, given by its dotted name, set to a value."""
    section, _, rest = key.partition(".")
    return {**plain, section: changed(plain.get(section, {}), rest, value) if rest else value}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("trainer.max_epochs", None, "trainer.max_epochs=null: a whole number of at least 1 is needed"),
        ("trainer.threads", 0, "trainer.threads=0: a whole number of at least 1 or null is needed"),
        ("trainer.devices", True, "trainer.devices=true: a whole number of at least 1"),
        ("trainer.precision", "16", "trainer.precision=16: 32-true (every table's) or bf16-mixed is needed"),
        ("data.source", "cloud", "data.source=cloud: one of hub, local, synthetic, own is needed"),
        ("data.train_limit", -5, "data.train_limit=-5: a whole number of at least 1 or null is needed"),
        ("data.path", "", "data.path=: a text of a length of at least 1 or null is needed"),
        ("method.hidden", "many", "method.hidden=many: a whole number is needed"),
        ("task.columns", "sentence", "task.columns=sentence: a list is needed"),
        ("task.columns", ["a", 1], "task.columns.1=1: a text is needed"),
        ("task.official", {"train": 1.5}, "task.official.train=1.5: a whole number is needed"),
        ("backbone.random", "no", "backbone.random=no: true or false is needed"),
        ("seed", 2**32, f"seed={2**32}: a whole number from 0 to {2**32 - 1} is needed"),
    ],
)
def test_a_value_is_answered_with_what_is_allowed(plain: dict[str, Any], key: str, value: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(changed(plain, key, value))
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("lr", "did you mean optim.lr="),
        ("max_epoch", "did you mean trainer.max_epochs="),
        ("optim.momentum", "--cfg job prints"),
        ("method.hiden", "did you mean method.hidden="),
        ("task.metrics", "did you mean task.metric="),
        ("trainer.batch_size", "did you mean data.batch_size="),
        ("logger.offline", "--cfg job prints"),  # the csv logger has no such keyword
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(plain: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(InputError, match=rf"^{key}=0.5: there is no such key; .*{says}"):
        read_config(changed(plain, key, 0.5))


def test_an_unknown_key_is_named_before_the_mistake_that_comes_of_it(plain: dict[str, Any]) -> None:
    renamed = {**plain, "optim": {"learning_rate": 1e-3, "weight_decay": 0.0, "warmup": 0.0}}
    with pytest.raises(InputError, match=r"optim\.learning_rate=0\.001: there is no such key"):
        read_config(renamed)


@pytest.mark.parametrize("group", ["task", "backbone", "method", "logger", "trainer", "energy"])
@pytest.mark.parametrize("target", ["os.system", {"_target_": "os.system"}, "read_repro.errors.InputError"])
def test_only_what_a_file_of_ours_names_is_ever_built(plain: dict[str, Any], group: str, target: Any) -> None:
    with pytest.raises(InputError, match=rf"{group}\._target_=.*conf/{group}"):
        read_config(changed(plain, f"{group}._target_", target))


@pytest.mark.parametrize("group", ["task", "method"])
def test_a_part_that_names_no_class_is_told_those_there_are(plain: dict[str, Any], group: str) -> None:
    with pytest.raises(InputError, match=rf"{group}\._target_ is missing from the file of this {group}: it names "):
        read_config(changed(plain, f"{group}._target_", None))


@given(key=st.sampled_from(["lr", "weight_decay", "warmup"]), value=st.one_of(st.booleans(), st.text(), st.none()))
def test_no_word_and_no_boolean_is_a_number(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"optim.{key}="):
        read_section(OptimSection, {**OPTIM, key: value})


@given(st.floats())
def test_a_rate_is_any_number_above_zero_and_no_other(value: float) -> None:
    if 0 < value < float("inf"):
        assert read_section(OptimSection, {**OPTIM, "lr": value}).lr == value
    else:
        with pytest.raises(InputError, match=r"optim\.lr="):
            read_section(OptimSection, {**OPTIM, "lr": value})


def test_a_whole_number_will_do_for_a_fraction_and_not_the_other_way_round() -> None:
    assert read_section(OptimSection, {**OPTIM, "lr": 1}).lr == 1.0
    with pytest.raises(InputError, match=r"data\.batch_size=4\.0: a whole number"):
        read_section(DataSection, {**DATA, "batch_size": 4.0})


def test_a_local_source_needs_its_folder() -> None:
    with pytest.raises(InputError, match=r"data=local needs data\.path="):
        read_section(DataSection, {**DATA, "path": None})
    assert read_section(DataSection, {**DATA, "source": "synthetic", "path": None}).path is None


def test_nothing_changes_after_the_check(plain: dict[str, Any]) -> None:
    config: RunConfig = read_config(plain)
    for section, key in ((config, "seed"), (config.optim, "lr"), (config.method, "hidden")):
        with pytest.raises(ValidationError):
            setattr(section, key, 1)


def test_what_was_checked_is_what_was_given(plain: dict[str, Any]) -> None:
    assert read_config(plain).plain() == plain


@pytest.mark.parametrize("group", ["task", "backbone", "method", "logger"])
def test_keywords_read_from_the_source_are_those_that_python_sees(group: str) -> None:
    """The class is not imported for a check, because a method's module imports torch; here it is."""
    for name in names(group):
        content = settings(group, name)
        target = content.get(group, content)["_target_"]
        module, _, attribute = target.rpartition(".")
        parameters = inspect.signature(getattr(import_module(module), attribute)).parameters.values()
        seen = {p.name: p.default is not p.empty for p in parameters if p.kind == p.KEYWORD_ONLY}
        assert {key: keyword.optional for key, keyword in keywords(target).items()} == seen


def test_the_nearest_key() -> None:
    known = ["optim.lr", "optim.weight_decay", "trainer.patience", "method.hidden", "seed"]
    assert nearest("lr", known) == ["optim.lr"]
    assert nearest("optim.weightdecay", known) == ["optim.weight_decay"]
    assert nearest("patience", known) == ["trainer.patience"]
    assert nearest("sed", known) == ["seed"]
    assert nearest("zzz", known) == []
