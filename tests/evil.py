"""Run folders and checkpoints that somebody made to do harm, each out of a genuine one."""

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from read_repro.records.store import signed
from read_repro.training.weights import digest_of

SECRET = "the-secret-of-this-user"
DELETE = object()


@dataclass(frozen=True)
class Place:
    """A copy of a genuine run's folder and of its backbone's, and the file that a payload would create."""

    run: Path
    backbone: Path
    canary: Path

    @property
    def result(self) -> Path:
        return self.run / "result.json"

    @property
    def weights(self) -> Path:
        return self.run / "best.safetensors"

    @property
    def payload(self) -> dict[str, Any]:
        """A call that Hydra makes: ``os.system`` it refuses by itself, but not this."""
        return {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": [str(self.canary)]}}

    def record(self) -> dict[str, Any]:
        return json.loads(self.result.read_text())


class Touch:
    """Unpickled, it creates the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.canary}",)


TASK_FILE = """
_target_: read_repro.data.tasks.Task
name: mine
columns: [sentence]
classes: [a, b]
words: [a, b]
text: "mine sentence: {sentence}"
metric: accuracy
split: halve_validation
files: {train: train, validation: validation}
"""


def copy_of(genuine: Place, folder: Path) -> Place:
    """The genuine run and its backbone, copied, with the record pointing to the copy."""
    place = Place(folder / "run", folder / "backbone", folder / "canary")
    shutil.copytree(genuine.run, place.run)
    shutil.copytree(genuine.backbone, place.backbone)
    change("config.backbone.path", str(place.backbone))(place)
    return place


def forge(place: Place, record: Any) -> None:
    """Write a record as an attacker would, who knows all that we write."""
    place.result.write_text(signed(record))


def change(dotted: str, value: Any) -> Callable[[Place], Any]:
    """Sets one place in the record; ``value`` may be a function of the place, ``DELETE`` removes it."""

    def spoil(place: Place) -> None:
        record = place.record()
        *path, last = dotted.split(".")
        node = record
        for key in path:
            node = node[key]
        if value is DELETE:
            del node[last]
        else:
            node[last] = value(place) if callable(value) else value
        forge(place, record)

    return spoil


def unsigned(alter: Callable[[dict[str, Any]], Any]) -> Callable[[Place], Any]:
    """Alters the record and writes it as any JSON writer would."""

    def spoil(place: Place) -> None:
        record = place.record()
        alter(record)
        place.result.write_text(json.dumps(record))

    return spoil


def raw(text: str | bytes) -> Callable[[Place], Any]:
    """Replaces the record's text."""
    return lambda place: place.result.write_bytes(text if isinstance(text, bytes) else text.encode())


def inserted(old: str, new: str) -> Callable[[Place], Any]:
    """Replaces a piece of the record's text, for what a JSON writer would not write."""

    def spoil(place: Place) -> None:
        text = place.result.read_text()
        assert old in text
        place.result.write_text(text.replace(old, new, 1))

    return spoil


def instead(name: str, make: Callable[[Path], Any], *, of: str = "run") -> Callable[[Place], Any]:
    """Puts something else in the place of a file."""

    def spoil(place: Place) -> None:
        path = getattr(place, of) / name
        path.unlink(missing_ok=True)
        make(path)

    return spoil


def link(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


def sparse(path: Path) -> None:
    """A terabyte of zeros that takes no space."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


def pickled(path: Path, canary: Path) -> None:
    path.write_bytes(pickle.dumps(Touch(canary)))


def zipped(path: Path, canary: Path) -> None:
    torch.save({"w": Touch(canary)}, path)


def header(text: bytes, *, length: int | None = None) -> Callable[[Path], Any]:
    """A safetensors file of nothing but a header."""
    return lambda path: path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text)


def sign(place: Place) -> None:
    """What an attacker would do who knows how our weights are signed."""
    held = load_file(place.weights)
    digest = digest_of(held)
    save_file(held, place.weights, metadata={"sha256": digest})
    change("trained_weights", digest)(place)


def tensors(of: str, alter: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Place], Any]:
    """Alters the tensors of a file of weights: ``run`` or ``backbone``."""

    def spoil(place: Place) -> None:
        path = place.weights if of == "run" else place.backbone / "model.safetensors"
        held = load_file(path)
        alter(held)
        save_file({name: tensor.contiguous() for name, tensor in held.items()}, path, metadata={"format": "pt"})
        if of == "run":
            sign(place)

    return spoil


def first(held: dict[str, torch.Tensor], part: str = "") -> str:
    return next(name for name in sorted(held) if part in name and held[name].dim() > 1)


def fill(value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def alter(held: dict[str, torch.Tensor]) -> None:
        held[first(held)].flatten()[-1] = value

    return alter


def put(name: str, tensor: torch.Tensor) -> Callable[[dict[str, torch.Tensor]], None]:
    return lambda held: held.update({name: tensor})


def reshape(held: dict[str, torch.Tensor]) -> None:
    """A single number, which copying would spread over the whole weight."""
    held[first(held)] = torch.ones(1)


def setting(file: str, **values: Any) -> Callable[[Place], Any]:
    """Sets keys of a JSON file of the backbone."""

    def spoil(place: Place) -> None:
        path = place.backbone / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return spoil


def both(*spoils: Callable[[Place], Any]) -> Callable[[Place], Any]:
    def spoil(place: Place) -> None:
        for each in spoils:
            each(place)

    return spoil


def module(name: str) -> Callable[[Place], Any]:
    """Python code of the checkpoint's own, which ``auto_map`` would import."""
    text = "import os\nos.system('touch {}')\nclass Own: pass\n"
    return lambda place: (place.backbone / name).write_text(text.format(place.canary))


def package(place: Place) -> None:
    """A package whose import creates the canary, on the path of this process."""
    folder = place.canary.parent / "installed" / "evil_package"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text(f"open({str(place.canary)!r}, 'w')\n")
    (folder / "inner" / "__init__.py").write_text("")


def random_backbone(**changes: Any) -> Callable[[Place], Any]:
    """A backbone of random weights, whose tokenizer is trained on the record's data."""
    shape = {"vocab_size": 200, "d_model": 32, "d_ff": 64, "d_kv": 8, "num_heads": 4, "num_layers": 2}
    values = {"name": "mine", "architecture": "t5", "random": True, "shape": shape | changes}
    return both(change("config.backbone", values), change("weights", "random"))


def spawning(place: Place) -> dict[str, Any]:
    """A call of our own function that starts Python."""
    return {
        "_target_": "read_repro.sweep.launchers.spawn",
        "command": ["-c", f"open({str(place.canary)!r}, 'w')"],
        "log": {"_target_": "pathlib.Path", "_args_": ["/dev/null"]},
    }


def pipe_for_data(place: Place) -> None:
    folder = place.canary.parent / "data" / "cola"
    folder.mkdir(parents=True)
    for name in ("train", "validation"):
        os.mkfifo(folder / f"{name}.jsonl")
    change("config.data.path", str(folder.parent))(place)


REPEATED = "(.*.*)*x"
RECORDS: dict[str, Callable[[Place], Any]] = {
    # code to run
    "a target in a list": change("config.backbone.shape", lambda p: {"x": [p.payload]}),
    "a target in a list of lists": change("config.task.columns", lambda p: [[[p.payload]]]),
    "a target in a dict of dicts": change("config.method.hidden", lambda p: {"a": {"b": p.payload}}),
    "our own spawn as a target": change("config.backbone.shape", lambda p: {"x": [spawning(p)]}),
    "a target in place of the task": change("config.task", lambda p: p.payload),
    "a target in place of the task's class": change("config.task._target_", "os.system"),
    "a target in place of the backbone's class": change("config.backbone._target_", "subprocess.run"),
    "a target in place of the method's class": change("config.method._target_", "builtins.exec"),
    "a target in the energy": change("config.energy", lambda p: p.payload),
    "a target in the logger": change("config.logger", lambda p: [p.payload]),
    "a target in the data": change("config.data.path", lambda p: p.payload),
    "a target beside everything": change("_target_", "os.abort"),
    "a target in the metrics": change("metrics", lambda p: {"val/score": p.payload}),
    "arguments for a target": change("config.method._args_", ["x"]),
    "a method called os.system": change("method", "os.system"),
    "a method that is a path": change("method", "../method/read"),
    "a method that is a list": change("method", ["read"]),
    "a method that is nothing": change("method", None),
    # what would be resolved
    "an environment variable as a text": change("config.task.text", "${oc.env:EVIL_SECRET} {sentence}"),
    "an environment variable as a class": change("config.task.classes", ["${oc.env:EVIL_SECRET}", "b"]),
    "an environment variable as a path": change("config.backbone.path", "${oc.env:EVIL_SECRET}"),
    "an environment variable as a cell": change("config.method.cell", "${oc.env:EVIL_SECRET}"),
    "an environment variable as a key": change("config.backbone.shape", {"${oc.env:EVIL_SECRET}": 1}),
    "an environment variable in a list": change("config.task.words", [["${oc.env:EVIL_SECRET}"]]),
    "an attribute in a text": change("config.task.text", "{sentence.__class__.__mro__}"),
    "an index in a text": change("config.task.text", "{sentence[0]}"),
    "a width in a text": change("config.task.text", "{sentence:>99999999999}"),
    "a column that is not there": change("config.task.text", "{nothing}"),
    # names
    "a backbone's name that climbs": change("config.backbone.name", "../../../x"),
    "a backbone's name from the root": change("config.backbone.name", "/etc/x"),
    "a backbone's name of nothing": change("config.backbone.name", ""),
    "a backbone's name with a line break": change("config.backbone.name", "a\nerror: b"),
    "a backbone's name that colours": change("config.backbone.name", "\x1b[31mred"),
    "a backbone's name of half a letter": change("config.backbone.name", "\ud800"),
    "a backbone's name without end": change("config.backbone.name", "x" * 5000),
    "a backbone's name that is a list": change("config.backbone.name", ["x"]),
    "a task's name that climbs": change("config.task.name", "../../x"),
    "a class that colours": change("config.task.classes", ["\x1b]0;title\x07", "b"]),
    # where a backbone lies
    "a package that is a module": change("config.backbone", {"name": "x", "architecture": "t5", "package": "os.path"}),
    "a package inside an evil one": both(
        package, change("config.backbone", {"name": "x", "architecture": "t5", "package": "evil_package.inner/x"})
    ),
    "a package that climbs": change("config.backbone", {"name": "x", "architecture": "t5", "package": "json/../../x"}),
    "a package from the root": change("config.backbone", {"name": "x", "architecture": "t5", "package": "json//etc"}),
    "a package that is a way": change("config.backbone", {"name": "x", "architecture": "t5", "package": "../x"}),
    "a hub's name that climbs": change("config.backbone", {"name": "x", "architecture": "t5", "hub": "../../x"}),
    "a hub's name with a scheme": change("config.backbone", {"name": "x", "architecture": "t5", "hub": "http://x/y"}),
    "a path with a zero byte": change("config.backbone.path", "/tmp\0/x"),
    "a path with a line break": change("config.backbone.path", "/tmp/x\nerror: y"),
    "a path that is a number": change("config.backbone.path", 5),
    "a path to processes": change("config.backbone.path", "/proc/self"),
    # numbers
    "a width beyond memory": change("config.method.hidden", 2**40),
    "a width near memory": change("config.method.hidden", 300_000),
    "a width beyond numbers": change("config.method.hidden", 10**30),
    "a width of 5,000 digits": inserted('"hidden": 8', '"hidden": ' + "9" * 5000),
    "a width that is true": change("config.method.hidden", True),
    "a width that is half": change("config.method.hidden", 8.5),
    "no number": inserted('"hidden": 8', '"hidden": NaN'),
    "infinity": inserted('"hidden": 8', '"hidden": Infinity'),
    "infinity in figures": inserted('"hidden": 8', '"hidden": 1e999'),
    "a billion random layers": random_backbone(num_layers=10**9),
    "a random backbone beyond memory": random_backbone(d_ff=2**36),
    "a vocabulary below nothing": random_backbone(vocab_size=-5),
    "a random backbone of a text": random_backbone(d_model="wide"),
    "a random backbone on a pipe for data": both(random_backbone(), pipe_for_data),
    "a random backbone of code": random_backbone(feed_forward_proj="__import__('os').system('true')"),
    "answers without end": both(
        change("config.task.classes", []), change("config.task.words", []), change("config.task.bounds", [0, 1e15]),
        change("config.task.step", 1e-9),
    ),
    "a step of nothing": both(
        change("config.task.classes", []), change("config.task.words", []), change("config.task.bounds", [0, 5]),
        change("config.task.step", 1e308),
    ),
    "a seed that is a text": change("config.seed", "0"),
    "a seed below nothing": change("config.seed", -1),
    "a seed beyond 32 bits": change("config.seed", 2**40),
    "tokens below nothing": change("config.data.max_source_tokens", -1),
    "tokens that are a text": change("config.data.max_source_tokens", "many"),
    "targets that are a number": change("config.data.targets", 5),
    # what a record is not
    "a record edited by hand": inserted('"test/score": ', '"test/score": 1'),
    "a record without its digest": unsigned(lambda record: record.pop("sha256")),
    "a digest of nothing": unsigned(lambda record: record.update(sha256=None)),
    "a record written in another way": unsigned(lambda record: None),
    "a word too few": change("config.task.words", ["one"]),
    "columns that are a text": change("config.task.columns", "sentence"),
    "classes that are numbers": change("config.task.classes", [0, 1]),
    "an unknown split": change("config.task.split", "__import__"),
    "an unknown cell": change("config.method.cell", "os.system"),
    "an unknown keyword": change("config.method.command", "touch"),
    "a keyword too few": change("config.method.hidden", DELETE),
    "a method that is a text": change("config.method", "read"),
    "a pattern that takes for ever": both(
        change("method", "bitfit"), change("config.method", {"biases": [REPEATED, ".*SelfAttention.q"]})
    ),
    "no configuration": change("config", None),
    "no task": change("config.task", DELETE),
    "a task that is a list": change("config.task", []),
    "other weights": change("weights", "0" * 64),
    "weights that are a list": change("weights", ["x"]),
    "null": raw("null"), "a number": raw("5"), "a list": raw("[]"), "nothing": raw(""), "a bracket": raw("{"),
    "100,000 brackets": raw("[" * 100_000),
    "100,000 brackets in a record": inserted('"seed"', '"bomb": ' + "[" * 100_000 + "]" * 100_000 + ', "seed"'),
    "60 brackets in a record": inserted('"seed"', '"bomb": ' + "[" * 60 + "]" * 60 + ', "seed"'),
    "no text": raw(bytes(range(256))), "another alphabet": raw('{"schema": 1}'.encode("utf-16")),
    # what is no file
    "a pipe for a record": instead("result.json", os.mkfifo),
    "a folder for a record": instead("result.json", Path.mkdir),
    "a circle for a record": instead("result.json", link("result.json")),
    "zeros without end for a record": instead("result.json", link("/dev/zero")),
    "an environment for a record": instead("result.json", link("/proc/self/environ")),
    "a terabyte for a record": instead("result.json", sparse),
    "a pipe for weights": instead("best.safetensors", os.mkfifo),
    "a folder for weights": instead("best.safetensors", Path.mkdir),
    "a circle for weights": instead("best.safetensors", link("best.safetensors")),
    "zeros without end for weights": instead("best.safetensors", link("/dev/zero")),
    "no weights": instead("best.safetensors", lambda path: None),
    # weights
    "a pickle for weights": lambda p: instead("best.safetensors", lambda path: pickled(path, p.canary))(p),
    "a zipped pickle for weights": lambda p: instead("best.safetensors", lambda path: zipped(path, p.canary))(p),
    "a pickle beside no weights": lambda p: (p.weights.unlink(), pickled(p.run / "best.bin", p.canary)),
    "a terabyte for weights": instead("best.safetensors", sparse),
    "a header without end": instead("best.safetensors", header(b"{}", length=2**63)),
    "a header of brackets": instead("best.safetensors", header(b"[" * 100_000)),
    "an empty header": instead("best.safetensors", header(b"{}")),
    "a tensor beyond its file": instead(
        "best.safetensors", header(b'{"a":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}')
    ),
    "weights that are no numbers": tensors("run", fill(float("nan"))),
    "weights beyond numbers": tensors("run", fill(float("-inf"))),
    "a weight too many": tensors("run", put("extra", torch.ones(3))),
    "a weight too few": tensors("run", lambda held: held.pop(first(held))),
    "a weight that would spread": tensors("run", reshape),
    "a weight of whole numbers": tensors("run", lambda h: h.update({first(h): torch.ones(h[first(h)].shape).int()})),
}  # fmt: skip

BACKBONES: dict[str, Callable[[Place], Any]] = {
    "a pickle beside a dummy": lambda p: (
        (p.backbone / "model.safetensors").rename(p.backbone / "dummy.safetensors"),
        zipped(p.backbone / "pytorch_model.bin", p.canary),
    ),
    "a pickle for a backbone": lambda p: instead("model.safetensors", lambda f: zipped(f, p.canary), of="backbone")(p),
    "a pipe for a backbone": instead("model.safetensors", os.mkfifo, of="backbone"),
    "a folder for a backbone": instead("model.safetensors", Path.mkdir, of="backbone"),
    "a terabyte for a backbone": instead("model.safetensors", link("/dev/zero"), of="backbone"),
    "a pipe for a configuration": instead("config.json", os.mkfifo, of="backbone"),
    "brackets for a configuration": instead("config.json", lambda p: p.write_text("[" * 100_000), of="backbone"),
    "a list for a configuration": instead("config.json", lambda p: p.write_text("[]"), of="backbone"),
    "a configuration with code": both(module("own.py"), setting("config.json", auto_map={"AutoModel": "own.Own"})),
    "a configuration of quanta": setting("config.json", quantization_config={"quant_method": "bitsandbytes"}),
    "a configuration of a billion layers": setting("config.json", num_layers=10**9),
    "a configuration beyond its weights": setting("config.json", d_ff=2**30),
    "a configuration without heads": setting("config.json", num_heads=0),
    "a configuration of texts": setting("config.json", d_model="wide"),
    "a configuration of an unknown function": setting("config.json", feed_forward_proj="os.system"),
    "a configuration of another model": setting("config.json", model_type="llama"),
    "an index out of the folder": lambda p: (
        (p.backbone / "model.safetensors").rename(p.canary.parent / "outside.safetensors"),
        (p.backbone / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"shared.weight": "../outside.safetensors"}})
        ),
    ),
    "an index of pickles": lambda p: (
        (p.backbone / "model.safetensors").unlink(),
        zipped(p.backbone / "pytorch_model.bin", p.canary),
        (p.backbone / "model.safetensors.index.json").write_text('{"weight_map": {"a": "pytorch_model.bin"}}'),
    ),
    "an index of nothing": lambda p: (
        (p.backbone / "model.safetensors").unlink(),
        (p.backbone / "model.safetensors.index.json").write_text('{"weight_map": []}'),
    ),
    "a backbone of no numbers": tensors("backbone", fill(float("nan"))),
    "a backbone beyond numbers": tensors("backbone", fill(float("inf"))),
    "a backbone without a layer": tensors("backbone", lambda held: held.pop(first(held, "wi"))),
    "a backbone with a layer more": tensors("backbone", put("encoder.block.7.layer.0.x", torch.ones(3))),
    "a backbone of another size": tensors("backbone", lambda h: h.update({first(h, "wi"): torch.ones(3, 3)})),
    "a backbone with an output of its own": tensors(
        "backbone", lambda h: h.update({"lm_head.weight": h["shared.weight"] + 1})
    ),
    "a backbone of whole numbers": tensors("backbone", lambda h: h.update({first(h): h[first(h)].to(torch.int8)})),
    "a tokenizer with code": both(
        module("own.py"), setting("tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", "own.Own"]})
    ),
    "no tokenizer": instead("tokenizer.json", lambda path: None, of="backbone"),
    "a pipe for a tokenizer": instead("tokenizer.json", os.mkfifo, of="backbone"),
    "a pipe for a tokenizer's settings": instead("tokenizer_config.json", os.mkfifo, of="backbone"),
    "brackets for a tokenizer": instead("tokenizer.json", lambda p: p.write_text("[" * 100_000), of="backbone"),
    "a tokenizer of another checkpoint": lambda p: (p.backbone / "tokenizer.json").write_text(
        (p.backbone / "tokenizer.json").read_text().replace('"</s>": 1', '"</s>": 12345678')
    ),
}  # fmt: skip
