"""What a run shows, in processes of their own: to a file plain lines, to a terminal a bar above which lines stay."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nonsense import TINY_RUN, write_glue
from places import ROOT

TINY = (*TINY_RUN, "data.batch_size=4")
SIZE = (40, 140)  # rows and columns of the terminal


def command(folder: Path, *arguments: str) -> list[str]:
    glue = folder / "glue"
    if not glue.exists():
        write_glue(folder, one_token=False, rows=40)
    return [sys.executable, "train.py", *TINY, f"data.path={glue}", f"results_dir={folder / 'results'}", *arguments]


def to_a_file(folder: Path, *arguments: str, **environment: str) -> tuple[list[str], int]:
    """The lines of a run whose output nobody watches, and its exit code."""
    ended = subprocess.run(
        command(folder, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip
    assert ended.stdout == ""
    assert not set(ended.stderr) & set("\x1b\r")
    return ended.stderr.splitlines(), ended.returncode


def test_to_a_file_go_a_line_an_epoch_and_no_control_characters(tmp_path: Path) -> None:
    """FORCE_COLOR, which some CI services set, makes a file no terminal."""
    lines, code = to_a_file(tmp_path, "trainer.max_epochs=2", "tags=[one,two]", FORCE_COLOR="1")
    assert code == 0, lines
    assert lines[0] == "read on cola (local data), t5-random, seed 0"
    assert "  loading torch ..." in lines
    assert [line.split()[:4] for line in lines if line.startswith("epoch")] == [
        ["epoch", f"{number}/2", "loss", line.split()[3]]
        for number, line in enumerate((line for line in lines if line.startswith("epoch")), start=1)
    ]
    text = "\n".join(lines)
    for words in (
        "matthews", "the commonest answer to all", "of at most 2; the best was", "estimated from CPU time",
        "resident above the start", "result.json", 'predict.py run=',
    ):  # fmt: skip
        assert words in text
    (record,) = (tmp_path / "results").rglob("result.json")
    assert '"tags": [\n   "one",\n   "two"\n  ]' in record.read_text()
    lines, code = to_a_file(tmp_path, "trainer.max_epochs=2", "tags=[three]")
    assert code == 0
    assert any(line.startswith("done before: ") for line in lines), "tags are no part of what a run is"


def test_one_batch_is_known_by_heart_and_nothing_is_left(tmp_path: Path) -> None:
    lines, code = to_a_file(tmp_path, "debug=true", "optim.lr=1e-2")
    assert code == 0, lines
    losses = [float(line.split()[-1]) for line in lines if line.startswith("one batch, step")]
    assert losses[-1] < 0.2 * losses[0], losses
    assert lines[-1].startswith("on the 4 examples of that batch: ")
    assert not (tmp_path / "results").exists()


def test_the_first_line_and_what_differs_come_before_torch(tmp_path: Path) -> None:
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "torch.py").write_text("raise ImportError('not yet')")
    path = os.pathsep.join((str(tmp_path / "stub"), os.environ.get("PYTHONPATH", "")))
    lines, code = to_a_file(tmp_path, PYTHONPATH=path)
    assert code == 1
    assert lines[0] == "read on cola (local data), t5-random, seed 0"
    shown = [line.split() for line in lines[1 : lines.index("  loading torch ...")]]
    assert ["method.hidden", "8", "256"] in shown
    assert ["task", "cola", "mnli"] in shown
    assert not any("optim.warmup" in line for line in lines[: len(shown)]), "only what differs"


def test_v_shows_the_whole_configuration(tmp_path: Path) -> None:
    lines, code = to_a_file(tmp_path, "-v", "dry_run=true")
    assert code == 0, lines
    assert "  warmup: 0.06" in lines


def test_a_multirun_counts_and_ends_with_its_runs_best_first(tmp_path: Path) -> None:
    lines, code = to_a_file(tmp_path, "trainer.max_epochs=1", "optim.lr=1e-5,1e-2", "--multirun")
    assert code == 0, lines
    assert [line.split()[0] for line in lines if " on cola " in line] == ["1/2", "2/2"]
    titles, *rows = lines[-3:]
    assert titles.split()[:3] == ["run", "validation", "test"]
    scores = [float(row.split()[1]) for row in rows]
    assert {row.split()[0] for row in rows} == {"optim.lr=1e-05", "optim.lr=0.01"}
    assert scores == sorted(scores, reverse=True)


def test_a_multirun_whose_first_runs_fail_alike_stops(tmp_path: Path) -> None:
    lines, code = to_a_file(tmp_path, "seed=0,1,2,3,4", "method.hidden=-1", "dry_run=true", "--multirun")
    assert code == 2
    assert [line.split()[0] for line in lines if " on cola " in line] == ["1/5", "2/5", "3/5"]
    assert lines[-1].startswith("stopped: the first 3 runs failed alike, and the others are not started: ")


class Terminal:
    """A run on a terminal of its own, whose output is kept."""

    def __init__(self, arguments: list[str]) -> None:
        self.output = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            rows, columns = map(str, SIZE)
            os.environ |= {"TERM": "xterm", "OMP_NUM_THREADS": "1", "LINES": rows, "COLUMNS": columns}
            os.execv(arguments[0], arguments)

    def read_until(self, pattern: str, *, within_s: float = 240) -> None:
        deadline = time.monotonic() + within_s
        while not re.search(pattern, self.output):
            assert time.monotonic() < deadline, self.output
            self._read()

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def press_ctrl_c(self) -> None:
        os.write(self.master, b"\x03")

    def _read(self) -> bool:
        try:
            got = os.read(self.master, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.output += got.decode(errors="replace")
        return bool(got)


def test_on_a_terminal_a_bar_is_drawn_and_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    terminal = Terminal(command(tmp_path, "trainer.max_epochs=10000", "trainer.patience=9999"))
    terminal.read_until("epoch 3/10000 .*━.*at most .* left")
    assert "loading torch" in terminal.output
    terminal.press_ctrl_c()
    assert terminal.end() == 128 + signal.SIGINT
    assert re.search(r"epoch +1/10000  loss \d", terminal.output)
    assert "Traceback" not in terminal.output
    last = terminal.output.split("stopped by SIGINT: ")[1]
    assert "python train.py backbone=t5-random" in " ".join(last.split())
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize("argument", ["--help"])
def test_help_names_debug_tags_and_completion(argument: str) -> None:
    ended = subprocess.run([sys.executable, "train.py", argument], cwd=ROOT, capture_output=True, text=True, check=True)
    for word in ("debug=true", "tags=", "-sc install=bash", "-v "):
        assert word in ended.stdout
