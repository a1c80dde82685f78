"""What numbers in fewer bits cost READ, in stored states and in the backbone's weights, and what it starts from.

    states     READ on states stored in 32, 16 and 8 bit: do predictions agree, do scores differ?
    backbone   READ beside a backbone in 32 and in 16 bit, MiniLM on three tasks and SmolLM2 on SST-2: do scores differ?
    untrained  SmolLM2's label words before any training, which READ starts from.

Each needs GLUE (--path) and writes ``results/bench/narrow-<command>.json``.
"""

import argparse
import os
import statistics

import torch
from one_pass import QUIET, Found, scratch, setting_of, train, write

from read_repro.config.composition import composed
from read_repro.methods.base import Method
from read_repro.training.checks import check
from read_repro.training.parts import Parts, build


def states(options: argparse.Namespace) -> Found:
    """See the module's docstring."""
    dtypes = ("fp32", "fp16", "bf16", "int8")
    scores: dict[str, list[Found]] = {}
    agreement: dict[str, Found] = {dtype: {} for dtype in dtypes[1:]}
    with scratch() as folder:
        for task in ("mrpc", "stsb", "sst2"):
            common = (
                "backbone=minilm", f"task={task}", "data=local", f"data.path={options.path}", "data.batch_size=32",
                "data.train_limit=1000", "trainer.max_epochs=10", "method=read", "method.hidden=128",
            )  # fmt: skip
            for seed in range(3):
                runs = {
                    dtype: train(
                        folder / f"{task}-{seed}-{dtype}", *common, f"seed={seed}", "cache=disk",
                        f"cache.path={folder / task}", f"cache.dtype={dtype}",
                    )
                    for dtype in dtypes
                }  # fmt: skip
                scores.setdefault(task, []).append({dtype: run.metrics["test/score"] for dtype, run in runs.items()})
                exact = runs["fp32"]
                wide = predictions(exact.parts.method, exact.parts)
                for dtype in dtypes[1:]:
                    shares = agreement[dtype].setdefault(task, [])
                    shares.append(agreeing(wide, predictions(exact.parts.method, runs[dtype].parts), task))
    differences = {
        dtype: [row[dtype] - row["fp32"] for rows in scores.values() for row in rows] for dtype in dtypes[1:]
    }
    return {
        "agreement_of_predictions": agreement,
        "test_scores": scores,
        "paired_difference": {dtype: interval(values) for dtype, values in differences.items()},
    }


def backbone(options: argparse.Namespace) -> Found:
    """See the module's docstring."""
    found: Found = {}
    for name, tasks in (("minilm", ("mrpc", "stsb", "sst2")), ("smollm2", ("sst2",))):
        setting = [
            word for word in setting_of(name, options.path) if not word.startswith(("task=", "data.train_limit="))
        ]
        rate = ["optim.lr=3e-4"] if name == "smollm2" else []
        epochs = ("trainer.max_epochs=10", "trainer.patience=10")
        common = (*setting, "data.train_limit=1000", *epochs, "method=read", "method.hidden=128", *rate)
        rows: list[Found] = []
        with scratch() as folder:
            for task in tasks:
                for seed in range(options.seeds):
                    scores = {
                        dtype: train(
                            folder / f"{task}-{seed}-{dtype}", *common, f"task={task}", f"seed={seed}", "cache=disk",
                            f"cache.path={folder / 'store'}", f"backbone.dtype={dtype}",
                        ).metrics["test/score"]
                        for dtype in ("fp32", "bf16")
                    }  # fmt: skip
                    rows.append({"task": task, "seed": seed, **scores})
        differences = [row["bf16"] - row["fp32"] for row in rows]
        found[name] = {"bf16_minus_fp32": interval(differences), "rows": rows}
    return found


def untrained(options: argparse.Namespace) -> Found:
    """See the module's docstring."""
    config = composed(*QUIET, *setting_of("smollm2", options.path), "method=read", "method.hidden=128")
    with scratch() as folder:
        parts = build(config, check(config, folder))
    labels = torch.cat([batch["labels"] for batch in parts.data.test_dataloader()])
    found = parts.method.score(predictions(parts.method, parts).tolist(), labels.tolist())
    return {"test": found, "majority": parts.data.majority_score}


def predictions(method: Method, parts: Parts) -> torch.Tensor:
    """What a method answers to the test examples, as the data of another run brings them."""
    method.eval()
    return torch.cat([method.predict(batch) for batch in parts.data.test_dataloader()])


def agreeing(wide: torch.Tensor, small: torch.Tensor, task: str) -> float:
    """The share of examples with the same answer; a number may differ by 0.05."""
    same = (wide - small).abs() <= 0.05 if task == "stsb" else wide == small
    return float(same.float().mean())


def interval(values: list[float]) -> Found:
    """Mean with its 95% interval by Student's t over all pairs."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    mean = statistics.fmean(values)
    return {"mean": mean, "low": mean - half, "high": mean + half, "pairs": len(values)}


COMMANDS = {"states": states, "backbone": backbone, "untrained": untrained}


def main() -> None:
    """Run one of the commands and write what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--path", required=True, help="folder of GLUE")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.path = os.path.abspath(options.path)
    write({"command": options.command, **COMMANDS[options.command](options)}, f"narrow-{options.command}")


if __name__ == "__main__":
    main()
