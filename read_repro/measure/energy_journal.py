"""The energy journal of a run: a JSON line a reading, written as it comes, so that a killed run's energy is not lost.

A window's constants come first, its samples after; a run that was killed and resumed has several windows in one file.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from read_repro.measure.energy_formulas import Sample, Window, labels, summarise

log = logging.getLogger(__name__)


class Journal:
    """Appends lines and flushes each; a file that cannot be written costs a warning, never the run."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None

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

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(text + "\n")
            self._file.flush()
        except OSError as error:
            log.warning("energy journal ends here: %s", error)
            self._file = None


def read_journal(path: Path | str) -> dict[str, float | None]:
    """The ``energy/...`` metrics over all windows of a journal, as ``EnergyMeter.summary`` gives them for one."""
    return summarise(read_windows(path))


def journal_labels(path: Path | str) -> list[str]:
    """What ``EnergyMeter.summary_labels`` says of one window, for all of a journal."""
    return labels(read_windows(path))


def read_windows(path: Path | str) -> list[Window]:
    """The windows of a journal in their order."""
    windows: list[Window] = []
    for line in _lines(Path(path)):
        if "window" in line:
            windows.append(Window(**_tuples(line["window"])))
        elif windows:
            sample = Sample(**_tuples(line["sample"]))
            windows[-1] = replace(windows[-1], samples=(*windows[-1].samples, sample))
    return windows


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """A line that a kill has cut is named and left out; the readings before it stand."""
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            log.warning("%s, line %d is cut and left out", path, number)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists alone."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
