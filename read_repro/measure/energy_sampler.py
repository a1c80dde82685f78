"""The thread that takes an energy window's readings: one at its opening, one every interval, and those it is asked for.

It may never slow, block or kill a run: it is a daemon that nobody waits for longer than a few seconds, it installs no
signal handler, and where it fails the run goes on without energy and is told why.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Protocol

from read_repro.measure.energy_formulas import Sample


class Reader(Protocol):
    """What the sampler asks of a device; all but ``kill`` are called in its thread."""

    power_limit_w: float | None

    def open(self) -> None: ...
    def read(self) -> Sample: ...
    def close(self) -> None: ...
    def kill(self) -> None: ...


class Listener(Protocol):
    """Who is told of the readings."""

    def opened(self) -> None:
        """The reader is open: readings come next."""

    def take(self, sample: Sample) -> None: ...

    def explain(self, reason: str) -> None:
        """Something is missing, and this is why."""


@dataclass
class _Request:
    """One reading to take."""

    last: bool = False
    epoch_end: bool = False
    pause: bool = False
    taken: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


class Sampler:
    """Takes readings from ``start`` to ``stop`` and hands them to its listener.

    Args:
        reader: the devices.
        listener: told from the sampler's thread, and of what goes wrong at both ends from the caller's.
        interval_s: time between regular readings.
        patience_s: how long to wait for a reading before going on without it.
    """

    def __init__(self, reader: Reader, listener: Listener, *, interval_s: float, patience_s: float) -> None:
        self._reader, self._listener = reader, listener
        self._interval_s, self._patience_s = interval_s, patience_s
        self._requests: SimpleQueue[_Request] = SimpleQueue()
        self._first = _Request()
        self._abandoned = threading.Event()
        self._silent = False
        self._thread = threading.Thread(target=self._run, name="energy", daemon=True)

    def start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:  # the system allows no more threads
            self._listener.explain(f"energy not measured: {error}")
            return
        if not self._first.answered.wait(self._patience_s):
            told = f"no reading within {self._patience_s:g} s of the opening: the energy before it is missing"
            self._listener.explain(told)

    def ask(self) -> bool:
        """Have an epoch's reading taken now; False if none comes. After one that did not, none is waited for again."""
        return not self._silent and self._asked(_Request(epoch_end=True))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around what is no part of the window: a reading at either end, and none between them."""
        self._asked(_Request(epoch_end=True, pause=True))
        try:
            yield
        finally:
            self._asked(_Request(epoch_end=True))

    def _asked(self, request: _Request) -> bool:
        """Have a reading taken; False if it is not there in time, though it may still come."""
        if not self._thread.is_alive():
            return False
        self._requests.put(request)
        self._silent = self._silent or not request.answered.wait(self._patience_s)
        return request.taken

    def stop(self) -> None:
        """Have the last reading taken. If it does not come, whatever comes later is dropped."""
        if not self._thread.is_alive():
            return
        self._requests.put(_Request(last=True))
        self._thread.join(self._patience_s)
        if self._thread.is_alive():
            self._abandoned.set()
            self._reader.kill()
            self._listener.explain(f"energy sampler gave no answer within {self._patience_s:g} s: a reading hangs")

    def _run(self) -> None:
        request, taken = self._first, 0
        try:
            self._reader.open()
            if not self._abandoned.is_set():
                self._listener.opened()
            self._take(request)
            due_s = time.monotonic() + self._interval_s
            while not request.last:
                taken += 1
                if request.pause:
                    left_s = due_s - time.monotonic()
                    request, regular = self._requests.get(), False
                    due_s = time.monotonic() + left_s
                else:
                    request, regular = self._next(due_s)
                self._take(request)
                due_s = time.monotonic() + self._interval_s if regular else due_s
        except Exception as error:  # whatever it is: a run must not die of its energy
            if not self._abandoned.is_set():
                after = f" after {taken} readings" if taken else ""
                self._listener.explain(f"energy not measured{after}: {error}")
            request.answered.set()
        finally:
            self._reader.close()

    def _next(self, due_s: float) -> tuple[_Request, bool]:
        """The next reading to take, and whether it is the regular one of ``due_s``."""
        try:
            return self._requests.get(timeout=max(0.0, due_s - time.monotonic())), False
        except Empty:
            return _Request(), True

    def _take(self, request: _Request) -> None:
        sample = replace(self._reader.read(), last=request.last, epoch_end=request.epoch_end, pause=request.pause)
        if self._abandoned.is_set():
            return
        self._listener.take(sample)
        request.taken = True
        request.answered.set()
