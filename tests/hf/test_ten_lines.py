"""The ten lines that an experienced user would guess run word for word, for a tiny model of each family.

They are taken from docs/library.md and run in a folder with nothing but a model in it, against a hub that is a server
on this machine. For other families the first of them loads another model; the rest stays as it is.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hub_server import HubServer
from places import ROOT
from ten_lines import FILES, program, ten_lines
from wrapped import CAUSAL, SEQ, TEXT, base_of, inputs_for

FAMILIES = {
    "roberta": SEQ, "bert": SEQ, "distilbert": SEQ, "electra": SEQ, "deberta-v2": SEQ, "modernbert": SEQ,
    "t5": TEXT, "mt5": TEXT, "llama": CAUSAL, "gpt2": CAUSAL, "qwen3": CAUSAL, "mistral": SEQ,
}  # fmt: skip


def lines_for(model_type: str) -> list[str]:
    """The lines, with the model of a family in place of RoBERTa."""
    if model_type == "roberta":
        return ten_lines()
    labels = ", num_labels=4" if FAMILIES[model_type] == SEQ else ""
    return ten_lines(f'base = {FAMILIES[model_type]}.from_pretrained("{model_type}-base"{labels})')


def test_they_are_those_that_were_asked_for() -> None:
    """As they were written down before there was any of it, comments and blanks apart."""
    asked_for = """
from read_repro import ReadConfig, ReadModel, AutoReadModel, get_read_model
base = AutoModelForSequenceClassification.from_pretrained("roberta-base", num_labels=4)
model = get_read_model(base, ReadConfig(hidden=128, cell="gru", joiner="identity"))
model.print_trainable_parameters()
Trainer(model, args, train_dataset=train, data_collator=collator).train()
model.save_pretrained("read-tickets"); model.push_to_hub("me/read-tickets")
model = ReadModel.from_pretrained(base, "me/read-tickets")
model = AutoReadModel.from_pretrained("me/read-tickets")
"""
    assert ast.dump(ast.parse("\n".join(ten_lines()))) == ast.dump(ast.parse(asked_for))


def script_for(model_type: str, folder: Path) -> str:
    """The program, and in the folder what it reads."""
    auto_class = FAMILIES[model_type]
    base = base_of(model_type, auto_class)
    (base.base_model if auto_class == SEQ else base).save_pretrained(folder / f"{model_type}-base")
    torch.save(inputs_for(model_type, auto_class, rows=8), folder / "examples.pt")
    return program(lines_for(model_type))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", FAMILIES)
def test_word_for_word(
    tmp_path: Path, model_type: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with HubServer() as hub:
        hub.patch(monkeypatch, tmp_path / "home")
        exec(script_for(model_type, tmp_path), {})
        assert set(hub.files("me/read-tickets")) == FILES
    said = capsys.readouterr().out
    assert "trainable params: " in said
    assert "as it should be" in said
    assert {path.name for path in Path("read-tickets").iterdir()} == FILES


def test_in_a_process_of_its_own_with_no_more_than_an_endpoint(tmp_path: Path) -> None:
    script = script_for("roberta", tmp_path)
    with HubServer() as hub:
        environment = {**os.environ, **hub.environment(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "ignore", "-c", script]
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr[-3000:]
        assert "as it should be" in ended.stdout
        assert set(hub.files("me/read-tickets")) == FILES
