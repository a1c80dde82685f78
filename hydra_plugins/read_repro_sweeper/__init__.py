"""The sweeper and the launcher, which Hydra looks for in a package of this name; their work is in read_repro/sweep/.

Hydra imports this module at every start, so it imports nothing heavy.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.errors import InstantiationException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig

from read_repro.errors import InputError
from read_repro.sweep.launchers import Pool, run_all

logger = logging.getLogger("read_repro.hydra")


class ReadReproSweeper(Sweeper):
    """``conf/hydra/sweeper/read_repro.yaml``: stages, selection by validation, resumption."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = {key: [*each] if isinstance(each, ListConfig) else each for key, each in params.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._setting: dict[str, Any] = {
            "hydra_context": hydra_context,
            "task_function": task_function,
            "config": config,
        }
        self._log = partial(configure_log, config.hydra.job_logging, config.hydra.verbose)

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep. The process ends with 0, with 1 if runs failed (they are listed), or with 2 for a mistake."""
        self._log()
        try:
            failed = self._run(arguments)
        except InputError as error:
            logger.error("error: %s", error)
            sys.exit(2)
        if failed:
            lines = (f"  {name}: {cause}" for name, cause in failed.items())
            logger.error("%s", "\n".join((f"{len(failed)} failed:", *lines)))
            sys.exit(1)

    def _run(self, arguments: list[str]) -> dict[str, str]:
        from read_repro.sweep import entry, jobs, status_lines
        from read_repro.sweep import runner as sweep

        made = jobs.expand(arguments, self._params)
        if made.dry_run:
            logger.info("%s", status_lines.as_text(sweep.forecast(made), entry.TO_COME))
            return {}
        return sweep.run_sweep(made, self._pool())

    def _pool(self) -> Pool:
        try:
            launcher = Plugins.instance().instantiate_launcher(**self._setting)
        except InstantiationException as error:
            raise error.__cause__ if isinstance(error.__cause__, InputError) else error from None
        if not isinstance(launcher, ProcessLauncher):
            raise InputError("this sweeper needs a launcher of its own: hydra/launcher=local, slurm or ray")
        return launcher.pool


class ProcessLauncher(Launcher):
    """``conf/hydra/launcher/{local,slurm,ray}.yaml``: one process a run, also under Hydra's basic sweeper."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._logs = Path(config.hydra.sweep.dir)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """One process for each list of overrides; one that fails does not stop the others."""
        from read_repro.sweep.jobs import TRAIN
        from read_repro.terminal.many_runs import EndedRun, SweepView

        logs = [self._logs / f"{initial_job_idx + index}.log" for index in range(len(job_overrides))]
        commands = [(*TRAIN, *overrides, "hydra.mode=RUN") for overrides in job_overrides]
        codes, view = {}, SweepView(len(logs))
        for index, code in run_all(zip(range(len(logs)), commands, logs, strict=True), self.pool):
            codes[index] = code
            why = None if code == 0 else f"exit code {code}: see {logs[index]}"
            view.ends(EndedRun(" ".join(job_overrides[index]), None, why))
        view.close()
        return [_job_return(overrides, codes[i], logs[i]) for i, overrides in enumerate(job_overrides)]


def _job_return(overrides: Sequence[str], code: int, log: Path) -> JobReturn:
    """What Hydra's basic sweeper wants to know of a job: for a failed one, the error that it raises in the end."""
    if code == 0:
        return JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
    returned = JobReturn(overrides=overrides, status=JobStatus.FAILED)
    returned.return_value = RuntimeError(f"exit code {code}: see {log}")
    return returned
