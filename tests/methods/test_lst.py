"""LST against its own equations and pruning rule, both written out slowly from what the authors' code does."""

import math
from copy import deepcopy
from typing import Any

import pytest
import torch
from tiny import KINDS, backbone, batch, build
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

from read_repro.backbones.build import build_backbone
from read_repro.backbones.encoder import EncoderBackbone
from read_repro.backbones.encoder_decoder import EncoderDecoderBackbone
from read_repro.backbones.label_decoding import Answers
from read_repro.errors import InputError
from read_repro.measure.parameters import count
from read_repro.methods.from_conf import load_checkpoint, load_method
from read_repro.methods.lst import LST, RAW, kept_layers
from read_repro.methods.lst_pruning import Kept, choose, fisher, highest, transplant

SETTINGS = {"reduction": 4, "drop_every": None, "temperature": 0.1, "init": "fisher", "samples": 4, "order": "authors"}


def examples_of(kind: str) -> Any:
    return (batch(kind, rows=1, seed=seed) for seed in range(4))


def wake(method: LST) -> LST:
    """Every side weight of a size that matters: the shipped ones start near zero."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in method.trainable().items():
            weight.copy_(torch.randn(weight.shape, generator=generator) * (0.1 if "gates" in name else 0.3))
    return method.eval()


# ---- the forward pass, one example and one head at a time ------------------------------------------------------


def linear(module: nn.Linear, x: Tensor) -> Tensor:
    return x @ module.weight.T + (0 if module.bias is None else module.bias)


def t5_norm(module: nn.Module, x: Tensor) -> Tensor:
    return module.weight * x / torch.sqrt((x**2).mean(dim=-1, keepdim=True) + 1e-6)


def bucket(distance: int, *, causal: bool) -> int:
    """T5's relative position: key minus query -> one of 32 rows."""
    start, buckets = 0, 32
    if causal:
        distance = max(-distance, 0)
    else:
        buckets = 16
        start, distance = (16 if distance > 0 else 0), abs(distance)
    exact = buckets // 2
    if distance < exact:
        return start + distance
    far = exact + int(math.log(distance / exact) / math.log(128 / exact) * (buckets - exact))
    return start + min(far, buckets - 1)


def attend(q: Tensor, k: Tensor, v: Tensor, *, heads: int, scale: float, table: Tensor | None, causal: bool) -> Tensor:
    """Softmax attention (T, d), (S, d), (S, d) -> (T, d), query after query; ``table`` (32, heads) are positions."""
    out = torch.zeros_like(q)
    for head in range(heads):
        part = slice(head * q.shape[1] // heads, (head + 1) * q.shape[1] // heads)
        for a in range(len(q)):
            seen = range(a + 1) if causal else range(len(k))
            scores = torch.stack(
                [
                    scale * (q[a, part] @ k[b, part])
                    + (0 if table is None else table[bucket(b - a, causal=causal), head])
                    for b in seen
                ]
            )
            out[a, part] = sum(p * v[b, part] for p, b in zip(scores.softmax(0), seen, strict=True))
    return out


def t5_block(block: Any, s: Tensor, table: Tensor, encoder: Tensor | None) -> Tensor:
    for place in block.layer[:-1]:
        cross = hasattr(place, "EncDecAttention")
        maps = place.EncDecAttention if cross else place.SelfAttention
        x = t5_norm(place.layer_norm, s)
        read = encoder if cross else x
        positions = None if cross else table
        causal = encoder is not None and not cross
        q, k, v = linear(maps.q, x), linear(maps.k, read), linear(maps.v, read)
        s = s + linear(maps.o, attend(q, k, v, heads=4, scale=1.0, table=positions, causal=causal))
    last = block.layer[-1]
    inner = last.DenseReluDense
    return s + linear(inner.wo, torch.relu(linear(inner.wi, t5_norm(last.layer_norm, s))))


def bert_block(block: Any, s: Tensor) -> Tensor:
    maps, after, out = block.attention.self, block.attention.output, block.output
    q, k, v = linear(maps.query, s), linear(maps.key, s), linear(maps.value, s)
    heads = 4  # of 8 / 4 = 2 each
    mixed = attend(q, k, v, heads=heads, scale=(q.shape[1] // heads) ** -0.5, table=None, causal=False)
    norm = lambda module, x: F.layer_norm(x, x.shape[-1:], module.weight, module.bias, 1e-12)  # noqa: E731
    s = norm(after.LayerNorm, s + linear(after.dense, mixed))
    return norm(out.LayerNorm, s + linear(out.dense, F.gelu(linear(block.intermediate.dense, s))))


def plain_side(side: Any, hidden: Tensor, dropped: set[int], encoder: Tensor | None = None) -> Tensor:
    """Section by section of LST's forward: hidden (N + 1, T, D) of one example without padding -> (T, d)."""
    s = linear(side.first, hidden[0])
    first = True
    for i in range(len(hidden) - 1):
        if i in dropped:
            continue
        block = side.blocks[str(i)]
        mu = 1 / (1 + math.exp(-side.gates[i].item() / 0.1))
        s = mu * s + (1 - mu) * linear(side.down[str(i)], hidden[i + 1])
        if hasattr(side, "norm"):
            if first:
                table = block.layer[0].SelfAttention.relative_attention_bias.weight
            s, first = t5_block(block, s, table, encoder), False
        else:
            s = bert_block(block, s)
    return t5_norm(side.norm, s) if hasattr(side, "norm") else s


@pytest.mark.parametrize("drop_every", [None, 4])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_lst_is_the_equation_written_out(kind: str, drop_every: int | None) -> None:
    method = wake(build("lst", kind, layers=3, drop_every=drop_every))
    examples, dropped = batch(kind, rows=3, length=14), {0} if drop_every else set()
    found = method(examples)
    for row in range(3):
        length = int(examples["attention_mask"][row].sum())
        alone = {key: value[row : row + 1] for key, value in examples.items()}
        alone |= {key: alone[key][:, :length] for key in ("input_ids", "attention_mask")}
        encoder = method.backbone.frozen_encoder(alone, RAW)
        s = plain_side(method.side["encoder"], encoder.hidden[:, 0], dropped)
        if kind == "bert":
            expected = linear(method.backbone.head, linear(method.up, s).mean(dim=0))
        else:
            ids = method.backbone.decoder_ids(alone)
            decoder = method.backbone.frozen_decoder(encoder.output, alone, ids, RAW)
            s = plain_side(method.side["decoder"], decoder.hidden[:, 0], dropped, encoder=s)
            expected = 32**-0.5 * linear(method.up, s) @ method.backbone.model.shared.weight.T
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("drop_every", [None, 4])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_climbing_while_the_backbone_runs_is_climbing_its_kept_states(
    kind: str, drop_every: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, examples = wake(build("lst", kind, layers=3, drop_every=drop_every)), batch(kind)
    found = method(examples)

    def over_kept_states(frozen: Any, keep: Any, step: Any) -> Tensor:
        states = frozen(keep)
        for layer in states.layers():
            step(layer)
        return states.output

    monkeypatch.setattr("read_repro.methods.lst.walk", over_kept_states)
    assert torch.equal(method(examples), found)


def test_the_relative_positions_of_the_reference_are_t5s() -> None:
    for causal in (False, True):
        side = build("lst", "t5").side["decoder" if causal else "encoder"]
        module = side.blocks["0"].layer[0].SelfAttention
        theirs = module._relative_position_bucket(torch.arange(-200, 200), bidirectional=not causal)
        assert theirs.tolist() == [bucket(distance, causal=causal) for distance in range(-200, 200)]


def test_the_backbone_answers_only_through_the_ladders() -> None:
    method, examples = wake(build("lst", "t5")), batch("t5")
    with torch.no_grad():
        for side in method.side.values():
            for gate in side.gates:
                gate.fill_(100.0)  # mu = 1: ladders closed
        before = method(examples)
        for stack in ("encoder", "decoder"):
            for weight in method.backbone.layers(stack).parameters():
                weight.add_(torch.randn_like(weight))
        torch.testing.assert_close(method(examples), before, rtol=0, atol=0)


# ---- sizes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "trainable", "percent"), [("lst", 5_097_240, 2.0588), ("lst_9x9", 3_878_712, 1.5667)])
def test_the_count_on_t5_base(name: str, trainable: int, percent: float) -> None:
    with torch.device("meta"):
        checkpoint = load_checkpoint("t5-base", random=True)
        model = build_backbone(checkpoint, answers=Answers(((1,),), (0.0,)), outputs=1, regression=False)
        counted = count(load_method(name, model))
    assert counted["params/trainable"] == trainable
    assert round(counted["params/percent_paper"], 4) == percent


def test_the_authors_drop_the_first_of_every_four() -> None:
    assert kept_layers(12, 4) == [1, 2, 3, 5, 6, 7, 9, 10, 11]
    assert kept_layers(6, 4) == [1, 2, 3, 5]
    assert kept_layers(6, None) == list(range(6))


def plan_of(method: LST) -> Any:
    return method.optimisation, method.score


def test_odd_shapes_are_pruned_and_run() -> None:
    sizes = {"d_model": 24, "d_ff": 60, "d_kv": 8, "num_heads": 5, "num_layers": 2, "vocab_size": 64}
    gated = T5Config(**sizes, feed_forward_proj="gated-gelu", num_decoder_layers=3, decoder_start_token_id=0)
    t5 = EncoderDecoderBackbone(
        T5ForConditionalGeneration(gated), Answers(((10, 1), (11, 12, 1), (11, 13, 1)), (0.0, 1.0, 2.0))
    )
    config = BertConfig(hidden_size=24, num_attention_heads=4, intermediate_size=50, num_hidden_layers=2, vocab_size=64)
    bert = EncoderBackbone(BertModel(config, add_pooling_layer=False), outputs=3, regression=False)
    for kind, model in (("t5", t5), ("bert", bert)):
        method = LST(model, *plan_of(build("head", "bert")), **SETTINGS)
        method.initialise(lambda kind=kind: examples_of(kind))
        assert torch.isfinite(method(batch(kind))).all()
    assert method.side["encoder"].config.num_attention_heads == 3  # 4 do not divide 24 / 4


# ---- pruning ---------------------------------------------------------------------------------------------------


def test_pruning_by_hand() -> None:
    norm, query, key, out = nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        for module in (norm, query, key, out):
            module.weight.copy_(torch.arange(module.weight.numel()).view_as(module.weight))
        query.bias.copy_(torch.tensor([10.0, 11.0, 12.0, 13.0]))
    steps = [(norm,), (query, key), (out,)]
    importance = {
        # columns 1 and 3 count: rows 0..3 of the product are 1, 8, 0, 9
        query.weight: torch.tensor([[9.0, 1, 9, 0], [0, 2, 0, 2], [9, 5, 9, 5], [0, 3, 0, 0]]),
        key.weight: torch.tensor([[9.0, 1, 9, 7], [0, 2, 0, 2], [9, 0, 9, 0], [0, 3, 0, 8]]),
        # columns 1 and 3 again, for the rows kept above: 4, 3, 5
        out.weight: torch.tensor([[0.0, 4, 0, 0], [9, 1, 9, 2], [0, 0, 0, 5]]),
    }
    kept = choose(steps, [2, 2, 2], importance, torch.tensor([1, 3]), "ascending")
    assert [keep.rows.tolist() for keep in kept] == [[1, 3], [1, 3], [0, 2]]
    small = [(nn.LayerNorm(2),), (nn.Linear(2, 2), nn.Linear(2, 2)), (nn.Linear(2, 2, bias=False),)]
    transplant(steps, small, kept)
    assert small[0][0].weight.tolist() == [1, 3]
    assert small[1][0].weight.tolist() == [[5, 7], [13, 15]]
    assert small[1][0].bias.tolist() == [11, 13]
    assert small[2][0].weight.tolist() == [[1, 3], [9, 11]]


@pytest.mark.parametrize("order", ["authors", "ascending"])
def test_the_best_are_kept_and_ties_go_to_the_first(order: str) -> None:
    assert highest(torch.tensor([1.0, 5, 1, 4, 1]), 3, order).tolist() == [0, 1, 3]


@pytest.mark.parametrize(("order", "expected"), [("authors", [514, 3, 28]), ("ascending", [3, 28, 514])])
def test_the_authors_order_is_that_of_the_low_bits(order: str, expected: list[int]) -> None:
    """CPython's table for three integers has eight places: 514 is at 2, 3 at 3 and 28 at 4.

    If an interpreter iterates otherwise, the default of ``method.order`` no longer is what LST's authors ran.
    """
    scores = torch.zeros(768)
    scores[[3, 28, 514]] = 1
    assert highest(scores, 3, order).tolist() == expected


def test_a_product_of_tiny_importances_still_ranks() -> None:
    group = tuple(nn.Linear(1, 3, bias=False) for _ in range(3))
    importance = {module.weight: torch.tensor([[1e-20], [3e-20], [2e-20]]) for module in group}
    assert choose([group], [1], importance, torch.tensor([0]), "authors")[0].rows.tolist() == [1]


def place(number: int, table: list[int | None]) -> None:
    """Put an integer into CPython's hash table: its low bits, then the nine places behind, then a jump."""
    at, rest = number % len(table), number
    while True:
        run = range(at, at + 10) if at + 9 < len(table) else [at]
        if free := [slot for slot in run if table[slot] is None]:
            table[free[0]] = number
            return
        rest >>= 5
        at = (5 * at + 1 + rest) % len(table)


def set_order(numbers: list[int]) -> list[int]:
    """How CPython iterates a set into which ``numbers`` came one by one: the table grows when three fifths are full."""
    table: list[int | None] = [None] * 8
    for filled, number in enumerate(numbers, start=1):
        place(number, table)
        if 5 * filled >= 3 * (len(table) - 1):
            old, table = table, [None] * 2 ** (4 * filled).bit_length()
            for moved in old:
                if moved is not None:
                    place(moved, table)
    return [number for number in table if number is not None]


def plain_rows(scores: Tensor, count: int, order: str = "authors") -> list[int]:
    best = sorted(sorted(range(len(scores)), key=lambda i: -scores[i].item())[:count])
    return set_order(best) if order == "authors" else best


@pytest.mark.parametrize(("total", "count"), [(768, 96), (3072, 384), (384, 48), (1024, 128), (64, 16)])
def test_the_authors_order_is_the_one_of_a_hash_table_written_out(total: int, count: int) -> None:
    for seed in range(5):
        scores = torch.rand(total, generator=torch.Generator().manual_seed(seed))
        found = highest(scores, count, "authors").tolist()
        assert found == plain_rows(scores, count)
        assert found != sorted(found)


T5_ORDER = {
    "encoder": [("0.SelfAttention", "0"), ("1.DenseReluDense", "1")],
    "decoder": [("0.SelfAttention", "0"), ("1.EncDecAttention", "1"), ("2.DenseReluDense", "2")],
}


def plain_t5_pruning(model: nn.Module, score: dict[str, Tensor], order: str) -> dict[str, Tensor]:
    """Every pruned weight of a two-layer T5 at r = 4 by its name in the model, K threaded as the authors do."""
    weights, pruned = dict(model.named_parameters()), {}
    small, inner = model.config.d_model // 4, model.config.d_ff // 4
    kept = plain_rows(score["shared.weight"].sum(dim=0), small, order)
    for stack in T5_ORDER:
        for layer in range(2):
            for part, norm in T5_ORDER[stack]:
                stem = f"{stack}.block.{layer}.layer"
                pruned[f"{stem}.{norm}.layer_norm.weight"] = weights[f"{stem}.{norm}.layer_norm.weight"][kept]
                dense = "Dense" in part
                groups = [(["wi"], inner), (["wo"], small)] if dense else [(["q", "k", "v"], small), (["o"], small)]
                for names, size in groups:
                    full = [f"{stem}.{part}.{name}.weight" for name in names]
                    together = math.prod(score[name][:, kept].double() for name in full)
                    rows = plain_rows(together.sum(dim=1), size, order)
                    pruned |= {name: weights[name][rows][:, kept] for name in full}
                    kept = rows
        pruned[f"{stack}.final_layer_norm.weight"] = weights[f"{stack}.final_layer_norm.weight"][kept]
    return pruned


def wide_t5() -> EncoderDecoderBackbone:
    """Wide enough that a set of the kept dimensions is not iterated in ascending order."""
    sizes = {"d_model": 64, "d_ff": 256, "d_kv": 16, "num_heads": 4, "num_layers": 2, "vocab_size": 64}
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0)).eval()
    return EncoderDecoderBackbone(model, Answers(((10, 1), (11, 12, 1), (11, 13, 1)), (0.0, 1.0, 2.0)))


@pytest.mark.parametrize("order", ["authors", "ascending"])
@pytest.mark.parametrize("init", ["fisher", "magnitude"])
def test_the_side_network_starts_as_the_pruned_backbone(init: str, order: str) -> None:
    settings = {**SETTINGS, "init": init, "drop_every": 4, "order": order}
    method = LST(wide_t5(), *plan_of(build("head", "bert")), **settings)
    assert method.initialise(lambda: examples_of("t5"))["init/time_s"] > 0
    names = {weight: name for name, weight in method.backbone.model.named_parameters()}
    score = {names[weight]: value for weight, value in method.importance(lambda: examples_of("t5")).items()}
    expected = plain_t5_pruning(method.backbone.model, score, order)
    for stack, side in method.side.items():
        own = f"{stack}.block.1."
        for name, weight in side.blocks["1"].named_parameters():
            if "relative_attention_bias" in name:
                table = method.backbone.layers(stack)[0].layer[0].SelfAttention.relative_attention_bias.weight
                assert torch.equal(weight, table)
            else:
                assert torch.equal(weight, expected[own + name]), own + name
        assert torch.equal(side.norm.weight, expected[f"{stack}.final_layer_norm.weight"])


def test_a_pruned_bert_block_keeps_biases_and_norms_with_its_rows() -> None:
    method = build("lst", "bert", init="magnitude")
    with torch.no_grad():
        for weight in method.backbone.model.parameters():
            weight.copy_(torch.rand_like(weight))  # biases and norms come as zeros and ones
    method.initialise(lambda: examples_of("bert"))
    wide, narrow = method.backbone.layers("encoder")[0], method.side["encoder"].blocks["0"]
    embedding = method.backbone.model.embeddings.word_embeddings.weight
    stream = plain_rows(embedding.abs().sum(dim=0), 8)
    maps, after = wide.attention.self, wide.attention.output
    product = (maps.query.weight * maps.key.weight * maps.value.weight)[:, stream]
    rows = plain_rows(product.sum(dim=1), 8)
    assert torch.equal(narrow.attention.self.value.weight, maps.value.weight[rows][:, stream])
    assert torch.equal(narrow.attention.self.value.bias, maps.value.bias[rows])
    stream = plain_rows(after.dense.weight[:, rows].sum(dim=1), 8)
    assert torch.equal(narrow.attention.output.LayerNorm.bias, after.LayerNorm.bias[stream])
    rows = plain_rows(wide.intermediate.dense.weight[:, stream].sum(dim=1), 16)
    last = plain_rows(wide.output.dense.weight[:, rows].sum(dim=1), 8)
    assert torch.equal(narrow.output.dense.weight, wide.output.dense.weight[last][:, rows])
    assert torch.equal(narrow.output.LayerNorm.weight, wide.output.LayerNorm.weight[last])


@pytest.mark.parametrize("kind", KINDS)
def test_fisher_is_the_sum_of_squared_gradients_of_single_examples(kind: str) -> None:
    method = build("lst", kind, samples=3)
    names = {weight: name for name, weight in method.backbone.named_parameters()}
    found = {names[weight]: value for weight, value in method.importance(lambda: examples_of(kind)).items()}
    expected = {name: torch.zeros_like(value) for name, value in found.items()}
    for seed in range(3):  # not the fourth
        made, plain = batch(kind, rows=1, seed=seed), backbone(kind)
        if plain.head is not None:
            plain.head.load_state_dict(method.backbone.head.state_dict())
        plain.requires_grad_(True)
        if kind == "t5":
            keys = ("input_ids", "attention_mask")
            loss = plain.model(**{key: made[key] for key in keys}, labels=made["target_ids"]).loss
        else:
            loss = F.cross_entropy(plain.head(plain.encode(made).mean(dim=1)), made["labels"])
        loss.backward()
        for name, weight in plain.named_parameters():
            if name in expected:
                expected[name] += weight.grad**2
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-9)
    assert sum(value.max() > 0 for value in found.values()) == len(found)


def test_fisher_by_hand_and_thawed_weights_freeze_again() -> None:
    weight = nn.Parameter(torch.tensor([1.0, 2.0]), requires_grad=False)
    found = fisher([weight], lambda x: (weight * x).sum(), [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 0.0])])
    assert found[weight].tolist() == [10.0, 4.0]
    assert not weight.requires_grad
    assert weight.grad is None
    with pytest.raises(RuntimeError):
        fisher([weight], lambda x: x, [torch.zeros(())])  # a loss without a graph
    assert not weight.requires_grad


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", ["fisher", "magnitude", "random"])
def test_initialising_leaves_the_backbone_untouched(kind: str, init: str) -> None:
    method = build("lst", kind, init=init)
    before = deepcopy(method.backbone.state_dict())
    names = set(method.trainable())
    method.train()
    method.initialise(lambda: examples_of(kind))
    assert all(torch.equal(value, before[name]) for name, value in method.backbone.state_dict().items())
    assert all(weight.grad is None for weight in method.parameters())
    assert set(method.trainable()) == names
    assert not method.backbone.training


def test_random_leaves_small_linears_and_plain_norms() -> None:
    method = build("lst", "bert", init="random", small=False, reduction=1)
    assert method.initialise(lambda: examples_of("bert")) == {}
    block = method.side["encoder"].blocks["0"]
    assert 0.009 < block.intermediate.dense.weight.std() < 0.011
    assert block.output.LayerNorm.weight.eq(1).all()


def test_a_norm_keeps_the_entries_of_its_input() -> None:
    kept = choose([(nn.LayerNorm(4),)], [2], {}, torch.tensor([0, 2]), "authors")
    assert kept == [Kept(kept[0].rows)]
    assert kept[0].rows.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init": "svd"}, r"method.init=svd does not exist: choose one of fisher, magnitude, random"),
        ({"order": "random"}, r"method.order=random does not exist: choose one of authors, ascending"),
        ({"reduction": 0}, r"method.reduction=0: give a whole number from 1 to 8"),
        ({"reduction": 9}, r"method.reduction=9: .*1 to 8"),
        ({"reduction": 1.5}, r"method.reduction=1.5"),
        ({"temperature": 0.0}, r"method.temperature=0.0"),
        ({"samples": 0}, r"method.samples=0"),
        ({"drop_every": 1}, r"method.drop_every=1"),
        ({"drop_every": 0}, r"method.drop_every=0"),
        ({"layers": 1, "drop_every": 4}, r"method.drop_every=4 on a stack of 1 layers"),
    ],
)
def test_values_that_do_not_exist_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build("lst", "t5", **change)
