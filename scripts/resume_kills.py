"""A run that is killed at random goes on, and its record is that of a run that nobody disturbed.

MiniLM on 500 examples of CoLA, six epochs: one run in peace, then twenty that are killed by SIGKILL, half of them
within an epoch and half about the end of one, where a checkpoint is being written. The same command is then given
again. Its record must be that of the run in peace but for times, energy and memory, and its energy that of both tries'
windows, to within one interval between readings. Needs GLUE; writes ``results/bench/resume_kills.json``.

    python scripts/resume_kills.py --path <folder of GLUE>
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from read_repro.measure.energy_journal import read_windows
from read_repro.measure.energy_summary import main_energy
from read_repro.records.store import write_json
from read_repro.training.provenance import commit, hardware_of

OUT = Path("results/bench")
INTERVAL_S = 1.0  # of the energy's readings: what the last of them does not see of a killed try is lost
SETTING = ("backbone=minilm", "task=cola", "data=local", "data.batch_size=16", "data.train_limit=500", "method=lora",
           "trainer.max_epochs=6", "trainer.patience=6", "trainer.threads=1", "trainer.accelerator=cpu",
           "trainer.progress_bar=false", f"energy.interval_s={INTERVAL_S}", "logger=none")  # fmt: skip
WITHIN, BETWEEN = "trainer.checkpoint_every_min=0.02", "trainer.checkpoint_every_min=null"
MOVING = ("time/", "energy/", "memory/", "init/time")
Found = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """Runs of one setting, each in a results folder of its own below one that is thrown away."""

    glue: str
    folder: Path
    rng: random.Random

    def start(self, name: str, every: str) -> subprocess.Popen[bytes]:
        """The command, as a user gives it."""
        places = (f"data.path={self.glue}", f"results_dir={self.folder / name}")
        command = [sys.executable, "train.py", *SETTING, every, *places]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def undisturbed(self) -> Found:
        process = self.start("undisturbed", BETWEEN)
        _, stderr = process.communicate()
        if process.returncode:
            sys.exit(stderr.decode())
        return self.record("undisturbed")

    def record(self, name: str) -> Found:
        """The only record below a folder."""
        (path,) = (self.folder / name).rglob("result.json")
        return json.loads(path.read_text())

    def killed(self, name: str, *, within: bool) -> Found:
        """Kill a run once, somewhere; give the command again until its record is there; compare."""
        every = WITHIN if within else BETWEEN
        process = self.start(name, every)
        place = self._wait(process, name, epochs=self.rng.randrange(1, 6))
        # Within an epoch: up to a second later, an epoch taking longer. About its end: while the checkpoint is written.
        time.sleep(self.rng.uniform(0.2, 1.0) if within else self.rng.uniform(0, 0.05))
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = self.start(name, every)
        _, stderr = again.communicate()
        return {"within": within, "alive": alive, "after_checkpoint": place, "code": again.returncode,
                "said": stderr.decode().splitlines()[-1:]}  # fmt: skip

    def _wait(self, process: subprocess.Popen[bytes], name: str, *, epochs: int) -> int:
        """Until the run has begun to write as many checkpoints as that, or is over; how many it had."""
        seen: set[str] = set()
        while process.poll() is None and len(seen) < epochs:
            seen |= {path.name.lstrip(".") for path in (self.folder / name).rglob("checkpoints/*")}
            time.sleep(0.002)
        return len(seen)

    def spent(self, name: str) -> float:
        """The energy of all windows in the journal of a run, in kWh."""
        (journal,) = (self.folder / name).rglob("journal.jsonl")
        return sum(main_energy(window.without_pauses()).kwh or 0.0 for window in read_windows(journal))


def compared(record: Found) -> Found:
    """A record without what differs between two runs of one command."""
    kept = {key: value for key, value in record.items() if key not in ("labels", "resumed", "sha256", "config")}
    rows = [{k: v for k, v in row.items() if k not in ("time_s", "energy_kwh")} for row in record["history"]]
    metrics = {k: v for k, v in record["metrics"].items() if not k.startswith(MOVING)}
    return {**kept, "history": rows, "metrics": metrics}


def trials(trial: Trial, kills: int) -> Found:
    """Every kill, and what became of the run."""
    wanted = trial.undisturbed()
    most_kwh = INTERVAL_S * wanted["metrics"]["energy/cpu_estimate_power_kw"] / 3600
    runs = []
    for number in range(kills):
        name = f"killed{number}"
        run = trial.killed(name, within=number % 2 == 0)
        record = trial.record(name)
        energy_kwh = record["metrics"]["energy/cpu_estimate_kwh"]
        found, aim = compared(record), compared(wanted)
        run |= {
            "equal": found == aim,
            "differ": [key for key in aim if found[key] != aim[key]],
            "resumed": record["resumed"],
            "energy_kwh": energy_kwh,
            "energy_is_the_sum": abs(energy_kwh - trial.spent(name)) <= most_kwh,
        }
        runs.append(run)
        print(run, flush=True)
    return {
        "kills": kills,
        "equal_records": sum(run["equal"] for run in runs),
        "equal_energies": sum(run["energy_is_the_sum"] for run in runs),
        "killed_alive": sum(run["alive"] for run in runs),
        "undisturbed_kwh": wanted["metrics"]["energy/cpu_estimate_kwh"],
        "runs": runs,
    }


def main() -> None:
    """Kill, go on, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", type=Path, required=True, help="folder of GLUE")
    parser.add_argument("--kills", type=int, default=20, help="how many (default: 20); only 20 are written down")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="resume-kills-") as folder:
        found = trials(Trial(str(options.path.resolve()), Path(folder), random.Random(0)), options.kills)
    about = {"hardware": hardware_of(accelerator="cpu", precision="32-true"), "commit": commit()}
    if options.kills == 20:
        OUT.mkdir(parents=True, exist_ok=True)
        write_json(OUT / "resume_kills.json", found | about)
    print({key: value for key, value in found.items() if key != "runs"})


if __name__ == "__main__":
    main()
