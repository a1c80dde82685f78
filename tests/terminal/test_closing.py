"""How a run ends: every score by its name, what it took, and the command that uses it."""

import shlex
from pathlib import Path

import pytest
from store_factory import CPU, GPU, record_of, run_record

from read_repro.terminal.closing import closing, how_to_use
from read_repro.terminal.lines import plain
from read_repro.terminal.opening import expected, resources, what_differs

PATH = Path("results/runs/a b/seed=0/result.json")


def ended(**changes: float | None) -> str:
    content = run_record(score=83.5, hardware=CPU, energy_kwh=0.002, time_s=90.0)
    content["metrics"] |= {"val/accuracy": 83.5, "test/accuracy": 82.25, "test/majority": 51.5, **changes}
    return plain(closing(record_of(content)))


def line(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(name))


def test_scores_stand_by_name_beside_the_commonest_answers() -> None:
    text = ended()
    assert line(text, "accuracy").split() == ["accuracy", "83.50", "82.25"]
    assert line(text, "the commonest answer").split()[-2:] == ["-", "51.50"]


def test_the_cost_says_what_kind_of_figure_it_is() -> None:
    text = ended()
    assert "1 min 30 s" in line(text, "time")
    assert "2 Wh, estimated from CPU time" in line(text, "energy")
    assert "resident above the start" in line(text, "peak memory")
    assert "4 of at most 30; the best was 3" in line(text, "epochs")


def test_each_class_stands_by_name_with_what_it_was_taken_for() -> None:
    content = run_record()
    names = {"Login & access": (50.0, None), "billing": (None, 75.5)}
    content["classes"] = [
        {"name": name, "precision": precision, "recall": recall, "f1": 0.0, "examples": 4}
        for name, (precision, recall) in names.items()
    ]
    content["confusion"] = [[3, 1], [4, 0]]
    text = plain(closing(record_of(content)))
    first, second = [line.split() for line in text.splitlines() if line.strip().startswith("billing")]
    assert first == ["billing", "-", "75.50", "0.00", "4"]
    assert second == ["billing", "4", "0"]
    assert "Login & access" in text.split("taken for")[1].splitlines()[0]


def test_a_gpu_has_its_counter_beside_the_papers_formula() -> None:
    content = run_record(hardware=GPU, energy_kwh=0.01)
    text = plain(closing(record_of(content)))
    assert "10 Wh, by Eq. (4) from GPU utilisation" in line(text, "energy")
    assert "9 Wh, by the GPU's own counter" in text


def test_what_was_not_measured_is_a_dash() -> None:
    text = ended(**{"energy/cpu_estimate_kwh": None, "memory/train_resident_gib": None})
    assert line(text, "energy").split() == ["energy", "-"]
    assert line(text, "peak memory").split() == ["peak", "memory", "-"]


def test_the_command_to_predict_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/read-repro"])
    content = run_record()
    content["config"]["task"] = {"columns": ["premise", "hypothesis"]}
    record, command = how_to_use(record_of(content), PATH).splitlines()
    assert record == f"  record         {PATH}"
    assert shlex.split(command) == ["predict", "read-repro-predict", f"run={PATH.parent}", "<premise>", "<hypothesis>"]


def test_only_what_differs_from_the_defaults_is_shown() -> None:
    files = {"optim": {"lr": 1e-3, "warmup": 0.0}, "tags": []}
    table = what_differs(
        {"task": "cola", "method": "read"}, {"task": "mnli", "method": "read"},
        {"optim": {"lr": 3e-3, "warmup": 0.0}, "tags": []}, files,
    )  # fmt: skip
    assert [row.split() for row in plain(table).splitlines()] == [
        ["here", "default"], ["task", "cola", "mnli"], ["optim.lr", "0.003", "0.001"],
    ]  # fmt: skip
    assert "as the files have it" in plain(what_differs({}, {}, files, files))


def test_the_expected_time_says_what_it_rests_on() -> None:
    assert expected([50.0, 70.0]) == "about 1 min 00 s, as 2 runs like it took on this machine"
    assert expected([50.0]) == "about 50 s, as a run like it took on this machine"
    assert expected([]).startswith("not known yet")
    text = plain(
        resources(
            device="Some CPU, 2 threads, 32-true", sizes={"train": 4000, "test": 600}, truncated_share=0.0123,
            parameters={"params/trainable": 1000.0, "params/head": 30.0, "params/percent": 0.5}, like_runs_s=[],
        )
    )  # fmt: skip
    assert "4,000 train, 600 test; 1.2% of them cut in length" in line(text, "data")
    assert "1,000 parameters, 0.5% of the backbone's; and the task's head of 30" in line(text, "trained")
