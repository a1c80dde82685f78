"""``python train.py`` in a checkout, ``read-repro`` once installed: see read_repro/training/entry.py."""

from read_repro.training.entry import main

if __name__ == "__main__":
    main()
