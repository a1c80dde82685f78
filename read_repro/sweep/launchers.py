"""Where the runs of a sweep happen: each in a process of its own, on this machine or, by ``clusters``, on others.

A pool starts a command and returns a function that tells its exit code, or None while it still runs. ``run_all`` keeps
a pool full, and is the one place where anything is scheduled.

Run as a module, this file becomes the command that it is given, bound to die with its parent.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import TypeVar

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
    """Processes on this machine.

    Args:
        gpus: of each run, which no other has meanwhile; 0, or a machine without any: all see all.

    Raises:
        InputError: more runs at once than there are GPUs for.
    """

    def __init__(self, *, at_once: int, gpus: int = 1) -> None:
        super().__init__(at_once=at_once)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._gpus, here = gpus, visible_gpus() if gpus else ()
        self._used: dict[str, subprocess.Popen[bytes] | None] = dict.fromkeys(here)
        if here and at_once * gpus > len(here):
            raise InputError(
                f"hydra.launcher.pool.at_once={at_once}: at {gpus} for each run that takes {at_once * gpus} GPUs, and "
                f"{len(here)} are here; choose fewer runs, or hydra.launcher.pool.gpus=0, with which they share them"
            )

    def start(self, command: Sequence[str], log: Path) -> Poll:
        free = [gpu for gpu, user in self._used.items() if user is None or user.poll() is not None][: self._gpus]
        process = spawn(command, log, environment={"CUDA_VISIBLE_DEVICES": ",".join(free)} if free else {})
        self._used |= dict.fromkeys(free, process)
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


def visible_gpus() -> tuple[str, ...]:
    """The GPUs that a run would see here, by the names that CUDA_VISIBLE_DEVICES takes; asked without torch."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:  # CUDA reads it up to the first entry that is none
        return tuple(takewhile(lambda entry: entry not in ("", "-1"), map(str.strip, given.split(","))))
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(said.stdout.split()) if said.returncode == 0 else ()


def spawn(
    command: Sequence[str], log: Path, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start Python with ``command`` and more environment; it dies with this process, in whatever way this one ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return subprocess.Popen(
            bound(command),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
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
