"""What a run is called: its folder is a function of its choices, never of the clock."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from read_repro.foreign import plain_name
from read_repro.records.fingerprint import THEN, scientific

# Keys that a name shows without their section. The list is closed: a key added later shows its section, so that no name
# that there is changes its meaning, and no two keys share one.
SHORT = {
    key.rpartition(".")[2]: key
    for key in (
        "data.batch_size", "data.max_source_tokens", "data.targets", "data.train_limit",
        "optim.lr", "optim.warmup", "optim.weight_decay",
        "trainer.accumulate_grad_batches", "trainer.gradient_clip", "trainer.max_epochs", "trainer.patience",
        "trainer.precision", "energy.cpu_p0_kw", "energy.p0_kw",
    )
}  # fmt: skip
CACHE = "cache.place"
LONGEST = 200  # bytes of a folder's name; file systems allow 255


def short(key: str) -> str:
    """A configuration key as names show it: ``optim.lr`` is ``lr``, ``method.hidden`` is ``hidden``.

    A method's own keys go without their section, but for those whose short name another section's key has.
    """
    section, _, leaf = key.rpartition(".")
    own = section == "method" and leaf not in SHORT
    if own or SHORT.get(leaf) == key:
        return leaf
    return key.removeprefix("backbone.") if key.startswith("backbone.shape.") else key


def full(name: str) -> str:
    """The configuration key that ``short`` gave this name."""
    if "." in name:
        return f"backbone.{name}" if name.startswith("shape.") else name
    return SHORT.get(name, f"method.{name}")


def setting(config: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """The scientific values of ``config`` that differ from the config files, by their short names.

    Where frozen states come from is named too, although it is a choice of file: time and energy turn on it.
    """
    ours, theirs = scientific(config), scientific(files)
    if CACHE in theirs:
        theirs[CACHE] = THEN[CACHE]
    differs = {key for key, value in ours.items() if key not in theirs or theirs[key] != value} - {"seed"}
    return {short(key): ours[key] for key in sorted(differs, key=short)}


def identity(
    config: Mapping[str, Any], files: Mapping[str, Any], *, method: str, task: str | None = None
) -> dict[str, Any]:
    """What names the run of ``config``; ``files`` is the same choice of config files, without anything overridden.

    ``task`` is its task's name where only the data tell it.
    """
    return {
        "backbone": config["backbone"]["name"],
        "data": config["data"]["source"],
        "task": task or config["task"]["name"],
        "method": method,
        "setting": setting(config, files),
        "seed": config["seed"],
    }


def show(value: Any) -> str:
    """A value as it stands in a folder's name; no two values look the same, and none can leave its folder.

    Letters, digits and ``+-._`` stand for themselves, all else is percent-encoded. A text that could be taken for a
    number, true, false or null is quoted first.
    """
    if isinstance(value, float):
        text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    elif isinstance(value, str):
        text = json.dumps(value) if _looks_like_json(value) else value
    else:
        text = json.dumps(value, separators=(",", ":"))
    return "".join(letter if letter.isalnum() or letter in "+-._" else _percent(letter) for letter in text)


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode(errors="surrogatepass"))


def _looks_like_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def run_name(*, backbone: str, data: str, task: str, method: str, setting: Mapping[str, Any], seed: int) -> str:
    """The folder of a run below ``results/runs``: a function of its choices, never of the clock.

    Raises:
        InputError: a backbone, source, task or method whose name cannot be a folder's.
    """
    for key, given in (("backbone.name", backbone), ("data.source", data), ("task.name", task), ("method", method)):
        plain_name(given, key)
    folder = ",".join([method, *(f"{key}={show(value)}" for key, value in setting.items())])
    return f"{backbone}/{data}/{task}/{_fitting(folder)}/seed={seed}"


def _fitting(folder: str) -> str:
    """A folder's name, or where it is longer than file systems allow, its beginning and a hash of the whole."""
    whole = folder.encode()
    if len(whole) <= LONGEST:
        return folder
    return f"{whole[: LONGEST - 20].decode(errors='ignore')}~{hashlib.sha256(whole).hexdigest()[:16]}"
