"""The energy journal of a run: a JSON line a reading, written as it comes, so that a killed run's energy is not lost.

A window's constants come first, then its samples, and between them what became known of it later: the power limit, what
went wrong, and when it was closed if no last reading did it. A run that was killed and resumed has several windows in
one file.
"""

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import UnionType
from typing import Any, TextIO, TypeVar, get_args, get_origin, get_type_hints

from read_repro.measure.energy_formulas import Sample, Window
from read_repro.measure.energy_summary import ESTIMATED, labels, summarise

log = logging.getLogger(__name__)

EARLIER = ("energy/eq4_kwh", "energy/cpu_estimate_kwh")
MOST = 1e15  # a larger number is no reading of anything
Line = TypeVar("Line", Window, Sample)
FIELDS: dict[type, dict[str, Any]] = {kind: get_type_hints(kind) for kind in (Window, Sample)}


class Journal:
    """Appends lines and flushes each; a file that cannot be written costs a warning, never the run."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._lock = threading.Lock()  # the sampler and the run both write

    def open(self, window: Window) -> None:
        """Begins a window; the empty line first parts it from a line that a kill has cut."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            log.warning("energy journal not written: %s", error)
        self._write("\n" + json.dumps({"window": asdict(window)}))

    def add(self, sample: Sample) -> None:
        self._write(json.dumps({"sample": asdict(sample)}))

    def tell(self, what: str, value: float | str | None) -> None:
        """What becomes known of the window after it began: its ``power_limit_w`` or ``closed_s``, or a ``reason``."""
        self._write(json.dumps({what: value}))

    def close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                log.warning("energy journal ends here: %s", error)

    def _write(self, text: str) -> None:
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(text + "\n")
                self._file.flush()
                return
            except OSError as error:
                log.warning("energy journal ends here: %s", error)
        self.close()


def earlier_tries(windows: Sequence[Window]) -> tuple[dict[str, float | None], list[str]]:
    """What tries of a run spent that nothing came of, and what is missing from it."""
    if not windows:
        return {}, []
    spent, told = summarise(windows), labels(windows)
    metrics = {f"{key}_earlier_tries": spent[key] for key in EARLIER}
    return metrics, [f"earlier tries: {label}" for label in told if label != ESTIMATED]


def read_windows(path: Path | str) -> list[Window]:
    """The windows of a journal in their order, none if there is no file; a line that is none of ours is left out."""
    windows: list[Window] = []
    for number, text in _lines(Path(path)):
        try:
            _take(windows, json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            log.warning("%s, line %d is cut or broken and left out", path, number)
    return windows


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; a kill may have cut any, and the readings before it stand."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("energy journal not read: %s", error)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line


def _take(windows: list[Window], line: dict[str, Any]) -> None:
    """Add what a line says to the windows; raises ValueError, TypeError or KeyError for what cannot be."""
    ((kind, value),) = line.items()
    if kind == "window":
        windows.append(_typed(Window, _tuples(value) | {"samples": ()}))
        return
    if not windows:
        raise ValueError("outside of any window")
    window = windows[-1]
    if kind == "sample":
        sample = _typed(Sample, _tuples(value))
        _check_belongs(sample, window)
        windows[-1] = replace(window, samples=(*window.samples, sample))
    elif kind in ("power_limit_w", "closed_s"):
        windows[-1] = _typed(Window, vars(window) | {kind: value})
    elif kind == "reason":
        windows[-1] = _typed(Window, vars(window) | {"reasons": (*window.reasons, value)})
    else:
        raise KeyError(kind)


def _check_belongs(sample: Sample, window: Window) -> None:
    if window.samples and sample.time_s < window.samples[-1].time_s:
        raise ValueError("before the reading before it")
    for values, expected in ((sample.counters_j, window.gpus), (sample.package_j, window.package_ranges_j)):
        if values is not None and len(values) != len(expected):
            raise ValueError("not one number a device")


def _typed(kind: type[Line], values: dict[str, Any]) -> Line:
    """Raises TypeError for a field that is missing, unknown or of another type: a file is data, whatever wrote it."""
    made = kind(**values)
    wrong = [name for name, value in vars(made).items() if not _fits(value, FIELDS[kind][name])]
    if wrong:
        raise TypeError(f"wrong type: {', '.join(wrong)}")
    return made


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(part, get_args(hint)[0]) for part in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST
    return isinstance(value, hint)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists alone."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
