"""What the runs of a sweep start from, looked for once before any of them starts: their weights and their data.

Without this each of them would find out for itself, one by one, that a file is missing.
"""

import json
from collections.abc import Iterable
from typing import Any

from read_repro.config.files import construct_shipped
from read_repro.data import sources
from read_repro.errors import system_refusals
from read_repro.sweep.jobs import Job
from read_repro.sweep.status import record_of


def check_inputs(jobs: Iterable[Job]) -> None:
    """Refuse weights and data that cannot be had, for the training runs that are not done.

    What lies on the hub is downloaded here, once.

    Raises:
        InputError: as the run itself would say it; nothing has been started.
    """
    checkpoints: dict[str, Any] = {}
    tables: dict[str, tuple[Any, Any]] = {}
    for job in jobs:
        if job.config is None:
            continue
        backbone, task, data = (job.config[section] for section in ("backbone", "task", "data"))
        read = {key: data[key] for key in ("source", "path")}
        weights, rows = _key(backbone), _key([task, read])
        if (weights not in checkpoints or rows not in tables) and record_of(job) is None:
            checkpoints[weights], tables[rows] = backbone, (task, read)
    with system_refusals():
        for backbone in checkpoints.values():
            construct_shipped(backbone).locate()
        for task, read in tables.values():
            sources.read(construct_shipped(task), **read)


def _key(values: Any) -> str:
    return json.dumps(values, sort_keys=True)
