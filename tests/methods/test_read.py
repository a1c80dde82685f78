"""READ against its own equation, and its promise that nothing flows through the backbone."""

from dataclasses import replace
from typing import Any
from weakref import ref

import pytest
import torch
from tiny import KINDS, backbone, batch, build
from torch import Tensor, nn

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.frozen_pass import Keep, Layer, States, rms_norm
from read_repro.errors import InputError
from read_repro.measure.peak_memory import SavedForBackward
from read_repro.methods.read import READ
from read_repro.methods.read_side import GRUWeights, SideRNN, gru_step

VARIANTS: list[dict[str, Any]] = [
    *({"cell": cell, "joiner": joiner} for cell in ("gru", "rnn", "lstm") for joiner in ("identity", "attention")),
    {"recurrent": False},
    {"recurrent": False, "norm": "learned", "output_scale": 2.0},
    {"aggregate": "mean"},
    {"aggregate": "mean", "cell": "lstm", "joiner": "attention", "norm": "learned"},
    {"norm": "learned"},
    {"norm": "learned", "joiner": "attention"},
    {"readout_init": "default", "output_scale": 0.25},
]
over_variants = pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))


def wake(method: READ) -> READ:
    """Give the zero-initialised output something to say, and norms weights that tell dimensions apart."""
    with torch.no_grad():
        for up in list(method.side.values())[-1].up:
            up.weight.normal_()
            up.bias.normal_()
        for side in method.side.values():
            if side.norm is not None:
                side.norm.weight.uniform_(0.5, 1.5)
    return method.eval()


def plain_cell(cell: nn.Module, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The textbook equations of one step for one token: x (inputs,), h, c (H,)."""
    gates_x, gates_h = cell.weight_ih @ x + cell.bias_ih, cell.weight_hh @ h + cell.bias_hh
    if isinstance(cell, nn.RNNCell):
        return torch.tanh(gates_x + gates_h), c
    if isinstance(cell, nn.GRUCell):
        (xr, xz, xn), (hr, hz, hn) = gates_x.chunk(3), gates_h.chunk(3)
        z, n = torch.sigmoid(xz + hz), torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
        return (1 - z) * n + z * h, c
    i, f, g, o = (gates_x + gates_h).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def plain_norm(phi: Tensor, kind: str, weight: Tensor | None) -> Tensor:
    """What the cell reads of a state (D,) of the residual stream: T5's is not normalised, BERT's is."""
    if kind == "bert" and weight is None:
        return phi
    normalised = phi / torch.sqrt((phi**2).mean() + 1e-6)
    return normalised if weight is None else weight * normalised


def plain_side(side: SideRNN, kind: str, raw: States, correction: Tensor | None, variant: dict[str, Any]) -> Tensor:
    """READ of one stack, written from equation (1) with a loop over examples, layers and tokens."""
    states = [*raw.hidden[1:-1], raw.output]  # phi_N is the state after the final norm
    rows, tokens, width = raw.output.shape
    result = torch.zeros(rows, tokens, width)
    weight = side.norm.weight if variant.get("norm") == "learned" else None
    for row in range(rows):
        h = torch.zeros(tokens, side.hidden)
        c = torch.zeros(tokens, side.hidden)
        every_h = []
        for layer in range(len(states)):
            new_h, new_c = torch.zeros_like(h), torch.zeros_like(c)
            for a in range(tokens):
                x = plain_norm(states[layer][row, a], kind, weight)
                if side.own is not None:
                    s = raw.self_scores[layer, row, a]
                    psi = side.own.weight @ h[a] + sum(s[b] * (side.others.weight @ h[b]) for b in range(tokens))
                    if correction is not None:
                        cross = raw.cross_scores[layer, row, a]
                        psi = psi + sum(
                            cross[b] * (side.encoder.weight @ correction[row, b]) for b in range(len(cross))
                        )
                    x = torch.cat([x, psi])
                elif correction is not None:
                    cross = raw.cross_scores[layer, row, a]
                    x = x + sum(cross[b] * correction[row, b] for b in range(len(cross)))
                previous = (h[a], c[a]) if side.recurrent else (torch.zeros_like(h[a]), torch.zeros_like(c[a]))
                new_h[a], new_c[a] = plain_cell(side.cells[layer if not side.recurrent else 0], x, *previous)
            h, c = new_h, new_c
            every_h.append(h)
            if not side.recurrent:
                result[row] += torch.stack([side.up[layer].weight @ t + side.up[layer].bias for t in h])
        if variant.get("aggregate") == "mean":
            h = sum(every_h) / len(every_h)
        if side.recurrent:
            result[row] = torch.stack([side.up[0].weight @ t + side.up[0].bias for t in h])
    return variant.get("output_scale", 1.0) * result


@pytest.mark.parametrize("kind", KINDS)
@over_variants
def test_read_is_the_equation_written_out(kind: str, variant: dict[str, Any]) -> None:
    method, examples = wake(build("read", kind, hidden=5, **variant)), batch(kind, rows=3, length=6)
    with torch.no_grad():
        raw = {stack: replace(keep, normalised=False) for stack, keep in method.keep.items()}
        encoder = method.backbone.frozen_encoder(examples, raw["encoder"])
        correction = plain_side(method.side["encoder"], kind, encoder, None, variant)
        if kind == "bert":
            expected = method.backbone.logits(encoder.output + correction, examples)
        else:
            decoder = method.backbone.frozen_decoder(
                encoder.output, examples, method.backbone.decoder_ids(examples), raw["decoder"]
            )
            own = plain_side(method.side["decoder"], kind, decoder, correction, variant)
            expected = method.backbone.logits(decoder.output + own, examples)
        torch.testing.assert_close(method(examples), expected, rtol=1e-4, atol=1e-4)


def over_kept_states(side: SideRNN, states: States, correction: Tensor | None = None) -> Tensor:
    progress = side.start(correction)
    for layer in states.layers():
        side.step(progress, layer)
    return side.finish(progress)


@pytest.mark.parametrize("kind", KINDS)
@over_variants
def test_stepping_while_the_backbone_runs_is_stepping_over_its_kept_states(kind: str, variant: dict[str, Any]) -> None:
    method, examples = wake(build("read", kind, layers=3, **variant)), batch(kind)
    encoder = method.backbone.frozen_encoder(examples, method.keep["encoder"])
    correction = over_kept_states(method.side["encoder"], encoder)
    if kind == "bert":
        expected = method.backbone.logits(encoder.output + correction, examples)
    else:
        ids = method.backbone.decoder_ids(examples)
        decoder = method.backbone.frozen_decoder(encoder.output, examples, ids, method.keep["decoder"])
        own = over_kept_states(method.side["decoder"], decoder, correction)
        expected = method.backbone.logits(decoder.output + own, examples)
    assert torch.equal(method(examples), expected)
    with torch.no_grad():
        assert torch.equal(method(examples), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("joiner", ["identity", "attention"])
def test_without_a_gradient_no_state_outlives_the_next_layer(
    kind: str, joiner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, alive, step = build("read", kind, joiner=joiner, layers=5), [], SideRNN.step
    counts = []

    def watched(self: SideRNN, progress: Any, layer: Layer) -> None:
        counts.append(sum(reference() is not None for reference in alive))
        alive.append(ref(layer.hidden))
        step(self, progress, layer)

    monkeypatch.setattr(SideRNN, "step", watched)
    with torch.no_grad():
        method(batch(kind))
    assert len(counts) == 5 * len(method.side)
    assert max(counts) <= 1  # BERT's own state is what its next layer reads


@pytest.mark.parametrize("kind", KINDS)
def test_the_frozen_states_are_those_transformers_returns(kind: str) -> None:
    plain, examples = backbone(kind), batch(kind)
    stack = plain.stack("encoder")
    theirs = stack(
        input_ids=examples["input_ids"], attention_mask=examples["attention_mask"], output_hidden_states=True
    ).hidden_states
    raw = plain.frozen_encoder(examples, Keep(normalised=False))
    torch.testing.assert_close(raw.hidden[:-1], torch.stack(theirs[:-1]))
    kept = plain.frozen_encoder(examples, Keep(normalised=True))
    norm = rms_norm if kind == "t5" else (lambda state: state)
    torch.testing.assert_close(kept.hidden, torch.stack([norm(state) for state in theirs[1:]]))
    torch.testing.assert_close(kept.output, theirs[-1])


def test_scores_are_head_means_that_sum_to_one_and_ignore_padding() -> None:
    plain, examples = backbone("t5"), batch("t5")
    for stack in ("encoder", "decoder"):
        plain.open_attention(stack)
    encoder = plain.frozen_encoder(examples, Keep(normalised=True, self_scores=True))
    ids = plain.decoder_ids(examples)
    keep = Keep(normalised=True, self_scores=True, cross_scores=True)
    decoder = plain.frozen_decoder(encoder.output, examples, ids, keep)
    padded = examples["attention_mask"] == 0
    for scores in (encoder.self_scores, decoder.self_scores, decoder.cross_scores):
        torch.testing.assert_close(scores.sum(dim=-1), torch.ones(scores.shape[:-1]))
    assert decoder.cross_scores.shape == (2, 6, ids.shape[1], 9)
    assert decoder.cross_scores.transpose(2, 3)[:, padded].abs().max() == 0
    assert decoder.self_scores.triu(diagonal=1).abs().max() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("joiner", ["identity", "attention"])
def test_no_backbone_tensor_requires_grad(kind: str, joiner: str) -> None:
    method, seen = build("read", kind, joiner=joiner), []

    def look(_module: nn.Module, _args: Any, output: Any) -> None:
        tensors = output if isinstance(output, tuple) else getattr(output, "to_tuple", lambda: (output,))()
        seen.extend(tensor.requires_grad for tensor in tensors if isinstance(tensor, Tensor))

    frozen_map = getattr(method.backbone.model, "lm_head", None)  # the one map a gradient passes: to activations only
    for module in method.backbone.model.modules():
        if module not in (frozen_map, method.backbone.model):
            module.register_forward_hook(look)
    method.train()
    method.backbone.loss(method(batch(kind)), batch(kind)).backward()
    assert len(seen) > 20
    assert not any(seen)
    assert all(parameter.grad is None for parameter in method.backbone.model.parameters())


def saved_gib(kind: str, name: str, layers: int) -> float:
    method, examples = build(name, kind, layers=layers), batch(kind, rows=16)
    method.train()
    with SavedForBackward(method.parameters()) as saved:
        method.backbone.loss(method(examples), examples)
    return saved.saved_gib


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_kept_for_backward_grow_only_with_reads_own_inputs(kind: str) -> None:
    """A layer more costs READ its state and the cell's activations, a fixed number of bytes; it costs full-tuning the
    backbone's activations as well."""
    shallow, middle, deep = (saved_gib(kind, "read", layers) for layers in (2, 3, 4))
    assert deep - middle == pytest.approx(middle - shallow, rel=1e-6)
    tokens = 16 * 9 + (16 * 3 if kind == "t5" else 0)
    own_inputs_gib = 4 * tokens * (32 + 8 * 16) / 2**30  # phi_i, and at most 8 H-wide tensors of a GRU step
    scores_gib = 4 * 16 * 3 * 9 / 2**30 if kind == "t5" else 0.0
    joined_gib = 4 * 16 * 3 * 32 / 2**30 if kind == "t5" else 0.0
    assert deep - middle <= own_inputs_gib + scores_gib + joined_gib
    assert saved_gib(kind, "full", 4) - saved_gib(kind, "full", 3) > 2 * (deep - middle)


def test_the_backbones_dropout_is_off_in_training() -> None:
    method, examples = build("read", "t5"), batch("t5")
    method.train()
    assert method.side.training
    assert not any(module.training for module in method.backbone.modules())
    torch.testing.assert_close(method(examples), method(examples), rtol=0, atol=0)


def test_reads_gru_is_torchs_own() -> None:
    torch.manual_seed(0)
    cell, x, h = nn.GRUCell(7, 5), torch.randn(11, 7), torch.randn(11, 5)
    torch.testing.assert_close(gru_step(GRUWeights.of(cell), x, h), cell(x, h))
    torch.testing.assert_close(gru_step(GRUWeights.of(cell), x, None), cell(x, torch.zeros_like(h)))


@pytest.mark.parametrize("changes", [{"cell": "gru"}, {"cell": "rnn"}, {"cell": "lstm"}, {"norm": "learned"}])
@pytest.mark.parametrize("kind", KINDS)
def test_read_trains_under_16_bit_autocast(kind: str, changes: dict[str, Any]) -> None:
    method, examples = wake(build("read", kind, **changes)), batch(kind)
    exact = method(examples)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = method.backbone.loss(method(examples), examples)
        rough = method(examples).float()
    loss.backward()
    assert all(weight.grad is not None for name, weight in method.trainable().items())
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1 * exact.abs().max().item())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden": 0}, "method.hidden=0"),
        ({"cell": "gur"}, "gru, rnn, lstm"),
        ({"joiner": "concat"}, "identity, attention"),
        ({"joiner": "attention", "recurrent": False}, "recurrent=true"),
        ({"aggregate": "mean", "recurrent": False}, "recurrent=true"),
        ({"aggregate": "sum"}, "last, mean"),
        ({"norm": "layer"}, "plain, learned"),
        ({"readout_init": "one"}, "zero, default"),
        ({"output_scale": 0.0}, "method.output_scale=0.0"),
    ],
)
def test_values_that_do_not_exist_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        build("read", "t5", small=False, **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_readout_starts_at_zero_or_as_torch_draws_it(kind: str) -> None:
    for readout, zero in (("zero", True), ("default", False)):
        up = list(build("read", kind, readout_init=readout).side.values())[-1].up[0]
        assert (up.weight.eq(0).all() and up.bias.eq(0).all()).item() is zero
        assert up.weight.abs().max() <= up.in_features**-0.5  # torch's bound


def count_side(method: READ) -> int:
    return sum(weight.numel() for name, weight in method.trainable().items() if name.startswith("side."))


@pytest.mark.parametrize(
    ("size", "changes", "trainable"),
    [
        ("t5-base", {}, 1_970_688),
        ("t5-large", {}, 2_495_488),
        ("t5-base", {"recurrent": False}, 23_648_256),
        ("t5-large", {"recurrent": False}, 59_891_712),
        ("t5-base", {"norm": "learned"}, 1_970_688 + 2 * 768),
        ("t5-base", {"aggregate": "mean", "readout_init": "default", "output_scale": 0.1}, 1_970_688),
    ],
)
def test_parameter_counts_are_table_1s(size: str, changes: dict[str, Any], trainable: int) -> None:
    assert count_side(READ_on_meta(size, **changes)) == trainable


def READ_on_meta(size: str, **changes: Any) -> READ:
    import yaml
    from tiny import CONF, method_config, score

    from read_repro.backbones.build import build_backbone
    from read_repro.backbones.checkpoint import Checkpoint
    from read_repro.backbones.label_decoding import Answers
    from read_repro.methods.base import Optimisation

    shape = yaml.safe_load((CONF / "backbone" / f"{size}.yaml").read_text())["shape"]
    checkpoint = Checkpoint(name=size, architecture="t5", random=True, shape=shape)
    keywords = {key: value for key, value in method_config("read").items() if key != "_target_"} | changes
    with torch.device("meta"):
        plain: Backbone = build_backbone(checkpoint, answers=Answers(((0, 1),), (0.0,)), outputs=1, regression=False)
        optimisation = Optimisation(lr=1e-3, weight_decay=0.0, warmup=0.0, total_steps=1)
        return READ(plain, optimisation, score, **keywords)
