"""What all methods share: the one training loop, prediction, and which weights train.

A method says how its encoder state comes about (``encode``) and, where the backbone has a decoder, its decoder state
(``decode``); the backbone turns the last state into a loss and into labels; everything else is here.

Letters: B batch, S source tokens, T decoder tokens, D width.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from read_repro.backbones.backbone import Backbone, Batch, Decode
from read_repro.backbones.frozen_pass import Keep

Score = Callable[[Sequence[float], Sequence[float]], dict[str, float]]


@dataclass(frozen=True)
class Optimisation:
    """AdamW with linear warm-up and linear decay to zero, the same for every method.

    ``warmup`` is a share of ``total_steps``. The number of steps is given and not asked of the trainer, which would
    build the data loaders to tell it.
    """

    lr: float
    weight_decay: float
    warmup: float
    total_steps: int

    def factor(self, step: int) -> float:
        """The learning rate of a step as a share of the peak."""
        warmup_steps = round(self.warmup * self.total_steps)
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return max(0.0, (self.total_steps - step) / max(1, self.total_steps - warmup_steps))


@dataclass(frozen=True)
class Encoded:
    """What the source side hands to the decoder, or, without one, to the task head.

    ``state`` (B, S, D) is what the backbone's decoder or the head reads (a decoder alone: its prompt), ``side`` what a
    side network adds to it for its own decoder part, ``batch`` the batch with the masks that fit ``state``.
    """

    state: Tensor
    batch: Batch
    side: Tensor | None = None


class Method(pl.LightningModule):
    """A way to fine-tune ``backbone``. Only parameters that require a gradient are trained, saved and counted.

    Args:
        backbone: is frozen when it comes; the method thaws or adds what it trains. A task head trains with any method.
        optimisation: learning rate and schedule.
        score: (predictions, labels) -> metrics x100, among them ``score``, the task's one number.
    """

    side_network = False  # whether the backbone stays in eval mode and no gradient ever flows through it
    keep: Mapping[str, Keep] = {}  # by stack, what a side network reads of the frozen pass, and a store may hold

    def __init__(self, backbone: Backbone, optimisation: Optimisation, score: Score) -> None:
        super().__init__()
        self.backbone = backbone
        self.optimisation = optimisation
        self.score = score
        self.outcomes: list[tuple[Tensor, Tensor]] = []  # (predictions, labels) of the evaluation under way
        self.loss_sum, self.loss_examples = torch.tensor(0.0), torch.tensor(0)  # over this epoch's training so far
        self.strict_loading = False  # a checkpoint holds what is trained, and nothing else of the weights

    # ---- what a method overrides ------------------------------------------------------------------------------

    def encode(self, batch: Batch) -> Encoded:
        """What the source side hands on; by default the backbone's own encoder's state."""
        return Encoded(self.backbone.encode(batch), batch)

    def decode(self, encoded: Encoded, decoder_ids: Tensor) -> Tensor:
        """Last decoder state (B, T, D) for decoder tokens (B, T); by default the backbone's own decoder."""
        return self.backbone.decode(encoded.state, encoded.batch, decoder_ids)

    def merge(self) -> None:
        """Fold what was learned into the backbone where that is exact, so that inference costs nothing extra."""

    def initialise(self, batches: Callable[[], Any], device: torch.device | str = "cpu") -> dict[str, float | None]:
        """Prepare weights from training batches of one example, on ``device``; returns ``init/...`` metrics."""
        return {}

    # ---- forward, prediction ----------------------------------------------------------------------------------

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, T, V) where words answer, under teacher forcing; (B, outputs) where a task head does."""
        return self.backbone.training_logits(*self._encoded(batch))

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """Class ids, or numbers for a regression task: (B,)."""
        return self.backbone.predict(*self._encoded(batch))

    @torch.no_grad()
    def predict_with_probabilities(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What ``predict`` returns, (B,), and the probability of each class or label string, (B, K)."""
        return self.backbone.predict_with_probabilities(*self._encoded(batch))

    def _encoded(self, batch: Batch) -> tuple[Tensor, Batch, Decode]:
        """The encoder's state, its batch, and the decoder over both, as a backbone's answers take them."""
        encoded, last = self.encode(batch), dict[str, Tensor]()

        def decode(decoder_ids: Tensor) -> Tensor:  # validation asks twice for the same where a label has one token
            if "ids" not in last or not torch.equal(last["ids"], decoder_ids):
                last.update(ids=decoder_ids, state=self.decode(encoded, decoder_ids))
            return last["state"]

        return encoded.state, encoded.batch, decode

    # ---- the training loop ------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> "Method":
        super().train(mode)
        if self.side_network:
            self.backbone.eval()
        return self

    def setup(self, stage: str) -> None:
        """What several processes have to keep alike is what is trained: the rest is the same from the start."""
        trained = self.trainable()
        names = (name for name, _ in (*self.named_parameters(), *self.named_buffers()))
        self._ddp_params_and_buffers_to_ignore = [name for name in names if name not in trained]

    def on_train_start(self) -> None:
        self.train()  # a pre-trained model comes in eval mode, and Lightning leaves each module as it finds it

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = self.backbone.loss(self(batch), batch)
        examples: int | Tensor = len(batch["labels"])
        if "share/examples" in batch:  # several processes share the batch
            loss, examples = loss * batch["share/loss_weight"], batch["share/examples"]
        self.loss_sum = self.loss_sum.to(loss.device) + loss.detach().float() * examples
        self.loss_examples = self.loss_examples.to(loss.device) + examples
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Predictions, and the loss, which decides between epochs of equal scores, from one pass of the encoder."""
        encoded = self._encoded(batch)
        loss = self.backbone.loss(self.backbone.training_logits(*encoded), batch)
        self.log("val/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["labels"]))
        self.outcomes.append((self.backbone.predict(*encoded), batch["labels"]))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.outcomes.append((self.predict(batch), batch["labels"]))

    def on_validation_epoch_end(self) -> None:
        """Scores, and the mean loss of the epoch's training, which a checkpoint within an epoch carries on."""
        self._log_scores("val")
        if self.loss_examples:
            self.log("train/loss", self._loss_of_all() / self.loss_examples)
        self.loss_sum, self.loss_examples = torch.zeros_like(self.loss_sum), torch.zeros_like(self.loss_examples)

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def _log_scores(self, split: str) -> None:
        predictions, labels = (torch.cat(column).float().tolist() for column in zip(*self.outcomes, strict=True))
        self.outcomes.clear()
        self.log_dict({f"{split}/{name}": value for name, value in self.score(predictions, labels).items()})

    def configure_optimizers(self) -> Any:
        optimisation = self.optimisation
        optimizer = torch.optim.AdamW(
            [parameter for parameter in self.parameters() if parameter.requires_grad],
            lr=optimisation.lr,
            weight_decay=optimisation.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, optimisation.factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["state_dict"] = {name: weight.detach() for name, weight in self.trainable().items()}
        checkpoint["losses"] = (self._loss_of_all(), self.loss_examples)

    def _loss_of_all(self) -> Tensor:
        """The sum of losses over the whole batches, of which several processes have a share each."""
        return self.trainer.strategy.reduce(self.loss_sum.clone(), reduce_op="mean")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.loss_sum, self.loss_examples = checkpoint["losses"]

    # ---- what is trained --------------------------------------------------------------------------------------

    def trainable(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name; a tied weight appears once."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def load_trainable(self, weights: dict[str, Tensor]) -> None:
        """Take trained weights back. Raises ValueError if the names are not exactly this method's."""
        wanted = self.trainable()
        if weights.keys() != wanted.keys():
            odd = sorted(weights.keys() ^ wanted.keys())
            raise ValueError(f"weights do not belong to this {type(self).__name__}: {len(odd)} names differ, {odd[:4]}")
        with torch.no_grad():
            for name, parameter in wanted.items():
                parameter.copy_(weights[name])
