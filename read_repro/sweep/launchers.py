"""Where the runs of a sweep happen: each in a process of its own, here, on Slurm or on Ray.

A pool starts commands and hands back, for each, a function that says its exit code, or None while it runs. submitit and
ray are driven directly: Hydra's plugins for them are dead, or hold back other packages.

Run as a module, it becomes the command it is given, bound to die with its parent.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from read_repro.errors import InputError

Poll = Callable[[], int | None]
LOST = 1  # the exit code of a run whose cluster job did not come back
STOP_S = 10.0  # from SIGTERM to SIGKILL
PR_SET_PDEATHSIG = 1  # Linux: prctl(2)


class Pool(Protocol):
    """Something that runs commands, at most ``at_once`` of them at a time."""

    at_once: int

    def start(self, command: Sequence[str], log: Path) -> Poll:
        """Start Python with ``command``; what it says goes to ``log``."""

    def stop(self) -> None:
        """End what still runs."""


class Local:
    """Processes on this machine."""

    def __init__(self, *, at_once: int) -> None:
        self.at_once = at_once
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


class Slurm:
    """Jobs of a Slurm cluster, by submitit.

    Args:
        cluster: slurm, or local: submitit's own executor on this machine.
        folder: for submitit's files.
        parameters: of each job, by submitit's names.
    """

    def __init__(self, *, at_once: int, cluster: str, folder: str, parameters: Mapping[str, Any]) -> None:
        try:
            import submitit
        except ImportError as error:
            raise InputError("this launcher needs submitit: pip install 'read-repro[slurm]'") from error
        self.at_once = at_once
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


class Ray:
    """Tasks of a Ray cluster, or of a Ray on this machine.

    Args:
        address: of the cluster; None starts Ray here.
        cpus, gpus: of each run.
    """

    def __init__(self, *, at_once: int, address: str | None, cpus: float, gpus: float) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # gpus=0 hides no GPU, as Ray will have it
        try:
            import ray
        except ImportError as error:
            raise InputError("this launcher needs ray: pip install 'read-repro[ray]'") from error
        self.at_once = at_once
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
    """The exit code of a command, awaited: what a cluster's worker does."""
    return spawn(command, log, folder).wait()


def spawn(command: Sequence[str], log: Path, folder: Path | None = None) -> subprocess.Popen[bytes]:
    """Start Python with ``command``; it dies with this process, in whatever way this one ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    bound = [sys.executable, "-m", "read_repro.sweep.launchers", str(os.getpid()), *command]
    with log.open("ab") as file:
        return subprocess.Popen(bound, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)


def main(parent: str, *command: str) -> None:
    """Become ``command``, which the kernel kills when ``parent`` is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before the kernel was told
        sys.exit(LOST)
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main(*sys.argv[1:])
