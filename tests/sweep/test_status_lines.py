"""What is left of a sweep and what a results folder holds, in hours and kWh: known, guessed, or not known."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from places import CONF
from store_factory import CPU, run_record, write_run

from read_repro.machine import cpu_model
from read_repro.records.costs import RunCost, known_costs
from read_repro.sweep.entry import main
from read_repro.sweep.estimates import by_operations
from read_repro.sweep.jobs import Job, expand
from read_repro.sweep.status_lines import as_text, forecast_lines, stored

HERE = {**CPU, "name": cpu_model()}
COST = ("minilm", "local", "read", "cola", 1000, 30, "none")


def job(folder: Path, name: str, cost: tuple[object, ...]) -> Job:
    return Job(name, (), folder / name / "result.json", "cola", 0, (), (), cost)


def test_records_of_this_machine_tell_the_cost_and_those_of_another_do_not(tmp_path: Path) -> None:
    write_run(tmp_path, run_record(seed=0, hardware=HERE, energy_kwh=0.01, time_s=360))
    write_run(tmp_path, run_record(seed=1, hardware=HERE, energy_kwh=0.03, time_s=1080))
    write_run(tmp_path, run_record("sst2", hardware=CPU, energy_kwh=5, time_s=36000))
    assert {key: len(costs) for key, costs in known_costs(tmp_path, [cpu_model()]).items()} == {COST: 2}
    (line,) = forecast_lines([job(tmp_path, "new", COST)], tmp_path, unnamed={COST: 2}).values()
    assert (line.known, line.guessed, line.unknown) == (3, 0, 0)
    assert (line.hours, line.energy_kwh) == pytest.approx((3 * 0.2, 3 * 0.02))


def test_what_resembles_no_record_is_guessed_and_marked(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "new", COST), job(tmp_path, "other", ("minilm", "local", "full", "cola", 1000, 30, "none"))]
    lines = forecast_lines(jobs, tmp_path, unnamed={}, guess=lambda each: RunCost(2, 0.5) if each is jobs[0] else None)
    text = as_text(lines, "of what is left").splitlines()
    assert text[1].split()[-2:] == ["~2.00", "~0.500"]
    assert text[2].split()[-2:] == ["-", "-"]
    assert text[4] == "hours and kWh: of what is left"
    assert text[5].startswith("~ holds a guess for 1 runs")
    assert text[6].startswith("they leave out 1 runs")


def test_a_status_sums_what_the_finished_runs_took_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It used to print hours of 0.00 under a heading without a word on what they were of."""
    for seed in (0, 1):
        write_run(tmp_path, run_record(seed=seed, energy_kwh=0.25, time_s=1800))
    assert stored(tmp_path)["minilm read"].hours == 1
    assert main([f"results_dir={tmp_path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["minilm", "read", "2", "0", "0", "0", "1.00", "0.500"]
    assert lines[-1] == "hours and kWh: of the runs that are done, in training"


def test_help_helps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "read-repro-plan experiment=table1 method=read" in printed
    assert "minilm_cpu" in printed


@pytest.fixture
def hydra() -> Iterator[None]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def planned(method: str, *more: str) -> RunCost:
    arguments = ["backbone=minilm", "data=synthetic", "task=mnli", f"method={method}", "stage=grid", "sweep.grid=false"]
    sweep = expand(["experiment=minilm_cpu", *arguments, "seed=0", "optim.lr=1e-3", *more], {})
    cost = by_operations(sweep.grid[0])
    assert cost is not None
    return cost


@pytest.mark.usefixtures("hydra")
def test_operations_follow_examples_epochs_and_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("read_repro.sweep.estimates._speed", lambda accelerator: 1e9)
    few = ("data.train_limit=3200", "trainer.max_epochs=1", "trainer.threads=1")
    full, read = planned("full", *few), planned("read", *few)
    assert 0.2 < read.hours / full.hours < 0.8
    assert full.energy_kwh == pytest.approx(full.hours * 0.004)
    assert planned("full", "data.train_limit=3200", "trainer.max_epochs=3").hours == pytest.approx(3 * full.hours)
    assert planned("full", "data.train_limit=1600", "trainer.max_epochs=1").hours < 0.6 * full.hours
    stored = planned("read", "data.train_limit=3200", "trainer.max_epochs=30", "cache=ram")
    assert stored.hours < 0.7 * planned("read", "data.train_limit=3200", "trainer.max_epochs=30").hours


@pytest.mark.usefixtures("hydra")
@pytest.mark.parametrize("method", ["adapter", "lora"])
def test_a_method_whose_keywords_are_lists_is_planned_too(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("read_repro.sweep.estimates._speed", lambda accelerator: 1e9)
    assert planned(method, "data.train_limit=320", "trainer.max_epochs=1").hours > 0


@pytest.mark.usefixtures("hydra")
def test_own_data_are_swept_by_their_name_and_planned_by_their_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("read_repro.sweep.estimates._speed", lambda accelerator: 1e9)

    def hours(rows: int) -> float:
        file = tmp_path / str(rows) / "mine.csv"
        file.parent.mkdir()
        file.write_text("text,label\n" + "".join(f"so long a text no. {row},{'ab'[row % 2]}\n" for row in range(rows)))
        own = ["backbone=minilm", "task=custom", f"data.path={file}", "method=read", "stage=grid", "sweep.grid=false"]
        sweep = expand(["experiment=minilm_cpu", *own, "seed=0", "optim.lr=1e-3,3e-3"], {})
        assert {job.name.split("/")[1] for job in sweep.grid} == {"own"}
        assert len({job.task for job in sweep.grid}) == 1
        assert str(sweep.grid[0].task).startswith("mine-")
        cost = by_operations(sweep.grid[0])
        assert cost is not None
        return cost.hours

    assert hours(200) == pytest.approx(2 * hours(100))
