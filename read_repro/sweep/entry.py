"""What a sweep has done and what it will take, before anything runs; without an experiment, what results/ holds.

read-repro-plan experiment=table1 method=read task=cola,mrpc
read-repro-plan [results_dir=<folder>]
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir

from read_repro.config.files import CONF
from read_repro.errors import InputError
from read_repro.sweep.jobs import expand
from read_repro.sweep.overrides import parse
from read_repro.sweep.runner import forecast
from read_repro.sweep.status import as_text, stored


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of a sweep, or of a results folder; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    with initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            if not any(argument.startswith("experiment=") for argument in arguments):
                print(as_text(stored(Path(*parse(arguments).get("results_dir", ("results",))))))
                return 0
            # Hydra's own keys choose how runs are started, which is no matter here.
            own = [argument for argument in arguments if not argument.startswith("hydra")]
            whole = compose("config", [a for a in own if a.startswith("experiment=")], return_hydra_config=True)
            params = {str(key): [*each] for key, each in whole.hydra.sweeper.params.items()}
            print(as_text(forecast(expand(own, params))))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
