"""The baselines that live inside the backbone: adapters, LoRA, BitFit, prompts."""

from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from tiny import KINDS, backbone, batch, build, train_steps
from torch import Tensor, nn

from read_repro.errors import InputError
from read_repro.measure.parameters import count
from read_repro.methods.adapter import Bottleneck
from read_repro.methods.module_patterns import matching

D, FF, N = 32, 64, 2  # the tiny backbones
STACKS = {"t5": 2, "bert": 1}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "changes", "a_layer"),
    [
        ("adapter", {}, 2 * D * 4 + 4 + D),
        ("adapter", {"placement": "sublayer"}, 2 * (2 * D * 4 + 4 + D)),
        ("lora", {}, 4 * 2 * 2 * D),
        ("lora", {"rank": 3}, 4 * 2 * 3 * D),
    ],
    ids=str,
)
def test_counts_are_closed_forms(kind: str, name: str, changes: dict[str, Any], a_layer: int) -> None:
    assert count(build(name, kind, **changes))["params/trainable"] == N * STACKS[kind] * a_layer


def test_bitfit_counts_are_closed_forms() -> None:
    assert count(build("bitfit", "t5"))["params/trainable"] == N * 2 * (3 * D + FF + D)
    assert count(build("bitfit", "bert"))["params/trainable"] == N * (5 * D + FF + 2 * D) + D
    encoder, decoder = 4 * D + FF + D + 2 * D, 8 * D + FF + D + 3 * D
    assert count(build("bitfit_lst", "t5"))["params/trainable"] == N * (encoder + decoder) + 64


@pytest.mark.parametrize("kind", KINDS)
def test_prompt_counts_tokens_times_width(kind: str) -> None:
    assert count(build("prompt", kind, tokens=5))["params/trainable"] == 5 * D


# ---- adapter ------------------------------------------------------------------------------------------------------


def wake(method: nn.Module) -> nn.Module:
    """Give what starts at zero something to say."""
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in method.trainable().values():
            weight.normal_(std=0.3)
    return method.eval()


def adapted(adapter: Bottleneck, x: Tensor) -> Tensor:
    """Houlsby's map, written out."""
    inner = adapter.down.weight @ x + adapter.down.bias
    gelu = 0.5 * inner * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (inner + 0.044715 * inner**3)))
    return x + adapter.up.weight @ gelu + adapter.up.bias


def test_an_adapter_is_the_equation() -> None:
    torch.manual_seed(0)
    adapter, x = Bottleneck(width=8, bottleneck=3, down_std=1.0, up_std=1.0), torch.randn(8)
    torch.testing.assert_close(adapter(x[None, None])[0, 0], adapted(adapter, x))


def test_layer_adapters_stand_after_every_block() -> None:
    method, examples = wake(build("adapter", "t5")), batch("t5", rows=1)
    plain = backbone("t5")
    first, second = method.adapters[:2]
    states = plain.model.encoder.embed_tokens(examples["input_ids"])
    bias = None
    for block, adapter in zip(plain.model.encoder.block, (first, second), strict=True):
        states, bias, _ = block(states, position_bias=bias)
        states = adapter(states)
    expected = plain.model.encoder.final_layer_norm(states)
    torch.testing.assert_close(method.encode(examples).state, expected, rtol=1e-4, atol=1e-5)


def test_sublayer_adapters_stand_before_the_residual_sum() -> None:
    method = wake(build("adapter", "bert", placement="sublayer"))
    layer, (after_attention, after_feed_forward) = method.backbone.layers("encoder")[0], method.adapters[:2]
    plain = backbone("bert").layers("encoder")[0]
    x = torch.randn(1, 5, D)
    hidden = plain.attention.self(x)[0]
    hidden = plain.attention.output.LayerNorm(after_attention(plain.attention.output.dense(hidden)) + x)
    inner = plain.intermediate(hidden)
    expected = plain.output.LayerNorm(after_feed_forward(plain.output.dense(inner)) + hidden)
    output = layer(x)
    torch.testing.assert_close(output[0] if isinstance(output, tuple) else output, expected, rtol=1e-4, atol=1e-5)


def test_sublayer_adapters_leave_t5s_cross_attention_alone() -> None:
    assert len(build("adapter", "t5", placement="sublayer").adapters) == N * 2 * 2


def test_a_small_start_is_near_the_backbone() -> None:
    method, examples, plain = build("adapter_lst", "t5").eval(), batch("t5"), build("full", "t5").eval()
    torch.testing.assert_close(method(examples), plain(examples), rtol=1e-2, atol=1e-2)
    assert not torch.equal(method(examples), plain(examples))


# ---- LoRA ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_lora_is_w_plus_scaled_b_a_merged_and_unmerged(kind: str) -> None:
    method, x = build("lora", kind, rank=3, alpha=6), torch.randn(4, D)
    train_steps(method, kind)
    plain, adapted_count = backbone(kind), 0
    for name, module in method.named_modules():
        if isinstance(module, LoraLayer):
            adapted_count += 1
            w, bias = module.get_base_layer().weight.detach().clone(), module.get_base_layer().bias
            a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
            assert b.abs().max() > 0
            by_hand = w + (6 / 3) * b @ a
            assert torch.equal(w, plain.get_submodule(name.removeprefix("backbone.")).weight)
            torch.testing.assert_close(module(x), x @ by_hand.T + (0 if bias is None else bias))
            module.by_hand = by_hand.detach()
    wanted = {name: m.by_hand for name, m in method.named_modules() if isinstance(m, LoraLayer)}
    assert adapted_count == len(wanted) == 4 * N * STACKS[kind]
    method.merge()
    assert all(type(method.get_submodule(name)) is nn.Linear for name in wanted)
    for name, by_hand in wanted.items():
        torch.testing.assert_close(method.get_submodule(name).weight, by_hand)
    assert {name for name, _ in method.backbone.model.named_parameters()} == {
        n for n, _ in plain.model.named_parameters()
    }


def test_loras_default_reaches_self_attention_only_and_lsts_every_attention() -> None:
    def adapted_names(name: str) -> set[str]:
        modules = build(name, "t5").named_modules()
        return {n.split("layer.", 1)[1] for n, module in modules if isinstance(module, LoraLayer)}

    assert adapted_names("lora") == {f"0.SelfAttention.{letter}" for letter in "qkvo"}
    assert adapted_names("lora_lst") == {
        f"{place}.{letter}" for place in ("0.SelfAttention", "1.EncDecAttention") for letter in "qv"
    }


def test_lsts_lora_trains_biases_and_relative_positions_too() -> None:
    lora, bitfit = build("lora_lst", "t5"), build("bitfit_lst", "t5")
    biases = {name.replace(".base_layer", "") for name in lora.trainable() if name.endswith(".bias")}
    assert biases == {name for name in bitfit.trainable() if name.endswith(".bias")}
    tables = [name for name in lora.trainable() if name.endswith("relative_attention_bias.weight")]
    assert len(tables) == 2


# ---- BitFit -------------------------------------------------------------------------------------------------------


def test_an_added_bias_is_added() -> None:
    method = wake(build("bitfit_lst", "t5"))
    plain, x = backbone("t5"), torch.randn(3, D)
    for name in ("encoder.block.0.layer.0.layer_norm", "decoder.block.1.layer.2.DenseReluDense.wi", "lm_head"):
        module = method.backbone.model.get_submodule(name)
        torch.testing.assert_close(module(x), plain.model.get_submodule(name)(x) + module.bias)


def test_bert_trains_its_own_biases_and_gets_no_new_one() -> None:
    names = {name for name, _ in backbone("bert").model.named_parameters() if name.endswith("bias")}
    trained = {name.removeprefix("backbone.model.") for name in build("bitfit", "bert").trainable()}
    assert trained - {"backbone.head.weight", "backbone.head.bias"} == names


# ---- prompts ------------------------------------------------------------------------------------------------------


def test_prompts_start_as_the_middles_of_equal_parts_of_the_vocabulary() -> None:
    method = build("prompt", "t5", tokens=4)
    assert torch.equal(method.prompt, method.backbone.model.shared.weight[[8, 24, 40, 56]])


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_are_tokens_before_the_tokens(kind: str) -> None:
    """A prompt that still holds its vocabulary rows does what those tokens would do in front."""
    method, examples = build("prompt", kind, tokens=3).eval(), batch(kind)
    rows = torch.tensor([64 // 6, 64 // 2, 5 * 64 // 6]).expand(len(examples["labels"]), 3)
    longer = {
        "input_ids": torch.cat([rows, examples["input_ids"]], dim=1),
        "attention_mask": torch.cat([torch.ones_like(rows), examples["attention_mask"]], dim=1),
    }
    if kind == "bert":
        longer["token_type_ids"] = torch.zeros_like(longer["input_ids"])
        examples["token_type_ids"] = torch.zeros_like(examples["input_ids"])
    plain, encoded = backbone(kind), method.encode(examples)
    state = plain.encode(longer)
    if kind == "t5":
        torch.testing.assert_close(encoded.state, state)
        ids = plain.decoder_ids(examples)
        torch.testing.assert_close(method.decode(encoded, ids), plain.decode(state, longer, ids))
    else:
        torch.testing.assert_close(encoded.state, state[:, 3:])  # the head averages over the tokens alone
        assert encoded.state.shape[1] == examples["input_ids"].shape[1]


def test_the_prompts_masks_are_longer_and_the_tokens_stay_whole() -> None:
    method, examples = build("prompt", "bert", tokens=3), batch("bert")
    examples["token_type_ids"] = torch.ones_like(examples["input_ids"])
    longer = method.extend(examples)
    assert torch.equal(longer["attention_mask"][:, 3:], examples["attention_mask"])
    assert (longer["attention_mask"][:, :3] == 1).all()
    assert (longer["token_type_ids"][:, :3] == 0).all()
    assert torch.equal(longer["token_type_ids"][:, 3:], examples["token_type_ids"])
    assert torch.equal(longer["input_ids"], examples["input_ids"])


def test_decoding_reads_the_prompt() -> None:
    method, examples = build("prompt", "t5").eval(), batch("t5")
    before = method(examples)
    with torch.no_grad():
        method.prompt.normal_(std=3.0)
    assert not torch.allclose(method(examples), before, atol=1e-3)


# ---- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("adapter", {"placement": "everywhere"}, "placement=everywhere"),
        ("adapter", {"bottleneck": 0}, "bottleneck=0"),
        ("lora", {"rank": 0}, "rank=0"),
        ("lora", {"dropout": 1.0}, "dropout=1.0"),
        ("lora", {"targets": ["nowhere"]}, "matches no module"),
        ("lora", {"targets": [r"encoder\.block\.0"]}, "no linear map"),
        ("bitfit", {"biases": ["("]}, "no regular expression"),
        ("prompt", {"tokens": 0}, "tokens=0"),
        ("prompt", {"tokens": 65}, "tokens=65"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused_in_one_line(name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")) as caught:
        build(name, "t5", small=False, **changes)
    assert "\n" not in str(caught.value)


def test_a_prompt_beyond_the_positions_is_refused() -> None:
    method = build("prompt", "bert", tokens=20)
    examples = {"input_ids": torch.ones(1, 500, dtype=torch.long), "attention_mask": torch.ones(1, 500)}
    with pytest.raises(InputError, match="512 positions"):
        method(examples)


def test_places_of_the_other_architecture_match_nothing() -> None:
    patterns = [r".*\.SelfAttention\.q", r".*\.attention\.self\.query"]
    for kind in KINDS:
        assert len(matching(backbone(kind).model, patterns)) == N * STACKS[kind]
