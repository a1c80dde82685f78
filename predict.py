"""``python predict.py`` in a checkout, ``read-repro-predict`` once installed: see read_repro/prediction/command.py."""

import sys

from read_repro.prediction.command import main

if __name__ == "__main__":
    sys.exit(main())
