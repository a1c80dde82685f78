"""LST: Ladder Side-Tuning (Sung, Cho and Bansal, 2022, arXiv 2206.06522), what READ is compared with (section 4).

A transformer of width d = D / r runs beside the frozen backbone, which it meets only in ladders: before side block i
the output phi_i of backbone block i, raw, is mixed into the side state s,

    s_0 = down_0(phi_0),   s_i = block_i(mu_i s_{i-1} + (1 - mu_i) down_i(phi_i)),   mu_i = sigmoid(alpha_i / 0.1),

phi_0 being the embeddings, down_i: D -> d, alpha_i a learned number that starts at 0. A dropped layer hands s on. The
last state becomes up(norm(s_N)), up: d -> D; the backbone's own is not added. The decoder's side blocks attend to the
encoder's side output (B, S, d). Side blocks start as a pruned copy of the backbone's:
``read_repro.methods.lst_pruning``.

Oddities of the released code that are kept, since its results rest on them:

- Kept dimensions follow producer and consumer, not the residual stream, where dimensions of unlike origin add up.
- They are not chosen anew at the decoder: its first block goes on with what the encoder's last one kept.
- The keys and values of cross-attention keep columns of the decoder's stream, although they read the encoder's.
- Heads are ignored: the d best of the query, key and value rows are cut into heads anew.
- Kept dimensions stand in the order of a Python set of integers, not in their old one, so that it is this order that
  decides which rows share a head and which dimensions add up (``order=authors``; ``ascending`` keeps the old order).
- Every layer is pruned and has a gate, also one that is dropped; such a gate counts and gets no gradient.
- Ladders and up-projection copy nothing: weights N(0, 0.01^2), biases 0. So is every side linear with init=random.

Changed, since nothing can rest on them: the product of the query's, key's and value's importance is taken in 64 bit (in
32 it can underflow to ties, in arbitrary order); the frozen backbone draws no dropout and builds no graph; the
embedding keeps the rows that the tokenizer does not use.

On BERT-like backbones, which neither paper has: one stack, and the task head reads up(s_N); blocks end in a norm, so no
final one follows; importances are taken through the fresh task head.

Letters: B batch, S source tokens, D width, d side width, N layers.
"""

from collections.abc import Callable
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.backbones.frozen_pass import Keep, States, walk
from read_repro.errors import InputError
from read_repro.methods.base import Encoded, Method, Optimisation, Score
from read_repro.methods.lst_pruning import ORDERS, Importance, fisher, highest, magnitude, matrices, weight_of
from read_repro.methods.lst_side import SideStack, side_of

VERSION = 2  # raised when the numbers of this method change, so that no older record counts as done

INITS = ("fisher", "magnitude", "random")
RAW = Keep(normalised=False)


class LST(Method):
    """LST on any backbone.

    Args:
        reduction: r; every size of a side block is the backbone's divided by it, rounded down.
        drop_every: 4 drops the first of every four layers (0, 4, 8 of 12); None keeps all.
        temperature: of the gates.
        init: of the side blocks: fisher, magnitude or random.
        samples: training examples that fisher sums over, or as many as there are.
        order: of the kept dimensions: authors or ascending.

    Raises:
        InputError: a value that does not exist, or that leaves nothing of a side network.
    """

    side_network = True

    def __init__(
        self,
        backbone: Backbone,
        optimisation: Optimisation,
        score: Score,
        *,
        reduction: int,
        drop_every: int | None,
        temperature: float,
        init: str,
        samples: int,
        order: str,
    ) -> None:
        kind = side_of(backbone.model.config.model_type)
        _check(backbone, kind, reduction=reduction, temperature=temperature, init=init, samples=samples, order=order)
        super().__init__(backbone, optimisation, score)
        self.init, self.samples, self.order = init, samples, order
        self.keep = dict.fromkeys(backbone.depth, RAW)
        sides: dict[str, nn.Module] = {
            stack: kind(
                backbone.stack(stack).config,
                width=backbone.width,
                depth=depth,
                reduction=reduction,
                kept=kept_layers(depth, drop_every),
                temperature=temperature,
            )
            for stack, depth in backbone.depth.items()
        }
        self.side = nn.ModuleDict(sides)
        self.up = nn.Linear(self.stacks()["encoder"].width, backbone.width)
        for module in (*self.side.modules(), self.up):
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def encode(self, batch: Batch) -> Encoded:
        output, side = self.climbed("encoder", partial(self.backbone.frozen_encoder, batch), batch)
        if "decoder" in self.side:
            return Encoded(output, batch, side)
        return Encoded(self.up(side), batch)

    def decode(self, encoded: Encoded, decoder_ids: Tensor) -> Tensor:
        frozen = partial(self.backbone.frozen_decoder, encoded.state, encoded.batch, decoder_ids)
        return self.up(self.climbed("decoder", frozen, encoded.batch, encoded.side)[1])

    def climbed(
        self, stack: str, frozen: Callable[..., States], batch: Batch, encoder_side: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """A stack's own last state (B, T, D) and its side network's (B, T, d)."""
        side = self.stacks()[stack]
        climb = side.start(batch["attention_mask"], encoder_side)
        output = walk(frozen, RAW, partial(side.step, climb))
        return output, side.finish(climb)

    def initialise(self, batches: Callable[[], Any], device: torch.device | str = "cpu") -> dict[str, float | None]:
        """Copy the pruned backbone into the side blocks; ``init/time_s`` is what that takes."""
        if self.init == "random":
            return {}
        self.to(device)
        started_s = perf_counter()
        importance, embedding = self.importance(batches), self.embedding()
        stream = highest(importance[embedding].double().sum(dim=0), self.up.in_features, self.order)
        for stack, side in self.stacks().items():
            stream = side.prune(self.backbone, stack, importance, stream, self.order)
        if embedding.is_cuda:
            torch.cuda.synchronize()
        return {"init/time_s": perf_counter() - started_s}

    def importance(self, batches: Callable[[], Any]) -> Importance:
        """Of the embedding and of every linear of the backbone's blocks."""
        weights = [self.embedding()]
        for stack, side in self.stacks().items():
            weights += [weight for block in self.backbone.layers(stack) for weight in matrices(side.steps(block))]
        if self.init == "magnitude":
            return magnitude(weights)
        self.backbone.eval()
        return fisher(weights, self.backbone_loss, islice(batches(), self.samples))

    def stacks(self) -> dict[str, SideStack]:
        """The side network of each stack, the encoder first."""
        return {stack: side for stack, side in self.side.items() if isinstance(side, SideStack)}

    def embedding(self) -> Tensor:
        """Word embeddings (V, D)."""
        return weight_of(self.backbone.model.get_input_embeddings())

    def backbone_loss(self, batch: Batch) -> Tensor:
        """The loss of the backbone alone."""
        batch = {key: value.to(self.up.weight.device) for key, value in batch.items()}
        state = self.backbone.encode(batch)
        logits = self.backbone.training_logits(state, batch, partial(self.backbone.decode, state, batch))
        return self.backbone.loss(logits, batch)


def kept_layers(depth: int, drop_every: int | None) -> list[int]:
    """The layers with a side block.

    Raises:
        InputError: none is left, or ``drop_every`` is no period.
    """
    if drop_every is None:
        return list(range(depth))
    kept = [layer for layer in range(depth) if drop_every < 2 or layer % drop_every != 0]
    if drop_every < 2 or not kept:
        raise InputError(
            f"method.drop_every={drop_every} on a stack of {depth} layers: give null (no layer is dropped) or a whole "
            "number of at least 2 that leaves a layer"
        )
    return kept


def _check(
    backbone: Backbone, kind: type[SideStack], reduction: int, temperature: float, init: str, samples: int, order: str
) -> None:
    smallest = min(getattr(backbone.model.config, size) for size in kind.sizes)
    if not isinstance(reduction, int) or not 1 <= reduction <= smallest:
        raise InputError(
            f"method.reduction={reduction}: give a whole number from 1 to {smallest}, this backbone's least size"
        )
    if not temperature > 0:
        raise InputError(f"method.temperature={temperature}: give a number above 0 (LST's authors: 0.1)")
    for key, value, choices in (("init", init, INITS), ("order", order, ORDERS)):
        if value not in choices:
            raise InputError(f"method.{key}={value} does not exist: choose one of {', '.join(choices)}")
    if samples < 1:
        raise InputError(f"method.samples={samples}: give a whole number of at least 1 (LST's authors: 1024)")
