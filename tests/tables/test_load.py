"""The store is read whole: a broken file is named and left out, and nothing is mixed."""

import json
import logging
import subprocess
import sys

import pytest
from store_factory import CPU, GPU, fill, record_of, run_record, write_run

from read_repro.paper import method_name
from read_repro.records.store import write_record
from read_repro.tables.aggregate import methods_of
from read_repro.tables.load import read_store
from read_repro.tables.missing import missing_runs


def test_an_empty_store_has_the_papers_block_and_its_columns(tmp_path):
    store = read_store(tmp_path)
    assert len(store.runs) == len(store.planned) == len(store.reference) == 0
    assert [block.of_paper for block in store.blocks] == [True]
    assert {"run", "task", "setting", "seed", "chosen"} <= set(store.runs.columns)


def test_every_record_becomes_a_row(tmp_path):
    paths = fill(tmp_path)
    store = read_store(tmp_path)
    assert len(store.runs) == len(paths)
    assert (len(store.planned), len(store.reference)) == (56, 21)
    assert store.broken == ()
    assert set(store.runs[store.runs["chosen"]]["setting"]) == {"lr=0.001", ""}


def test_a_record_edited_by_hand_is_named_and_left_out(tmp_path):
    path = write_run(tmp_path, run_record(seed=0))
    write_record(path, record_of(run_record(seed=0)))
    assert len(read_store(tmp_path).runs) == 1
    path.write_text(path.read_text().replace('"test/score": 59.0', '"test/score": 95.0'))
    store = read_store(tmp_path)
    assert len(store.runs) == 0
    assert "edited or damaged" in store.broken[0]
    assert path.relative_to(tmp_path).as_posix() in store.broken[0]


BROKEN = {
    "truncated": lambda text: text[: len(text) // 2],
    "not an object": lambda text: "[1, 2]",
    "another schema": lambda text: text.replace('"schema": 1', '"schema": 2'),
    "unfinished": lambda text: text.replace('"finished"', '"running"'),
    "no metrics": lambda text: text.replace('"metrics"', '"metric"'),
    "NaN": lambda text: text.replace('"val/score": 60.0', '"val/score": NaN'),
    "words for a number": lambda text: text.replace('"val/score": 60.0', '"val/score": "good"'),
    "a list for a name": lambda text: text.replace('"task": "cola"', '"task": ["cola"]'),
    "history of numbers": lambda text: text.replace('"history": [', '"history": [1, '),
    "seed of words": lambda text: text.replace('"seed": 0', '"seed": "zero"'),
    "hardware of words": lambda text: json.dumps(json.loads(text) | {"hardware": "cpu"}),
    "nested without end": lambda text: "[" * 100_000,
    "null": lambda text: "null",
    "an unknown key": lambda text: text.replace('"steps"', '"stops"'),
    "a name that ends a table's cell": lambda text: text.replace('"method": "read"', '"method": "read$1|\\n"'),
    "a metric that could hide a column": lambda text: text.replace('"test/majority"', '"chosen"'),
    "binary": lambda text: "\x00\x01",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named_and_the_rest_stands(tmp_path, caplog, kind):
    good = write_run(tmp_path, run_record(seed=1))
    bad = write_run(tmp_path, run_record(seed=0))
    bad.write_text(BROKEN[kind](bad.read_text()))
    with caplog.at_level(logging.ERROR, logger="read_repro.tables.load"):
        store = read_store(tmp_path)
    assert list(store.runs["seed"]) == [1]
    assert good.exists()
    assert bad.relative_to(tmp_path).as_posix() in store.broken[0]
    assert store.broken[0] in caplog.text


def test_a_directory_in_a_records_place_is_named(tmp_path):
    write_run(tmp_path, run_record())
    (tmp_path / "runs" / "x" / "result.json").mkdir(parents=True)
    store = read_store(tmp_path)
    assert (len(store.runs), len(store.broken)) == (1, 1)
    assert "runs/x/result.json is not a record: Is a directory" in store.broken[0]


def test_a_run_that_diverged_is_searched_but_neither_chosen_nor_averaged_and_is_named(tmp_path):
    write_run(tmp_path, run_record(seed=0, score=60.0))
    diverged = {"status": "diverged", "diverged_step": 7}
    write_run(tmp_path, run_record(seed=0, score=99.0, setting={"lr": 0.3}) | diverged)
    write_run(tmp_path, run_record(seed=1, score=99.0) | diverged)
    store = read_store(tmp_path)
    assert list(store.runs["chosen"]) == [False, True, False]
    assert list(store.runs["search"]) == [True, True, False]
    assert len(store.broken) == 2
    assert "at step 7 with lr 0.3" in store.broken[0]


def test_a_copy_counts_once(tmp_path):
    path = write_run(tmp_path, run_record())
    copy = path.parent.parent / "seed=0 (copy)" / "result.json"
    copy.parent.mkdir()
    copy.write_text(path.read_text())
    store = read_store(tmp_path)
    assert len(store.runs) == 1
    assert "the same run" in store.broken[0]


def test_other_data_are_left_out_by_their_fingerprint(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, run_record(seed=seed, fingerprint="one"))
    write_run(tmp_path, run_record(seed=2, fingerprint="two"))
    store = read_store(tmp_path)
    assert sorted(store.runs["seed"]) == [0, 1]
    assert "other data" in store.broken[0]


def test_backbones_sources_limits_cuts_and_devices_are_blocks_of_their_own(tmp_path):
    records = [run_record(), run_record(backbone="bert"), run_record(data="synthetic"), run_record(train_limit=None)]
    records += [run_record(train_limit=500), run_record(hardware=GPU, seed=1)]
    cut = run_record(train_limit=None, seed=2)
    cut["data_info"]["cut"] = True
    for record in [*records, cut]:
        write_run(tmp_path, record)
    assert len(read_store(tmp_path).blocks) == 1 + len(records) + 1


def test_another_cpu_is_the_same_block_but_other_hardware(tmp_path):
    write_run(tmp_path, run_record(seed=0))
    write_run(tmp_path, run_record(seed=1, hardware=CPU | {"name": "Another CPU"}))
    store = read_store(tmp_path)
    assert len(store.blocks) == 2
    assert store.runs["hardware"].nunique() == 2


def test_the_tables_import_neither_torch_nor_hydra():
    code = "import sys; sys.modules.update(torch=None, hydra=None, omegaconf=None); import read_repro.tables.build"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_run_at_another_precision_neither_takes_a_methods_row_nor_joins_its_mean(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, run_record(seed=seed, score=60.0))
    write_run(tmp_path, run_record(score=99.0, setting={"precision": "bf16-mixed", "targets": "digits"}))
    write_run(tmp_path, run_record(seed=2, score=99.0) | {"weights": "f" * 64})
    store = read_store(tmp_path)
    (block,) = [block for block in store.blocks if not block.of_paper]
    methods = methods_of(store, block)
    assert methods["read"].score("cola").mean == 59.0
    assert methods["read,precision=bf16-mixed,targets=digits"].score("cola").mean == 98.0
    assert methods["read,weights=ffffffff"].score("cola").mean == 98.0
    assert method_name("read,precision=bf16-mixed,targets=digits") == "READ, precision=bf16-mixed,targets=digits"
    command = missing_runs(methods["read,precision=bf16-mixed,targets=digits"])
    assert "method=read trainer.precision=bf16-mixed data.targets=digits" in command


def test_what_a_blocks_runs_share_and_the_files_have_not_is_in_its_label(tmp_path):
    for method in ("read", "full"):
        write_run(tmp_path, run_record(method=method, setting={"batch_size": 32}))
    store = read_store(tmp_path)
    (block,) = [block for block in store.blocks if not block.of_paper]
    assert block.label == "minilm, local, cut data, train_limit=1000, batch_size=32, CPU"
    assert "data.batch_size=32" in missing_runs(methods_of(store, block)["lora"])


def test_own_data_never_stand_beside_glue_and_their_missing_runs_go_by_their_file(tmp_path):
    for task, data in (("cola", "local"), ("tickets-1a2b3c4d", "own"), ("cola-5e6f7a8b", "own")):
        write_run(tmp_path, run_record(task, "read", data=data, train_limit=None))
    store = read_store(tmp_path)
    rows = [method for block in store.blocks if (method := methods_of(store, block)["read"]).tasks]
    assert sorted(method.tasks for method in rows) == [("cola",), ("cola-5e6f7a8b", "tickets-1a2b3c4d")]
    (own,) = (method for method in rows if method.block.data == "own")
    assert not own.block.of_paper
    assert "task=custom data.path=<the file of cola-5e6f7a8b or tickets-1a2b3c4d>" in (missing_runs(own) or "")
    assert "data=own" not in (missing_runs(own) or "")
