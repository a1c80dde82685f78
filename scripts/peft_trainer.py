"""LoRA as most people run it, for ``bench.py``: peft inside transformers' ``Trainer``, timed from its own loop."""

import tempfile
import time
from functools import partial
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from read_repro.backbones.backbone import Backbone
from read_repro.config.files import settings
from read_repro.data.batches import Example, collate
from read_repro.methods.module_patterns import one_pattern


class PeftTrainer:
    """LoRA as most people run it: peft inside transformers' ``Trainer``, at the places of our LoRA."""

    def __init__(self, backbone: Backbone) -> None:
        node = settings("method", "lora")["method"]
        lora = LoraConfig(r=node["rank"], lora_alpha=node["alpha"], target_modules=one_pattern(node["targets"]))
        inject_adapter_in_model(lora, backbone.model)
        self.model = _WithLoss(backbone)

    def time_s(self, batches: list[list[Example]]) -> float:
        """Seconds a step of ``Trainer.train()``, without what it sets up before the first and after the last."""

        moments: list[float] = []

        class Clock(TrainerCallback):
            def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
                moments.append(time.perf_counter())

            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                moments.append(time.perf_counter())

        class OnBatches(Trainer):
            def get_train_dataloader(self) -> Any:
                return DataLoader(batches, batch_size=None, collate_fn=partial(collate, pad_id=0))  # type: ignore[arg-type]

        arguments = TrainingArguments(
            output_dir=tempfile.gettempdir(), use_cpu=True, report_to=[], max_grad_norm=1.0, save_strategy="no",
            disable_tqdm=True, logging_strategy="no", max_steps=len(batches), learning_rate=1e-3,
        )  # fmt: skip
        OnBatches(model=self.model, args=arguments, callbacks=[Clock()]).train()
        return (moments[-1] - moments[0]) / len(batches)


class _WithLoss(torch.nn.Module):
    """A backbone and its head that return their loss, as ``Trainer`` wants it."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, **batch: Any) -> dict[str, torch.Tensor]:
        backbone = self.backbone
        state = backbone.encode(batch)
        logits = backbone.training_logits(state, batch, partial(backbone.decode, state, batch))
        return {"loss": backbone.loss(logits, batch)}
