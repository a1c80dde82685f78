"""The journal: what a kill, a full disk or a stranger did to the file costs the lines it hit, never the run."""

import json
import logging
import random
from pathlib import Path
from typing import Any

import pytest
from energy_windows import make_window, minutes

from read_repro.measure.energy_formulas import Sample, Window
from read_repro.measure.energy_journal import Journal, earlier_tries, read_windows


def write(path: Path, *windows: Window) -> None:
    for window in windows:
        journal = Journal(path)
        journal.open(make_window(gpus=window.gpus, package_ranges_j=window.package_ranges_j))
        for sample in window.samples:
            journal.add(sample)
        journal.close()


def a_window() -> Window:
    columns = {"utilisation_percent": [50.0] * 4, "counters_j": [(1.0,)] * 4, "package_j": [(5.0,)] * 4}
    return make_window(*minutes(**columns), package_ranges_j=(100.0,))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    windows = [a_window(), make_window(*minutes(cpu_s=[0.0, 1.0]), gpus=())]
    write(tmp_path / "journal.jsonl", *windows)
    assert read_windows(tmp_path / "journal.jsonl") == windows


def test_what_became_known_later_belongs_to_the_window(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.open(make_window(power_limit_w=None, reasons=("first",)))
    for what, value in (("power_limit_w", 250.0), ("reason", "second"), ("closed_s", 9.0)):
        journal.tell(what, value)
    journal.close()
    [window] = read_windows(tmp_path / "journal.jsonl")
    assert (window.power_limit_w, window.reasons, window.closed_s) == (250, ("first", "second"), 9)


def test_a_journal_cut_within_a_line_keeps_what_was_before_and_after(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.jsonl"
    for _ in range(2):  # the second window follows a cut line
        write(path, a_window())
        path.write_text(path.read_text() + '{"sample": {"time_s": 12')
    assert [window.samples[-1].last for window in read_windows(path)] == [True, True]
    assert "is cut or broken and left out" in caplog.text


STRANGE = [
    "null",
    "5",
    "[]",
    "{}",
    '"window"',
    "[" * 100_000,
    '{"sample": null}',
    '{"sample": {"time_s": NaN}}',
    '{"sample": {"time_s": 1e999}}',
    '{"sample": {"time_s": "soon"}}',
    '{"sample": {"time_s": 1' + "0" * 400 + "}}",
    '{"sample": {"time_s": -5.0, "utilisation_percent": 50.0}}',
    '{"sample": {"time_s": 999.0, "counters_j": [1.0, 2.0]}}',
    '{"sample": {"time_s": 999.0, "package_j": []}}',
    '{"sample": {"time_s": 999.0, "errors": [1]}}',
    '{"sample": {"time_s": 999.0, "surprise": 1}}',
    '{"sample": {"time_s": 999.0}, "window": {}}',
    '{"window": {"interval_s": 60}}',
    '{"closed_s": "never"}',
    '{"reason": 7}',
    '{"surprise": 7}',
    "\x00\x01\x02",
]


@pytest.mark.parametrize("line", STRANGE, ids=lambda line: line[:40])
def test_a_line_that_is_none_of_ours_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str
) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, a_window())
    path.write_text(path.read_text() + line + "\n")
    with caplog.at_level(logging.WARNING):
        assert read_windows(path) == [a_window()]
    assert "journal.jsonl, line 7 is cut or broken" in caplog.text


def test_no_mutation_of_a_journal_is_fatal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes overwritten, cut out and doubled, at 300 places drawn by a fixed seed."""
    path, draw = tmp_path / "journal.jsonl", random.Random(0)
    write(path, a_window(), make_window(*minutes(cpu_s=[0.0, 1.0]), gpus=()))
    whole = path.read_bytes()
    for _ in range(300):
        start = draw.randrange(len(whole))
        end = start + draw.randrange(40)
        new = draw.choice([b"", whole[start:end] * 2, draw.randbytes(end - start), b"1e308", b"null", b"-", b"[" * 50])
        path.write_bytes(whole[:start] + new + whole[end:])
        metrics, told = earlier_tries(read_windows(path))
        assert bool(metrics) == bool(read_windows(path)), told


@pytest.mark.parametrize("kind", ["missing", "folder", "empty"])
def test_a_journal_that_is_none_tells_of_no_earlier_tries(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "journal.jsonl"
    if kind == "folder":
        path.mkdir()
    if kind == "empty":
        path.write_text("")
    assert earlier_tries(read_windows(path)) == ({}, [])


def killed(*readings: Any) -> Window:
    return make_window(*(Sample(time_s=60.0 * k, cpu_s=value) for k, value in enumerate(readings)), gpus=())


def test_the_energy_of_earlier_tries_is_told_with_what_is_missing_from_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, killed(0.0, 30.0, 60.0))
    metrics, told = earlier_tries(read_windows(path))
    assert metrics["energy/cpu_estimate_kwh_earlier_tries"] == pytest.approx(60 / 3600 * 0.004)
    assert told == ["earlier tries: energy window not closed: up to 60 s after its last reading are missing"]


def test_a_try_killed_within_the_first_interval_has_a_dash_and_its_label(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, killed(0.0))
    metrics, told = earlier_tries(read_windows(path))
    assert metrics["energy/cpu_estimate_kwh_earlier_tries"] is None
    assert told[0].startswith("earlier tries: ")
    assert any("window not closed: up to 60 s" in label for label in told)


def test_a_full_disk_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    write(Path("/dev/full"), a_window())
    assert "energy journal ends here" in caplog.text


def test_lines_are_on_disk_as_they_come(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.open(make_window(gpus=()))
    journal.add(Sample(time_s=1.0, cpu_s=2.0))
    lines = (tmp_path / "journal.jsonl").read_text().split("\n")
    assert json.loads(lines[2])["sample"]["cpu_s"] == 2
    journal.close()
