"""``python -m read_repro.store``: what the store of frozen states holds, by size and age; ``--clean`` removes it."""

import argparse
import shutil
import sys
import time
from pathlib import Path

from read_repro.store.states import default_folder
from read_repro.units import BYTES_PER_GB, SECONDS_PER_DAY


def shelves_in(root: Path) -> list[tuple[str, int, float]]:
    """Each shelf's name, bytes and the time (s since the epoch) of its last use, the largest first."""
    found = []
    for folder in sorted(path for path in root.glob("*-*") if path.is_dir()):
        stats = [path.stat() for path in folder.iterdir() if path.is_file()]
        found.append(
            (folder.name, sum(stat.st_size for stat in stats), max((stat.st_mtime for stat in stats), default=0.0))
        )
    return sorted(found, key=lambda shelf: -shelf[1])


def main(arguments: list[str] | None = None) -> int:
    """List the shelves, or remove those older than ``--days``."""
    parser = argparse.ArgumentParser(prog="python -m read_repro.store", description=__doc__)
    parser.add_argument("--path", type=Path, default=default_folder(), help="default: %(default)s")
    parser.add_argument("--clean", action="store_true", help="remove what is listed")
    parser.add_argument("--days", type=float, default=0.0, help="only what nobody has written to for so many days")
    options = parser.parse_args(arguments)
    now = time.time()
    shelves = [shelf for shelf in shelves_in(options.path) if now - shelf[2] >= options.days * SECONDS_PER_DAY]
    for name, size, last_s in shelves:
        print(f"{size / BYTES_PER_GB:8.2f} GB  {(now - last_s) / SECONDS_PER_DAY:6.1f} days  {name}")
    total = sum(size for _, size, _ in shelves) / BYTES_PER_GB
    print(f"{total:8.2f} GB in {options.path}{' removed' if options.clean else ''}")
    if options.clean:
        for name, _, _ in shelves:
            shutil.rmtree(options.path / name)
        if not options.days:
            shutil.rmtree(options.path, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
