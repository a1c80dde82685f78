"""Records that are whole or not there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from store_factory import record_of, run_record

from read_repro.errors import InputError
from read_repro.records.fingerprint import facts_of
from read_repro.records.store import finished, read_record, records, sweep_leftovers, write_json, write_record

FINISHED = run_record(fingerprint="a")


def test_a_killed_writer_leaves_the_old_record_or_the_new_one(tmp_path: Path) -> None:
    """Real kills at random moments of a process that rewrites the same record for ever."""
    path = tmp_path / "result.json"
    code = (
        "import sys; from pathlib import Path; from read_repro.records.store import write_json\n"
        "n = 0\nwhile True:\n n += 1\n"
        " write_json(Path(sys.argv[1]), {'schema': 1, 'status': 'finished', 'n': n, 'ballast': ['x' * 1000] * 200})\n"
        " print(n, flush=True)"
    )
    for moment_s in (0.0, 0.013, 0.037, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(moment_s)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert len(json.loads(path.read_text())["ballast"]) == 200
    sweep_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_number_that_json_lacks_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "result.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_a_record_may_be_read_by_whom_the_umask_lets(tmp_path: Path, umask: int) -> None:
    """A colleague's tables leave out what they cannot read."""
    before = os.umask(umask)
    try:
        write_json(tmp_path / "result.json", FINISHED)
        (tmp_path / "plain").write_text("")
    finally:
        os.umask(before)
    assert (tmp_path / "result.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_record_tells_whether_it_is_as_it_was_written(tmp_path: Path) -> None:
    path, record = tmp_path / "result.json", record_of(FINISHED)
    write_record(path, record)
    written = path.read_text()
    assert read_record(path) == record
    path.write_bytes(written.replace("\n", "\r\n").encode())  # as git may check it out
    assert read_record(path) == record
    for changed in (
        written.replace('"val/score": 60.0', '"val/score": 61.0'),
        written.replace('"val/score": 60.0', '"val/score": 60.00'),  # the same number, but not as we write it
        written.replace('"seed": 0', '"seed":  0'),
        written.replace('"sha256": "', '"sha256": "0'),
        json.dumps(json.loads(written)),
    ):
        assert changed != written
        path.write_text(changed)
        with pytest.raises(ValueError, match=r"result\.json is not a record: it is not as it was written"):
            read_record(path)


def test_a_record_from_before_there_were_digests_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "result.json", FINISHED)
    assert read_record(tmp_path / "result.json") == record_of(FINISHED)


def test_finished_is_a_valid_record_of_this_very_run(tmp_path: Path) -> None:
    wanted = facts_of(record_of(FINISHED))
    assert finished(tmp_path, wanted) is None
    write_json(tmp_path / "result.json", FINISHED)
    assert finished(tmp_path, wanted) == read_record(tmp_path / "result.json")
    with pytest.raises(InputError, match=r"its data is \"a\", this run's \"b\".*force=true"):
        finished(tmp_path, {**wanted, "data": "b"})


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({**FINISHED, "schema": 0}), json.dumps({"schema": 1})])
def test_what_is_no_record_is_named_and_the_rest_stands(tmp_path: Path, content: str) -> None:
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        write_json(tmp_path / "runs" / name / "result.json", FINISHED)
    (tmp_path / "runs" / "a" / "result.json").write_text(content)
    (_, broken), (_, whole) = records(tmp_path)
    assert isinstance(broken, ValueError)
    assert str(tmp_path / "runs" / "a") in str(broken)
    assert whole == read_record(tmp_path / "runs" / "b" / "result.json")
