"""Label strings as token ids, and greedy decoding constrained to them.

Letters: B batch, T decoder tokens, V vocabulary, K label strings.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
