"""Where a backbone's weights are, checked before torch is imported; and its tokenizer.

A checkpoint is a folder with ``config.json``, ``model.safetensors`` and a tokenizer, or one GGUF file that holds all
three: on the hub, in a local folder, or inside an installed Python package. With ``random=True`` there is none, only a
shape. The folder is data that anyone may have made: nothing in it is run, and no other file of weights is looked at.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from read_repro.backbones.architectures import ARCHITECTURES, Architecture, architecture_of
from read_repro.backbones.checkpoint_files import (
    WEIGHTS_FILE,
    checkpoint_config,
    file_sha256,
    gguf_alone,
    packaged_folder,
    weight_files,
)
from read_repro.backbones.random_tokenizer import train_tokenizer
from read_repro.errors import InputError
from read_repro.foreign import read_json, reason, regular_file, shown
from read_repro.hub import WAYS_OUT, hub_reachable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_FILES = {"t5": ("tokenizer.json", "spiece.model"), "bert": ("tokenizer.json", "vocab.txt")}
OTHER_TOKENIZER_FILES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "spm.model", "tokenizer.model",
    "sentencepiece.bpe.model",
)  # fmt: skip
REPOSITORY = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A backbone as ``conf/backbone/*.yaml`` names it.

    Args:
        name: the backbone's name in run folders and tables.
        architecture: a ``model_type`` of ``read_repro.backbones.architectures``; None takes that of its configuration.
        id: a local folder, or else a name on the hub.
        hub: its name on the hub.
        package: a folder in an installed package, as ``package/folder``; looked at before the hub.
        path: a local folder; looked at before both.
        gguf: the name of the GGUF file in that folder, which stands for configuration, weights and tokenizer.
        sha256: what the hash of ``model.safetensors``, or of the GGUF file, must be.
        random: there are no weights, only a ``shape``; the tokenizer is trained on the task's training text.
        shape: sizes, by their names in the architecture's own configuration.
        pooling: what an encoder's task head reads: the mean of its states or, with ``cls``, the first one.
        answers: what a decoder answers by: label ``words`` or a task ``head``. None is words, and the only way that
            the other kinds have.
        dtype: what the frozen weights are held in; what trains beside them is in 32 bit whatever it is.
    """

    name: str
    architecture: str | None = None
    id: str | None = None
    hub: str | None = None
    package: str | None = None
    path: str | None = None
    gguf: str | None = None
    sha256: str | None = None
    random: bool = False
    shape: dict[str, Any] = field(default_factory=dict)
    pooling: Literal["mean", "cls"] = "mean"
    answers: Literal["words", "head"] | None = None
    dtype: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        if self.architecture is not None and self.architecture not in ARCHITECTURES:
            raise InputError(f"backbone.architecture={shown(self.architecture)}: known are {', '.join(ARCHITECTURES)}")
        if self.gguf is not None and not re.fullmatch(r"\w[\w.-]*\.gguf", self.gguf):
            raise InputError(f"backbone.gguf={shown(self.gguf)}: give the name of a .gguf file in the folder")
        if self.architecture is None and (self.random or self.gguf):
            raise InputError("backbone.architecture has no value: where no config.json says it, it must be given")
        if self.id is not None:
            folder = Path(self.id).is_dir()
            object.__setattr__(self, "path" if folder else "hub", self.id)
        if not self.random and not (self.path or self.package or self.hub):
            raise InputError("this backbone has no weights of its own: give backbone.path=<folder>")
        if self.hub is not None and not REPOSITORY.fullmatch(self.hub):
            raise InputError(f"backbone.hub={shown(self.hub)}: the hub's names are owner/name")

    @cached_property
    def model_type(self) -> str:
        """The architecture's name, from the configuration where it was not given."""
        if self.architecture is not None:
            return self.architecture
        return str(checkpoint_config(self._found[0])["model_type"])

    @property
    def places(self) -> Architecture:
        """What the table of architectures says of it."""
        return architecture_of(self.model_type)

    @property
    def text_to_text(self) -> bool:
        """True where answers are strings, False where there is a task head."""
        kind = self.places.kind
        return kind == "encoder-decoder" or (kind == "decoder" and self.answers != "head")

    @property
    def prompted(self) -> bool:
        """True where the answer goes on with the source text, as a decoder's does."""
        return self.places.kind == "decoder"

    def check_choices(self) -> None:
        """Refuse what the architecture has no use for.

        Raises:
            InputError: a way of answering or of pooling that it does not have.
        """
        kind, only = self.places.kind, {"encoder": "head", "encoder-decoder": "words"}
        if self.answers is not None and only.get(kind, self.answers) != self.answers:
            raise InputError(
                f"backbone.answers={self.answers}: {self.name} is an {kind} and answers by {only[kind]} alone; "
                "leave it out"
            )
        if self.pooling != "mean" and kind != "encoder":
            raise InputError(f"backbone.pooling={self.pooling}: only encoders pool, and {self.name} is none of them")

    def locate(self) -> Path | None:
        """The checkpoint's folder, verified; None for random weights. Downloads from the hub where that is its place.

        Raises:
            InputError: nothing there, another architecture or shape, a hash that differs, or no hub.
        """
        return None if self.random else self._found[0]

    def weights_fingerprint(self) -> str:
        """What the weights are, for the record: the sha256 of their files, or ``random``."""
        return "random" if self.random else hashlib.sha256("".join(self._found[1].values()).encode()).hexdigest()

    @cached_property
    def _found(self) -> tuple[Path, dict[str, str]]:
        """The verified folder and the sha256 of each file of weights: looked for once, since hashing 10 GB is slow."""
        folder = self._folder()
        if self.gguf is None:
            self._check_config(folder)
        whole = self.gguf or WEIGHTS_FILE
        paths = weight_files(folder) if self.gguf is None else [regular_file(folder / self.gguf)]
        hashes = {path.name: file_sha256(path) for path in paths}
        if self.sha256 is not None and (found := hashes.get(whole)) != self.sha256:
            raise InputError(f"{folder / whole} is not the official file: sha256 {found}, expected {self.sha256}")
        return folder, hashes

    def _folder(self) -> Path:
        if self.path is not None:
            if not (Path(self.path) / (self.gguf or "config.json")).exists():
                key, file = "id" if self.id else "path", self.gguf or "config.json"
                raise InputError(f"backbone.{key}={shown(self.path)}: no {file} there; give a checkpoint's folder")
            return Path(self.path)
        if self.package is not None:
            return packaged_folder(self.package)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        assert self.hub is not None
        files = ["*.json", "*.safetensors", "*.model", "*.txt"] if self.gguf is None else [self.gguf]
        try:
            return Path(snapshot_download(self.hub, allow_patterns=files, local_files_only=True))
        except OSError as error:
            if not hub_reachable():
                raise InputError(
                    f"{self.hub} is not on this machine and the hub does not answer: {WAYS_OUT}"
                ) from error
        try:
            return Path(snapshot_download(self.hub, allow_patterns=files))
        except (OSError, HfHubHTTPError) as error:
            raise InputError(f"{self.hub} cannot be had from the hub ({error}): {WAYS_OUT}") from error

    def _check_config(self, folder: Path) -> None:
        config = checkpoint_config(folder)
        if self.architecture is None:
            architecture_of(config.get("model_type"))
        elif config.get("model_type") != self.architecture:
            raise InputError(
                f"{folder} holds a model of type {shown(config.get('model_type'))}, but backbone={self.name} is a "
                f"{self.architecture}: choose another folder or backbone"
            )
        for key, wanted in self.shape.items():
            if config.get(key, wanted) != wanted:
                raise InputError(
                    f"{folder} has {key}={shown(config[key])}, but {self.name} has {wanted}: this is not {self.name}; "
                    "choose another folder, or backbone=hub backbone.id=<folder>"
                )

    def tokenizer(self, texts: Callable[[], Iterable[str]]) -> "PreTrainedTokenizerBase":
        """The checkpoint's tokenizer; for random weights, one trained on what ``texts`` returns.

        Raises:
            InputError: there is none, it cannot be read, or it has more tokens than the weights have embeddings.
        """
        folder = self.locate()
        if folder is None:
            return train_tokenizer(texts(), vocab_size=self.shape.get("vocab_size", 32128))
        from transformers import AutoTokenizer

        try:
            if self.gguf is None:
                self._check_tokenizer(folder)
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            else:
                with gguf_alone(folder, self.gguf) as options:
                    tokenizer = AutoTokenizer.from_pretrained(**options)
            highest = max(tokenizer.get_vocab().values())
        except InputError:
            raise
        except Exception as error:  # the tokenizers' parsers raise plain Exception
            raise InputError(f"the tokenizer in {folder} cannot be read ({reason(error)})") from error
        embeddings = self.shape.get("vocab_size") if self.gguf else checkpoint_config(folder).get("vocab_size", 0)
        if embeddings is not None and highest >= embeddings:
            raise InputError(
                f"the tokenizer in {folder} has token ids up to {highest}, its weights only {embeddings} embeddings: "
                "it belongs to another checkpoint"
            )
        return tokenizer

    def _check_tokenizer(self, folder: Path) -> None:
        wanted = TOKENIZER_FILES.get(self.model_type, OTHER_TOKENIZER_FILES)
        if not any((folder / name).is_file() for name in wanted):
            raise InputError(f"{folder} has no tokenizer: one of {', '.join(wanted)} must lie beside the weights")
        for path in sorted(folder.iterdir()):
            if path.suffix in (".json", ".txt", ".model", ".jinja"):
                regular_file(path)
        settings = folder / "tokenizer_config.json"
        if settings.exists() and "auto_map" in read_json(settings):
            raise InputError(f"{settings} names code to run (auto_map): only transformers' own tokenizers are used")
