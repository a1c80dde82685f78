"""``python train.py`` and ``read-repro``: compose the configuration, check it, run it once. See ``--help``."""

import logging
import os
import shlex
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from read_repro.config.composition import explain_composition, resolved
from read_repro.config.files import CONF, default_choices
from read_repro.config.overrides import parse
from read_repro.config.schema import TrainerSection, read_config
from read_repro.data.own_task import completed
from read_repro.errors import InputError, Stopped, signals_stop, system_refusal, system_refusals
from read_repro.foreign import refuse_code
from read_repro.records.naming import identity, run_name
from read_repro.records.record import Record
from read_repro.terminal.lines import say, waiting
from read_repro.terminal.many_runs import ALIKE, EndedRun, fail_alike, ranking
from read_repro.terminal.opening import first_line, what_differs
from read_repro.training.checks import check, rank_of

logger = logging.getLogger("read_repro.train")
VERBOSE = "hydra.verbose=[read_repro]"  # what -v stands for: this package's log from DEBUG on, the configuration in it
HARMLESS = {("_target_", "Task"), ("_target_", "OwnTask")}


def main() -> None:
    """The command. It ends with 2 for what was refused, 1 for a run that failed, 130 or 143 for a signal."""
    # Hydra then hands its errors on as they are; without this it prints many lines of its own and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    given = sys.argv[1:]
    sys.argv[1:] = [VERBOSE if argument in ("-v", "--verbose") else argument for argument in given]
    ended: list[EndedRun] = []
    codes: list[int] = []

    def end(code: int, why: object) -> str:
        logger.error("error: %s", why)
        codes.append(code)
        return str(why)

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    def job(config: DictConfig) -> None:
        """One run. What ends it is told, not raised: so Hydra adds no lines, and a multirun goes on with other jobs."""
        here = Place.of(HydraConfig.get(), given)
        ended.append(EndedRun(here.name, None))
        record, why = None, None
        try:
            record = run_one(config, here)
        except InputError as error:
            why = end(2, error)
        except OSError as error:  # of the training; until it begins, an OSError is made an InputError
            why = end(1, system_refusal(error))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise
        finally:
            ended[-1] = EndedRun(here.name, record, why)
            if here.total > ALIKE and len(ended) == ALIKE and (cause := fail_alike(ended)) is not None:
                logger.error(
                    "stopped: the first %d runs failed alike, and the others are not started: %s", ALIKE, cause
                )
                sys.exit(min(codes, default=1))

    with signals_stop():
        try:
            job()
        except Stopped as stopped:
            logger.error("%s: what is done stays done; to go on: %s", stopped, shlex.join([*program(), *given]))
            raise
        except (HydraException, OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
            if ended:  # then it is not about the command line
                raise
            end(2, explain_composition(error, sys.argv[1:]))
    if len(ended) > 1 and any(run.record is not None for run in ended):
        say(ranking(ended))
    if codes:
        sys.exit(min(codes))


def program() -> list[str]:
    """How a person started this program."""
    return ["read-repro"] if Path(sys.argv[0]).name == "read-repro" else ["python", sys.argv[0]]


@dataclass(frozen=True)
class Place:
    """Where a job stands among those of Hydra's own sweeper, which runs one after the other in this process.

    Args:
        number: from 1.
        total: how many there are; 1 for a single run.
        name: what sets it apart from the others.
    """

    number: int
    total: int
    name: str

    @classmethod
    def of(cls, hydra_config: Any, arguments: list[str]) -> "Place":
        """The place of the job that Hydra has just started for a command line."""
        if hydra_config.mode != RunMode.MULTIRUN:
            return cls(1, 1, "")
        choices = parse([argument for argument in arguments if "=" in argument])
        varied = tuple(key for key, values in choices.items() if len(values) > 1)
        own = [each for each in hydra_config.overrides.task if each.partition("=")[0] in varied]
        return cls(hydra_config.job.num + 1, prod(map(len, choices.values())), " ".join(own))

    def __str__(self) -> str:
        return f"{self.number}/{self.total}" if self.total > 1 else ""


def run_one(config: DictConfig, place: Place) -> Record | None:
    """Check the configuration, name the run, check what can be checked without torch, then train."""
    # A task's file may be anyone's: resolved, an ``${oc.env:...}`` in it would stand in the log and in the record.
    refuse_code(OmegaConf.to_container(config.task, resolve=False), "the task", HARMLESS)
    choices = {group: name for group, name in HydraConfig.get().runtime.choices.items() if "hydra/" not in group}
    checked = read_config(resolved(config))
    files = hydra.compose("config", [f"{group}={name}" for group, name in choices.items() if group != "experiment"])
    shipped: Any = OmegaConf.to_container(files, resolve=True)  # a file may leave a key to the command line
    if checked.trainer.processes > 1:
        refuse_in_a_multirun(checked.trainer)
    said = checked.plain()
    with system_refusals():
        task = completed(said["task"], said["data"])
    # A run is named by what was said of its task, and recorded with what the data themselves have told of it, too.
    named = identity(said, shipped, method=choices["method"], task=task["name"])
    checked = read_config({**said, "task": task})
    say(first_line(named, count=str(place), varied=place.name))
    with system_refusals():
        inputs = check(checked, Path(checked.results_dir) / "runs" / run_name(**named))
        if place.number == 1:
            say(what_differs(choices, default_choices(), said, shipped))
        logger.debug("%s", OmegaConf.to_yaml(config, resolve=True))
        with waiting("  loading torch ..."):
            from read_repro.training.run import run
    return run(checked, named, inputs)


def refuse_in_a_multirun(trainer: TrainerSection) -> None:
    """Where one process makes several runs, none of them can have several processes; of those only the first speaks."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        raise InputError(
            f"trainer.devices={trainer.devices}, trainer.num_nodes={trainer.num_nodes}: a multirun in one process has "
            "one device; give each run a process of its own (an experiment, or hydra/launcher=local)"
        )
    if rank_of(trainer):
        logging.getLogger("read_repro").setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
