"""What a newcomer has: a folder of their own, a file of support tickets, and the commands of the README."""

import csv
import os
import random
import subprocess
import sys
from pathlib import Path

from places import ROOT

TEAMS = {  # by team: what such a ticket is about, and what its writer wants
    "Billing": (
        ["invoice {n}", "a double charge", "the refund for order {n}", "my card payment", "the price of my plan"],
        ["I was charged twice for {when}", "the amount on the bill is wrong", "I never got my money back"],
    ),
    "Login & access": (
        ["my password", "two-factor codes", "the account {n}", "signing in", "a locked account"],
        ["I cannot sign in since {when}", "the reset mail never arrives", "it says that my account is locked"],
    ),
    "shipping": (
        ["parcel {n}", "the delivery of order {n}", "a damaged box", "tracking number {n}", "the courier"],
        ["it should have arrived {when}", "the parcel went to a wrong address", "tracking has not moved since {when}"],
    ),
    "bug/crash": (
        ["the app on my phone", "version {n}", "an error message", "the export button", "a blank screen"],
        ["it crashes whenever I open it", "since the update {when} nothing loads", "it freezes and shows error {n}"],
    ),
}
OPENINGS = ["Hello,", "Hi team,", "Good morning,", "To whom it may concern:", "Hey,"]
CLOSINGS = ["Please help.", "Thanks!", "What can I do?", "Best regards, Kim", "I need this solved this week."]
WHEN = ["yesterday", "last week", "in March", "on Monday", "two days ago"]


def ticket(rng: random.Random, number: int) -> dict[str, str]:
    """One ticket as a help desk exports it: a key, a date, an address, two texts and the team that it went to."""
    team = rng.choice(list(TEAMS))
    about, wants = (rng.choice(choices) for choices in TEAMS[team])
    words = {"n": str(rng.randrange(10_000, 99_999)), "when": rng.choice(WHEN)}
    body = f"{rng.choice(OPENINGS)} {wants.format(**words)}, about {about.format(**words)}. {rng.choice(CLOSINGS)}"
    return {
        "key": f"DESK-{number}",
        "opened": f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}",
        "from": f"customer{number}@example.org",
        "subject": f"Question on {about.format(**words)} ({number})",
        "body": body,
        "team": team,
    }


def write_tickets(file: Path, count: int, seed: int, *, with_team: bool = True) -> list[dict[str, str]]:
    """A CSV of so many tickets, which are returned with their teams."""
    rng = random.Random(seed)
    tickets = [ticket(rng, number) for number in range(count)]
    columns = [name for name in tickets[0] if with_team or name != "team"]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(tickets)
    return tickets


def shell(command: str, folder: Path, *, timeout_s: int = 600) -> subprocess.CompletedProcess[str]:
    """A command as typed into a shell in a folder, where ``python`` and our commands are those of this environment."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout_s, check=False,
    )  # fmt: skip


def make_checkout(folder: Path) -> Path:
    """A folder in which a checkout's commands work and leave what they leave, without touching this checkout."""
    folder.mkdir()
    for name in ("read_repro", "conf", "hydra_plugins", "scripts", "train.py", "predict.py", "Makefile"):
        (folder / name).symlink_to(ROOT / name)
    return folder
