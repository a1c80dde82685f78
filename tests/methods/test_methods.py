"""What every method promises, on every kind of backbone. A new method is one line of CASES."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import KINDS, backbone, batch, build, largest_gradients, train_steps

from read_repro.methods.base import Method
from read_repro.training.weights import load_trainable, save_trainable


@dataclass(frozen=True)
class Case:
    """A method's file, what it changes, and what may be said of it.

    ``trains`` matches the trainable names (the task head aside), on each kind of backbone; ``no_gradient`` those that
    may get none; ``starts_at_backbone``: its step-0 output is the frozen backbone's.
    """

    method: str
    trains: dict[str, str]
    changes: dict[str, Any] = field(default_factory=dict)
    starts_at_backbone: bool = True
    no_gradient: str = r"(?!)"

    def __str__(self) -> str:
        return ",".join([self.method, *(f"{key}={value}" for key, value in self.changes.items())])


READ = {"t5": r"side\.(encoder|decoder)\..*", "bert": r"side\.encoder\..*"}
LST = {"t5": r"(side\.encoder|side\.decoder|up)\..*", "bert": r"(side\.encoder|up)\..*"}
ADAPTER = dict.fromkeys(KINDS, r"adapters\.\d+\.(down|up)\.(weight|bias)")
ADAPTER_LST = {"t5": rf"{ADAPTER['t5']}|.*layer_norm\.weight", "bert": rf"{ADAPTER['bert']}|.*LayerNorm\.(weight|bias)"}
BITFIT = {"t5": r".*(SelfAttention\.[qkv]|wi|wo)\.bias", "bert": r"backbone\.model\..*\.bias"}
KEY_BIAS = r".*\.(k|key)(\.base_layer)?\.bias"  # it moves all of a query's scores alike, which softmax ignores
CASES = [
    Case("full", {"t5": r"backbone\.model\..*", "bert": r"backbone\.model\..*"}, no_gradient=r".*key\.bias"),
    Case("head", {"bert": r"(?!)"}),
    Case("read", READ),
    Case("read", READ, {"joiner": "attention"}),
    Case("read", READ, {"cell": "rnn"}),
    Case("read", READ, {"cell": "lstm"}),
    Case("read", READ, {"recurrent": False}, no_gradient=r".*weight_hh"),
    Case("read", READ, {"aggregate": "mean", "norm": "learned"}),
    Case("read", READ, {"readout_init": "default", "output_scale": 0.5}, starts_at_backbone=False),
    Case("adapter", ADAPTER),
    Case("adapter", ADAPTER, {"placement": "sublayer"}),
    Case("adapter_lst", ADAPTER_LST, starts_at_backbone=False),
    Case("lora", dict.fromkeys(KINDS, r".*\.lora_[AB]\..*")),
    Case(
        "lora_lst",
        dict.fromkeys(KINDS, r".*\.lora_[AB]\..*|backbone\.model\..*bias(\.weight)?"),
        no_gradient=KEY_BIAS,
    ),
    Case("bitfit", BITFIT, no_gradient=KEY_BIAS),
    Case("bitfit_lst", dict.fromkeys(KINDS, r"backbone\.model\..*\.bias"), no_gradient=KEY_BIAS),
    Case("prompt", dict.fromkeys(KINDS, "prompt"), starts_at_backbone=False),
    Case("prompt_lst", dict.fromkeys(KINDS, "prompt"), starts_at_backbone=False),
    Case("lst", LST, starts_at_backbone=False, no_gradient=r".*key\.bias"),
    Case("lst", LST, {"init": "magnitude"}, starts_at_backbone=False, no_gradient=r".*key\.bias"),
    Case("lst_9x9", LST, starts_at_backbone=False, no_gradient=r".*(key\.bias|gates\.0)"),  # layer 0 is dropped
]
PAIRS = [pytest.param(case, kind, id=f"{case}-{kind}") for case in CASES for kind in KINDS if kind in case.trains]
over_all = pytest.mark.parametrize(("case", "kind"), PAIRS)


def made(case: Case, kind: str, **changes: Any) -> Method:
    method = build(case.method, kind, **{**case.changes, **changes})
    method.initialise(lambda: (batch(kind, rows=1, seed=seed) for seed in range(4)))
    return method.eval()


@over_all
def test_exactly_these_names_train(case: Case, kind: str) -> None:
    names = {name for name in made(case, kind).trainable() if not name.startswith("backbone.head.")}
    pattern = case.trains[kind]
    everything = {name for name, _ in made(case, kind).named_parameters() if re.fullmatch(pattern, name)}
    assert names == everything
    assert ("backbone.head.weight" in made(case, kind).trainable()) == (kind == "bert")


@over_all
def test_a_gradient_reaches_every_trained_weight_within_three_steps(case: Case, kind: str) -> None:
    method = made(case, kind)
    largest = largest_gradients(method, lambda step: batch(kind, seed=step))
    floor = 1e-6 * max(largest.values())  # key biases get rounding noise, not zero
    without = {name for name, value in largest.items() if value <= floor}
    assert {name for name in without if not re.fullmatch(case.no_gradient, name)} == set()


@over_all
def test_frozen_weights_stay_bit_identical(case: Case, kind: str) -> None:
    method = made(case, kind)
    frozen = {name: w.clone() for name, w in method.named_parameters() if not w.requires_grad}
    train_steps(method, kind)
    assert all(torch.equal(frozen[name], w) for name, w in method.named_parameters() if name in frozen)


@over_all
def test_trained_weights_change(case: Case, kind: str) -> None:
    method = made(case, kind)
    before = {name: w.detach().clone() for name, w in method.trainable().items()}
    train_steps(method, kind)
    same = {name for name, w in method.trainable().items() if torch.equal(before[name], w)}
    assert {name for name in same if not re.fullmatch(case.no_gradient, name)} == set()


@pytest.mark.parametrize(("case", "kind"), [pair for pair in PAIRS if pair.values[0].starts_at_backbone])
def test_step_0_is_the_frozen_backbone(case: Case, kind: str) -> None:
    method, examples = made(case, kind), batch(kind)
    plain = backbone(kind).eval()
    if kind == "bert":
        plain.head.load_state_dict(method.backbone.head.state_dict())
        expected = plain.logits(plain.encode(examples), examples)
    else:
        expected = plain.model(
            input_ids=examples["input_ids"], attention_mask=examples["attention_mask"], labels=examples["target_ids"]
        ).logits
    torch.testing.assert_close(method(examples), expected, rtol=1e-4, atol=1e-5)


@over_all
def test_save_and_load(case: Case, kind: str, tmp_path: Any) -> None:
    trained, fresh, examples = made(case, kind), made(case, kind), batch(kind)
    train_steps(trained, kind)
    save_trainable(trained, tmp_path / "weights.safetensors")
    load_trainable(fresh, tmp_path / "weights.safetensors")
    torch.testing.assert_close(fresh(examples), trained(examples), rtol=0, atol=0)
    assert load_file(tmp_path / "weights.safetensors").keys() == trained.trainable().keys()


@over_all
def test_padding_never_changes_an_answer(case: Case, kind: str) -> None:
    method, examples = made(case, kind), batch(kind)
    train_steps(method, kind)
    together = method(examples)
    for row in range(len(together)):
        length = int(examples["attention_mask"][row].sum())
        alone = {key: value[row : row + 1] for key, value in examples.items()}
        alone |= {key: alone[key][:, :length] for key in ("input_ids", "attention_mask")}
        torch.testing.assert_close(method(alone)[0], together[row], rtol=1e-3, atol=1e-4)
        assert method.predict(alone) == method.predict(examples)[row]


@over_all
def test_merging_changes_nothing_but_rounding(case: Case, kind: str) -> None:
    method, examples = made(case, kind), batch(kind)
    train_steps(method, kind)
    expected = method(examples).detach()
    method.merge()
    torch.testing.assert_close(method(examples), expected, rtol=1e-3, atol=1e-4)


@over_all
def test_a_prediction_is_a_label_and_the_most_probable_one_is_greedy_on_bert(case: Case, kind: str) -> None:
    method, examples = made(case, kind), batch(kind)
    train_steps(method, kind)
    calls = []
    method.encode = lambda given: calls.append(given) or type(method).encode(method, given)
    predicted, chances = method.predict_with_probabilities(examples)
    assert len(calls) == 1, "the encoder ran once for the label and once more for the probabilities"
    assert torch.equal(predicted, method.predict(examples))
    assert set(predicted.tolist()) <= {0, 1, 2}
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(len(chances)))
    if kind == "bert":
        assert torch.equal(predicted, chances.argmax(dim=1))
