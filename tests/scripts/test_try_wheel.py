"""The wheel alone, in an environment and a folder of its own: it trains, predicts and makes tables."""

import subprocess
import sys

import pytest
from places import ROOT


@pytest.mark.slow
def test_the_wheel_works_where_no_checkout_is() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "try_wheel.py"), "--borrow"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "The wheel works" in ended.stdout
