"""``python train.py`` and ``read-repro``: compose the configuration, check it, run it once. See ``--help``."""

import logging
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from read_repro.config.files import CONF
from read_repro.errors import InputError
from read_repro.foreign import refuse_code
from read_repro.records.naming import identity, run_name
from read_repro.training.checks import check

logger = logging.getLogger("read_repro.train")


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def main(config: DictConfig) -> None:
    """One run, or one job of a multirun. A user's mistake ends a single run with exit code 2; in a multirun it is
    raised, so that Hydra goes on with the other jobs.
    """
    try:
        run_one(config)
    except InputError as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        logger.error("error: %s", error)
        sys.exit(2)


def run_one(config: DictConfig) -> None:
    """Name the run, check what can be checked without torch, then train."""
    # A task's file may be anyone's: resolved, an ``${oc.env:...}`` in it would stand in the log and in the record.
    refuse_code(OmegaConf.to_container(config.task, resolve=False), "the task", {("_target_", "Task")})
    choices = {group: name for group, name in HydraConfig.get().runtime.choices.items() if "hydra/" not in group}
    files = hydra.compose("config", [f"{group}={name}" for group, name in choices.items() if group != "experiment"])
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    original: Any = OmegaConf.to_container(files, resolve=True)  # a file may leave a key to the command line
    logger.info("%s", OmegaConf.to_yaml(config, resolve=True))
    named = identity(plain, original, method=choices["method"])
    folder = Path(plain["results_dir"]) / "runs" / run_name(**named)
    tables = check(plain, folder)
    from read_repro.training.run import run  # torch is imported only now

    run(plain, named, folder, tables)


if __name__ == "__main__":
    main()
