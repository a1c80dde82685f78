"""The ten lines of docs/library.md as a program, for the tests and for ``scripts/try_wheel.py``, which has no torch."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "library.md"
FIRST = 'base = AutoModelForSequenceClassification.from_pretrained("roberta-base", num_labels=4)'
FILES = {"read_config.json", "read_model.safetensors", "README.md"}
BEFORE = """
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification
from transformers import Trainer, TrainingArguments, default_data_collator as collator
torch.set_num_threads(1)
examples = torch.load("examples.pt", weights_only=True)
train = [{name: value[row] for name, value in examples.items()} for row in range(len(examples["input_ids"]))]
args = TrainingArguments("out", report_to="none", max_steps=2, use_cpu=True, disable_tqdm=True, learning_rate=0.1)
torch.manual_seed(0)
"""
AFTER = """
read = {name: weight for name, weight in trained.state_dict().items()}
assert all(torch.equal(weight, read[name]) for name, weight in model.state_dict().items())
assert any(weight.any() for name, weight in read.items() if ".up." in name), "it did train"
batch = collator(train[:2])
with torch.no_grad():
    assert torch.equal(model(**batch).logits, trained.eval()(**batch).logits)
    assert model(**batch).loss is not None
print("as it should be")
"""


def ten_lines(first: str = FIRST) -> list[str]:
    """The lines, word for word, but for the one that loads the model."""
    found = re.search(
        r"```python\n(from read_repro import ReadConfig.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None
    assert FIRST in found[1]
    return found[1].replace(FIRST, first).splitlines()


def program(lines: list[str]) -> str:
    """The lines with what they take for given before them, and a look at what they left behind."""
    place = next(number for number, line in enumerate(lines) if line.startswith("model.save_pretrained"))
    return "\n".join([BEFORE, *lines[:place], "trained = model", *lines[place:], AFTER])
