"""The prefixes of a task's label strings, as a tree: all that a decoder ever reads when it answers with a label.

Under causal attention a decoder's state depends on the tokens up to it, so that label strings with a common beginning
share the states of that beginning, in training and in constrained decoding alike.

Letters: B batch, T decoder tokens, P prefixes.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor


class PrefixTree:
    """Every proper prefix of the label strings, the empty one first.

    Args:
        strings: the label strings as token ids, the end of sequence included.
    """

    def __init__(self, strings: Sequence[Sequence[int]]) -> None:
        found = {tuple(string[:length]) for string in strings for length in range(len(string))}
        self.prefixes = tuple(sorted(found, key=lambda prefix: (len(prefix), prefix)))
        self.index = {prefix: number for number, prefix in enumerate(self.prefixes)}
        self.depth = max(map(len, self.prefixes)) + 1  # decoder tokens of the longest, the start token included

    @cached_property
    def paths(self) -> tuple[tuple[int, ...], ...]:
        """The prefixes that no other one goes on from: running these alone visits every prefix."""
        inner = {prefix[:length] for prefix in self.prefixes for length in range(len(prefix))}
        return tuple(prefix for prefix in self.prefixes if prefix not in inner)

    def nodes(self, decoder_ids: Tensor) -> Tensor:
        """Which prefix each position of decoder tokens (B, T), start token included, has read: (B, T) indices.

        Behind the end of a label string, where a target's padding stands and no loss is taken, it is 0.
        """
        edges = [(self.index[prefix[:-1]], prefix[-1], number) for prefix, number in self.index.items() if prefix]
        table = torch.tensor(edges, device=decoder_ids.device).reshape(-1, 3)  # (P - 1, 3): from, token, to
        found = torch.zeros_like(decoder_ids)
        for position in range(1, decoder_ids.shape[1]):
            here, token = found[:, position - 1, None], decoder_ids[:, position, None]
            match = (table[:, 0] == here) & (table[:, 1] == token)  # (B, P - 1), at most one True a row
            found[:, position] = (match * table[:, 2]).sum(dim=1)
        return found
