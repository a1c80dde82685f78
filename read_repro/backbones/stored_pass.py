"""The frozen pass read back from stored states, which travel in the batch beside the tokens.

The store's reader adds tensors ``<stack>/<part>/<array>`` to a batch (what they hold: ``read_repro.store.parts``)
and, if some of its examples are not stored, ``held`` (B,), which says of each row whether it is. The
others are run live.

Letters: B batch, T tokens of the stack, S source tokens, D width, N layers, P label prefixes.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from read_repro.backbones.frozen_pass import Each, Keep, States

HELD = "held"


class LazyLayers(Sequence[Tensor]):
    """Layers that are made when they are asked for, so that states in 16 bit are never all held in 32."""

    def __init__(self, makers: Sequence[Callable[[], Tensor]]) -> None:
        self._makers = makers

    def __len__(self) -> int:
        return len(self._makers)

    def __getitem__(self, layer: int) -> Tensor:  # type: ignore[override]
        return self._makers[layer]()

    def __iter__(self) -> Iterator[Tensor]:
        return (make() for make in self._makers)


def has_stored(batch: dict[str, Tensor], stack: str) -> bool:
    """Whether a batch carries stored states of a stack."""
    return f"{stack}/output/values" in batch


def frozen_or_stored(
    batch: dict[str, Tensor],
    stack: str,
    keep: Keep,
    *,
    pre_norm: bool,
    normalise: Callable[[Tensor], Tensor],
    live: Callable[[Tensor | None, Each | None], States],
    nodes: Tensor | None = None,
    each: Each | None = None,
) -> States:
    """The states of a stack: from the batch where it carries them, live for the rows that are not stored.

    Args:
        live: runs the stack for the rows that a mask (B,) chooses, or without one for all, and lets a reader have the
            layers as they come.
        nodes: which stored prefix each decoder position is, (B, T); None in an encoder.
        each: reads the layers one by one; without it the states of all are returned.
    """
    if not has_stored(batch, stack):
        return live(None, each)
    states = read_back(batch, stack, keep, pre_norm=pre_norm, normalise=normalise, nodes=nodes)
    if HELD in batch:
        missing = ~batch[HELD]
        states = _merged(states, live(missing, None), missing)
    if each is None:
        return states
    for layer in states.layers():
        each(layer)
    return States((), states.output)


def read_back(
    batch: dict[str, Tensor],
    stack: str,
    keep: Keep,
    *,
    pre_norm: bool,
    normalise: Callable[[Tensor], Tensor],
    nodes: Tensor | None = None,
) -> States:
    """States out of a batch's stored tensors, in 32 bit."""

    def chosen(values: Tensor) -> Tensor:
        """The prefixes asked for: (B, P, ...) -> (B, T, ...)."""
        return values if nodes is None else values[torch.arange(len(values), device=values.device)[:, None], nodes]

    def layer(part: str, number: int, *, raw: bool) -> Tensor:
        value = chosen(batch[f"{stack}/{part}/values"][number]).float()
        for name, wanted in (("scale", True), ("rms", raw)):
            if wanted and (factors := batch.get(f"{stack}/{part}/{name}")) is not None:
                value = value * chosen(factors[number])[..., None]
        return value

    output = chosen(batch[f"{stack}/output/values"][0])
    inner: list[Callable[[], Tensor]] = []
    if not keep.output_only:
        count = len(batch[f"{stack}/inner/values"])
        inner = [lambda number=number: layer("inner", number, raw=not keep.normalised) for number in range(count)]  # type: ignore[misc]
    if keep.normalised and not keep.output_only:
        inner = [*inner, lambda: normalise(output)]
    elif not keep.normalised:
        last = (lambda: layer("ends", 1, raw=True)) if pre_norm else (lambda: output)
        inner = [lambda: layer("ends", 0, raw=True), *inner, last]

    def scores(part: str) -> Tensor:
        values = batch[f"{stack}/{part}/values"]  # (N, B, T or P, R)
        found = torch.stack([chosen(each) for each in values]).float()
        return found if nodes is None or part == "cross" else found[..., : nodes.shape[1]]

    return States(
        LazyLayers(inner),
        output,
        scores("self") if keep.self_scores else None,
        scores("cross") if keep.cross_scores else None,
    )


def _merged(stored: States, live: States, missing: Tensor) -> States:
    """The stored rows with the live ones in their places."""

    def into(values: Tensor, own: Tensor) -> Tensor:
        values = values.clone()
        values[missing] = own
        return values

    def layers(values: Tensor | None, own: Tensor | None) -> Tensor | None:
        if values is None or own is None:
            return None
        return torch.stack([into(one, other) for one, other in zip(values, own, strict=True)])

    hidden = [into(one, other) for one, other in zip(stored.hidden, live.hidden, strict=True)]
    return States(
        hidden,
        into(stored.output, live.output),
        layers(stored.self_scores, live.self_scores),
        layers(stored.cross_scores, live.cross_scores),
    )
