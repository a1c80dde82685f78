"""A shipped default is edited between two runs of the same command: the old record is another run's, never taken."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from nonsense import TINY_T5, write_glue
from places import CONF, ROOT


def test_the_record_of_a_run_with_another_shipped_rate_is_refused(tmp_path: Path) -> None:
    conf, glue = tmp_path / "conf", write_glue(tmp_path, one_token=False, rows=16)
    shutil.copytree(CONF, conf)
    command = (
        sys.executable, "-m", "read_repro.training.entry", "--config-path", str(conf), *TINY_T5,
        "data=local", f"data.path={glue}", "task=cola", "method=read", "logger=none",
        "trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.progress_bar=false", "data.targets=digits",
        f"results_dir={tmp_path}",
    )  # fmt: skip

    def train() -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)

    first = train()
    assert first.returncode == 0, first.stderr
    (path,) = tmp_path.rglob("result.json")
    before = path.read_bytes()
    assert "lr" not in json.loads(before)["setting"]  # the rate is the shipped file's, and so not in the run's name

    file = conf / "method" / "read.yaml"
    file.write_text(file.read_text().replace("lr: 1e-3", "lr: 2e-3"))
    second = train()
    assert second.returncode == 2, second.stderr
    last = second.stderr.strip().splitlines()[-1]
    for words in ("another run's record", "its optim.lr is 0.001, this run's 0.002", "force=true", "results_dir"):
        assert words in last
    assert path.read_bytes() == before

    file.write_text(file.read_text().replace("lr: 2e-3", "lr: 1e-3"))
    third = train()
    assert third.returncode == 0, third.stderr
    assert "done before" in third.stderr
    assert path.read_bytes() == before
