"""A record's file is read as its type asks for, or refused in one line that says why."""

import json

import pytest
from places import ROOT
from store_factory import GPU, run_record, write_planned, write_reference

from read_repro.records.record import PlannedRecord, Record, ReferenceRecord, as_json
from read_repro.records.store import read_as, read_record, write_record


def test_the_records_in_this_repository_are_records():
    runs = [read_record(path) for path in (ROOT / "results" / "runs").rglob("result.json")]
    plans = [read_as(PlannedRecord, path) for path in (ROOT / "results" / "planned").rglob("*.json")]
    assert all(runs + plans)
    assert {record.method_version for record in runs} == {1}  # they are from before it was written


def test_what_is_written_is_read_back(tmp_path):
    write_planned(tmp_path, "t5-small", "read", "train", 1.0)
    write_reference(tmp_path, "t5-small", "read", {"time/step_s": 0.1})
    (tmp_path / "run.json").write_text(json.dumps(run_record(hardware=GPU)))
    for kind, place in (
        (Record, tmp_path / "run.json"),
        (PlannedRecord, tmp_path / "planned" / "t5-small" / "read.json"),
        (ReferenceRecord, tmp_path / "gpu" / "some-gpu" / "t5-small" / "read.json"),
    ):
        record = read_as(kind, place)
        write_record(tmp_path / "again.json", record)
        assert read_as(kind, tmp_path / "again.json") == record
        assert json.loads(place.read_text()).keys() <= json.loads((tmp_path / "again.json").read_text()).keys()
        assert as_json(record)["kind"] == kind.KIND


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("schema", 2, "its schema is 2, not 1"),
        ("kind", "planned", "its kind is 'planned', not run"),
        ("status", "running", "status is 'running', not one of finished, diverged"),
        ("seed", True, "seed is True, not a whole number"),
        ("seed", 1.0, "seed is 1.0, not a whole number"),
        ("method", "read$1|\n", r"method is 'read\$1|\\n', not a name"),
        ("task", "../cola", "task is '../cola', not a name"),
        ("task", "", "task is '', not a name"),
        ("labels", ["two\nlines"], r"labels\[0\] is 'two\\nlines', not a text"),
        ("metrics", {"val/score": "good"}, "metrics.val/score is 'good', not a finite number"),
        ("metrics", {"val/score": 1e40}, "metrics.val/score is 1e.40, not a finite number"),
        ("metrics", {"chosen": 1.0}, "a key of metrics is 'chosen', not a metric"),
        ("history", {"epoch": 1}, "history is {'epoch': 1}, not a list"),
        ("hardware", {"kind": "cpu"}, "hardware lacks name"),
        ("hardware", {"kind": "tpu", "name": "x"}, "hardware.kind is 'tpu', not one of cpu, cuda"),
        ("config", {"a": {"b": 10**400}}, "not finite numbers"),
        ("stops", 1, "keys that are none of a record's: 'stops'"),
    ],
)
def test_what_a_record_cannot_hold_is_refused_by_its_place(tmp_path, key, value, says):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(run_record() | {key: value}))
    with pytest.raises(ValueError, match=says) as refused:
        read_record(path)
    assert str(refused.value).startswith(str(path))
    assert str(refused.value).isprintable()


def test_the_reader_needs_neither_torch_nor_a_validation_library():
    import subprocess
    import sys

    absent = "import sys; sys.modules.update(dict.fromkeys(('torch', 'pydantic', 'pandas', 'hydra', 'yaml')));"
    subprocess.run([sys.executable, "-c", f"{absent} import read_repro.records.store"], check=True, timeout=60)
