"""Label strings as token ids, greedy decoding constrained to them, and their prefixes as a tree.

The prefixes are all that a decoder ever reads when it answers with a label. Under causal attention its state depends on
the tokens up to it, so that label strings with a common beginning share the states of that beginning, in training and
in constrained decoding alike.

Letters: B batch, T decoder tokens, V vocabulary, K label strings, P prefixes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

NextLogits = Callable[[Tensor], Tensor]  # decoder tokens (B, T) -> the logits of what follows each, (B, T, V)


@dataclass(frozen=True)
class Answers:
    """The label strings of a text-to-text task as token ids, end of sequence included, and the value of each."""

    tokens: tuple[tuple[int, ...], ...]
    values: tuple[float, ...]

    def table(self, device: torch.device) -> Tensor:
        """(K, longest) token ids, padded with -1, which no token equals."""
        longest = max(map(len, self.tokens))
        rows = [list(row) + [-1] * (longest - len(row)) for row in self.tokens]
        return torch.tensor(rows, device=device)

    def greedy(self, next_logits: NextLogits, start: Tensor) -> Tensor:
        """Greedy decoding from start tokens (B, 1), constrained to the label strings: every prediction is a label.

        Returns the values of the chosen strings, (B,).
        """
        table, ids = self.table(start.device), start
        alive = torch.ones(len(start), len(table), dtype=torch.bool, device=start.device)  # (B, K): not ruled out
        for position in range(table.shape[1]):
            if (alive.sum(dim=1) == 1).all():
                break
            candidates = table[:, position]
            scores = next_logits(ids)[:, -1, candidates.clamp(min=0)].masked_fill(~alive, -torch.inf)  # (B, K)
            chosen = candidates[scores.argmax(dim=1)]
            alive &= candidates == chosen[:, None]
            ids = torch.cat([ids, chosen.clamp(min=0)[:, None]], dim=1)  # behind a string's end stands padding
        return torch.tensor(self.values, device=start.device)[alive.int().argmax(dim=1)]

    def probabilities(self, next_logits: NextLogits, start: Tensor) -> Tensor:
        """The probability (B, K) of each label string, if tokens that continue no label string are never drawn."""
        return torch.stack([self._chance(next_logits, start, index) for index in range(len(self.tokens))], dim=1)

    def _chance(self, next_logits: NextLogits, start: Tensor, index: int) -> Tensor:
        table, tokens = self.table(start.device), self.tokens[index]
        ahead = torch.tensor(tokens[:-1], device=start.device, dtype=start.dtype).expand(len(start), -1)
        logits = next_logits(torch.cat([start, ahead], dim=1))  # (B, T, V)
        log_chance = logits.new_zeros(len(start))
        alive = torch.ones(len(table), dtype=torch.bool, device=start.device)
        for position, token in enumerate(tokens):
            allowed = table[alive, position].unique()
            among = logits[:, position, allowed].log_softmax(dim=1)
            log_chance = log_chance + among[:, int((allowed == token).nonzero().item())]
            alive &= table[:, position] == token
        return log_chance.exp()


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
