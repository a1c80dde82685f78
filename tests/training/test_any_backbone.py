"""Whole runs on a decoder from a folder: live and from stored states, in words and by a head, and what is refused."""

from pathlib import Path

import families
import pytest
import torch
from nonsense import WORDS, write_glue
from transformers import AutoModelForCausalLM

from read_repro.backbones.random_tokenizer import train_tokenizer
from read_repro.config.composition import composed
from read_repro.errors import InputError
from read_repro.records.naming import identity, run_name
from read_repro.records.record import Record
from read_repro.training.checks import check
from read_repro.training.run import run

SHORT = ("data.batch_size=16", "trainer.max_epochs=2", "optim.lr=1e-2", "logger=none", "trainer.progress_bar=false",
         "trainer.accelerator=cpu", "trainer.threads=1", "task=cola", "data=local")  # fmt: skip


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_glue(tmp_path_factory.mktemp("glue"), one_token=True, rows=96)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with random weights and a tokenizer of its own, as anyone would save them."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-llama"
    torch.manual_seed(0)
    families.model("llama", AutoModelForCausalLM, vocab_size=300).save_pretrained(folder)
    texts = [f"cola sentence: {' '.join(WORDS)} answer: acceptable", "answer: unacceptable"] * 20
    train_tokenizer(texts, vocab_size=300).save_pretrained(folder)
    return folder


def do(llama: Path, glue: Path, results: Path, method: str, *overrides: str) -> tuple[Record, Path]:
    """What train.py does, without its command line."""
    chosen = ["backbone=hub", f"backbone.id={llama}", f"method={method}", f"data.path={glue}", f"results_dir={results}"]
    config, files = composed(*SHORT, *chosen, *overrides), composed(*SHORT, *chosen)
    named = identity(config.plain(), files.plain(), method=method)
    folder = results / "runs" / run_name(**named)
    record = run(config, named, check(config, folder))
    assert record is not None
    return record, folder


@pytest.mark.parametrize("answers", ["words", "head"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_stored_states_train_as_the_live_pass_does(
    answers: str, dtype: str, llama: Path, glue: Path, tmp_path: Path
) -> None:
    chosen = ("method.hidden=16", f"backbone.answers={answers}", f"backbone.dtype={dtype}")
    live, folder = do(llama, glue, tmp_path, "read", *chosen)
    stored, _ = do(llama, glue, tmp_path, "read", *chosen, "cache=ram")
    assert live.backbone == "tiny-llama"
    assert folder.parts[-4:-2] == ("local", "cola")
    assert stored.metrics["store/share"] == 1
    for one, other in zip(live.history, stored.history, strict=True):
        assert one["train/loss"] == pytest.approx(other["train/loss"], rel=1e-4)
    assert live.metrics["test/score"] == pytest.approx(stored.metrics["test/score"], abs=1e-6)
    if dtype == "bf16":
        assert "backbone.dtype=bf16" in folder.parent.name


@pytest.mark.parametrize("method", ["head", "full", "lora", "adapter", "prompt"])
def test_every_method_trains_a_decoder(method: str, llama: Path, glue: Path, tmp_path: Path) -> None:
    record, _ = do(llama, glue, tmp_path, method, *(["backbone.answers=head"] if method == "head" else []))
    assert record.finished
    assert record.history[-1]["train/loss"] < record.history[0]["train/loss"]


@pytest.mark.parametrize(
    ("method", "overrides", "says"),
    [
        ("full", ["backbone.dtype=bf16"], "trains weights inside the backbone"),
        ("lora", ["backbone.dtype=bf16"], "trains weights inside the backbone"),
        ("read", ["method.joiner=attention", "cache=ram"], r"choose method\.joiner=identity or cache=none"),
        ("read", ["backbone.pooling=cls"], "only encoders pool"),
        ("head", [], "this backbone has none"),
        ("bitfit", [], "llama has none at"),
        ("lst", [], "not for llama"),
    ],
)
def test_what_does_not_work_is_refused_before_training(
    method: str, overrides: list[str], says: str, llama: Path, glue: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says) as error:
        do(llama, glue, tmp_path, method, *overrides)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("result.json"))
