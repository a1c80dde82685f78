"""Nothing is lost with the store of frozen states: runs killed at random, flipped bits, a full disk.

Ten fillers and ten readers are killed by SIGKILL at a random moment, fifty bits are flipped in the store's files, and a
run's store lies on a file system of 20 MB. After each the same run must end with the undisturbed one's scores. Needs
GLUE and, for the full disk, ``unshare``; writes ``results/bench/store_kills.json``.

    python scripts/store_kills.py --path <folder of GLUE>
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from read_repro.records.store import write_json
from read_repro.training.provenance import commit, hardware_of

OUT = Path("results/bench")
SETTING = ("backbone=minilm", "task=cola", "data=local", "data.batch_size=32", "data.train_limit=500", "method=read",
           "method.hidden=128", "trainer.max_epochs=2", "trainer.threads=1", "trainer.accelerator=cpu",
           "trainer.progress_bar=false", "logger=none", "cache=disk", "force=true")  # fmt: skip
KILLS, FLIPS_A_ROUND, ROUNDS = 10, 10, 5


@dataclass(frozen=True)
class Trial:
    """Runs of one setting on one store, in a folder that is thrown away."""

    glue: str
    folder: Path
    rng: random.Random

    def command(self, results: str, store: Path, *more: str) -> list[str]:
        """A run as a user starts it."""
        places = (f"data.path={self.glue}", f"results_dir={self.folder / results}", f"cache.path={store}")
        return [sys.executable, "train.py", *SETTING, *places, *more]

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def run(self, results: str) -> dict[str, Any]:
        """Test score, training losses and the share read from the store, of a run that nobody disturbs."""
        subprocess.run(self.command(results, self.store), check=True, capture_output=True)
        return self.outcome(results)

    def outcome(self, results: str) -> dict[str, Any]:
        """What the only record below a folder says."""
        (path,) = (self.folder / results).rglob("result.json")
        record = json.loads(path.read_text())
        losses = [row["train/loss"] for row in record["history"]]
        metrics = record["metrics"]
        return {"score": metrics["test/score"], "losses": losses, "share": metrics["store/share"]}

    def kill(self, *, filling: bool) -> bool:
        """Kill a run at a random moment, a filler from its first bytes on; whether it was still alive."""
        if filling:
            shutil.rmtree(self.store, ignore_errors=True)
        command = self.command("killed", self.store, f"seed={self.rng.randrange(1000)}")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while filling and process.poll() is None and not any(self.store.glob("*/*.data")):
            time.sleep(0.02)
        time.sleep(self.rng.uniform(0, 3) if filling else self.rng.uniform(3, 9))
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        return alive

    def flip(self) -> None:
        """Flip one bit anywhere in the store's files."""
        files = sorted(path for path in self.store.glob("*/*") if path.suffix in (".data", ".index"))
        path = self.rng.choice(files)
        with path.open("r+b") as file:
            place = self.rng.randrange(path.stat().st_size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 1 << self.rng.randrange(8)]))

    def on_a_full_disk(self) -> dict[str, Any]:
        """A run whose store lies on 20 MB of memory, in a mount namespace of its own."""
        small = self.folder / "small"
        small.mkdir()
        words = self.command("full_disk", small / "store")
        script = f"mount -t tmpfs -o size=20m tmpfs {small} && exec " + " ".join(f"'{word}'" for word in words)
        subprocess.run(["unshare", "-rm", "sh", "-c", script], check=True, capture_output=True)
        return self.outcome("full_disk")


def trials(trial: Trial) -> dict[str, Any]:
    """Everything that is done to the store, and what the run after it said."""
    wanted = trial.run("undisturbed")
    after: dict[str, list[dict[str, Any]]] = {"a filler killed": [], "a reader killed": [], "bits flipped": []}
    for kind, filling in (("a filler killed", True), ("a reader killed", False)):
        for _ in range(KILLS):
            alive = trial.kill(filling=filling)
            after[kind].append({"alive": alive, **trial.run("after")})
    for _ in range(ROUNDS):
        for _ in range(FLIPS_A_ROUND):
            trial.flip()
        after["bits flipped"].append(trial.run("after"))
    after["full disk"] = [trial.on_a_full_disk()]
    runs = [run for found in after.values() for run in found]
    apart = [abs(a - b) for run in runs for a, b in zip(run["losses"], wanted["losses"], strict=True)]
    equal = sum(run["score"] == wanted["score"] for run in runs)
    return {
        "runs": len(runs),
        "equal_scores": equal,
        "largest_loss_difference": max(apart),
        "wanted": wanted,
        "after": after,
    }


def main() -> None:
    """Disturb, run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, required=True, help="folder of GLUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="store-kills-") as folder:
        found = trials(Trial(str(options.path.resolve()), Path(folder), random.Random(0)))
    about = {"hardware": hardware_of(accelerator="cpu", precision="32-true"), "commit": commit()}
    OUT.mkdir(parents=True, exist_ok=True)
    write_json(OUT / "store_kills.json", found | about)
    print({key: value for key, value in found.items() if key != "after"})


if __name__ == "__main__":
    main()
