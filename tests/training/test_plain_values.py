"""Task files, backbone files and methods' keywords give plain values; which class takes them is ours to say."""

from typing import Any

import pytest
import yaml
from evil import SECRET, TASK_FILE

from read_repro.config.files import names, settings
from read_repro.errors import InputError
from read_repro.training.plain_values import checkpoint_of, method_of, task_of


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("read_repro.data.tasks.Task", "os.system", "_target_='os.system': this is always our own Task"),
        ("name: mine", "name: ../mine", "task.name='../mine' is no name"),
        ("name: mine", "name: /mine", "is no name"),
        ("name: mine", 'name: "a\\nb"', "is no name"),
        ("name: mine", "name: 5", "task.name=5"),
        ("name: mine", "nome: mine", "task.nome=mine: there is no such key"),
        ("name: mine\n", "", "task.name is missing"),
        ("[sentence]", "[{_target_: os.system, command: 'true'}]", r'task.columns.0=\{"_target_"'),
        ("[sentence]", "sentence", "task.columns=sentence: a list is needed"),
        ("classes: [a, b]", "classes: [0, 1]", "task.classes.0=0"),
        ("mine sentence: {sentence}", "{sentence.__class__}", "asks for 'sentence.__class__'"),
        ("mine sentence: {sentence}", "{sentence!r}", "asks for 'sentence'"),
        ("mine sentence: {sentence}", "{sentence:>9999999999}", "asks for 'sentence'"),
        ("mine sentence: {sentence}", "{0}", "asks for '0'"),
        ("mine sentence: {sentence}", "{sentence", "no template"),
        ("files: {train: train, validation: validation}", "files: {train: train}", "files names"),
        ("metric: accuracy", "metric: accuracy\nbounds: [.nan, 1.0]", "task.bounds.0"),
    ],
)
def test_a_task_file_that_is_more_than_plain_values_is_refused(old: str, new: str, says: str) -> None:
    task_of(yaml.safe_load(TASK_FILE))
    assert old in TASK_FILE
    with pytest.raises(InputError, match=says) as caught:
        task_of(yaml.safe_load(TASK_FILE.replace(old, new)))
    assert str(caught.value).isprintable()


def test_a_task_files_tags_run_nothing(tmp_path: Any) -> None:
    """The tag that makes a careless YAML reader call a function."""
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(
            TASK_FILE.replace("name: mine", f"name: !!python/object/apply:os.system ['touch {tmp_path}/canary']")
        )
    assert not (tmp_path / "canary").exists()


def test_values_are_never_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL_SECRET", SECRET)
    values = {"name": "x", "architecture": "t5", "path": "${oc.env:EVIL_SECRET}"}
    assert checkpoint_of(values).path == "${oc.env:EVIL_SECRET}"


def test_every_shipped_file_passes() -> None:
    for name in set(names("task")) - {"custom"}:  # which is completed by the data first
        assert task_of(settings("task", name)).name == name
    for name in names("method"):
        node = settings("method", name)["method"]
        assert method_of(name, node).plain() == {**node, "_partial_": False}


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("nothing", {}, "'nothing' is none of ours"),
        ("../method/read", {}, "none of ours"),
        ("read", {"_target_": "os.system"}, "always our own READ"),
        ("read", {"hidden": "8"}, "method.hidden=8: a whole number"),
        ("read", {"recurrent": "no"}, "method.recurrent=no: true or false"),
        ("read", {"hidden": True}, "method.hidden=true"),
        ("read", {"hiden": 8}, "method.hiden=8: there is no such key; did you mean method.hidden"),
        ("lora", {"targets": [".*.*.*.*.*x"]}, "many repeats"),
        ("lora", {"targets": ["(a|b*)*x"]}, "repeated group"),
        ("lora", {"targets": [{"_target_": "os.system"}]}, "method.targets.0"),
        ("lora", {"dropout": float("nan")}, "method.dropout=NaN"),
    ],
)
def test_a_methods_keywords_are_of_its_own_signature(name: str, changes: dict[str, Any], says: str) -> None:
    node = settings("method", name)["method"] if name in names("method") else {}
    with pytest.raises(InputError, match=says):
        method_of(name, {**node, **changes})
