"""What a run may be told: every key of the configuration, its type and its bounds, declared once.

A new key is one line here and one in its file under ``conf/``. The keywords of a task, a backbone, a method and a
logger are not listed: they are those of the class or function that their file names by ``_target_``.
Values are checked by the strict rules of JSON: a word is no number, ``no`` is no boolean, and 1.5 is no whole number,
but a whole number will do for a fraction.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from read_repro.config.files import construct_shipped, names, settings
from read_repro.config.refusals import as_given, explain, whole
from read_repro.config.signatures import keywords
from read_repro.errors import InputError
from read_repro.units import SECONDS_PER_DAY

Source = Literal["hub", "local", "synthetic", "own"]
Targets = Literal["words", "digits"]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonEmpty = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Keys that belong together; an unknown one is refused, and nothing changes after the check."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    def plain(self) -> dict[str, Any]:
        """What was given, as JSON has it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Part(Section):
    """A section that names the class or function of ours that its other keys are the keywords of."""

    target: str = Field(alias="_target_")
    partial: bool = Field(default=False, alias="_partial_")

    def build(self, *args: Any, **more: Any) -> Any:
        """The object itself; ``args`` and ``more`` are what only the run knows."""
        return construct_shipped(self.plain(), *args, **more)


class DataSection(Section):
    """``conf/data``."""

    source: Source
    path: NonEmpty | None
    targets: Targets
    batch_size: Count
    eval_batch_size: Count
    max_source_tokens: Count
    train_limit: Count | None

    @model_validator(mode="after")
    def _a_source_of_files_has_a_path(self) -> Self:
        if self.source == "local" and self.path is None:
            raise InputError("data=local needs data.path=<folder>, holding <task>/train.parquet and so on")
        if self.source == "own" and self.path is None:
            raise InputError(
                "task=custom needs data.path=<file>: csv, tsv, json, jsonl, parquet, or a folder of splits"
            )
        return self


class OptimSection(Section):
    """``conf/optim``."""

    lr: Positive
    weight_decay: float = Field(ge=0)
    warmup: float = Field(ge=0, lt=1, description="a share of the steps from 0 to below 1")


class TrainerSection(Part):
    """``conf/trainer``."""

    max_epochs: Count
    patience: Count
    precision: Literal["32-true", "bf16-mixed"] = Field(description="32-true (every table's) or bf16-mixed")
    accumulate_grad_batches: Count
    gradient_clip: Positive
    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Count
    num_nodes: Count
    threads: Count | None
    progress_bar: bool
    checkpoint_every_min: Positive | None

    @property
    def processes(self) -> int:
        """One a device."""
        return self.devices * self.num_nodes


class EnergySection(Part):
    """``conf/energy``."""

    interval_s: float = Field(gt=0, le=SECONDS_PER_DAY)
    p0_kw: Positive
    cpu_p0_kw: Positive
    carbon_g_per_kwh: Positive | None


class CacheSection(Section):
    """``conf/cache``."""

    place: Literal["none", "ram", "disk"]
    path: NonEmpty | None
    budget_gb: Positive | None
    dtype: Literal["fp32", "fp16", "bf16", "int8"]


class SweepSection(Section):
    """What an experiment's sweep reads and its single runs carry along: ``conf/hydra/sweeper/read_repro.yaml``."""

    plan: Literal["train", "infer"] | None
    grid: bool
    lr: tuple[Positive, Positive] | None
    rounds: Count | None
    search_seed: int = Field(ge=0, lt=2**32)
    by_method: dict[str, dict[str, Any]]


class RunConfig(Section):
    """The whole configuration of one run."""

    task: Part
    backbone: Part
    data: DataSection
    optim: OptimSection
    trainer: TrainerSection
    energy: EnergySection
    cache: CacheSection
    logger: Part
    method: Part
    grid: dict[str, list[Any]]
    seed: int = Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")
    results_dir: NonEmpty
    tags: tuple[NonEmpty, ...]
    force: bool
    dry_run: bool
    debug: bool
    stage: Literal["search", "final", "all", "grid"] = "all"
    sweep: SweepSection | None = None


S = TypeVar("S", bound=Section)
# The parts whose keywords are those of the class or function that their file names.
OPEN = ("task", "backbone", "logger", "method")


def read_config(config: Mapping[str, Any]) -> RunConfig:
    """The configuration, checked.

    Args:
        config: resolved, as Hydra composed it.

    Raises:
        InputError: the first key that does not exist, is missing, or has a value that is not allowed.
    """
    for group in ("trainer", "energy"):
        _known(group, config[group])
    chosen = tuple((group, _known(group, config[group])) for group in OPEN)
    return _checked(_with_keywords(chosen), config)


def read_section(section: type[S], values: Mapping[str, Any]) -> S:
    """One section of the configuration, checked by itself; a mistake in it is told by its full key."""
    return _checked(section, values, prefix=f"{section.__name__.removesuffix('Section').lower()}.")


def read_part(group: str, values: Mapping[str, Any]) -> Part:
    """One part of the configuration, checked by itself against the keywords of what its ``_target_`` names.

    Raises:
        InputError: a target that no file of the group names, or a keyword that it does not take.
    """
    return _checked(_part(group, _known(group, values)), values, prefix=f"{group}.")


def _checked(model: type[S], values: Mapping[str, Any], *, prefix: str = "") -> S:
    try:
        return model.model_validate_json(json.dumps(values))  # JSON's list will do for a tuple, as YAML's does
    except ValidationError as error:
        raise InputError(explain(error, model.model_json_schema(), values, prefix)) from None


@cache
def _with_keywords(chosen: tuple[tuple[str, str], ...]) -> type[RunConfig]:
    """``RunConfig`` with the keywords of the classes that some groups' ``_target_`` name."""
    parts: dict[str, Any] = {group: (_part(group, target), ...) for group, target in chosen}
    return create_model("RunConfig", __base__=RunConfig, **parts)


def _part(group: str, target: str) -> type[Part]:
    fields: dict[str, Any] = {
        name: (keyword.annotation, None if keyword.optional else ...) for name, keyword in keywords(target).items()
    }
    return create_model(group.capitalize(), __base__=Part, **fields)


def _known(group: str, node: Any) -> str:
    """The ``_target_`` of a part, which has to be that of a file of its group: nothing else is ever built."""
    target = node.get("_target_") if isinstance(node, Mapping) else node
    if target is None:
        ours = " or ".join(sorted(_targets(group)))
        raise InputError(f"{group}._target_ is missing from the file of this {group}: it names {ours}{whole(group)}")
    if not isinstance(target, str) or target not in _targets(group):
        raise InputError(f"{group}._target_={as_given(target)}: only what a file of conf/{group} names can be built")
    return target


@cache
def _targets(group: str) -> frozenset[str]:
    contents = (settings(group, name) or {} for name in names(group))  # a file that is not filled in yet may be empty
    nodes = (content.get(group, content) for content in contents)  # a method's spans several groups
    return frozenset(node["_target_"] for node in nodes if "_target_" in (node or {}))
