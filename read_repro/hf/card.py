"""The model card of a saved READ: what it is, how it is loaded, how well it does, what its training cost."""

from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from read_repro.hf.saved import SavedConfig

LIBRARY = "read-repro"
PAPER_URL = "https://arxiv.org/abs/2305.15348"
TEMPLATE = """\
# READ beside {base}

{count:,} trained parameters beside a frozen model: a recurrent network that steps over its layers and corrects its last
state ([READ, arXiv 2305.15348]({paper})). The model itself is not in this repository and is not changed.

```python
from read_repro import AutoReadModel

model = AutoReadModel.from_pretrained("{here}")
```

{loading}

## Scores

{scores}

## What the training cost

| | |
|---|---|
| energy | {energy} |
| seed | {seed} |

{meaning}

## What it is

| | |
|---|---|
| base | {base}, {identity} |
| class | {auto_class}, {num_labels} |
| trained for | {note} |
| READ | {read} |
| written by | {library} {version} |
"""
LOADING = (
    "Its base must be the very model it was trained beside: another one is refused. "
    "`ReadModel.from_pretrained(base, ...)` puts it beside a base that is in memory already."
)
WHAT_IT_MEANS = (
    "A score is of one training with this seed, on the data its author evaluated on; another seed gives another one. "
    "The energy is of the training alone: neither the base's pre-training nor a search for settings is in it. "
    "A dash is what nobody measured."
)


def write_card(folder: Path, config: SavedConfig, count: int) -> None:
    """Write ``README.md``; one that is there, and that another hand wrote, is left alone."""
    path = folder / "README.md"
    if path.exists() and f"library_name: {LIBRARY}" not in path.read_text(encoding="utf-8"):
        return
    card_of(folder.resolve().name, config, count).save(path)


def card_of(name: str, config: SavedConfig, count: int) -> ModelCard:
    """The card of a READ of ``count`` parameters in a folder or repository of this ``name``."""
    base, facts = config.base, config.facts
    given = base.name or "a model without a name"
    on_hub = base.commit is not None
    data = ModelCardData(
        library_name=LIBRARY, tags=["read", "parameter-efficient"], base_model=base.name if on_hub else None
    )
    text = TEMPLATE.format(
        base=_plain(given),
        count=count,
        paper=PAPER_URL,
        here=_plain(name),
        loading=LOADING,
        scores=_scores(config),
        energy=_dash(None if facts.energy_kwh is None else f"{facts.energy_kwh:.3g} kWh{_how(facts.energy_how)}"),
        seed=_dash(facts.seed),
        meaning=WHAT_IT_MEANS,
        note=_dash(facts.note),
        identity=f"commit {base.commit}" if on_hub else f"sha256 of its frozen tensors {base.sha256}",
        auto_class=_dash(base.auto_class),
        num_labels=f"{base.num_labels} outputs" if base.id2label else "text",
        read=_plain(", ".join(f"{key}={value}" for key, value in config.read.items())),
        library=LIBRARY,
        version=config.read_repro_version,
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")


def _scores(config: SavedConfig) -> str:
    if not config.facts.scores:
        return "—"
    rows = [f"| {_plain(name)} | {value:.4g} |" for name, value in config.facts.scores.items()]
    return "\n".join(["| metric | value |", "|---|---|", *rows])


def _how(how: str | None) -> str:
    return f" ({_plain(how)})" if how else ""


def _dash(value: Any) -> str:
    return "—" if value is None else _plain(str(value))


def _plain(text: str) -> str:
    """A text as part of a line of Markdown, without effect on it."""
    return "".join(f"\\{sign}" if sign in "|`*[]<>" else sign for sign in text.replace("\n", " "))
