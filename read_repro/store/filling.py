"""The filling pass: each example once through the frozen backbone, and its states into the store."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.backbones.frozen_pass import Keep, States, rms
from read_repro.store.parts import narrow, to_numpy
from read_repro.store.segments import free_bytes
from read_repro.store.states import StateStore, StoredExample
from read_repro.units import BYTES_PER_GB

log = logging.getLogger(__name__)
FLUSH_BYTES = 128 * 2**20  # what a killed filler loses at most
SPARE_SHARE = 0.95  # of the free space; a disk that is filled to the last byte is nobody's friend


def missing(store: StateStore, examples: Iterable[StoredExample]) -> list[StoredExample]:
    """The examples without entries, each content once."""
    unlike: dict[bytes, StoredExample] = {}
    for example in examples:
        if not store.held(example):
            unlike.setdefault(b"".join(store.key(example, stack) for stack in store.specs), example)
    return list(unlike.values())


def fitting(store: StateStore, examples: Sequence[StoredExample], budget_gb: float | None, used_bytes: int) -> int:
    """How many of the examples, from the first on, fit the budget and the disk."""
    room = float("inf") if budget_gb is None else budget_gb * BYTES_PER_GB - used_bytes
    if store.folder is not None:
        room = min(room, SPARE_SHARE * free_bytes(store.folder))
    ends = np.cumsum([store.size_bytes(example) for example in examples]) if examples else np.array([])
    return int(np.searchsorted(ends, room, side="right"))


def fill(
    store: StateStore,
    backbone: Backbone,
    examples: Sequence[StoredExample],
    collate: Callable[[list[Any]], Batch],
    *,
    batch_size: int,
    show_bar: bool,
    flushed: Callable[[int], None] = lambda _: None,
) -> int:
    """Compute and keep the states of ``examples``, the longest first, so that a lack of memory shows at once.

    Args:
        collate: makes a padded batch of examples.
        flushed: called with the number of bytes each time they have reached the disk.

    Returns:
        How many bytes were kept; fewer than asked for where the disk was full, which is said.
    """
    order = sorted(examples, key=lambda example: -len(example["input_ids"]))
    keeps = Keep(
        normalised=False,
        self_scores=any("self" in parts for parts in store.parts.values()),
        cross_scores=any("cross" in parts for parts in store.parts.values()),
        token_wise=all(keep.token_wise for keep in store.keeps.values()),
    )
    pending = kept = 0
    started_s = time.perf_counter()
    bar = tqdm(total=len(order), desc="frozen states", unit="example", disable=None if show_bar else True, leave=False)
    try:
        for batch_examples in (order[i : i + batch_size] for i in range(0, len(order), batch_size)):
            for example, stack, part, arrays in states_of(store, backbone, collate, batch_examples, keeps):
                store.put(example, stack, part, arrays)
            if bar.disable and batch_examples[0] is order[0]:  # a bar that is shown says it by itself
                log.info("frozen states: about %.0f s", expected_s(order, batch_size, time.perf_counter() - started_s))
            pending += sum(map(store.size_bytes, batch_examples))
            if pending >= FLUSH_BYTES:
                store.flush()
                kept, pending = kept + pending, 0
                flushed(kept)
            bar.update(len(batch_examples))
        store.flush()
        kept += pending
        flushed(kept)
    except OSError as error:
        store.abandon()
        left = sum(not store.held(example) for example in order)
        log.warning("frozen states: %s; %d of %d examples are computed at each step", error, left, len(order))
    finally:
        bar.close()
    return kept


def expected_s(order: Sequence[StoredExample], batch_size: int, first_s: float) -> float:
    """What filling will take, by tokens, when its first batch has taken ``first_s``."""
    tokens = [len(example["input_ids"]) for example in order]
    return first_s * sum(tokens) / sum(tokens[:batch_size])


def states_of(
    store: StateStore,
    backbone: Backbone,
    collate: Callable[[list[Any]], Batch],
    examples: Sequence[StoredExample],
    keep: Keep,
) -> Iterator[tuple[StoredExample, str, str, dict[str, np.ndarray]]]:
    """The entries of a batch of examples, without padding: (example, stack, part, arrays)."""
    device = next(backbone.parameters()).device
    batch = {key: value.to(device) for key, value in collate([dict(example) for example in examples]).items()}
    batch = {key: value for key, value in batch.items() if "/" not in key and key != "held"}  # nothing stored
    if "encoder" in store.specs:
        states = backbone.frozen_encoder(batch, keep)
        source = states.output
        yield from _entries(store, backbone, "encoder", states, examples)
    else:
        source = backbone.encode(batch)
    if "decoder" in store.specs:
        decoded = prefix_states(store, backbone, source, batch, keep)
        yield from _entries(store, backbone, "decoder", decoded, examples)


def prefix_states(store: StateStore, backbone: Backbone, encoded: Tensor, batch: Batch, keep: Keep) -> States:
    """A decoder's states behind every prefix of a label string, P in all: hidden (N + 1, B, P, D), and so on.

    The strings run one after another, each for the whole batch; a prefix that several share is taken from the first.
    """
    tree = store.answers
    assert tree is not None
    rows = len(encoded)
    pieces: dict[int, tuple[States, int]] = {}
    for path in tree.paths:
        start = backbone.start_ids(batch)
        ahead = torch.tensor(path, device=encoded.device, dtype=start.dtype).expand(rows, -1)
        states = backbone.frozen_decoder(encoded, batch, torch.cat([start, ahead], dim=1), keep)
        for position in range(len(path) + 1):
            pieces.setdefault(tree.index[path[:position]], (states, position))
    order = [pieces[index] for index in range(len(tree.prefixes))]
    hidden = [torch.stack([s.hidden[i][:, p] for s, p in order], dim=1) for i in range(len(order[0][0].hidden))]
    output = torch.stack([s.output[:, p] for s, p in order], dim=1)
    own = cross = None
    if keep.self_scores:
        own = torch.stack([_padded(s.self_scores[:, :, p], tree.depth) for s, p in order], dim=2)  # type: ignore[index]
    if keep.cross_scores:
        cross = torch.stack([s.cross_scores[:, :, p] for s, p in order], dim=2)  # type: ignore[index]
    return States(hidden, output, own, cross)


def _padded(scores: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(scores, (0, width - scores.shape[-1]))


def _entries(
    store: StateStore, backbone: Backbone, stack: str, states: States, examples: Sequence[StoredExample]
) -> Iterator[tuple[StoredExample, str, str, dict[str, np.ndarray]]]:
    for part in store.parts[stack]:
        whole = part_arrays(backbone, states, part, store.specs[stack].dtype)
        for row, example in enumerate(examples):
            layout = store.layout(example, stack, part)
            # (layers, B, ...) without the batch and without padding
            cut = {name: whole[name][:, row][tuple(map(slice, shape))] for name, (shape, _) in layout.items()}
            yield example, stack, part, cut


def part_arrays(backbone: Backbone, states: States, part: str, dtype: str) -> dict[str, np.ndarray]:
    """A part of a batch's raw states as arrays (layers, B, T, ...)."""
    if part == "output":
        return {"values": to_numpy(states.output[None])}
    if part in ("self", "cross"):
        scores = states.self_scores if part == "self" else states.cross_scores
        assert scores is not None
        return narrow(scores, "fp16" if dtype == "int8" else dtype)
    raw = list(states.hidden)
    chosen = raw[1:-1] if part == "inner" else [raw[0], *([raw[-1]] if backbone.pre_norm else [])]
    whole = torch.stack(chosen) if chosen else raw[0].new_empty((0, *raw[0].shape))  # one layer has no inner states
    arrays = narrow(backbone.normalise(whole), dtype)
    if backbone.pre_norm:
        arrays["rms"] = to_numpy(rms(whole))
    return arrays
