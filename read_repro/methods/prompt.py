"""Prompt-tuning: The Power of Scale for Parameter-Efficient Prompt Tuning (Lester, Al-Rfou and Constant, 2021,
arXiv 2104.08691); a baseline of READ's section 3.1.

    encoder input = [p_1, ..., p_k, e(x_1), ..., e(x_S)],     p_i of width D, trained

The vectors stand before the word embeddings and take nothing of the tokens' own room; attention sees them as real
tokens, the decoder's cross-attention too. On BERT-like backbones they take the first positions, the tokens follow
behind them, and the task head still averages over the tokens alone.

Before a decoder's prompt they stand likewise, and the answer's tokens follow the prompt as ever.

Each vector starts as the embedding of a token of the vocabulary: the middle ones of k equal parts of it, a rule without
chance that misses the special tokens at its ends. (LST's authors mean to take the first k rows, pad and unknown among
them; as their code runs, noise comes out.)

Letters: B batch, S source tokens, k prompt tokens, D width, V vocabulary.
"""

import torch
from torch import Tensor, nn

from read_repro.backbones.backbone import Backbone, Batch
from read_repro.errors import InputError
from read_repro.methods.base import Encoded, Method, Optimisation, Score

VERSION = 1  # raised when the numbers of this method change, so that no older record counts as done


class Prompt(Method):
    """Train vectors before the encoder's input.

    Args:
        tokens: k (section 3.3: 10, 20 or 30).

    Raises:
        InputError: no token, or more than the vocabulary has.
    """

    def __init__(self, backbone: Backbone, optimisation: Optimisation, score: Score, *, tokens: int) -> None:
        vocabulary = backbone.model.config.vocab_size  # V
        if not 1 <= tokens <= vocabulary:
            raise InputError(f"method.tokens={tokens}: 1 to {vocabulary} are possible (the paper: 10, 20 or 30)")
        super().__init__(backbone, optimisation, score)
        middles = torch.tensor([(2 * i + 1) * vocabulary // (2 * tokens) for i in range(tokens)])
        self.prompt = nn.Parameter(backbone.embed(middles).detach().clone())  # (k, D)

    def encode(self, batch: Batch) -> Encoded:
        embedded = self.backbone.embed(batch["input_ids"])
        prompt = self.prompt.to(embedded.dtype).expand(len(embedded), -1, -1)
        longer = self.extend(batch)
        state = self.backbone.encode(longer, torch.cat([prompt, embedded], dim=1))  # (B, k + S, D)
        if "decoder" in self.backbone.depth:
            return Encoded(state, longer)
        return Encoded(state[:, len(self.prompt) :], batch)

    def extend(self, batch: Batch) -> Batch:
        """The batch with masks of length k + S: prompt tokens are attended to, and belong to the first segment."""
        self._check_positions(batch["input_ids"])
        longer = dict(batch)
        for key, value in (("attention_mask", 1), ("token_type_ids", 0)):
            if key in batch:
                ahead = batch[key].new_full((len(batch[key]), len(self.prompt)), value)
                longer[key] = torch.cat([ahead, batch[key]], dim=1)
        return longer

    def _check_positions(self, input_ids: Tensor) -> None:
        positions = self.backbone.positions
        length = len(self.prompt) + input_ids.shape[1]
        if positions is not None and length > positions:
            raise InputError(
                f"{len(self.prompt)} prompt and {input_ids.shape[1]} source tokens are more than the backbone's "
                f"{positions} positions: lower method.tokens or data.max_source_tokens"
            )
