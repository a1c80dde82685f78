"""Plans the peak memory of a method on a backbone of any size, by running our own classes on fake tensors on a CPU.

The model is built on the meta device and turned into fake tensors, which have a shape and no content. For training it
is taken through two steps, because the optimiser's state exists only when the first is over; for inference through one
forward pass without gradients. The workspaces of fused kernels, the CUDA context and fragmentation are not modelled.

    python -m read_repro.measure.memory_planner backbone=t5-base method=read
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from read_repro.errors import InputError
from read_repro.measure.allocation_tracker import CATEGORIES, CudaLike, Ledger
from read_repro.measure.parameters import count
from read_repro.measure.train_step import train_step
from read_repro.methods.base import Method
from read_repro.methods.from_conf import load_method, shape_of
from read_repro.records.naming import show
from read_repro.records.record import PlannedRecord
from read_repro.records.store import write_record
from read_repro.store.parts import DTYPES, parts_of
from read_repro.store.states import specs_of
from read_repro.units import BYTES_PER_GIB

PEAK_KEYS = {"train": "memory/train_peak_gib", "infer": "memory/inference_gib"}
SIZE_KEYS = ("batch_size", "source_tokens", "target_tokens")
ATTENTIONS = ("eager", "sdpa")
BACKBONE_DTYPES = ("fp32", "bf16")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is planned: names as in ``conf/``, sizes in examples and tokens, ``changes`` to the method's keywords."""

    backbone: str = ""
    method: str = ""
    batch_size: int = 48  # the paper's, section 3.3
    source_tokens: int = 128
    target_tokens: int = 2  # a label word and the end of sequence
    phase: str = "train"
    attention: str = "eager"
    states: str = "live"  # or a dtype of the store of frozen states, from which they are read
    dtype: str = "fp32"  # of the backbone's frozen weights, or bf16
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.backbone or not self.method:
            raise InputError("give backbone=... and method=..., as in: backbone=t5-3b method=read batch_size=48")
        if self.phase not in PEAK_KEYS:
            raise InputError(f"phase={self.phase}: choose train or infer")
        if self.attention not in ATTENTIONS:
            raise InputError(f"attention={self.attention}: choose eager or sdpa")
        if self.states not in ("live", *DTYPES):
            raise InputError(f"states={self.states}: choose live or, from the store, {', '.join(DTYPES)}")
        if self.dtype not in BACKBONE_DTYPES:
            raise InputError(f"dtype={self.dtype}: the frozen weights are held in {' or '.join(BACKBONE_DTYPES)}")
        for key in SIZE_KEYS:
            if not isinstance(value := getattr(self, key), int) or value < 1:
                raise InputError(f"{key}={value}: a whole number of at least 1 is needed")

    @property
    def setting(self) -> dict[str, Any]:
        """What differs from the config files and from the paper's batch."""
        own = {key: getattr(self, key) for key in (*SIZE_KEYS, "attention", "states", "dtype")}
        return {**self.changes, **{key: value for key, value in own.items() if value != DEFAULTS[key]}}

    @property
    def path(self) -> Path:
        """The record's place below ``results/planned``."""
        pairs = {**self.setting, **({"phase": self.phase} if self.phase != "train" else {})}
        return Path(self.backbone, "".join([self.method, *(f",{k}={show(v)}" for k, v in pairs.items()), ".json"]))


DEFAULTS = {f.name: f.default for f in fields(Plan)}


def build_planned(plan: Plan) -> Method:
    """The planned method on the meta device."""
    backbone = shape_of(plan.backbone, dtype=plan.dtype)  # type: ignore[arg-type]  # one of the two, as checked
    if plan.attention == "eager":
        for stack in backbone.depth:
            backbone.open_attention(stack)
    with torch.device("meta"):
        method = load_method(plan.method, backbone, **plan.changes)
    if plan.dtype != "fp32" and not method.side_network:
        raise InputError(f"dtype={plan.dtype}: method={plan.method} trains through the backbone, which needs fp32")
    return method


def materialise(model: nn.Module) -> None:
    """Make a model's meta tensors those of the mode that is open; tied weights stay tied, frozen ones stay frozen."""
    made: dict[int, Tensor] = {}
    for module in model.modules():
        for own in cast(tuple[dict[str, Tensor | None], ...], (module._parameters, module._buffers)):
            for name, tensor in own.items():
                if tensor is not None and tensor.is_meta:
                    own[name] = made.setdefault(id(tensor), _allocated(tensor))


def _allocated(tensor: Tensor) -> Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype)
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def full_batch(*, batch_size: int, source_tokens: int, target_tokens: int) -> dict[str, Tensor]:
    """A full batch without padding; its ids are all one."""
    source = torch.ones(batch_size, source_tokens, dtype=torch.long)
    targets = torch.ones(batch_size, target_tokens, dtype=torch.long)
    labels = torch.zeros(batch_size, dtype=torch.long)
    return {"input_ids": source, "attention_mask": torch.ones_like(source), "target_ids": targets, "labels": labels}


def stored_batch(method: Method, plan: Plan) -> dict[str, Tensor]:
    """What a full batch carries where frozen states come from the store."""
    if not method.keep:
        raise InputError(f"states={plan.states}: method={plan.method} trains through the backbone and reads no states")
    read = {"self": plan.source_tokens, "cross": plan.source_tokens}
    tensors = {}
    for stack, spec in specs_of(method.backbone, plan.states, method.keep).items():
        prefixes = 0 if method.backbone.tree is None else len(method.backbone.tree.prefixes)
        tokens = {"answers": prefixes, "first": 1, "tokens": plan.source_tokens}[spec.positions]
        for part in parts_of(method.keep[stack]):
            for name, (shape, kind) in spec.layout(part, tokens, read.get(part, 0)).items():
                dtype = torch.bfloat16 if kind is np.uint16 else getattr(torch, np.dtype(kind).name)
                whole = torch.zeros((shape[0], plan.batch_size, *shape[1:]), dtype=dtype)
                tensors[f"{stack}/{part}/{name}"] = whole
    return tensors


def count_training(method: Method, batch: dict[str, Tensor]) -> dict[str, int]:
    """Bytes by category at the peak of two training steps; ``method`` and ``batch`` may hold fake or real tensors."""
    optimizer = method.configure_optimizers()["optimizer"]
    for group in optimizer.param_groups:
        group["foreach"] = True  # what AdamW does on CUDA unless told otherwise, and does not do on the CPU
    method.train()
    with CudaLike(), Ledger(method, batch.values()) as ledger:
        for _ in range(2):
            train_step(method, optimizer, batch)
            for state in optimizer.state.values():
                for value in state.values():
                    ledger.mark(value, "optimizer")
    return ledger.peak()


def count_inference(method: Method, batch: dict[str, Tensor]) -> dict[str, int]:
    """Bytes by category at the peak of one forward pass without gradients; the method has been merged before."""
    method.eval()
    with torch.no_grad(), CudaLike(), Ledger(method, batch.values()) as ledger:
        method(batch)
    return ledger.peak()


def planned(plan: Plan) -> PlannedRecord:
    """The planner's record of a plan."""
    method = build_planned(plan)
    sizes = count(method)
    if plan.phase == "infer":
        method.merge()
    if plan.states != "live":
        method.backbone.release()
    with FakeTensorMode():
        materialise(method)
        batch = full_batch(**{key: getattr(plan, key) for key in SIZE_KEYS})
        batch |= stored_batch(method, plan) if plan.states != "live" else {}
        parts = (count_training if plan.phase == "train" else count_inference)(method, batch)
    stored = [] if plan.states == "live" else [f"frozen states from the store in {plan.states}"]
    peak_bytes = {PEAK_KEYS[plan.phase]: sum(parts.values()), **{f"memory/{name}_gib": n for name, n in parts.items()}}
    return PlannedRecord(
        backbone=plan.backbone,
        method=plan.method,
        setting=plan.setting,
        phase=plan.phase,  # type: ignore[arg-type]  # one of the two, as the plan has checked
        **{key: getattr(plan, key) for key in (*SIZE_KEYS, "attention", "states")},
        metrics={**{key: size_bytes / BYTES_PER_GIB for key, size_bytes in peak_bytes.items()}, **sizes},
        labels=("planned", plan.dtype, f"{plan.attention} attention", "AdamW foreach", *stored),
    )


def describe(plan: Plan, record: PlannedRecord) -> str:
    """The peak in one line, then its parts."""
    metrics = record.metrics
    parts = [f"  {name:<12}{metrics[f'memory/{name}_gib']:8.3f}" for name in CATEGORIES]
    return "\n".join(
        [
            f"peak {metrics[PEAK_KEYS[plan.phase]]:.2f} GiB",
            *parts,
            f"planned: {plan.method} on {plan.backbone}, phase={plan.phase}, batch {plan.batch_size}, "
            f"{plan.source_tokens} + {plan.target_tokens} tokens, {', '.join(record.labels[1:])}",
        ]
    )


def parse_plan(arguments: Sequence[str]) -> Plan:
    """The plan that ``key=value`` arguments ask for.

    Raises:
        InputError: an argument that is no plan's, or a value that a plan cannot have.
    """
    allowed = (*(name for name in DEFAULTS if name != "changes"), "method.<its setting>")
    own: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or (key not in allowed and not key.startswith("method.")):
            raise InputError(f"{argument} is not understood: give key=value with key one of {', '.join(allowed)}")
        (changes if "." in key else own)[key.removeprefix("method.")] = yaml.safe_load(text)
    return Plan(**own, changes=changes)


def main(arguments: Sequence[str]) -> int:
    """Plan one method's peak memory on one backbone. For many: train.py experiment=figure5 or experiment=table3."""
    parser = argparse.ArgumentParser(prog="python -m read_repro.measure.memory_planner", description=main.__doc__)
    parser.add_argument("settings", nargs="*", metavar="key=value", help="backbone=t5-3b method=read batch_size=48 ...")
    parser.add_argument("--write", type=Path, metavar="DIR", help="also write the record below this folder")
    options = parser.parse_args(arguments)
    try:
        plan = parse_plan(options.settings)
        record = planned(plan)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(describe(plan, record))
    if options.write is not None:
        path = options.write / plan.path
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(path, record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
