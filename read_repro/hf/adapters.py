"""Several READs beside one frozen model, one of them active: what ``ReadModel`` inherits, by the names peft uses."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, Self, cast

from torch import Tensor, nn

from read_repro.backbones.architectures import Architecture, architecture_of
from read_repro.errors import InputError
from read_repro.hf.config import ReadConfig
from read_repro.hf.heads import copied_heads, head_names, put_heads
from read_repro.hf.saved import TrainingFacts
from read_repro.methods.read_side import SideRNN, side_networks


class ReadAdapter(nn.Module):
    """One READ: its side networks, and its own copies of the model's heads.

    ``facts`` is what is known of its training, for its card.
    """

    def __init__(self, base: Any, architecture: Architecture, config: ReadConfig, heads: nn.ModuleDict) -> None:
        super().__init__()
        stacks, model = architecture.stacks, base.base_model
        depth = {name: len(places.layers_of(model)) for name, places in stacks.items()}
        self.config, self.facts = config, TrainingFacts()
        self.side, self.keep = side_networks(depth, width=base.config.hidden_size, **config.keywords())
        self.heads = copied_heads(heads)
        self.to(device=base.device)
        if architecture.scores_on_request and config.joiner == "attention":
            raise InputError(
                f"joiner=attention cannot be had beside a {base.config.model_type}: its attention does not hand on its "
                "scores; use ReadConfig(joiner='identity')"
            )
        for name, keep in self.keep.items():
            if keep.self_scores or keep.cross_scores:  # the fused kernels do not return the scores
                stacks[name].stack_of(model).set_attn_implementation("eager")

    @property
    def sides(self) -> dict[str, SideRNN]:
        """The side network of each stack."""
        return {name: cast(SideRNN, side) for name, side in self.side.items()}


class AdaptedModel(nn.Module):
    """A frozen model with READs beside it.

    Args:
        base: the model; it is frozen, and stays in eval mode also while this model trains.
        config: the first READ. adapter_name: what it is called.
    """

    def __init__(self, base: Any, config: ReadConfig, adapter_name: str) -> None:
        super().__init__()
        self.reads = nn.ModuleDict()
        self.originals = nn.ModuleDict({name: getattr(base, name) for name in head_names(base)})
        self.base: Any = base.requires_grad_(False).eval()
        self.architecture = architecture_of(base.config.model_type)
        self.switched_off = False
        self.add_adapter(adapter_name, config)
        self.set_adapter(adapter_name)

    @property
    def active(self) -> ReadAdapter:
        """The READ that is active."""
        return cast(ReadAdapter, self.reads[self.active_adapter])

    @property
    def facts(self) -> TrainingFacts:
        """What is known of the active READ's training, for its card: scores, seed, energy."""
        return self.active.facts

    @facts.setter
    def facts(self, facts: TrainingFacts) -> None:
        self.active.facts = facts

    def add_adapter(self, adapter_name: str, config: ReadConfig) -> None:
        """A further READ on the same base, with a head of its own; ``set_adapter`` makes it the active one."""
        if not adapter_name.isidentifier() or hasattr(self.reads, adapter_name) or adapter_name in self.reads:
            there = ", ".join(self.reads) or "none"
            raise InputError(
                f"adapter_name={adapter_name!r}: give a new name of letters and digits; there are: {there}"
            )
        read = ReadAdapter(self.base, self.architecture, config, self.originals)
        self.reads[adapter_name] = read.requires_grad_(False)

    def set_adapter(self, adapter_name: str) -> None:
        """Make a READ the active one: it answers, and it trains."""
        self.named(adapter_name)
        self.active_adapter = adapter_name
        for name, read in self.reads.items():
            read.requires_grad_(name == adapter_name)
        put_heads(self.base, self.active.heads)

    def delete_adapter(self, adapter_name: str) -> None:
        """Forget a READ that is not the active one."""
        self.named(adapter_name)
        if adapter_name == self.active_adapter:
            raise InputError(f"adapter_name={adapter_name!r} is the active one: make another one active first")
        del self.reads[adapter_name]

    def named(self, adapter_name: str) -> ReadAdapter:
        """A READ by its name."""
        if adapter_name not in self.reads:
            raise InputError(f"adapter_name={adapter_name!r} does not exist: there are {', '.join(self.reads)}")
        return cast(ReadAdapter, self.reads[adapter_name])

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """The base as it came, its own head included, for as long as the context is open."""
        before, self.switched_off = self.switched_off, True
        put_heads(self.base, self.originals)
        try:
            yield
        finally:
            self.switched_off = before
            if not before:
                put_heads(self.base, self.active.heads)

    def unload(self) -> Any:
        """The base with its own head, for good: this model is of no use afterwards."""
        put_heads(self.base, self.originals)
        return self.base

    def merge_and_unload(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: READ cannot be folded into weights."""
        raise InputError(
            "READ cannot be merged: it is a recurrent network beside the layers, and no change of the layers' weights "
            "computes the same; keep it beside the model, or unload() for the model alone"
        )

    def train(self, mode: bool = True) -> Self:
        """As ``nn.Module.train``, but the base stays in eval mode: no dropout in the states that READ learns from."""
        super().train(mode)
        self.base.eval()
        return self

    def get_nb_trainable_parameters(self) -> tuple[int, int]:
        """How many parameters train, and how many there are, the heads that READ's copies replace left out."""
        weights = [weight for name, weight in self.named_parameters() if not name.startswith("originals.")]
        return sum(w.numel() for w in weights if w.requires_grad), sum(w.numel() for w in weights)

    def print_trainable_parameters(self) -> None:
        """Print both counts in a line, as peft does."""
        trained, total = self.get_nb_trainable_parameters()
        print(f"trainable params: {trained:,} || all params: {total:,} || trainable%: {100 * trained / total:.4f}")

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """What the READs and their heads hold: the base is never part of a checkpoint."""
        prefix = kwargs.get("prefix", "")
        held = super().state_dict(*args, **kwargs)
        for name in [name for name in held if name.startswith((f"{prefix}base.", f"{prefix}originals."))]:
            del held[name]
        return held

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> Any:
        """Take a ``state_dict`` back; with ``strict`` it must be exactly this model's."""
        wanted = self.state_dict().keys()
        missing, unexpected = sorted(wanted - state_dict.keys()), sorted(state_dict.keys() - wanted)
        if strict and (missing or unexpected):
            raise RuntimeError(f"not this model's state: it lacks {missing[:4]}, and {unexpected[:4]} belong elsewhere")
        result = super().load_state_dict(state_dict, strict=False, assign=assign)
        return type(result)(missing, unexpected)

    # ---- what the base could, but not with READ ---------------------------------------------------------------------

    def gradient_checkpointing_enable(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there is nothing to save."""
        raise InputError(
            "gradient checkpointing saves nothing here: the frozen layers keep no activations for a backward pass, and "
            "running them again would only cost time; leave gradient_checkpointing out"
        )

    activation_checkpointing_enable = gradient_checkpointing_enable  # transformers' newer name for it

    def enable_input_require_grads(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: it is there for gradient checkpointing."""
        raise InputError(
            "a gradient to the inputs would build a graph through the frozen model, which READ does without: leave "
            "enable_input_require_grads out"
        )

    def _replicate_for_data_parallel(self) -> NoReturn:
        """Refused: what torch's DataParallel asks of a model, whose copies share their hooks."""
        raise InputError(
            "several GPUs in one process (torch's DataParallel) would mix the states that READ collects: start a "
            "process for each GPU, with torchrun or accelerate launch"
        )
