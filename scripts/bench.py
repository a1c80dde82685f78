"""READ's training step against full-tuning's, in one process on the same batches (``make bench``).

Prints, for READ at two widths, the median over alternating rounds of full-tuning's step time over READ's, and the same
ratio of the bytes kept for the backward pass (distinct storages, parameters excluded). Ratios, because machines are
shared and noisy. The law (arithmetic): 3/ (1 + rho), rho = 0.5 H/D + 0.75 (H/D)^2; full-tuning also pays its optimiser.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from read_repro.backbones.backbone import Batch
from read_repro.config.files import CONF
from read_repro.measure.peak_memory import SavedForBackward
from read_repro.measure.train_step import train_step
from read_repro.methods.base import Method
from read_repro.training.checks import check
from read_repro.training.parts import Parts, build
from read_repro.training.provenance import commit, cpu_model


def parts(method: str, options: argparse.Namespace, *overrides: str) -> Parts:
    """The method, its data and its optimiser as ``train.py`` would build them."""
    data = [f"data={options.data}", *([f"data.path={options.path}"] if options.path else [])]
    choices = [f"method={method}", f"task={options.task}", "backbone=minilm", f"data.batch_size={options.batch_size}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config: Any = OmegaConf.to_container(compose("config", [*choices, *data, *overrides]), resolve=True)
    torch.manual_seed(0)
    return build(config, check(config, Path("results")))


class Stepper:
    """One method with its optimiser, stepping as the training loop does."""

    def __init__(self, method: Method) -> None:
        self.method = method.train()
        self.optimizer = method.configure_optimizers()["optimizer"]

    def step(self, batch: Batch) -> None:
        train_step(self.method, self.optimizer, batch)

    def time_s(self, batches: list[Batch]) -> float:
        started_s = time.perf_counter()
        for batch in batches:
            self.step(batch)
        return (time.perf_counter() - started_s) / len(batches)

    def saved_gib(self, batches: list[Batch]) -> float:
        """Mean over the batches."""
        gib = []
        for batch in batches:
            with SavedForBackward(self.method.parameters()) as saved:
                self.method.backbone.loss(self.method(batch), batch)
            gib.append(saved.saved_gib)
        return statistics.mean(gib)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("local", "synthetic", "hub"), default="synthetic")
    parser.add_argument("--path", help="folder of a local source")
    parser.add_argument("--task", default="mrpc")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=4, help="steps in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    full = parts("full", options)
    steppers = {"full": Stepper(full.method)} | {
        f"READ H={hidden}": Stepper(parts("read", options, f"method.hidden={hidden}").method) for hidden in (128, 256)
    }
    loader = iter(full.data.train_dataloader())
    batches = [next(loader) for _ in range(options.batches)]
    for stepper in steppers.values():
        stepper.step(batches[0])  # the optimiser's state and the allocator's pools exist from the second step on
    rounds = [{name: stepper.time_s(batches) for name, stepper in steppers.items()} for _ in range(options.rounds)]
    saved = {name: stepper.saved_gib(batches) for name, stepper in steppers.items()}
    print(f"{options.task} ({options.data}), MiniLM, batch {options.batch_size}, {cpu_model()}, commit {commit()}")
    print(f"{options.rounds} alternating rounds of {options.batches} steps, {torch.get_num_threads()} thread(s)")
    for name in list(steppers)[1:]:
        ratios = [times["full"] / times[name] for times in rounds]
        print(
            f"{name}: full's step takes {statistics.median(ratios):.2f} times as long "
            f"({min(ratios):.2f} to {max(ratios):.2f}) and keeps {saved['full'] / saved[name]:.2f} times the bytes "
            f"({saved['full'] * 1024:.1f} against {saved[name] * 1024:.1f} MiB)"
        )


if __name__ == "__main__":
    main()
