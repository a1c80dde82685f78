"""One run from configuration to record, on the smallest real pieces: what the tests of whole runs start from."""

from pathlib import Path

from read_repro.config.composition import composed
from read_repro.config.schema import RunConfig
from read_repro.records.naming import identity, run_name
from read_repro.records.record import Record
from read_repro.training.checks import check
from read_repro.training.run import run

TINY = [
    "backbone=t5-random",
    "backbone.shape={vocab_size: 200, d_model: 32, d_ff: 64, d_kv: 8, num_heads: 4, num_layers: 2}",
    "data=local",
    "logger=none",
    "trainer.progress_bar=false",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "data.targets=digits",
]


def tiny(*overrides: str) -> RunConfig:
    """The configuration of a run on a tiny T5 with random weights."""
    return composed(*TINY, *overrides)


def do(glue: Path, results: Path, method: str, *overrides: str) -> tuple[Record, Path]:
    """What train.py does, without its command line; the record and its folder."""
    choices = ["task=cola", f"method={method}", f"data.path={glue}", f"results_dir={results}"]
    config, files = tiny(*choices, *overrides), tiny(*choices)
    named = identity(config.plain(), files.plain(), method=method)
    folder = results / "runs" / run_name(**named)
    record = run(config, named, check(config, folder))
    assert record is not None
    return record, folder
