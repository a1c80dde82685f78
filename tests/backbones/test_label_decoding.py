"""Constrained decoding meets label strings of unlike length that share a beginning."""

import torch
from torch import Tensor

from read_repro.backbones.label_decoding import Answers

ANSWERS = Answers(((10, 1), (11, 12, 13, 1), (11, 12, 14, 15, 1), (11, 12, 14, 16, 1)), (0.0, 1.0, 2.0, 3.0))


def test_a_row_that_has_ended_goes_on_with_padding_while_others_are_open() -> None:
    """An ended row has no next token; minus one, the table's own padding, would be no token at all."""
    wanted = torch.tensor([0, 1, 2, 3])
    seen: list[Tensor] = []

    def next_logits(ids: Tensor) -> Tensor:
        seen.append(ids)
        logits = torch.zeros(*ids.shape, 20)
        for row, label in enumerate(wanted.tolist()):
            tokens = ANSWERS.tokens[label]
            if (place := ids.shape[1] - 1) < len(tokens):
                logits[row, -1, tokens[place]] = 1
        return logits

    assert ANSWERS.greedy(next_logits, torch.zeros(4, 1, dtype=torch.long)).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert all((ids >= 0).all() for ids in seen)
    assert len(seen) == 4
