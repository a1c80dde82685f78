"""READ under transformers' Trainer, accelerate and torch.compile."""

from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import Trainer, TrainingArguments
from wrapped import CAUSAL, SEQ, TEXT, inputs_for, own_weights, wrapped

from read_repro import ReadModel
from read_repro.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = 24


def rows(model_type: str, auto_class: str) -> Dataset:
    """Examples whose label can be learned, with a column that no model takes."""
    batch = inputs_for(model_type, auto_class, rows=ROWS)
    columns = {name: value.tolist() for name, value in batch.items()}
    if auto_class == SEQ:
        columns["labels"] = [sum(ids) % 3 for ids in columns["input_ids"]]
    return Dataset.from_dict({**columns, "text": ["words"] * ROWS})


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no", "use_cpu": True}
    sizes = {"per_device_train_batch_size": 8, "num_train_epochs": 2, "learning_rate": 0.01}
    return TrainingArguments(output_dir=str(folder), **{**quiet, **sizes, "save_strategy": "no", **changes})


@pytest.mark.parametrize(("model_type", "auto_class"), [("bert", SEQ), ("t5", TEXT), ("gpt2", CAUSAL)])
def test_it_trains_and_its_checkpoints_hold_what_was_trained(tmp_path: Path, model_type: str, auto_class: str) -> None:
    read, examples = wrapped(model_type, auto_class), rows(model_type, auto_class)
    before = own_weights(read)
    trainer = Trainer(read, arguments(tmp_path, save_strategy="epoch"), train_dataset=examples, eval_dataset=examples)
    first = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert not read.base.training
    assert trainer.evaluate()["eval_loss"] < first
    assert all(torch.equal(weight, before[name]) for name, weight in own_weights(read).items())
    held = load_file(tmp_path / "checkpoint-6" / "model.safetensors")
    assert set(held) == {name for name, weight in read.named_parameters() if weight.requires_grad}
    assert all(torch.equal(weight, read.state_dict()[name]) for name, weight in held.items())
    assert trainer.predict(examples).predictions is not None


def test_the_best_model_comes_back_at_the_end(tmp_path: Path) -> None:
    """The learning rate makes every epoch but the first a step for the worse."""
    read, examples = wrapped("bert", SEQ), rows("bert", SEQ)
    chosen = {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    settings = arguments(tmp_path, **chosen, num_train_epochs=3, learning_rate=1.0, metric_for_best_model="eval_loss")
    trainer = Trainer(read, settings, train_dataset=examples, eval_dataset=examples)
    trainer.train()
    losses = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    best = load_file(Path(trainer.state.best_model_checkpoint) / "model.safetensors")
    assert all(torch.equal(weight, best[name]) for name, weight in read.state_dict().items())
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses))


def test_a_training_resumed_is_the_training_that_was_not_broken_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    examples = rows("bert", SEQ)
    whole = wrapped("bert", SEQ)
    Trainer(whole, arguments(tmp_path / "whole", save_strategy="epoch"), train_dataset=examples).train()
    resumed = wrapped("bert", SEQ)
    trainer = Trainer(resumed, arguments(tmp_path / "again"), train_dataset=examples)
    trainer.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3"))
    assert trainer.state.global_step == 6
    assert all(torch.equal(weight, whole.state_dict()[name]) for name, weight in resumed.state_dict().items())
    assert "missing keys" not in caplog.text


def test_gradient_checkpointing_is_refused(tmp_path: Path) -> None:
    trainer = Trainer(
        wrapped("llama", CAUSAL), arguments(tmp_path, gradient_checkpointing=True), train_dataset=rows("llama", CAUSAL)
    )
    with pytest.raises(InputError, match="keep no activations"):
        trainer.train()


def test_mixed_precision_and_accumulation(tmp_path: Path) -> None:
    settings = arguments(tmp_path, bf16=True, gradient_accumulation_steps=2)
    trainer = Trainer(wrapped("t5", TEXT), settings, train_dataset=rows("t5", TEXT))
    assert trainer.train().training_loss > 0


def test_accelerates_own_loop_saves_and_loads(tmp_path: Path) -> None:
    accelerator = accelerate.Accelerator(cpu=True)
    read, examples = wrapped("bert", SEQ), inputs_for("bert", SEQ)
    optimizer = torch.optim.AdamW((weight for weight in read.parameters() if weight.requires_grad), lr=0.01)
    model, optimizer = accelerator.prepare(read, optimizer)
    for _ in range(2):
        optimizer.zero_grad()
        accelerator.backward(model(**examples).loss)
        optimizer.step()
    accelerator.save_state(str(tmp_path / "state"))
    after = {name: weight.clone() for name, weight in read.state_dict().items()}
    with torch.no_grad():
        for weight in read.active.parameters():
            weight.zero_()
    accelerator.load_state(str(tmp_path / "state"))
    assert all(torch.equal(weight, after[name]) for name, weight in read.state_dict().items())
    assert set(load_file(tmp_path / "state" / "model.safetensors")) == set(after)
    assert isinstance(accelerator.unwrap_model(model), ReadModel)


def _one_of_two(rank: int, meeting: str, outcome: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    read, examples = wrapped("t5", TEXT), inputs_for("t5", TEXT, rows=4)
    model = torch.nn.parallel.DistributedDataParallel(read)
    model(**{name: value[2 * rank : 2 * rank + 2] for name, value in examples.items()}).loss.backward()
    if rank == 0:
        torch.save({name: w.grad for name, w in read.named_parameters() if w.requires_grad}, outcome)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    outcome = tmp_path / "gradients.pt"
    torch.multiprocessing.spawn(_one_of_two, (str(tmp_path / "meeting"), str(outcome)), nprocs=2)
    read = wrapped("t5", TEXT)
    read(**inputs_for("t5", TEXT, rows=4)).loss.backward()
    gradients = torch.load(outcome, weights_only=True)
    for name, weight in read.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(gradients[name], weight.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("model_type", "auto_class", "joiner"),
    [
        ("llama", CAUSAL, "identity"),
        *(
            pytest.param(*form, joiner, marks=pytest.mark.slow)  # tracing takes up to 20 s each
            for form in (("bert", SEQ), ("t5", TEXT), ("llama", CAUSAL))
            for joiner in ("identity", "attention")
            if (form[0], joiner) != ("llama", "identity")
        ),
    ],
)
def test_compiled_it_says_the_same(model_type: str, auto_class: str, joiner: str) -> None:
    """Traced by torch.compile, hooks and all; the backend runs what was traced without a compiler of kernels."""
    torch.compiler.reset()
    read, examples = wrapped(model_type, auto_class, joiner=joiner).train(), inputs_for(model_type, auto_class)
    expected = read(**examples)
    expected.loss.backward()
    gradients = {name: w.grad.clone() for name, w in read.named_parameters() if w.requires_grad}
    read.zero_grad()
    output = torch.compile(read, backend="aot_eager")(**examples)
    torch.testing.assert_close(output.logits, expected.logits, rtol=1e-4, atol=1e-5)
    output.loss.backward()
    for name, weight in read.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(weight.grad, gradients[name], rtol=1e-3, atol=1e-5)
