"""The one datamodule: a source's rows as batches, the same for every method.

``python -m read_repro.data.datamodule --source local --path <folder>`` prints the sizes of every task's splits.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import yaml
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from read_repro.config.files import CONF
from read_repro.data import metrics, sources
from read_repro.data.batches import (
    BatchesFrom,
    EncodedSplit,
    Example,
    collate,
    encode,
    length_batches,
    padding_share,
    share_facts,
    share_of,
)
from read_repro.data.splits import Splits, split
from read_repro.data.tasks import Task
from read_repro.errors import InputError

logger = logging.getLogger(__name__)


def load_splits(task: Task, *, source: str, path: str | None, train_limit: int | None) -> Splits:
    """Read, check and split."""
    rows = sources.read(task, source=source, path=path)
    return split(task, rows, train_limit=train_limit, synthetic=source == "synthetic")


class GlueData(pl.LightningDataModule):
    """A task's three splits as batches.

    It holds the splits' ``sizes``, ``fingerprint``, ``cut`` and ``labels``; after ``setup`` also ``truncated_share``
    (of all examples), ``padding_share`` (of the training tokens of epoch 0), ``majority_score`` (on test) and
    ``steps_per_epoch``.
    Training order follows the trainer's epoch, so the trainer must ask for the loader anew each epoch
    (``reload_dataloaders_every_n_epochs=1``); of several processes each takes its share of every batch here
    (``use_distributed_sampler=False``), so that ``batch_size`` is that of all together. Each evaluates all of
    validation and test.

    Args:
        task: what is read and how it is written.
        tokenizer: a fast tokenizer with a padding id.
        splits: the task's rows, see ``load_splits``.
        text_to_text, prompted: texts and targets, rather than pairs with a label; a decoder's texts. See ``encode``.
        seed: the run's; with the epoch it fixes the order of the training batches.
        targets, batch_size, eval_batch_size, max_source_tokens: see ``conf/data``.
    """

    def __init__(
        self,
        task: Task,
        tokenizer: PreTrainedTokenizerBase,
        splits: Splits,
        *,
        targets: str,
        batch_size: int,
        eval_batch_size: int,
        max_source_tokens: int,
        text_to_text: bool,
        seed: int,
        prompted: bool = False,
    ) -> None:
        super().__init__()
        self.task, self.batch_size, self.eval_batch_size, self.seed = task, batch_size, eval_batch_size, seed
        self.splits = splits
        self.sizes, self.fingerprint = splits.sizes, splits.fingerprint
        self.cut, self.labels = splits.cut, splits.labels
        self._encode = partial(
            encode,
            task,
            tokenizer=tokenizer,
            text_to_text=text_to_text,
            targets=targets,
            max_source_tokens=max_source_tokens,
            prompted=prompted,
        )
        self._pad_id = int(tokenizer.pad_token_id or 0)
        self.stored: Callable[[Sequence[Example]], dict[str, torch.Tensor]] | None = None
        self.encoded: dict[str, EncodedSplit] = {}
        self._trained = 0  # batches of the epoch that a run was resumed in, which are not read again

    def setup(self, stage: str | None = None) -> None:
        """Tokenise once, whatever stages follow."""
        if self.encoded:
            return
        for name in self.sizes:
            self.encoded[name] = self._encode(getattr(self.splits, name))
        self.truncated_share = sum(e.truncated for e in self.encoded.values()) / sum(self.sizes.values())
        train = self.encoded["train"].lengths
        self.padding_share = padding_share(train, length_batches(train, self.batch_size, seed=self.seed, epoch=0))
        self.majority_score = metrics.majority_score(
            self.task.metric,
            [row["label"] for row in self.splits.train],  # type: ignore[misc]
            [row["label"] for row in self.splits.test],  # type: ignore[misc]
            regression=self.task.regression,
        )

    def collate(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """A padded batch, with what ``stored`` has of its examples."""
        batch = collate(examples, pad_id=self._pad_id)
        return batch if self.stored is None else batch | self.stored(examples)

    def collate_share(self, examples: list[Example], rank: int, world: int) -> dict[str, torch.Tensor]:
        """A process's share of a batch, with what its loss has to be weighted by."""
        share = share_of(examples, rank, world)
        return {**self.collate(share), **share_facts(share, examples, world)}

    def train_batches(self, epoch: int) -> list[list[int]]:
        """Which examples the batches of an epoch hold."""
        return length_batches(self.encoded["train"].lengths, self.batch_size, seed=self.seed, epoch=epoch)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return len(self.train_batches(0))

    def transfer_batch_to_device(
        self, batch: dict[str, torch.Tensor], device: torch.device, dataloader_idx: int
    ) -> dict[str, torch.Tensor]:
        """A batch is one flat dictionary: Lightning walks through nested collections, at a small step's cost."""
        return {key: value.to(device, non_blocking=True) for key, value in batch.items()}

    def train_dataloader(self) -> DataLoader:
        """The batches of the trainer's current epoch (0 without a trainer), where resumed from the next one on."""
        batches = self.train_batches(self.trainer.current_epoch if self.trainer else 0)
        trained, self._trained = self._trained, 0
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        share = partial(self.collate_share, rank=rank, world=world) if world > 1 else self.collate
        return self._loader("train", BatchesFrom(batches, trained), share)

    def state_dict(self) -> dict[str, Any]:
        """How many batches of its epoch a run has trained on; 0 at the end of one."""
        assert self.trainer is not None
        return {"trained": (self.trainer.fit_loop.batch_idx + 1) % self.trainer.num_training_batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._trained = state_dict["trained"]

    def val_dataloader(self) -> DataLoader:
        """Validation, shortest examples first; the labels travel in the batches."""
        return self._loader("validation", self._by_length("validation"))

    def test_dataloader(self) -> DataLoader:
        """Test, shortest examples first; the labels travel in the batches."""
        return self._loader("test", self._by_length("test"))

    def single_examples(self) -> Iterator[dict[str, torch.Tensor]]:
        """Training examples one at a time, in an order of the run's seed: what LST's pruning is computed on."""
        order = torch.randperm(self.sizes["train"], generator=torch.Generator().manual_seed(self.seed))
        return iter(self._loader("train", [[index] for index in order.tolist()]))

    def longest_batch(self) -> dict[str, torch.Tensor]:
        """The ``batch_size`` longest training examples: the same batch for every method, seed and epoch."""
        return next(iter(self._loader("train", [self._by_length_order("train")[-self.batch_size :]])))

    def _by_length_order(self, name: str) -> list[int]:
        return np.argsort(self.encoded[name].lengths, kind="stable").tolist()

    def _by_length(self, name: str) -> list[list[int]]:
        order = self._by_length_order(name)
        return [order[i : i + self.eval_batch_size] for i in range(0, len(order), self.eval_batch_size)]

    def _loader(
        self, name: str, batches: "list[list[int]] | BatchesFrom", collate: Callable[..., Any] | None = None
    ) -> DataLoader:
        """With a generator of its own: it draws a number for each pass, and dropout's should not turn on how many."""
        return DataLoader(
            self.encoded[name].examples,  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=collate or self.collate,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),
        )


def read_tasks(folder: Path = CONF / "task") -> Iterator[Task]:
    """The whole tasks of a config folder, by name, without Hydra; those that own data complete are left out."""
    for file in sorted(folder.glob("*.yaml")):
        keywords = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        if str(keywords.get("_target_", "")).endswith(f".{Task.__name__}"):
            yield Task(**{key: value for key, value in keywords.items() if key != "_target_"})


def main(arguments: list[str] | None = None) -> int:
    """Print the sizes of every task's splits for a source."""
    parser = argparse.ArgumentParser(prog="python -m read_repro.data.datamodule", description=main.__doc__)
    parser.add_argument("--source", choices=sources.SOURCES, default="hub")
    parser.add_argument("--path", help="folder of a local source, or the hub's repository", default=None)
    parser.add_argument("--task", help="only this one", default=None)
    parser.add_argument("--conf", type=Path, default=CONF, help="config folder (default: that of this checkout)")
    options = parser.parse_args(arguments)
    path = options.path or ("nyu-mll/glue" if options.source == "hub" else None)
    tasks = [task for task in read_tasks(options.conf / "task") if options.task in (None, task.name)]
    print(f"{'task':<6}{'train':>10}{'validation':>12}{'test':>10}  note")
    try:
        for task in tasks:
            found = load_splits(task, source=options.source, path=path, train_limit=None)
            counts = "{train:>10,}{validation:>12,}{test:>10,}".format(**found.sizes)
            print(f"{task.name:<6}{counts}  {'; '.join(found.labels) or 'whole'}")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
