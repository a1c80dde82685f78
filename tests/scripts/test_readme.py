"""Every command of the README is run, or a reason says why not; a new command without either fails the first test."""

import re
from pathlib import Path

import pytest
from newcomer import make_checkout, shell, write_tickets
from places import ROOT

BLOCK = re.compile(r"```(?:sh|bash|console)\n(.*?)```", flags=re.DOTALL)
OFFLINE = "backbone=minilm data=synthetic dry_run=true trainer.accelerator=cpu"
# The first pattern that begins a command decides: what is added to it before it is run, or, in parentheses, why it is
# not run here.
RULES = (
    (r"make (test|test-slow|lint|oldest)\b", "(it runs these tests, or all of them in another way)"),
    (r"make setup\b|pip install|python -m pip|python -m venv|git clone|cd |\. |source ", "(.ci/run starts bare)"),
    (r"make demo\b", "(it takes minutes: test_demo.py does its parts)"),
    (r"make bench\b|python scripts/(bench|one_pass|theory)\.py", "(it measures for minutes)"),
    (r"make clean-cache\b", "(it asks, and would remove this machine's states: tests/store tries it on its own)"),
    (r"make (docs|site)\b|mkdocs", "(make lint builds the site)"),
    (r"python train\.py --help|read-repro --help", ""),
    (r"(python train\.py|read-repro) .*task=custom", "trainer.max_epochs=1 trainer.accelerator=cpu"),
    (r"(python train\.py|read-repro) .*data\.path=<folder>", "(test_cli.py and test_run.py do it on files of theirs)"),
    (r"(python train\.py|read-repro) ", OFFLINE),
    (r"(python predict\.py|read-repro-predict) .*own/", ""),
    (r"(python predict\.py|read-repro-predict) ", "(test_newcomer.py runs it on a run of its own)"),
    (r"python scripts/publish\.py", "(test_newcomer.py runs it on a run of its own)"),
    (r"(python plan\.py|read-repro-plan)\b", ""),
    (r"make status\b", ""),
    (r"make (tables|claims)\b|read-repro-tables", ""),
    (r"python -m read_repro\.store", ""),
    (r"python -m read_repro\.(measure|methods|tables|sweep|data|figures)\.", ""),
)


def commands() -> list[str]:
    """The README's shell commands without comments, continued lines joined."""
    text = (ROOT / "README.md").read_text()
    lines = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    stripped = (re.sub(r"\s+#.*$", "", line).removeprefix("$ ").strip() for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]


def rule(command: str) -> str | None:
    return next((what for pattern, what in RULES if re.match(pattern, command)), None)


def test_every_command_of_the_readme_is_run_or_explained() -> None:
    assert len(commands()) >= 5
    unknown = [command for command in commands() if rule(command) is None]
    assert not unknown, f"say in RULES how to run them, or why not: {unknown}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has who follows the README from its top."""
    folder = make_checkout(tmp_path_factory.mktemp("readme") / "read-repro")
    for name in ("tickets.csv", "new.csv"):
        write_tickets(folder / name, 120, seed=len(name))
    return folder


def as_run(command: str, checkout: Path) -> str:
    """A command with what its rule adds, and with the folder of the run that was made in place of the README's."""
    results = sorted((checkout / "results" / "runs" / "minilm" / "own").rglob("result.json"))
    if results:
        run = results[0].parent.relative_to(checkout).as_posix()
        command = re.sub(r"run=results/runs/minilm/own/\S+", f"run={run}", command)
    if command.startswith("make "):  # the environment is there, and not where make would look
        command = command.replace("make ", "make -o setup PY=python VENV=. ", 1)
    return f"{command} {rule(command) or ''}".strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [command for command in commands() if not (rule(command) or "").startswith("(")]
)  # fmt: skip
def test_a_command_of_the_readme_works(command: str, checkout: Path) -> None:
    """In the README's order, in one folder: what a command needs is what those before it have left."""
    ended = shell(as_run(command, checkout), checkout)
    assert ended.returncode == 0, f"{as_run(command, checkout)}\n{ended.stdout}{ended.stderr}"
