"""The pools of other machines: a Slurm cluster, by submitit, and Ray.

submitit and ray are called directly, although Hydra has a launcher plugin for each. Those plugins run a whole batch of
jobs and return when the last one is over, while a sweep has to see each run end: it leaves alone what another sweep has
under way, and chooses the final runs from the search's records. Their versions stand in the way as well (November
2026): the last release of hydra-submitit-launcher is of 2022, and its release candidate (1.4.0rc3) needs a release
candidate of Hydra; hydra-ray-launcher 1.2.2 (October 2026) needs cloudpickle below 3 and boto3.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from read_repro.errors import InputError
from read_repro.sweep.launchers import LOST, Poll, Pool, spawn


class Slurm(Pool):
    """Jobs of a Slurm cluster, by submitit.

    Args:
        cluster: slurm, or local: submitit's own executor on this machine.
        folder: for submitit's files.
        parameters: of each job, by submitit's names.
    """

    def __init__(self, *, at_once: int, cluster: str, folder: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(at_once=at_once)
        try:
            import submitit
        except ImportError as error:
            raise InputError("this launcher needs submitit: pip install 'read-repro[slurm]'") from error
        self._refused = submitit.core.utils.FailedJobError
        logging.getLogger("submitit").addFilter(_Once())  # without accounting it says so at every look at its jobs
        self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        self._executor.update_parameters(**parameters)
        self._jobs: list[Any] = []

    def start(self, command: Sequence[str], log: Path) -> Poll:
        try:
            job = self._executor.submit(execute, list(command), log.absolute(), Path.cwd())
        except (self._refused, OSError) as error:
            last = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
            raise InputError(f"the cluster does not take this run: {last.strip()[:300]}") from error
        self._jobs = [each for each in self._jobs if not each.done()] + [job]

        def poll() -> int | None:
            if not job.done():
                return None
            return LOST if job.exception() is not None else job.result()

        return poll

    def stop(self) -> None:
        for job in self._jobs:
            job.cancel()


class _Once(logging.Filter):
    """Lets a message through once, however often it comes with other numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        said = re.sub(r"\d+", "", record.getMessage())
        new = said not in self._seen
        self._seen.add(said)
        return new


class Ray(Pool):
    """Tasks of a Ray cluster, or of a Ray on this machine.

    Args:
        address: of the cluster; None starts Ray here.
        cpus, gpus: of each run.
    """

    def __init__(self, *, at_once: int, address: str | None, cpus: float, gpus: float) -> None:
        super().__init__(at_once=at_once)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # without it, Ray hides every GPU at gpus=0
        try:
            import ray
        except ImportError as error:
            raise InputError("this launcher needs ray: pip install 'read-repro[ray]'") from error
        self._ray = ray
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        if address is None and gpus > (here := ray.cluster_resources().get("GPU", 0)):
            ray.shutdown()
            raise InputError(
                f"hydra.launcher.pool.gpus={gpus:g}: Ray sees {here:g} GPUs here, so no run would ever start; choose "
                "hydra.launcher.pool.gpus=0"
            )
        self._execute = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(execute)

    def start(self, command: Sequence[str], log: Path) -> Poll:
        task = self._execute.remote(list(command), log.absolute(), Path.cwd())

        def poll() -> int | None:
            if not self._ray.wait([task], timeout=0)[0]:
                return None
            try:
                return self._ray.get(task)
            except self._ray.exceptions.RayError:
                return LOST

        return poll

    def stop(self) -> None:
        self._ray.shutdown()


def execute(command: Sequence[str], log: Path, folder: Path) -> int:
    """Run Python with ``command`` in ``folder`` and wait for its exit code: what a cluster's worker does."""
    return spawn(command, log, folder).wait()
