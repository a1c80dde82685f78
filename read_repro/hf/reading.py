"""READ beside a model's own forward pass: hooks take each layer's state, and add the correction behind the last one.

Nothing of the model is rewritten and nothing of a call outlives it: hooks come with a call and go with it, and what
they collect belongs to the call. The frozen weights need no gradient and neither do their inputs, so that autograd
keeps nothing of them; its graph begins at the correction.

Letters: B batch, T tokens of the stack, S source tokens, D width.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import ModelOutput

from read_repro.backbones.architectures import Architecture, StackPlaces
from read_repro.backbones.frozen_pass import Keep, Layer, layer_hooks, rms_norm
from read_repro.errors import InputError
from read_repro.methods.read_side import SideRNN


@dataclass
class ReadEncoderOutput(BaseModelOutput):
    """What an encoder hands on, with READ's correction of it beside it, (B, S, D).

    The decoder reads the uncorrected states; the correction travels with them as a tensor, so that ``generate``
    repeats it for every beam.
    """

    read_correction: Tensor | None = None


class StackPass:
    """One pass through one stack.

    As in ``frozen_pass.walk``: without a gradient the side network steps while the stack runs; in training it steps
    when the stack is through, so that what it makes of the states is not alive beside what the stack needs for itself.
    """

    def __init__(self, side: SideRNN, *, pre_norm: bool, encoder_correction: Tensor | None) -> None:
        self.side, self.pre_norm = side, pre_norm
        self.progress = side.start(encoder_correction)
        self.waiting: list[Layer] | None = [] if torch.is_grad_enabled() else None
        self.scores: dict[str, Tensor] = {}  # of the layer that runs now: its attention ends before the layer does

    def note(self, name: str, scores: Tensor | None) -> None:
        """Attention scores (B, heads, T, S) of the layer that runs now."""
        if scores is None:
            raise InputError(
                "this model's attention does not hand on its scores, which READ's joiner=attention reads: use "
                "ReadConfig(joiner='identity')"
            )
        self.scores[name] = self._taken(scores.mean(dim=1))

    def take(self, state: Tensor) -> None:
        """The state (B, T, D) behind a layer, or behind the final norm for the last one."""
        state = self._taken(state)
        layer = Layer(rms_norm(state) if self.pre_norm else state, **self.scores)
        if self.waiting is None:
            self.side.step(self.progress, layer)
        else:
            self.waiting.append(layer)

    def correction(self) -> Tensor:
        """Behind the last state: the correction (B, T, D), in the side network's precision."""
        for layer in self.waiting or ():
            self.side.step(self.progress, layer)
        return self.side.finish(self.progress)

    def _taken(self, tensor: Tensor) -> Tensor:
        """On the side network's device and in its precision, which is 32 bit whatever the model's is."""
        weight = next(self.side.parameters())
        return tensor.to(device=weight.device, dtype=weight.dtype)


class Reading:
    """The passes of one call of a model, or of the many calls of one ``generate``.

    Args:
        base: the base model of the architecture's table, at which its paths start.
        sides: the side network of each stack. keep: what each reads.
    """

    def __init__(
        self, base: Any, architecture: Architecture, sides: Mapping[str, SideRNN], keep: Mapping[str, Keep]
    ) -> None:
        self.base, self.architecture, self.sides, self.keep = base, architecture, sides, keep
        self.passes: dict[str, StackPass] = {}
        self.encoder_correction: Tensor | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """The hooks of all stacks, while the context is open."""
        with ExitStack() as hooks:
            last = list(self.sides)[-1]
            if len(self.sides) > 1:
                hooks.callback(self.base.register_forward_pre_hook(self._look_for_correction, with_kwargs=True).remove)
            for stack, places in self.architecture.stacks.items():
                self._follow(hooks, stack, places, corrects=stack == last)
            yield

    def _follow(self, hooks: ExitStack, stack: str, places: StackPlaces, *, corrects: bool) -> None:
        module, layers, keep = places.stack_of(self.base), places.layers_of(self.base), self.keep[stack]
        norm, behind = places.final_norm_of(self.base), self._correct if corrects else self._hand_on

        def start(_module: nn.Module, _arguments: Any) -> None:
            correction = self.encoder_correction if corrects else None
            pre_norm = self.architecture.pre_norm
            self.passes[stack] = StackPass(self.sides[stack], pre_norm=pre_norm, encoder_correction=correction)

        def after_layer(number: int, _arguments: Any, output: Any) -> Any:
            if number < len(layers) - 1:
                self.passes[stack].take(output[0] if isinstance(output, tuple) else output)
                return None
            return behind(stack, output) if norm is None else None  # phi_N is the state behind the final norm

        def note(name: str) -> Callable[[int, Any, Any], None]:
            return lambda _number, _arguments, output: self.passes[stack].note(name, output[-1])

        hooks.callback(module.register_forward_pre_hook(start).remove)
        hooks.enter_context(layer_hooks(layers, after_layer))
        if keep.self_scores:
            hooks.enter_context(layer_hooks(places.attentions_of(self.base), note("self_scores")))
        if keep.cross_scores:
            hooks.enter_context(layer_hooks(places.attentions_of(self.base, cross=True), note("cross_scores")))
        if norm is not None:
            hooks.enter_context(layer_hooks([norm], lambda _number, _arguments, output: behind(stack, output)))
        if not corrects:
            hooks.enter_context(layer_hooks([module], lambda _number, _arguments, output: self._attach(output)))

    def _correct(self, stack: str, output: Any) -> Any:
        """The last stack's last state, corrected: what its head reads."""
        state = output[0] if isinstance(output, tuple) else output
        self.passes[stack].take(state)
        corrected = state + self.passes[stack].correction().to(device=state.device, dtype=state.dtype)
        return (corrected, *output[1:]) if isinstance(output, tuple) else corrected

    def _hand_on(self, stack: str, output: Any) -> None:
        """The encoder's last state stays as it is; its correction is kept for the decoder."""
        self.passes[stack].take(output[0] if isinstance(output, tuple) else output)
        self.encoder_correction = self.passes[stack].correction()

    def _attach(self, output: Any) -> Any:
        """An encoder's output with the correction beside it; a tuple cannot carry it, and stays."""
        if not isinstance(output, ModelOutput):
            return None
        own = {each.name for each in fields(BaseModelOutput)}
        kept: dict[str, Any] = {name: value for name, value in output.items() if name in own}
        return ReadEncoderOutput(**kept, read_correction=self.encoder_correction)

    def _look_for_correction(self, _module: nn.Module, arguments: Any, keywords: dict[str, Any]) -> None:
        """Before each call of an encoder-decoder: with an encoder's output comes its correction."""
        outputs = keywords.get("encoder_outputs")
        self.encoder_correction = None if outputs is None else getattr(outputs, "read_correction", None)
        if outputs is not None and self.encoder_correction is None:
            raise InputError(
                "encoder_outputs came without READ's correction of them: make them with this model's own "
                "get_encoder()(input_ids=..., attention_mask=...), which hands on the correction as read_correction"
            )


class ReadEncoder:
    """An encoder that hands on READ's correction with its output; called as the encoder is.

    Args:
        encoder: the model's own. reading: what puts READ's hooks on the model.
    """

    def __init__(self, encoder: Any, reading: Callable[[], AbstractContextManager[None]]) -> None:
        self.encoder, self._reading = encoder, reading

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._reading():
            return self.encoder(*args, **kwargs)
