"""The stages of a sweep: search on one seed, choose by validation, run the best setting on every seed.

What is done is not done again, and a run that another process has under way is left to that process: two sweeps on one
results folder share the work.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from read_repro.config.schema import DataSection, read_section
from read_repro.records.record import Record
from read_repro.records.selection import select_best
from read_repro.sweep.estimates import by_operations
from read_repro.sweep.jobs import Job, Sweep
from read_repro.sweep.launchers import POLL_S, Pool, run_all
from read_repro.sweep.preflight import check_inputs
from read_repro.sweep.status import SHOWN_OF_CAUSE, cause, locked, record_of, refusal
from read_repro.sweep.status_lines import StateLine, forecast_lines
from read_repro.terminal.lines import say
from read_repro.terminal.many_runs import ALIKE, EndedRun, SweepView, fail_alike, ranking

logger = logging.getLogger(__name__)
ELSEWHERE = "is being run by another process"  # what a run prints that finds its folder locked


def contests(jobs: Iterable[Job]) -> dict[tuple[Any, ...], list[Job]]:
    """The jobs among which validation chooses, by contest."""
    groups: dict[tuple[Any, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.contest, []).append(job)
    return groups


def best_of(candidates: Iterable[Job]) -> Job | None:
    """The job with the best validation score; None where there is no record."""
    found = [(job, record) for job in candidates if isinstance(record := record_of(job), Record)]
    best = select_best([record for _, record in found])
    return next((job for job, record in found if record is best), None)


def final(sweep: Sweep) -> list[Job]:
    """Each contest's best setting on every seed; says where the choice was made without some runs of the search."""
    for contest, candidates in contests(sweep.search).items():
        found = {job.name: record_of(job) for job in candidates}
        if diverged := [name for name, record in found.items() if isinstance(record, Record) and not record.finished]:
            logger.warning("not chosen among, because their loss left the numbers: %s", ", ".join(diverged))
        if lacking := sum(record is None for record in found.values()):
            said = [part for part in contest if not part.startswith(("backbone.", "data.path", "results_dir"))]
            logger.warning("chosen without %d of %d runs of the search: %s", lacking, len(candidates), ", ".join(said))
    return _best(sweep, contests(sweep.search))


def _best(sweep: Sweep, searches: Mapping[tuple[Any, ...], list[Job]]) -> list[Job]:
    """The best setting of each search, on every seed."""
    grid, best = contests(sweep.grid), {contest: best_of(candidates) for contest, candidates in searches.items()}
    return [
        job for contest, one in best.items() if one is not None for job in grid[contest] if job.setting == one.setting
    ]


def unnamed(sweep: Sweep) -> dict[tuple[Any, ...], int]:
    """By `Job.cost`, how many final runs cannot be named yet, because stage ``all`` has not ended their search."""
    later = len({job.seed for job in sweep.grid} - {job.seed for job in sweep.search})
    counts: dict[tuple[Any, ...], int] = {}
    for candidates in contests(sweep.search).values():
        if sweep.stage == "all" and any(record_of(job) is None for job in candidates):
            counts[candidates[0].cost] = counts.get(candidates[0].cost, 0) + later
    return counts


def named(sweep: Sweep) -> list[Job]:
    """The jobs of a sweep's stage whose settings are known by now; none comes twice."""
    if sweep.stage in ("search", "grid"):
        return list(sweep.search if sweep.stage == "search" else sweep.grid)
    if sweep.stage == "final":
        return _best(sweep, contests(sweep.search))
    searches = contests(sweep.search)
    complete = {contest: jobs for contest, jobs in searches.items() if all(map(record_of, jobs))}
    return list({job.name: job for job in [*sweep.search, *_best(sweep, complete)]}.values())


def forecast(sweep: Sweep) -> dict[str, StateLine]:
    """What is done of a sweep, and what is left."""
    return forecast_lines(named(sweep), sweep.results, unnamed=unnamed(sweep), guess=by_operations)


class FailedAlikeError(Exception):
    """The first runs of a sweep failed of one cause: there is no point in starting the rest."""


@dataclass
class SweepProgress:
    """Which runs of a sweep were looked at, which of them failed and why, and what is shown of it."""

    view: SweepView
    failed: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def ended(self, job: Job, why: str | None) -> None:
        """Count a run of this call; ``why`` is what it failed of, None if it did not fail.

        Raises:
            FailedAlikeError: it is the last of the first few runs, which all failed alike.
        """
        if why is not None:
            self.failed[job.name] = why
        record = record_of(job)
        self.view.ends(EndedRun(job.name, record if isinstance(record, Record) and why is None else None, why))
        if len(self.view.ended) == ALIKE and fail_alike(self.view.ended) is not None:
            raise FailedAlikeError(job.log)


def run_sweep(sweep: Sweep, pool: Pool) -> dict[str, str]:
    """Do what is missing of a sweep; returns the failed runs with their causes.

    Raises:
        InputError: weights or data that cannot be had; nothing has been started.
    """
    for data in sweep.data:
        read_section(DataSection, data)
    first = {"final": (), "grid": sweep.grid}.get(sweep.stage, sweep.search)
    check_inputs(sweep.grid if sweep.stage == "final" else first)
    progress = SweepProgress(SweepView(total=len(first) + sum(unnamed(sweep).values())))
    try:
        run_jobs(first, pool, progress, force=sweep.force)
        if sweep.stage in ("final", "all"):
            jobs = [job for job in final(sweep) if job.name not in progress.seen]
            progress.view.expect(progress.view.over + len(jobs))
            run_jobs(jobs, pool, progress, force=sweep.force)
    except FailedAlikeError as error:
        left = progress.view.total - progress.view.over
        logger.error("stopped: the first %d runs failed alike, %d others are not started; see %s", ALIKE, left, error)
    finally:
        pool.stop()
        progress.view.close()
    if any(run.record is not None for run in progress.view.ended):
        say(ranking(progress.view.ended))
    return progress.failed


def run_jobs(jobs: Iterable[Job], pool: Pool, progress: SweepProgress, *, force: bool) -> None:
    """Do what is not done, then wait for what other processes do, and do again what did not come of it."""
    waiting = list(jobs)
    while waiting:
        waiting = _run_free(waiting, pool, progress, force=force)
        while waiting and all(locked(job.record.parent) for job in waiting):
            time.sleep(POLL_S)


def _run_free(jobs: Iterable[Job], pool: Pool, progress: SweepProgress, *, force: bool) -> list[Job]:
    """Run the jobs that nobody has done and nobody is doing; returns those that another process is doing."""
    elsewhere: list[Job] = []
    started_s: dict[Job, float] = {}

    def to_start() -> Iterator[tuple[Job, tuple[str, ...], Path]]:
        for job in jobs:
            again = force and job.name not in progress.seen
            progress.seen.add(job.name)
            if record_of(job) is not None and not again:
                progress.view.found()
            elif (stranger := refusal(job)) is not None and not force:
                progress.ended(job, stranger)
            elif job.trains and locked(job.record.parent):
                elsewhere.append(job)
            else:
                started_s[job] = time.time()
                progress.view.starts(job.name)
                yield job, job.command, job.log

    for job, code in run_all(to_start(), pool):
        why = failure(job, code, started_s[job])
        if why == ELSEWHERE:
            elsewhere.append(job)
        else:
            progress.ended(job, why)
    return elsewhere


def failure(job: Job, code: int, started_s: float) -> str | None:
    """Why a run that has ended is not done; None if it is. A record counts, whatever the exit code."""
    if record_of(job) is not None and (code == 0 or job.record.stat().st_mtime >= started_s):
        return None
    last = _last_line(job.log)
    if ELSEWHERE in last:
        return ELSEWHERE
    return cause(job.record.parent, since_s=started_s) or f"{last[:SHOWN_OF_CAUSE]} (exit code {code})"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
