"""Sweeps: what they consist of, how they choose, and that they go on where they were."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hydra import compose, initialize_config_dir
from nonsense import MOVING, TINY_T5, write_glue
from places import CONF, ROOT
from store_factory import run_record, write_planned

from read_repro.config.overrides import learning_rates
from read_repro.errors import InputError
from read_repro.sweep import launchers as launch
from read_repro.sweep.jobs import Job, Sweep, expand
from read_repro.sweep.launchers import Local
from read_repro.sweep.preflight import check_inputs
from read_repro.sweep.runner import best_of, final, forecast, run_sweep
from read_repro.sweep.status import state
from read_repro.sweep.status_lines import as_text, stored

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def expanded(*arguments: str) -> Sweep:
    first = [argument for argument in arguments if argument.startswith("experiment=")]
    params = compose("config", first, return_hydra_config=True).hydra.sweeper.params
    return expand(list(arguments), {key: [*each] for key, each in params.items()})


@pytest.fixture(scope="module")
def table1() -> Sweep:
    return expanded("experiment=table1")


def test_table_1_is_the_papers_grid(table1: Sweep) -> None:
    """Sizes: full 1, adapter 2, LoRA 2, BitFit 1, prompt 3, LST 1, READ 2 x 3 on each of two backbones."""
    sizes = 1 + 2 + 2 + 1 + 3 + 1 + 6 + 6
    assert len(table1.search) == sizes * 32 * 7 == 4928
    assert len(table1.grid) == 3 * 4928
    assert len({job.record for job in table1.grid}) == 3 * 4928
    assert {job.seed for job in table1.search} == {0}
    assert {job.cost[0] for job in table1.search if job.cost[2] != "read"} == {"t5-base"}
    assert len({job.contest for job in table1.search}) == 7 * (7 + 1)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("optim.lr=true", r"^optim\.lr=true: a number above 0 is needed$"),
        ("optim.lr=1e-3,nan", r"^optim\.lr=NaN: a number above 0 is needed$"),
        ("trainer.max_epochs=0", r"^trainer\.max_epochs=0: a whole number of at least 1 is needed$"),
        ("force=no", "^force=no: true or false is needed$"),
        ("sweep.grid=no", r"^sweep\.grid=no: true or false is needed$"),
        ("stage=serch", "^stage=serch: one of search, final, all, grid is needed$"),
        ("+lr=0.5", r"^lr=0\.5: there is no such key; did you mean optim\.lr=0\.5"),
        ("lr=0.5", r"^lr=0\.5: there is no such key; did you mean optim\.lr=0\.5\?$"),
    ],
)
def test_a_sweep_refuses_at_once_what_each_of_its_runs_would_refuse(argument: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        expanded(*SMALL, argument)


STOPPED = """
from read_repro.errors import InputError
from read_repro.training import entry

def stop(config, folder):
    raise InputError(f"stopped before {folder}")

entry.check = stop
entry.main()
"""


def test_a_job_is_what_train_py_would_make_of_its_command(tmp_path: Path) -> None:
    """A run's folder is worked out without composing each job; the real entry, stopped before it, must name it too."""
    job = expanded(
        *SMALL, f"results_dir={tmp_path}", f"data.path={tmp_path}", "method=lora,adapter", "sweep.grid=true"
    ).search[-1]
    overrides = [argument for argument in job.command if "=" in argument]
    ended = subprocess.run([sys.executable, "-c", STOPPED, *overrides], capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert job.setting == ("method.bottleneck=64", "optim.lr=0.003")
    assert ended.stderr.splitlines()[-1] == f"error: stopped before {job.record.parent}"


def test_learning_rates_are_evenly_spaced_on_a_log_scale() -> None:
    rates = learning_rates([1e-6, 3e-3], rounds=32)
    assert (len(rates), rates[0], rates[-1]) == (32, 1e-6, 3e-3)
    steps = [after / before for before, after in pairwise(rates)]
    assert max(steps) / min(steps) < 1.02
    with pytest.raises(InputError, match="at least 2 rounds"):
        learning_rates([1e-6, 3e-3], rounds=1)


def test_the_command_line_narrows() -> None:
    sweep = expanded(
        "experiment=table1", "method=read", "task=cola,mrpc", "seed=0", "backbone=t5-base", "sweep.rounds=4"
    )
    assert len(sweep.search) == len(sweep.grid) == 6 * 4 * 2
    fixed = expanded("experiment=table1", "method=read", "task=cola", "optim.lr=1e-3", "method.hidden=128")
    assert {job.setting for job in fixed.search} == {(f"method.cell={cell}",) for cell in ("rnn", "lstm", "gru")}


def test_table_2_lets_recurrence_stand_apart() -> None:
    sweep = expanded("experiment=table2", "task=cola", "backbone=t5-base", "sweep.rounds=2")
    assert len({job.contest for job in sweep.search}) == 2
    assert sum("recurrent=false" in job.name for job in sweep.search) == len(sweep.search) / 2


def test_rates_and_epochs_compete_and_a_batch_size_stands_apart() -> None:
    sweep = expanded("experiment=minilm_cpu", "method=head,full", "task=cola")
    assert sorted(job.cost[5] for job in sweep.search) == [5, 5, 5, 5, 5, 5, 20, 20, 20]
    assert len({job.contest for job in sweep.search}) == 2
    assert {job.setting for job in sweep.search if job.cost[2] == "head"} == {
        (f"optim.lr={rate}", f"trainer.max_epochs={epochs}") for rate in (0.0003, 0.001, 0.003) for epochs in (5, 20)
    }
    apart = expanded("experiment=minilm_cpu", "method=full", "task=cola", "data.batch_size=16,32")
    assert len({job.contest for job in apart.search}) == 2


@pytest.mark.parametrize("name", ["table3", "figure5"])
def test_what_needs_no_training_is_planned(name: str) -> None:
    sweep = expanded(f"experiment={name}")
    assert len(sweep.grid) == 4 * 7
    assert all("read_repro.measure.memory_planner" in job.command for job in sweep.grid)


def test_a_plan_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    sweep = expanded("experiment=table3", "backbone=t5-small", "method=bitfit", f"results_dir={tmp_path}")
    (job,) = sweep.grid
    assert state(job) == "missing"
    write_planned(tmp_path, "t5-small", "bitfit", "infer", 1.0)
    assert run_sweep(sweep, Local(at_once=1)) == {}
    assert not job.log.exists()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_as_a_single_run(name: str) -> None:
    """What a sweep's jobs are started with."""
    config = compose("config", [f"experiment={name}", "hydra.mode=RUN"], return_hydra_config=True)
    assert config.hydra.mode.name == "RUN"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("stage=serch",), "search, final, all, grid"),
        (("stage=search", "seed=1"), "seed 0 alone"),
        (("method=full", "method.hidden=1,2"), "method.hidden does not exist"),
        (("task=cola,mrcp",), "task=mrcp: there is no such choice; did you mean task=mrpc"),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        expanded("experiment=table1", "task=cola", "sweep.rounds=2", *arguments)


SMALL = (
    "experiment=minilm_cpu",
    *TINY_T5,
    "data.targets=digits",
    "task=cola",
    "trainer.max_epochs=1",
)
EIGHT = (*SMALL, "stage=grid", "method=read,lora", "optim.lr=1e-3,1e-2", "seed=0,1")

# A run without its training: it takes the lock, writes how often it was made, and a score that follows from its name.
RUN = """
import json, os, sys, time
from pathlib import Path
from filelock import FileLock, Timeout
folder, val, test, wait_s = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
try:
    with FileLock(folder / ".lock", timeout=0):
        if (folder / "result.json").exists() and (folder / "result.json").stat().st_size > 1 and sys.argv[6] == "False":
            sys.exit(0)
        time.sleep(wait_s)
        if val < 0:
            (folder / "error.txt").write_text("Traceback:\\n  here\\nValueError: a bad run\\n")
            sys.exit(1)
        with open(folder / "made", "a") as file:
            file.write("x")
        record = json.loads(RECORD)
        record |= {"seed": int(sys.argv[5]), "setting": {"lr": val}, "metrics": {"val/score": val, "test/score": test}}
        (folder / "new").write_text(json.dumps(record))
        os.replace(folder / "new", folder / "result.json")
except Timeout:
    sys.exit("is being run by another process")
"""


def stub(
    tmp_path: Path,
    contest: str,
    val: float,
    *,
    seed: int = 0,
    test: float = 0.0,
    wait_s: float = 0.0,
    force: bool = False,
) -> Job:
    script = tmp_path / "run.py"
    script.write_text(RUN.replace("RECORD", repr(json.dumps(run_record()))))
    name = f"{contest},lr={val}/seed={seed}"
    folder = tmp_path / "runs" / "tiny" / "local" / "cola" / name
    command = tuple(map(str, (script, folder, val, test, wait_s, seed, force)))
    return Job(name, command, folder / "result.json", "cola", seed, (contest,), (f"lr={val}",), ("tiny",) * 7)


def sweep_of(tmp_path: Path, jobs: list[Job], stage: str, *, force: bool = False) -> Sweep:
    search = tuple(job for job in jobs if job.seed == 0)
    return Sweep(stage, search, tuple(jobs), (), tmp_path, force=force, dry_run=False)


def made(job: Job) -> int:
    path = job.record.with_name("made")
    return len(path.read_text()) if path.exists() else 0


def test_search_then_the_best_by_validation_on_every_seed(tmp_path: Path) -> None:
    jobs = [stub(tmp_path, "read", val, seed=seed, test=-val) for val in (10, 30, 20) for seed in (0, 1, 2)]
    assert run_sweep(sweep_of(tmp_path, jobs, "search"), Local(at_once=2)) == {}
    assert [made(job) for job in jobs] == [1, 0, 0, 1, 0, 0, 1, 0, 0]
    everything = sweep_of(tmp_path, jobs, "all")
    assert forecast(everything)["tiny tiny"].counts == {"done": 3, "running": 0, "failed": 0, "missing": 2}
    run_sweep(everything, Local(at_once=2))
    assert [made(job) for job in jobs] == [1, 0, 0, 1, 1, 1, 1, 0, 0]


def test_test_scores_are_never_read_for_selection(tmp_path: Path) -> None:
    jobs = [stub(tmp_path, "read", val, test=100 - val) for val in (10, 30, 20)]
    sweep = sweep_of(tmp_path, jobs, "search")
    run_sweep(sweep, Local(at_once=3))
    before = best_of(jobs)
    generator = random.Random(0)
    for job in jobs:
        record = json.loads(job.record.read_text())
        record["metrics"] = {"val/score": record["metrics"]["val/score"], "test/score": generator.uniform(0, 100)}
        job.record.write_text(json.dumps(record))
    assert best_of(jobs) is before is jobs[1]
    for job in jobs:
        record = json.loads(job.record.read_text())
        del record["metrics"]["test/score"]
        job.record.write_text(json.dumps(record))
    assert final(sweep) == [jobs[1]]


def test_a_run_that_diverged_is_done_and_named_and_not_chosen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    jobs = [stub(tmp_path, "read", val) for val in (10, 30, 20)]
    sweep = sweep_of(tmp_path, jobs, "search")
    run_sweep(sweep, Local(at_once=3))
    record = json.loads(jobs[1].record.read_text())
    jobs[1].record.write_text(json.dumps(record | {"status": "diverged", "diverged_step": 7}))
    assert state(jobs[1]) == "done"
    assert final(sweep) == [jobs[2]]
    assert f"their loss left the numbers: {jobs[1].name}" in caplog.text


def test_a_failed_run_stops_no_other_and_is_named_with_its_cause(tmp_path: Path) -> None:
    jobs = [stub(tmp_path, "read", val) for val in (-1, 10)]
    failed = run_sweep(sweep_of(tmp_path, jobs, "grid"), Local(at_once=1))
    assert failed == {jobs[0].name: "ValueError: a bad run"}
    assert [state(job) for job in jobs] == ["failed", "done"]
    assert stored(tmp_path)["tiny read"].counts == {"done": 1, "running": 0, "failed": 1, "missing": 0}


def test_a_sweep_whose_first_runs_fail_alike_stops_and_shows_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing package or file used to fail every single run of 776, one by one."""
    jobs = [stub(tmp_path, "read", -1 - number) for number in range(8)]
    failed = run_sweep(sweep_of(tmp_path, jobs, "grid"), Local(at_once=1))
    assert failed == {job.name: "ValueError: a bad run" for job in jobs[:3]}
    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert line == f"stopped: the first 3 runs failed alike, 5 others are not started; see {jobs[2].log}"


def test_failures_after_a_run_that_worked_stop_nothing(tmp_path: Path) -> None:
    jobs = [stub(tmp_path, "read", val) for val in (10, -1, -2, -3, 20)]
    assert len(run_sweep(sweep_of(tmp_path, jobs, "grid"), Local(at_once=1))) == 3
    assert made(jobs[4]) == 1


def test_a_sweep_says_which_run_of_how_many_and_ends_with_all_best_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="read_repro")
    jobs = [stub(tmp_path, "read", val) for val in (10, 30, 20)]
    run_sweep(sweep_of(tmp_path, jobs, "grid"), Local(at_once=1))
    *lines, table = caplog.messages
    assert [line.split()[:2] for line in lines] == [[f"{n}/3", job.name] for n, job in enumerate(jobs, start=1)]
    assert [row.split()[0] for row in table.splitlines()] == ["run", jobs[1].name, jobs[2].name, jobs[0].name]


@pytest.mark.parametrize(
    ("argument", "says"),
    [("data.path=nowhere", "data.path=nowhere is no folder"), ("backbone.path=nowhere", "no config.json there")],
)
def test_weights_and_data_are_looked_for_once_before_anything_starts(argument: str, says: str, tmp_path: Path) -> None:
    glue = write_glue(tmp_path, one_token=True)
    backbone = () if argument.startswith("data") else ("backbone=t5-small",)
    sweep = expanded(*EIGHT, f"results_dir={tmp_path / 'results'}", f"data.path={glue}", *backbone, argument)
    with pytest.raises(InputError, match=says):
        run_sweep(sweep, Local(at_once=1))
    assert not (tmp_path / "results").exists()


def test_what_is_done_needs_neither_weights_nor_data_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = expanded(*EIGHT, f"results_dir={tmp_path / 'results'}", "data.path=nowhere")
    monkeypatch.setattr("read_repro.sweep.preflight.record_of", lambda job: job)
    check_inputs(sweep.grid)


def test_only_a_valid_record_counts_and_what_is_done_is_left_alone(tmp_path: Path) -> None:
    jobs = [stub(tmp_path, "read", val) for val in (10, 20, 30)]
    sweep = sweep_of(tmp_path, jobs, "grid")
    run_sweep(sweep, Local(at_once=3))
    jobs[0].record.write_text("{")
    jobs[1].record.unlink()
    run_sweep(sweep, Local(at_once=3))
    assert [made(job) for job in jobs] == [2, 2, 1]
    jobs = [stub(tmp_path, "read", val, force=True) for val in (10, 20, 30)]
    run_sweep(sweep_of(tmp_path, jobs, "grid", force=True), Local(at_once=3))
    assert [made(job) for job in jobs] == [3, 3, 2]


def test_a_record_that_cannot_be_read_is_named_by_the_status(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = stub(tmp_path, "read", 10)
    job.record.parent.mkdir(parents=True)
    job.record.write_text("null")
    assert stored(tmp_path)["tiny read"].counts == {"done": 0, "running": 0, "failed": 0, "missing": 1}
    assert f"{job.record} is not a record" in caplog.text


def test_a_run_under_way_elsewhere_is_waited_for_and_not_done_twice(tmp_path: Path) -> None:
    slow, other = stub(tmp_path, "read", 10, wait_s=1.5), stub(tmp_path, "read", 20)
    pool = Local(at_once=1)
    poll = pool.start(slow.command, slow.log)
    while state(slow) != "running":
        assert poll() is None
        time.sleep(0.02)
    assert run_sweep(sweep_of(tmp_path, [slow, other], "grid"), Local(at_once=1)) == {}
    assert [made(job) for job in (slow, other)] == [1, 1]


def test_a_pool_that_could_start_nothing_is_refused_in_one_line(tmp_path: Path) -> None:
    """With at_once=0 a sweep used to turn in a circle for ever."""
    command = ["train.py", *SMALL, f"results_dir={tmp_path}", "data.path=nowhere", "hydra.launcher.pool.at_once=0"]
    ended = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "hydra.launcher.pool.at_once=0: a whole number of at least 1 is needed" in ended.stderr


@pytest.mark.parametrize("at_once", [-1, 1.5, True])
def test_no_other_number_of_places_makes_sense(at_once: Any) -> None:
    with pytest.raises(InputError, match="at least 1"):
        Local(at_once=at_once)


def test_commands_run_as_places_become_free_and_are_asked_for_no_sooner(tmp_path: Path) -> None:
    codes, most = [3, 0, 1, 0, 2], 0
    started, ended = [], {}

    def commands() -> Iterator[tuple[int, list[str], Path]]:
        nonlocal most
        for number, code in enumerate(codes):
            started.append(number)
            most = max(most, len(started) - len(ended))
            yield number, ["-c", f"raise SystemExit({code})"], tmp_path / f"{number}.log"

    for number, code in launch.run_all(commands(), Local(at_once=2)):
        ended[number] = code
    assert ended == dict(enumerate(codes))
    assert most == 2


def test_two_sweeps_at_once_do_no_run_twice(tmp_path: Path) -> None:
    jobs = [stub(tmp_path, "read", val, wait_s=0.2) for val in range(6)]
    sweep = sweep_of(tmp_path, jobs, "grid")
    if (child := os.fork()) == 0:
        os._exit(len(run_sweep(sweep, Local(at_once=2))))
    failed = run_sweep(sweep, Local(at_once=2))
    assert os.waitpid(child, 0)[1] == 0
    assert failed == {}
    assert [made(job) for job in jobs] == [1] * 6


def test_a_run_dies_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text("import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)")
    born = tmp_path / "born"
    code = "import sys, time; from pathlib import Path; from read_repro.sweep.launchers import spawn; "
    code += "spawn(sys.argv[1:3], Path(sys.argv[3])); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", code, script, born, tmp_path / "log"])
    while not born.exists() or not born.read_text():
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{born.read_text()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_plan_counts_locks_failures_and_costs(tmp_path: Path) -> None:
    done, held, failed = (stub(tmp_path, "read", val) for val in (10, 20, -1))
    run_sweep(sweep_of(tmp_path, [done, failed], "grid"), Local(at_once=2))
    held.record.parent.mkdir(parents=True)
    with FileLock(held.record.parent / ".lock"):
        lines = forecast(sweep_of(tmp_path, [done, held, failed], "grid"))
    assert lines["tiny tiny"].counts == {"done": 1, "running": 1, "failed": 1, "missing": 0}
    text = as_text(lines, "of the runs that are left").splitlines()
    assert text[-2].split() == ["all", "1", "1", "1", "0", "-", "-"]
    assert text[-1] == "hours and kWh: of the runs that are left"


def sweeping(results: Path, glue: Path, *more: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "train.py", *EIGHT, f"data.path={glue}", f"results_dir={results}", *more],
            cwd=ROOT,
            stdout=file,
            stderr=file,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def still(results: Path) -> dict[str, Any]:
    """Eight records by their place, without what two runs of one seed may differ in."""
    found = {}
    for path in sorted((results / "runs").rglob("result.json")):
        record = json.loads(path.read_text())
        record["metrics"] = {k: v for k, v in record["metrics"].items() if not k.startswith(MOVING)}
        record["history"] = [
            {k: v for k, v in row.items() if k not in ("time_s", "energy_kwh")} for row in record["history"]
        ]
        for moving in ("labels", "commit", "config", "sha256"):
            del record[moving]
        found[str(path.relative_to(results))] = record
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    place = tmp_path_factory.mktemp("undisturbed")
    glue = write_glue(place, one_token=False, rows=32)
    assert sweeping(place / "results", glue, log=place / "log").wait() == 0, (place / "log").read_text()
    return glue, still(place / "results")


@pytest.mark.slow
def test_a_sweep_killed_three_times_ends_as_an_undisturbed_one(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    glue, wanted = undisturbed
    assert len(wanted) == 8
    results, generator = tmp_path / "results", random.Random()
    written: dict[Path, int] = {}
    for _ in range(3):
        sweep = sweeping(results, glue, log=tmp_path / "log")
        goal = len(written) + generator.randint(1, 2)
        while len(list(results.rglob("result.json"))) < goal:
            assert sweep.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.2)
        time.sleep(generator.uniform(0, 10))
        sweep.send_signal(signal.SIGKILL)
        sweep.wait()
        for path, time_ns in written.items():
            assert path.stat().st_mtime_ns == time_ns
        written = {path: path.stat().st_mtime_ns for path in results.rglob("result.json")}
    assert sweeping(results, glue, log=tmp_path / "log").wait() == 0, (tmp_path / "log").read_text()
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in written.items())
    assert still(results) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "choice"),
    [
        ("submitit", ("hydra/launcher=slurm", "hydra.launcher.pool.cluster=local",
                      "hydra.launcher.pool.parameters={timeout_min: 60}", "hydra.launcher.pool.at_once=2")),
        ("ray", ("hydra/launcher=ray", "hydra.launcher.pool.gpus=0")),
    ],
    ids=["submitit-local", "ray"],
)  # fmt: skip
def test_every_launcher_leaves_the_same_records(
    package: str, choice: tuple[str, ...], undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    pytest.importorskip(package, reason=f"pip install 'read-repro[{'slurm' if package == 'submitit' else package}]'")
    glue, wanted = undisturbed
    assert sweeping(tmp_path / "r", glue, *choice, log=tmp_path / "log").wait() == 0, (tmp_path / "log").read_text()
    assert still(tmp_path / "r") == wanted
