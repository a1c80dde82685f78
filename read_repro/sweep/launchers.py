"""Where the runs of a sweep happen: each in a process of its own, on this machine, on Slurm or on Ray.

A pool starts a command and returns a function that tells its exit code, or None while it still runs. ``run_all`` keeps
a pool full, and is the one place where anything is scheduled.

submitit and ray are called directly, although Hydra has a launcher plugin for each. Those plugins run a whole batch of
jobs and return when the last one is over, while a sweep has to see each run end: it leaves alone what another sweep has
under way, and chooses the final runs from the search's records. Their versions stand in the way as well (November
2026): the last release of hydra-submitit-launcher is of 2022, and its release candidate (1.4.0rc3) needs a release
candidate of Hydra; hydra-ray-launcher 1.2.2 (October 2026) needs cloudpickle below 3 and boto3.

Run as a module, this file becomes the command that it is given, bound to die with its parent.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from read_repro.errors import InputError

CommandKey = TypeVar("CommandKey", bound=Hashable)
Poll = Callable[[], int | None]
LOST = 1  # the exit code that stands for a run whose cluster job did not come back
STOP_S = 10.0  # how long a run that was told to end (SIGTERM) may take before it is killed (SIGKILL)
POLL_S = 0.2  # how long to wait before the running commands are looked at again
PR_SET_PDEATHSIG = 1  # Linux: prctl(2)


class Pool(ABC):
    """Something that runs commands, at most ``at_once`` of them at a time.

    Raises:
        InputError: ``at_once`` is no whole number of at least 1.
    """

    def __init__(self, *, at_once: int) -> None:
        if type(at_once) is not int or at_once < 1:
            raise InputError(f"hydra.launcher.pool.at_once={at_once}: a whole number of at least 1 is needed")
        self.at_once = at_once

    @abstractmethod
    def start(self, command: Sequence[str], log: Path) -> Poll:
        """Start Python with ``command``; what it prints is appended to ``log``."""

    @abstractmethod
    def stop(self) -> None:
        """End what still runs."""


def run_all(commands: Iterable[tuple[CommandKey, Sequence[str], Path]], pool: Pool) -> Iterator[tuple[CommandKey, int]]:
    """Run every command, as many at once as the pool takes; yields its key and its exit code when one has ended.

    Args:
        commands: a key, what Python is given, and a log for each. They are asked for only as places become free, so
            that an iterator can decide at the last moment what still has to be run.
        pool: where they run.
    """
    waiting, under_way = iter(commands), dict[CommandKey, Poll]()
    while True:
        for key, command, log in islice(waiting, pool.at_once - len(under_way)):
            under_way[key] = pool.start(command, log)
        if not under_way:
            return
        ended = {key: code for key, poll in under_way.items() if (code := poll()) is not None}
        for key, code in ended.items():
            del under_way[key]
            yield key, code
        if not ended:
            time.sleep(POLL_S)


class Local(Pool):
    """Processes on this machine."""

    def __init__(self, *, at_once: int) -> None:
        super().__init__(at_once=at_once)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, command: Sequence[str], log: Path) -> Poll:
        process = spawn(command, log)
        self._processes = [each for each in self._processes if each.poll() is None] + [process]
        return process.poll

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


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
        self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        self._executor.update_parameters(**parameters)
        self._jobs: list[Any] = []

    def start(self, command: Sequence[str], log: Path) -> Poll:
        job = self._executor.submit(execute, list(command), log.absolute(), Path.cwd())
        self._jobs = [each for each in self._jobs if not each.done()] + [job]

        def poll() -> int | None:
            if not job.done():
                return None
            return LOST if job.exception() is not None else job.result()

        return poll

    def stop(self) -> None:
        for job in self._jobs:
            job.cancel()


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


def spawn(command: Sequence[str], log: Path, folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start Python with ``command``; it dies with this process, in whatever way this one ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return subprocess.Popen(
            bound(command), cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )


def bound(command: Sequence[str]) -> list[str]:
    """Python with ``command``, as a command that dies with this process."""
    return [sys.executable, "-m", "read_repro.sweep.launchers", str(os.getpid()), *command]


def main(parent: str, *command: str) -> None:
    """Become Python with ``command``, which the kernel kills when the process ``parent`` is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # the parent ended before the kernel was told to watch it
        sys.exit(LOST)
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main(*sys.argv[1:])
