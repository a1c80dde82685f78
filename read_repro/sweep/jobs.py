"""What a sweep consists of: its command line and its experiment, multiplied out into jobs that know their records.

The values that a key takes for a method come from the last of these places that names the key: the experiment's
``hydra.sweeper.params``, the learning rates of ``sweep.lr``, the ``grid`` of the method's own file,
``sweep.by_method``, and the command line. Hydra must be initialised.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from read_repro.config.overrides import Choices, learning_rates, parse, texts
from read_repro.data.own_task import completed
from read_repro.errors import InputError
from read_repro.records.naming import identity, run_name
from read_repro.records.standing import competing
from read_repro.records.store import RESULT
from read_repro.sweep.configurations import changed, check_values, compose_once, plain_values, shared

TRAIN = ("-m", "read_repro.training.entry")  # what Python is given to train, in a checkout and from a wheel
STAGES = ("search", "final", "all", "grid")


@dataclass(frozen=True)
class Job:
    """One command and the record that it leaves.

    Args:
        name: the name of the run's folder, or of the plan; no two jobs share one.
        command: what Python is given.
        record: where the record will lie.
        task, seed: of a run; None for a memory plan.
        contest: what the job has in common with those that it competes with. Jobs of one contest and one seed differ
            only in what validation chooses among (``competing``).
        setting: what validation chooses among.
        cost: jobs that agree in it take about the same time, as `records.costs.cost_key` has it of a record.
        config: the run's whole resolved configuration; None for a memory plan.
    """

    name: str
    command: tuple[str, ...]
    record: Path
    task: str | None
    seed: int | None
    contest: tuple[Any, ...]
    setting: tuple[str, ...]
    cost: tuple[Any, ...]
    config: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def trains(self) -> bool:
        """Whether the job is a training run, with a folder of its own, or else a memory plan."""
        return self.seed is not None

    @property
    def log(self) -> Path:
        """The file that what the job's process prints goes to; git ignores it."""
        return self.record.with_name("run.log") if self.trains else self.record.with_suffix(".log")


@dataclass(frozen=True)
class Sweep:
    """The jobs of a sweep: the ``search`` on one seed, and the ``grid`` of all settings on the seeds asked for.

    ``data`` holds the ``data`` sections of the jobs' configurations, each one once, so that they can be checked before
    anything starts.
    """

    stage: str
    search: tuple[Job, ...]
    grid: tuple[Job, ...]
    data: tuple[dict[str, Any], ...]
    results: Path
    force: bool
    dry_run: bool


def expand(arguments: Sequence[str], params: Mapping[str, Any]) -> Sweep:
    """The sweep that a command line asks for.

    Args:
        arguments: those of the command line that are not for Hydra itself.
        params: the experiment's ``hydra.sweeper.params``.

    Raises:
        InputError: a key or value that no run can have, or seeds that leave no search.
    """
    given = parse(arguments)
    whole = compose_once(tuple(f"{key}={values[0]}" for key, values in given.items() if len(values) == 1))
    master = plain_values(whole)
    check_values(master)
    sweep, results = master["sweep"], Path(master["results_dir"])
    stage = _stage(master["stage"], plan=sweep["plan"])
    given = {key: values for key, values in given.items() if key != "stage" and key.split(".")[0] != "sweep"}
    default = {"method": whole.hydra.runtime.choices.method, "seed": master["seed"]}
    common = {key: texts(values) for key, values in {**default, **params}.items()} | given
    made: list[Job] = []
    data: dict[str, dict[str, Any]] = {}
    for method in common["method"]:
        own = {**common, **_own(method, sweep, given), **given, "method": (method,)}
        if sweep["plan"] is not None:
            made += _plans(own, sweep["plan"], results)
        else:
            made += _runs({**own, "seed": _seeds(common["seed"], sweep["search_seed"], stage)}, data)
    made.sort(key=lambda job: common["task"].index(job.task) if job.task in common.get("task", ()) else 0)
    return Sweep(
        stage=stage,
        search=tuple(job for job in made if job.seed == sweep["search_seed"]),
        grid=tuple(job for job in made if job.seed is None or str(job.seed) in common["seed"]),
        data=tuple(data.values()),
        results=results,
        force=master["force"],
        dry_run=master["dry_run"],
    )


def _stage(stage: str, *, plan: str | None) -> str:
    """The stage, checked. Memory plans have no validation score to choose by, so for them it is always the grid."""
    if stage not in STAGES:
        raise InputError(f"stage={stage} is unknown: choose one of {', '.join(STAGES)}")
    return stage if plan is None else "grid"


def _seeds(seeds: tuple[str, ...], search_seed: int, stage: str) -> tuple[str, ...]:
    """All seeds that a sweep may need: the search has a seed of its own, whatever seeds are asked for."""
    if stage == "search" and str(search_seed) not in seeds:
        raise InputError(f"stage=search is on seed {search_seed} alone: leave out seed={','.join(seeds)}")
    return tuple(dict.fromkeys((str(search_seed), *seeds)))


def _own(method: str, sweep: Mapping[str, Any], given: Choices) -> Choices:
    """The choices of one method beside those of all: learning rates, its sizes, and ``sweep.by_method``."""
    if sweep["plan"] is not None:
        return {}
    experiment = [f"experiment={given['experiment'][0]}"] if "experiment" in given else []
    grid = plain_values(compose_once((*experiment, f"method={method}")))["grid"] if sweep["grid"] else {}
    rates = {"optim.lr": learning_rates(sweep["lr"], rounds=sweep["rounds"])} if sweep["lr"] is not None else {}
    return {key: texts(values) for key, values in {**rates, **grid, **sweep["by_method"].get(method, {})}.items()}


def _runs(choices: Choices, data: dict[str, dict[str, Any]]) -> Iterator[Job]:
    """The training runs of one method; their ``data`` sections are added to ``data``."""
    swept = {key for key, values in choices.items() if "." in key and len(values) > 1}
    for values in product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        varied = {key: text for key, text in chosen.items() if key in swept or key == "seed"}
        config, files = shared(tuple((key, text) for key, text in chosen.items() if key not in varied))
        config = changed(config, varied)
        check_values(config)
        data[json.dumps(config["data"])] = config["data"]
        task = completed(config["task"], config["data"])
        named = identity(config, files, method=chosen["method"], task=task["name"])
        config = {**config, "task": task}
        candidates = swept & competing(config)
        apart = (f"{key}={text}" for key, text in chosen.items() if key not in candidates and key != "seed")
        rest = config["data"]["train_limit"], config["trainer"]["max_epochs"], config["cache"]["place"]
        yield Job(
            name=run_name(**named),
            command=(*TRAIN, *(f"{key}={text}" for key, text in chosen.items()), "hydra.mode=RUN"),
            record=Path(config["results_dir"], "runs", run_name(**named), RESULT),
            task=named["task"],
            seed=config["seed"],
            contest=tuple(apart),
            setting=tuple(f"{key}={varied[key]}" for key in sorted(candidates)),
            cost=(*(named[key] for key in ("backbone", "data", "method", "task")), *rest),
            config=config,
        )


def _plans(choices: Choices, phase: str, results: Path) -> Iterator[Job]:
    """The memory plans of one method: no training, no seed, no task."""
    from read_repro.measure.memory_planner import parse_plan  # the only part of a sweep that needs torch

    own = {key: values for key, values in choices.items() if key in ("backbone", "method") or key.startswith("method.")}
    for values in product(*own.values()):
        pairs = (*(f"{key}={text}" for key, text in zip(own, values, strict=True)), f"phase={phase}")
        place = results / "planned"
        path = parse_plan(pairs).path
        command = ("-m", "read_repro.measure.memory_planner", *pairs, "--write", str(place))
        cost = (own["backbone"][0], "planned", choices["method"][0], phase, None, None, None)
        yield Job(str(path.with_suffix("")), command, place / path, None, None, pairs, (), cost)
