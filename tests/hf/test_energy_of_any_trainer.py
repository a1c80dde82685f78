"""One energy callback for the trainers of pytorch_lightning, lightning.pytorch and transformers, with defaults."""

import importlib
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import Trainer, TrainingArguments
from wrapped import SEQ, inputs_for, wrapped

from read_repro import EnergyCallback
from read_repro.errors import InputError
from read_repro.measure.energy_journal import read_windows

pytestmark = pytest.mark.filterwarnings("ignore")
BURN_S = 0.02


def burn() -> None:
    """Use a core for a while."""
    end_s = time.process_time() + BURN_S
    while time.process_time() < end_s:
        pass


def lightning_fit(package: str, callback: Any) -> None:
    pl = importlib.import_module(package)

    class OneWeight(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            burn()
            return self.layer(batch[0]).sum()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(4, 2)), batch_size=2)
    pl.Trainer(max_epochs=1, accelerator="cpu", devices=1, callbacks=[callback], **off).fit(OneWeight(), loader)


@pytest.mark.parametrize("package", ["pytorch_lightning", "lightning.pytorch"])
def test_under_lightning_by_both_its_names(tmp_path: Path, package: str) -> None:
    pytest.importorskip(package)
    energy = EnergyCallback(journal_path=tmp_path / "journal.jsonl")
    lightning_fit(package, energy)
    assert energy.energy_kwh >= 2 * BURN_S / 3600 * 0.004
    assert any("estimate" in label for label in energy.labels)
    assert [window.closed for window in read_windows(tmp_path / "journal.jsonl")] == [True]


def accuracy(outcome: Any) -> dict[str, float]:
    return {"accuracy": float((outcome.predictions.argmax(1) == outcome.label_ids).mean())}


def hf_fit(folder: Path, callback: Any, *, evaluate: bool = True) -> Any:
    columns = {name: value.tolist() for name, value in inputs_for("bert", SEQ).items()}
    settings = TrainingArguments(
        output_dir=str(folder), report_to="none", disable_tqdm=True, use_cpu=True, num_train_epochs=2, seed=11,
        save_strategy="no", eval_strategy="epoch" if evaluate else "no",
    )  # fmt: skip
    rows = Dataset.from_dict(columns)
    read = wrapped("bert", SEQ)
    trainer = Trainer(
        read, settings, train_dataset=rows, eval_dataset=rows, callbacks=[callback],
        compute_metrics=accuracy,
    )  # fmt: skip
    trainer.train()
    return trainer


def test_under_transformers_the_card_gets_energy_seed_and_scores(tmp_path: Path) -> None:
    energy = EnergyCallback()
    trainer = hf_fit(tmp_path, energy)
    read = trainer.model
    assert energy.energy_kwh > 0
    assert trainer.state.log_history[-1]["energy/cpu_estimate_kwh"] == energy.energy_kwh
    assert read.facts.seed == 11
    assert read.facts.energy_kwh == energy.energy_kwh
    assert "estimate" in read.facts.energy_how
    assert set(read.facts.scores) == {"eval_loss", "eval_accuracy"}
    read.save_pretrained(tmp_path / "read")
    text = (tmp_path / "read" / "README.md").read_text()
    assert "| seed | 11 |" in text
    assert "kWh" in text


def test_without_an_evaluation_there_are_no_scores(tmp_path: Path) -> None:
    trainer = hf_fit(tmp_path, EnergyCallback(), evaluate=False)
    assert trainer.model.facts.scores == {}
    assert trainer.model.facts.energy_kwh > 0


def test_before_a_training_there_is_nothing() -> None:
    assert EnergyCallback().energy_kwh is None
    assert EnergyCallback().labels == []
    with pytest.raises(InputError, match="p0_kw=-1"):
        EnergyCallback(p0_kw=-1)


def test_a_second_training_has_a_window_of_its_own(tmp_path: Path) -> None:
    energy = EnergyCallback()
    hf_fit(tmp_path, energy)
    first = energy.meter
    hf_fit(tmp_path, energy)
    assert energy.meter is not first
