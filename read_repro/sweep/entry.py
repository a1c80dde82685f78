"""What a sweep has done and what it will take, before anything runs; without an experiment, what results/ holds."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir

from read_repro.config.files import CONF, names
from read_repro.config.overrides import parse
from read_repro.errors import InputError
from read_repro.sweep.jobs import expand
from read_repro.sweep.runner import forecast
from read_repro.sweep.status_lines import as_text, stored

TO_COME = "of the runs that are left (failed or missing), in training"
SPENT = "of the runs that are done, in training"
EXAMPLES = """
examples:
  read-repro-plan                                    what results/ holds: the states of its runs, and what they took
  read-repro-plan results_dir=elsewhere              the same of another folder
  read-repro-plan experiment=table1                  what Table 1 would take: runs, hours, kWh
  read-repro-plan experiment=table1 method=read task=cola,mrpc stage=search

Nothing is started. Hours and kWh come from the records of like runs on this machine. Where there are none they are
guessed from counted operations, and marked with ~.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of a sweep, or of a results folder; returns the exit code."""
    given = _parser().parse_args(arguments).settings
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            if not any(argument.startswith("experiment=") for argument in given):
                print(as_text(stored(Path(*parse(given).get("results_dir", ("results",)))), SPENT))
                return 0
            # Hydra's own keys choose how runs are started, which is no matter here.
            own = [argument for argument in given if not argument.startswith("hydra")]
            whole = compose("config", [a for a in own if a.startswith("experiment=")], return_hydra_config=True)
            params = {str(key): [*each] for key, each in whole.hydra.sweeper.params.items()}
            print(as_text(forecast(expand(own, params)), TO_COME))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="read-repro-plan",
        description="What a sweep has done and what is left of it will take; or what a results folder holds.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    experiments = ", ".join(names("experiment"))
    text = f"as train.py takes them: experiment=<one of {experiments}>, and any key that narrows it"
    parser.add_argument("settings", nargs="*", metavar="key=value", help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
