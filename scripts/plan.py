"""What a sweep has done and what it will take, before anything runs; without an experiment, what results/ holds.

python scripts/plan.py experiment=table1 method=read task=cola,mrpc
python scripts/plan.py [results_dir=<folder>]
"""

import sys
from pathlib import Path

from hydra import compose, initialize_config_dir

from read_repro.errors import InputError
from read_repro.sweep.jobs import TRAIN, expand
from read_repro.sweep.overrides import parse
from read_repro.sweep.runner import forecast
from read_repro.sweep.status import stored, table


def main(arguments: list[str]) -> int:
    """Print the table of a sweep, or of a results folder."""
    with initialize_config_dir(str(TRAIN.parent / "conf"), version_base="1.3"):
        try:
            if not any(argument.startswith("experiment=") for argument in arguments):
                print(table(stored(Path(*parse(arguments).get("results_dir", ("results",))))))
                return 0
            # Hydra's own keys choose how runs are started, which is no matter here.
            own = [argument for argument in arguments if not argument.startswith("hydra")]
            whole = compose("config", [a for a in own if a.startswith("experiment=")], return_hydra_config=True)
            params = {str(key): [*each] for key, each in whole.hydra.sweeper.params.items()}
            print(table(forecast(expand(own, params))))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
