"""Which run a record is of: the whole scientific configuration, weights, data, device and the method's version."""

import copy
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from places import CONF, ROOT
from store_factory import GPU, record_of, run_record

from read_repro.config.files import method_version, names, settings
from read_repro.errors import InputError
from read_repro.records import fingerprint as room
from read_repro.records.fingerprint import THEN, difference, facts, facts_of, fingerprint, scientific
from read_repro.records.naming import identity, run_name
from read_repro.records.record import Record
from read_repro.records.store import finished, read_record, write_json


@cache
def composed(*overrides: str, conf: Path = CONF) -> dict[str, Any]:
    with initialize_config_dir(str(conf), version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*overrides]), resolve=True)


def one_of_each_method() -> list[Record]:
    found = {}
    for path in sorted((ROOT / "results" / "runs").rglob("result.json")):
        record = read_record(path)
        found.setdefault(record.method, record)
    return list(found.values())


@pytest.mark.parametrize("record", one_of_each_method(), ids=lambda record: record.method)
def test_the_records_of_this_repository_are_still_those_of_the_commands_that_made_them(record: Record) -> None:
    """Fails for whoever adds a key to the configuration and does not say in ``THEN`` what runs did before."""
    config = record.config
    choices = (f"method={record.method}", f"task={record.task}", "backbone=minilm", "data=local")
    given = {"data.path": "x", "data.batch_size": config["data"]["batch_size"], "optim.lr": config["optim"]["lr"]}
    given |= {"data.train_limit": config["data"]["train_limit"] or "null", "seed": record.seed}
    given |= {"trainer.max_epochs": config["trainer"]["max_epochs"]}
    given |= {"method.hidden": config["method"]["hidden"]} if "hidden" in config["method"] else {}
    # What the shipped files have changed since these records were made.
    given |= {"energy.cpu_p0_kw": 0.005} | ({"method.order": "ascending"} if record.method == "lst" else {})
    ours = composed(*choices, *(f"{key}={value}" for key, value in given.items()))
    there = facts_of(record)
    here = facts(ours, method_version=1, weights=there["weights"], data=there["data"], device="CPU")
    assert difference(there, here) == []
    assert fingerprint(there) == fingerprint(here)
    name = run_name(**identity(ours, composed(*choices), method=record.method))
    assert name.replace(",order=ascending", "").replace(",cpu_p0_kw=0.005", "") == record.run


def base() -> Record:
    return record_of(run_record())


def changed(record: Record, key: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(dict(record.config))
    section, _, leaf = key.rpartition(".")
    (config.setdefault(section, {}) if section else config)[leaf] = value
    return config


def facts_with(record: Record, config: dict[str, Any]) -> room.Facts:
    told = facts_of(record)
    return facts(config, method_version=1, weights=told["weights"], data=told["data"], device=told["device"])


def test_a_key_that_a_record_lacks_has_the_value_of_then(monkeypatch: pytest.MonkeyPatch) -> None:
    record = base()
    before = fingerprint(facts_of(record))
    monkeypatch.setattr(room, "THEN", {**THEN, "method.wings": 2})
    assert fingerprint(facts_of(record)) == before
    assert fingerprint(facts_with(record, changed(record, "method.wings", 2))) == before
    (line,) = difference(facts_of(record), facts_with(record, changed(record, "method.wings", 3)))
    assert line == "its method.wings is 2, this run's 3"


def test_a_new_key_without_a_value_of_then_is_another_run() -> None:
    record = base()
    (line,) = difference(facts_of(record), facts_with(record, changed(record, "method.wings", 2)))
    assert line == "its method.wings is not known, this run's 2"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.targets", "digits"), ("data.batch_size", 47), ("data.max_source_tokens", 64), ("optim.lr", 2e-3),
        ("trainer.precision", "bf16-mixed"), ("trainer.max_epochs", 31), ("energy.p0_kw", 0.3),
        ("energy.cpu_p0_kw", 0.05), ("seed", 7), ("method._target_", "somewhere.READ"), ("method.hidden", 128),
        ("task.text", "{sentence}"),
    ],
)  # fmt: skip
def test_what_is_scientific_tells_runs_apart(key: str, value: Any) -> None:
    record = base()
    assert len(difference(facts_of(record), facts_with(record, changed(record, key, value)))) == 1


@pytest.mark.parametrize("key", sorted(room.NOT_SCIENTIFIC))
def test_what_is_not_scientific_does_not(key: str) -> None:
    record = base()
    config = changed(record, key, {"a": 1} if key in ("sweep", "grid", "logger", "task.files") else "else")
    assert fingerprint(facts_with(record, config)) == fingerprint(facts_of(record))


def test_every_unscientific_key_exists() -> None:
    """A misspelt key would let a choice of no matter make a run another one."""
    from read_repro.records.fingerprint import flatten

    experiment = composed("experiment=table1")
    there = {*flatten(experiment), *experiment, "experiment", "stage", "sweep"}
    for group in ("task", "backbone", "cache"):
        there |= {f"{group}.{key}" for name in names(group) for key in settings(group, name)}
    assert there >= room.NOT_SCIENTIFIC


def test_weights_data_device_and_version_tell_runs_apart_and_what_is_not_known_yet_does_not() -> None:
    record = base()
    for changes in ({"weights": "1" * 64}, {"method_version": 2}, {"hardware": GPU}):
        other = record_of(run_record() | changes)
        assert len(difference(facts_of(other), facts_of(record))) == 1
        told = facts(record.config, method_version=other.method_version)
        assert difference(facts_of(other), told) == []
    assert difference(facts_of(record_of(run_record(fingerprint="other"))), facts_of(record)) == [
        'its data is "other", this run\'s "print-cola"'
    ]


def test_another_graphics_card_is_another_run_and_another_processor_is_not() -> None:
    record = base()
    hardware = {"kind": "cpu", "name": "Another CPU", "count": 1, "threads": 8}
    assert facts_of(record_of(run_record(hardware=hardware))) == facts_of(record)
    cards = [facts_of(record_of(run_record(hardware=GPU | {"name": name}))) for name in ("One GPU", "Another GPU")]
    assert len(difference(*cards)) == 1


def test_a_whole_number_is_the_same_with_and_without_its_point() -> None:
    record = base()
    assert facts_with(record, changed(record, "optim.weight_decay", 0)) == facts_of(record)


def test_the_shape_of_a_backbone_counts_where_it_has_no_weights() -> None:
    shape = {"shape": {"d_model": 32}, "random": True}
    assert "backbone.shape.d_model" in scientific({"backbone": shape})
    assert "backbone.shape.d_model" not in scientific({"backbone": shape | {"random": False}})


def test_every_method_has_its_version() -> None:
    for name in names("method"):
        target = settings("method", name)["method"]["_target_"]
        text = (ROOT / (target.rpartition(".")[0].replace(".", "/") + ".py")).read_text()
        assert f"\nVERSION = {method_version(target)} " in text
    assert method_version("nowhere_to_be_found.READ") == 1


def test_a_changed_shipped_file_makes_an_old_record_another_runs(tmp_path: Path) -> None:
    """The rate of conf/method/read.yaml is edited: the run has the same folder as before, but it is another run."""
    conf, folder = tmp_path / "conf", tmp_path / "run"
    shutil.copytree(CONF, conf)
    folder.mkdir()
    choices = ("method=read", "task=cola", "backbone=minilm", "data=synthetic")
    old, untouched = composed(*choices), composed(*choices, conf=conf)
    write_json(folder / "result.json", run_record(setting={}) | {"config": old})
    record = read_record(folder / "result.json")
    assert finished(folder, facts_with(record, untouched)) == record

    edited = (conf / "method" / "read.yaml").read_text().replace("lr: 1e-3", "lr: 2e-3")
    (conf / "method" / "read.yaml").write_text(edited)
    composed.cache_clear()
    new = composed(*choices, conf=conf)
    assert run_name(**identity(new, new, method="read")) == run_name(**identity(old, old, method="read"))
    with pytest.raises(InputError, match=r"another run's record: its optim.lr is 0.001, this run's 0.002.*force=true"):
        finished(folder, facts_with(record, new))
