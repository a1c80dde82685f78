"""Which entries an example needs, and where they are.

An entry's key is its content: what shelf it stands on follows from the weights, the stack, the part and the dtype; its
place there from the example's token ids (in a decoder also the label strings, whose prefixes it holds). Neither order,
seed, split, learning rate, task nor a limit of the training data is in a key: a subset finds what the whole has filled.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from read_repro.backbones.backbone import Backbone
from read_repro.backbones.frozen_pass import Keep
from read_repro.backbones.label_decoding import PrefixTree
from read_repro.errors import InputError
from read_repro.store.parts import Layout, StackSpec, from_bytes, parts_of, to_bytes
from read_repro.store.segments import DiskShelf, RamShelf, Shelf

FORMAT = 1  # raised when the bytes of an entry change their meaning
StoredExample = Mapping[str, Any]


@dataclass(frozen=True)
class Sizes:
    """Tokens of an example's entries in one stack: kept, and read by its attention scores."""

    tokens: int
    read: Mapping[str, int]


class StateStore:
    """The entries of one backbone for one way of reading it.

    Args:
        specs: the stacks, by name.
        keeps: what the method reads of each.
        weights: the sha256 of the backbone's weights.
        answers: the label strings as a tree of prefixes, where there is a decoder.
        folder: where shelves stand; None keeps all in memory.
    """

    def __init__(
        self,
        specs: Mapping[str, StackSpec],
        keeps: Mapping[str, Keep],
        *,
        weights: str,
        answers: PrefixTree | None,
        folder: Path | None,
    ) -> None:
        self.specs, self.keeps, self.answers, self.folder = specs, keeps, answers, folder
        prefixes = () if answers is None else answers.prefixes
        self._answers_digest = hashlib.sha256(json.dumps(prefixes).encode()).digest()
        self._forms: dict[tuple[str, str, int], tuple[Layout, int]] = {}
        self.name = uuid.uuid4().hex[:12]
        self.parts = {stack: parts_of(keep) for stack, keep in keeps.items()}
        self.shelves: dict[tuple[str, str], Shelf] = {}
        for stack, spec in specs.items():
            for part in self.parts[stack]:
                place = None if folder is None else folder / shelf_name(spec, part, weights)
                self.shelves[stack, part] = RamShelf() if place is None else DiskShelf(place, self.name)

    @classmethod
    def of(
        cls, backbone: Backbone, keeps: Mapping[str, Keep], *, dtype: str, weights: str, folder: Path | None
    ) -> Self:
        """For a backbone, as a method that ``keeps`` these states reads it."""
        if any(backbone.positions_kept(stack, keep) == "tokens" for stack, keep in keeps.items() if stack == "decoder"):
            raise InputError(
                "cache=ram or disk keeps of a decoder the states behind its prompt alone, and this method reads every "
                "token's: choose method.joiner=identity or cache=none"
            )
        specs = specs_of(backbone, dtype, keeps)
        return cls(specs, keeps, weights=weights, answers=backbone.tree, folder=folder)

    def key(self, example: StoredExample, stack: str) -> bytes:
        """An example's place on the shelves of a stack."""
        content = hashlib.blake2b(digest_size=16)
        for name in ("input_ids", "token_type_ids"):
            if name in example:
                content.update(name.encode() + np.asarray(example[name], dtype=np.int32).tobytes())
        if stack == "decoder":
            content.update(self._answers_digest)
        return content.digest()

    def sizes(self, source: int, stack: str) -> Sizes:
        """How many tokens the entries of an example of ``source`` tokens hold."""
        if stack != "decoder":
            return Sizes(1 if self.specs[stack].positions == "first" else source, {"self": source})
        assert self.answers is not None
        return Sizes(len(self.answers.prefixes), {"self": self.answers.depth, "cross": source})

    def layout(self, example: StoredExample, stack: str, part: str) -> Layout:
        """The arrays of an entry, see `StackSpec.layout`."""
        return self._form(example, stack, part)[0]

    def held(self, example: StoredExample) -> bool:
        """Whether every entry that the method reads of this example is there and whole: its digest is checked once."""
        return self.get(example) is not None

    def size_bytes(self, example: StoredExample) -> int:
        """What the entries of an example take."""
        return sum(self._form(example, stack, part)[1] for stack, part in self.shelves)

    def put(self, example: StoredExample, stack: str, part: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep one entry, unless it is there and whole. Raises OSError where it cannot be written."""
        key, shelf = self.key(example, stack), self.shelves[stack, part]
        if shelf.get(key) is None:
            shelf.put(key, to_bytes(arrays, self.layout(example, stack, part)))

    def get(self, example: StoredExample) -> dict[tuple[str, str], dict[str, np.ndarray]] | None:
        """The arrays of all entries of an example by stack and part, or None if one is missing or damaged."""
        found = {}
        keys = {stack: self.key(example, stack) for stack in self.specs}
        for (stack, part), shelf in self.shelves.items():
            data, (layout, size_bytes) = shelf.get(keys[stack]), self._form(example, stack, part)
            if data is None or len(data) != size_bytes:
                return None
            found[stack, part] = from_bytes(data, layout)
        return found

    def flush(self) -> None:
        """Make what was put visible to other processes."""
        for shelf in self.shelves.values():
            shelf.flush()

    def refresh(self) -> None:
        """Look what other processes have written meanwhile."""
        for shelf in self.shelves.values():
            if isinstance(shelf, DiskShelf):
                shelf.refresh()

    def abandon(self) -> None:
        """Forget what was put and could not be written."""
        for shelf in self.shelves.values():
            if isinstance(shelf, DiskShelf):
                shelf.abandon()

    def bytes_by_writer(self, examples: Iterable[StoredExample]) -> dict[str, int]:
        """How many bytes of these examples' entries each writer has filled."""
        found: dict[str, int] = {}
        for example in examples:
            for (stack, part), shelf in self.shelves.items():
                writer = shelf.writer_of(self.key(example, stack))
                if writer is not None:
                    found[writer] = found.get(writer, 0) + self._form(example, stack, part)[1]
        return found

    def _form(self, example: StoredExample, stack: str, part: str) -> tuple[Layout, int]:
        """The layout and the bytes of an entry: asked for at every reading, and made once for each length."""
        source = len(example["input_ids"])
        if (form := self._forms.get((stack, part, source))) is None:
            sizes, spec = self.sizes(source, stack), self.specs[stack]
            form = spec.form(part, sizes.tokens, sizes.read.get(part, 0))
            self._forms[stack, part, source] = form
        return form


def shelf_name(spec: StackSpec, part: str, weights: str) -> str:
    """A folder's name that says for people what it holds, and by its digest all that its entries depend on."""
    dtype = "fp32" if part == "output" else spec.dtype  # output is in 32 bit whatever the others are
    content = {**asdict(spec), "dtype": dtype, "part": part, "weights": weights, "format": FORMAT}
    if spec.positions != "first":  # which has come later: the shelves from before are found by the names they have
        del content["positions"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{spec.stack}-{part}-{dtype}-{spec.depth}x{spec.width}-{digest[:16]}"


def default_folder() -> Path:
    """Where the store stands unless ``cache.path`` says otherwise: the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "read-repro" / "states"


def specs_of(backbone: Backbone, dtype: str, keeps: Mapping[str, Keep]) -> dict[str, StackSpec]:
    """The sizes of a backbone's stacks, as a method that ``keeps`` these states reads them."""
    return {
        stack: StackSpec(
            stack, depth, backbone.width, backbone.pre_norm, dtype, backbone.positions_kept(stack, keeps[stack])
        )
        for stack, depth in backbone.depth.items()
    }
