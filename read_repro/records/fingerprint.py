"""What makes a run this run and no other: its facts, their fingerprint, and how two runs differ.

The facts are every scientific value of the whole resolved configuration (not only what differs from the shipped files,
which change), the hashes of the weights and of the data, the kind of device and the method's ``VERSION``. "Done before"
and the tables compare the same facts.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from read_repro.records.record import Record

Facts = Mapping[str, Any]

# The one list of keys, and of whole sections, that are no part of a run's facts. All others are.
NOT_SCIENTIFIC = frozenset({
    # Where results go, whether and in which order runs are made, and what is shown meanwhile.
    "results_dir", "tags", "force", "dry_run", "debug", "stage", "sweep", "grid", "experiment", "logger",
    "trainer.progress_bar",
    # How often a run notes where it stands.
    "trainer.checkpoint_every_min",
    # What the data and the weights are is told by their hashes, wherever they lie and whatever they are called.
    "data.path", "data.source", "task.name", "task.files",
    "backbone.name", "backbone.path", "backbone.hub", "backbone.package", "backbone.sha256",
    "backbone.id", "backbone.gguf",
    # The sizes of the official splits say only whether data are cut.
    "task.official",
    # Examples evaluated at once: no score depends on it.
    "data.eval_batch_size",
    # The device that a run has had is a fact; what was asked for is not. Threads change times, not scores, and stand in
    # the record's hardware, by which the tables keep times and energies apart.
    "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.threads",
    # How often a meter is read: the quantity that it estimates stays the same, and its error is recorded beside it.
    "energy.interval_s",
    # A conversion of the recorded energy.
    "energy.carbon_g_per_kwh",
    # Where frozen states are kept, and how many of them.
    "cache.path", "cache.budget_gb",
})  # fmt: skip

# The one table of values that a key had before it was one: whoever adds a key to the configuration writes here what
# runs did until then, and no run that is done is done again. A key at this value is left out of a run's facts.
THEN: Mapping[str, Any] = {
    "cache.place": "none",
    "cache.dtype": "fp32",
    "backbone.pooling": "mean",
    "backbone.answers": None,
    "backbone.dtype": "fp32",
    "method.order": "ascending",
    "method.aggregate": "last",
    "method.norm": "plain",
    "method.readout_init": "zero",
    "method.output_scale": 1,
}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def scientific(config: Mapping[str, Any]) -> dict[str, Any]:
    """The scientific values of a configuration by their dotted keys; ``method`` is the name of the method's class.

    Hydra's own keys are left out: ``_target_`` says in which module a class lies, which is no matter; only which class
    a method is, is. The shape of a backbone with weights follows from them.
    """
    flat = flatten(config)
    unscientific = NOT_SCIENTIFIC if flat.get("backbone.random") else NOT_SCIENTIFIC | {"backbone.shape"}
    values = {
        key: _canonical(value)
        for key, value in flat.items()
        if not key.rpartition(".")[2].startswith("_") and unscientific.isdisjoint(_with_sections(key))
    }
    target = flat.get("method._target_")
    return values if target is None else values | {"method": str(target).rpartition(".")[2]}


def _with_sections(key: str) -> list[str]:
    """``a.b.c`` -> ``a.b.c``, ``a.b``, ``a``."""
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def facts(
    config: Mapping[str, Any],
    *,
    method_version: int,
    weights: str | None = None,
    data: str | None = None,
    device: str | None = None,
) -> Facts:
    """The facts of a run.

    Args:
        config: its whole resolved configuration.
        method_version: ``VERSION`` of the method's module.
        weights, data: the hashes of the backbone's weights and of the data's splits.
        device: ``CPU``, or the GPU's model and how many. Of these three, None is what cannot be told beforehand.
    """
    values = {key: value for key, value in scientific(config).items() if key not in THEN or value != THEN[key]}
    known = {"weights": weights, "data": data, "device": device, "method's version": method_version}
    return values | {key: value for key, value in known.items() if value is not None}


def facts_of(record: Record) -> Facts:
    """The facts of a run that is done."""
    return facts(
        record.config,
        method_version=record.method_version,
        weights=record.weights,
        data=record.data_info.fingerprint,
        device=record.hardware.device,
    )


def fingerprint(run: Facts) -> str:
    """The sha256 of a run's facts in canonical JSON."""
    return hashlib.sha256(json.dumps(run, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def difference(there: Facts, here: Facts) -> list[str]:
    """How the run of a record differs from the one that is wanted, a line a fact; empty if they are the same run.

    What cannot be told of the wanted run beforehand (see ``facts``) is not compared.
    """
    untold = {"weights", "data", "device"} - here.keys()
    keys = sorted((there.keys() | here.keys()) - untold)
    return [
        f"its {key} is {_shown(there, key)}, this run's {_shown(here, key)}"
        for key in keys
        if (key in there, there.get(key)) != (key in here, here.get(key))
    ]


def _shown(run: Facts, key: str) -> str:
    text = json.dumps(run[key]) if key in run else json.dumps(THEN[key]) if key in THEN else "not known"
    return text[:80]


def _canonical(value: Any) -> Any:
    """A value as JSON has it: whole numbers without a point, so that 1 and 1.0 are the same."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_canonical(item) for item in value] if isinstance(value, list | tuple) else value
