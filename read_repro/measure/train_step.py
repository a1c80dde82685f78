"""One training step outside Lightning, for what plans, measures or tries out steps without a whole run."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from read_repro.backbones.backbone import Batch
from read_repro.methods.base import Method

CLIP = 1.0  # conf/trainer/default.yaml's; its value costs neither time nor a byte


def train_step(method: Method, optimizer: torch.optim.Optimizer, batch: Batch) -> Tensor:
    """Step once, in Lightning's order: the last step's gradients live until this one's forward pass is over."""
    loss = method.backbone.loss(method(batch), batch)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(method.trainable().values(), CLIP, foreach=True)
    optimizer.step()
    return loss.detach()


def overfit(method: Method, batch: Batch, *, steps: int) -> Iterator[float]:
    """Train on one batch again and again, at the method's full learning rate; yields the loss before each step."""
    optimizer = torch.optim.AdamW(method.trainable().values(), lr=method.optimisation.lr)
    method.train()
    for _ in range(steps):
        yield float(train_step(method, optimizer, batch))
