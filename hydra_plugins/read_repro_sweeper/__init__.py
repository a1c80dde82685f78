"""What Hydra must find in ``hydra_plugins``, thin: the work is in read_repro/sweep/.

Every run imports this module, so it imports nothing heavy.
"""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig

from read_repro.errors import InputError
from read_repro.sweep.launchers import Poll, Pool

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
        """Ends the process: 0, 1 with failed runs, which are listed, or 2 for a user's mistake."""
        self._log()
        try:
            failed = self._run(arguments)
        except InputError as error:
            logger.error("error: %s", error)
            sys.exit(2)
        except KeyboardInterrupt:
            logger.error("stopped; the same command goes on from here")
            sys.exit(130)
        if failed:
            lines = (f"  {name}: {cause}" for name, cause in failed.items())
            logger.error("%s", "\n".join((f"{len(failed)} failed:", *lines)))
            sys.exit(1)

    def _run(self, arguments: list[str]) -> dict[str, str]:
        from read_repro.sweep import jobs, status
        from read_repro.sweep import runner as sweep

        made = jobs.expand(arguments, self._params)
        if made.dry_run:
            logger.info("%s", status.as_text(sweep.forecast(made)))
            return {}
        launcher = Plugins.instance().instantiate_launcher(**self._setting)
        if not isinstance(launcher, ProcessLauncher):
            raise InputError("this sweeper needs a launcher of its own: hydra/launcher=local, slurm or ray")
        return sweep.run_sweep(made, launcher.pool)


class ProcessLauncher(Launcher):
    """``conf/hydra/launcher/{local,slurm,ray}.yaml``: one process a run, also under Hydra's basic sweeper."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._logs = Path(config.hydra.sweep.dir)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """One process for each list of overrides; one that fails does not stop the others."""
        from read_repro.sweep.jobs import TRAIN
        from read_repro.sweep.runner import POLL_S

        waiting, returns = list(enumerate(job_overrides, initial_job_idx)), dict[int, JobReturn]()
        under_way = dict[int, tuple[Poll, Path]]()
        while waiting or under_way:
            while waiting and len(under_way) < self.pool.at_once:
                number, overrides = waiting.pop(0)
                log = self._logs / f"{number}.log"
                returns[number] = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
                under_way[number] = self.pool.start((*TRAIN, *overrides, "hydra.mode=RUN"), log), log
            for number, (poll, log) in list(under_way.items()):
                if (code := poll()) is not None:
                    del under_way[number]
                    if code != 0:
                        returns[number].status = JobStatus.FAILED
                        returns[number].return_value = RuntimeError(f"exit code {code}: see {log}")
            time.sleep(POLL_S)
        return [returns[number] for number in sorted(returns)]
