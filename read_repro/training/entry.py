"""``python train.py`` and ``read-repro``: compose the configuration, check it, run it once. See ``--help``."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from read_repro.config.composition import explain_composition, resolved
from read_repro.config.files import CONF
from read_repro.config.schema import read_config
from read_repro.errors import InputError, Stopped, signals_stop, system_refusal, system_refusals
from read_repro.foreign import refuse_code
from read_repro.records.naming import identity, run_name
from read_repro.training.checks import check

logger = logging.getLogger("read_repro.train")


def main() -> None:
    """The command. It ends with 2 for what was refused, 1 for a run that failed, 130 or 143 for a signal."""
    # Hydra then hands its errors on as they are; without this it prints many lines of its own and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    started: list[DictConfig] = []
    codes: list[int] = []

    def end(code: int, why: object) -> None:
        logger.error("error: %s", why)
        codes.append(code)

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
    def job(config: DictConfig) -> None:
        """One run. What ends it is told, not raised: so Hydra adds no lines, and a multirun goes on with other jobs."""
        started.append(config)
        try:
            run_one(config)
        except InputError as error:
            end(2, error)
        except OSError as error:  # of the training; until it begins, an OSError is made an InputError
            end(1, system_refusal(error))

    with signals_stop():
        try:
            job()
        except Stopped as stopped:
            logger.error("%s: what is done stays done, and the same command does the rest", stopped)
            raise
        except (HydraException, OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
            if started:  # then it is not about the command line
                raise
            end(2, explain_composition(error, sys.argv[1:]))
    if codes:
        sys.exit(min(codes))


def run_one(config: DictConfig) -> None:
    """Check the configuration, name the run, check what can be checked without torch, then train."""
    # A task's file may be anyone's: resolved, an ``${oc.env:...}`` in it would stand in the log and in the record.
    refuse_code(OmegaConf.to_container(config.task, resolve=False), "the task", {("_target_", "Task")})
    choices = {group: name for group, name in HydraConfig.get().runtime.choices.items() if "hydra/" not in group}
    checked = read_config(resolved(config))
    files = hydra.compose("config", [f"{group}={name}" for group, name in choices.items() if group != "experiment"])
    shipped: Any = OmegaConf.to_container(files, resolve=True)  # a file may leave a key to the command line
    named = identity(checked.plain(), shipped, method=choices["method"])
    with system_refusals():
        inputs = check(checked, Path(checked.results_dir) / "runs" / run_name(**named))
        logger.info("%s", OmegaConf.to_yaml(config, resolve=True))
        from read_repro.training.run import run  # torch is imported only now
    run(checked, named, inputs)


if __name__ == "__main__":
    main()
