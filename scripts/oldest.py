"""``make oldest``: the fast tests on the oldest versions that pyproject.toml allows, so that its lower bounds are true.

Every ``>=`` of the dependencies and of the tests' own tools becomes ``==``, in an environment apart. torch is excepted
and stays at constraints.txt's version: a machine's driver chooses it. What our dependencies depend on is left to pip.

python scripts/oldest.py [--environment <folder>] [-- <what pytest is given>]
"""

import argparse
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PINNED = (ROOT / "constraints.txt").read_text().splitlines()


def oldest(text: str) -> str:
    """``pandas>=2.2`` -> ``pandas==2.2``; what has no lower bound stays as it is, torch as constraints.txt has it."""
    requirement = Requirement(text)
    if requirement.name == "torch":
        return next(line for line in PINNED if line.startswith("torch=="))
    bounds = [each.version for each in requirement.specifier if each.operator == ">="]
    return f"{requirement.name}=={bounds[0]}" if bounds else text


def project() -> dict[str, Any]:
    """What pyproject.toml says of the project."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> list[str]:
    """The dependencies and the development tools, each at its oldest."""
    return [oldest(text) for text in (*project()["dependencies"], *project()["optional-dependencies"]["dev"])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Install and test; returns pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-oldest", help="default: .venv-oldest")
    parser.add_argument("pytest", nargs="*", default=["-n", "auto"])
    options = parser.parse_args(arguments)
    python = options.environment / "bin" / "python"
    venv.create(options.environment, with_pip=True)
    print("\n".join(requirements()), flush=True)
    install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements()], check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
    return subprocess.run([python, "-m", "pytest", *options.pytest], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
