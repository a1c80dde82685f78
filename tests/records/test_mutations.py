"""Records and journals that were damaged or forged in every place: named and left out, and never a traceback.

Each mutant is read alone. Those that were not refused then stand together in one results folder, from which everything
is made that is made of records.
"""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from energy_windows import make_window, minutes
from store_factory import record_of, run_record, write_planned, write_reference, write_run

from read_repro.errors import InputError
from read_repro.figures.build import build_outputs
from read_repro.figures.content import drawings
from read_repro.figures.html import write_report
from read_repro.measure.energy_journal import Journal, earlier_tries, read_windows
from read_repro.records.costs import known_costs
from read_repro.records.fingerprint import facts_of
from read_repro.records.record import PlannedRecord, Record, ReferenceRecord
from read_repro.records.store import finished, read_as, records, signed
from read_repro.sweep import wanted
from read_repro.sweep.jobs import Job
from read_repro.sweep.runner import best_of
from read_repro.sweep.status import state
from read_repro.sweep.status_lines import as_text, stored
from read_repro.tables.build import all_tables
from read_repro.tables.load import read_store

CUT = object()  # stands for a value that is taken away
ODD = (None, 5, -1, 1e308, 10**400, float("nan"), True, "", "x", "read$1|\n<i>", "\ud800", "${oc.env:HOME}", "../../x",
       [], [[]], {}, {"_target_": "os.system"}, CUT)  # fmt: skip
TEXTS = ("null", "5", '"x"', "[]", "{}", "[" * 100_000, "[" * 900 + "]" * 900, "NaN", "", " ", "\x00", '{"schema": 1}')


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value but its root."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(content)
    node = made
    for key in path[:-1]:
        node = node[key]
    if value is CUT:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return made


def renamed(content: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """The same with another key in one place."""
    value = content
    for key in path:
        value = value[key]
    return changed(changed(content, path, CUT), (*path[:-1], f"{path[-1]}$|\n"), value)


def mutants(content: dict[str, Any], *, seed: int, write: Callable[[Any], str] = json.dumps) -> list[str]:
    """Texts of which each differs from a record's in one place, or in its bytes."""
    draw = random.Random(seed)
    found = [write(changed(content, path, draw.choice(ODD))) for path in places(content) for _ in range(4)]
    found += [write(renamed(content, path)) for path in places(content) if isinstance(path[-1], str)]
    text = write(content)
    for _ in range(80):
        at = draw.randrange(len(text))
        found += [text[:at], text[:at] + chr(draw.randrange(32, 127)) + text[at + 1 :], text[:at] + text[at + 40 :]]
    return [*TEXTS, *found]


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


def of_a_run() -> list[str]:
    content = run_record(setting={"lr": 0.01, "hidden": 128})
    return [*mutants(content, seed=0), *mutants(content | {"trained_weights": "0" * 64}, seed=1, write=signed_or_not)]


def signed_or_not(content: Any) -> str:
    """A forger signs what he has forged, as far as it can be written."""
    try:
        return signed(content)
    except ValueError:
        return json.dumps(content)


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of mutants of all three kinds of record."""
    results = tmp_path_factory.mktemp("results")
    for number, text in enumerate(of_a_run()):
        put(results / "runs" / "minilm" / "local" / "cola" / f"read,n={number}" / "seed=0" / "result.json", text)
    write_planned(results, "t5-small", "read", "train", 1.0)
    write_reference(results, "t5-small", "read", {"time/step_s": 0.1})
    for path in (
        results / "planned" / "t5-small" / "read.json",
        results / "gpu" / "some-gpu" / "t5-small" / "read.json",
    ):
        for number, text in enumerate(mutants(json.loads(path.read_text()), seed=2)):
            put(path.with_name(f"{number}.json"), text)
    (results / "runs" / "a$1|\n" / "result.json").mkdir(parents=True)
    put(results / "runs" / "b$1|\n" / "result.json", json.dumps(run_record()))
    for seed in (0, 1):
        write_run(results, run_record(seed=seed, method="full"))
    return results


def test_every_mutant_is_read_or_refused_in_one_line_with_its_name(forged: Path) -> None:
    refused: dict[Path, str] = {}
    read = 0
    for folder, kind in (("runs", Record), ("planned", PlannedRecord), ("gpu", ReferenceRecord)):
        for path in (forged / folder).rglob("*.json"):
            try:
                read += read_as(kind, path) is not None
            except ValueError as error:
                refused[path] = str(error)
    assert len(refused) >= 1500
    assert read >= 100
    for path, line in refused.items():
        assert line.startswith(ascii(str(path))[1:-1])
        assert line.isprintable()


def test_tables_and_report_are_made_of_what_was_not_refused(forged: Path) -> None:
    store = read_store(forged)
    unread = sum(isinstance(record, ValueError) for _, record in records(forged))
    assert len(store.broken) >= unread >= 1000
    assert all(line.isprintable() for line in store.broken)
    assert {"full"} < set(store.runs["variant"])
    made = all_tables(store)
    write_report(store, made, drawings(store), forged / "report.html")
    page = (forged / "report.html").read_text()
    assert "<i>" not in page
    assert "$1|\n" not in page
    texts = [cell.text for found in made.values() for table in found for row in table.rows for cell in row]
    assert not any("$1" in text or "\n" in text for text in texts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:constrained_layout")  # so many rows leave the axes no room
def test_figures_are_drawn_of_what_was_not_refused(forged: Path) -> None:
    build_outputs(forged)
    assert len(list((forged / "figures").iterdir())) == 8


def test_a_sweep_and_its_status_read_every_mutant(forged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(sum(line.counts.values()) for line in stored(forged).values()) >= 1000
    assert known_costs(forged, ["Some CPU"])
    assert as_text(stored(forged), "of what is done")
    monkeypatch.setattr(wanted, "_weights", lambda _: "0" * 64)
    monkeypatch.setattr(wanted, "_data", lambda *_: "print-cola")
    config = run_record(setting={"lr": 0.01, "hidden": 128})["config"] | {"backbone": {}, "task": {}}
    config["trainer"]["accelerator"] = "cpu"
    jobs = [
        Job(f"{number}", (), path, "cola", 0, (), (), ("minilm",) * 7, config)
        for number, path in enumerate(sorted((forged / "runs").glob("minilm/**/result.json"))[::2])
    ]
    assert {state(job) for job in jobs} == {"done", "failed", "missing"}
    assert best_of(jobs) is not None


def test_a_run_sets_every_unreadable_mutant_aside_and_loses_none(tmp_path: Path) -> None:
    facts = facts_of(record_of(run_record(setting={"lr": 0.01, "hidden": 128})))
    kept, outcomes = [], {"done": 0, "another": 0, "aside": 0}
    for text in of_a_run()[::3]:
        put(tmp_path / "result.json", text)
        try:
            done = finished(tmp_path, facts)
        except InputError:
            outcomes["another"] += 1
            continue
        outcomes["done" if done else "aside"] += 1
        kept += [] if done else [text]
    assert min(outcomes.values()) > 20
    found = [path.read_text(errors="surrogatepass") for path in tmp_path.glob("result.json.broken*")]
    assert sorted(found) == sorted(kept)


def test_no_mutant_predicts_and_each_is_refused_in_one_line(tmp_path: Path) -> None:
    from read_repro.prediction.loading import load

    put(tmp_path / "best.safetensors", "")
    for text in of_a_run()[1::6]:
        put(tmp_path / "result.json", text)
        with pytest.raises(InputError) as refused:
            load(tmp_path)
        assert len(str(refused.value).splitlines()) == 1


def test_journals_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    path, draw = tmp_path / "journal.jsonl", random.Random(0)
    journal = Journal(path)
    journal.open(make_window(package_ranges_j=(100.0,)))
    for sample in minutes(utilisation_percent=[50.0] * 3, counters_j=[(1.0,)] * 3, package_j=[(5.0,)] * 3):
        journal.add(sample)
    journal.tell("closed_s", 120.0)
    journal.close()
    lines = [line for line in path.read_text().splitlines() if line]
    tried = 0
    for number, line in enumerate(lines):
        content = json.loads(line)
        bad = [json.dumps(changed(content, place, value)) for place in places(content) for value in ODD]
        for text in [*TEXTS, *draw.sample(bad, min(80, len(bad)))]:
            put(path, "\n".join([*lines[:number], text, *lines[number + 1 :]]))
            metrics, labels = earlier_tries(read_windows(path))
            assert all(value is None or abs(value) < 1e9 for value in metrics.values())
            assert all(label.isprintable() for label in labels)
            tried += 1
    assert tried >= 300
