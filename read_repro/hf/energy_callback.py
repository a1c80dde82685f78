"""The energy of training under any trainer, as a callback with defaults; ``read_repro.EnergyCallback`` is this one.

energy = EnergyCallback()
Trainer(..., callbacks=[energy]).fit(model)     # or transformers' Trainer(...).train()
print(energy.energy_kwh, energy.labels)
"""

from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from read_repro.config.files import settings
from read_repro.hf.adapters import AdaptedModel
from read_repro.measure.energy_callback import EnergyCallback
from read_repro.measure.gpu_reader import visible_uuids


def _callback_classes() -> tuple[type, ...]:
    """The callback classes of the trainers that are installed: each takes only instances of its own.

    ``lightning`` and ``pytorch_lightning`` are two packages with the same content, and two classes.
    """
    other = (import_module("lightning.pytorch").Callback,) if find_spec("lightning") else ()
    return (EnergyCallback, *other, TrainerCallback)


@cache
def _shipped() -> dict[str, Any]:
    return {key: value for key, value in settings("energy", "default").items() if key != "_target_"}


class TrainerEnergy(*_callback_classes()):  # type: ignore[misc]
    """Measures a training by Eq. (4) of the READ paper and by the GPUs' counters, or estimates it from CPU time.

    For the trainers of ``pytorch_lightning``, ``lightning.pytorch`` and ``transformers``. ``meter`` has the
    figures of the last training. Where READ is what trains, its card tells them.

    Args: as ``conf/energy/default.yaml``'s, which gives those left out.
        interval_s: time between readings. p0_kw: power of one GPU at full utilisation.
        cpu_p0_kw: power of one busy hardware thread, where there is no GPU.
        carbon_g_per_kwh: grams of CO2 equivalent a kWh of your grid.
        journal_path: a file that each reading is appended to as it comes.
    """

    def __init__(
        self,
        *,
        interval_s: float | None = None,
        p0_kw: float | None = None,
        cpu_p0_kw: float | None = None,
        carbon_g_per_kwh: float | None = None,
        journal_path: Path | str | None = None,
    ) -> None:
        given = {"interval_s": interval_s, "p0_kw": p0_kw, "cpu_p0_kw": cpu_p0_kw, "carbon_g_per_kwh": carbon_g_per_kwh}
        chosen = {key: value for key, value in given.items() if value is not None}
        super().__init__(**{**_shipped(), **chosen}, journal_path=journal_path)

    @property
    def energy_kwh(self) -> float | None:
        """The energy of the last training: Eq. (4) on GPUs, else the estimate from CPU time; None if unmeasured."""
        found = {} if self.meter is None else self.meter.summary()
        return next(
            (found[key] for key in ("energy/eq4_kwh", "energy/cpu_estimate_kwh") if found.get(key) is not None), None
        )

    @property
    def labels(self) -> list[str]:
        """What weakens the figures, or why there are none."""
        return [] if self.meter is None else self.meter.summary_labels()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Of transformers' trainer: open the window."""
        self._close()
        if not state.is_world_process_zero:
            return
        on_gpu = args.device.type == "cuda"
        gpus = max(args.n_gpu, min(args.world_size, torch.cuda.device_count())) if on_gpu else 0
        seen = args.world_size <= max(gpus, 1)
        self.meter = self._meter(
            gpu_uuids=visible_uuids(range(gpus)),
            journal_path=self._journal_path,
            notes=() if seen else (f"energy of {'this node' if on_gpu else 'this process'} alone",),
        )
        self.meter.start()

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        """Of both trainers: close the window; what transformers' trainer logged gets the figures, too."""
        self._close()
        state = args[1] if len(args) == 3 else None  # transformers' trainer: (args, state, control)
        if state is None or self.meter is None:
            return
        figures = {key: value for key, value in self.meter.summary().items() if value is not None}
        state.log_history.append({**figures, "epoch": state.epoch, "step": state.global_step})
        model = kwargs.get("model")
        if isinstance(model, AdaptedModel):
            self._tell(model, args[0].seed, state.log_history)

    def _tell(self, model: AdaptedModel, seed: int, history: list[dict[str, float]]) -> None:
        """Note the training for READ's card: the last evaluation's metrics, its seed, its energy."""
        evaluated = [entry for entry in history if any(key.startswith("eval_") for key in entry)]
        speed = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second")
        scores = {k: v for k, v in (evaluated or [{}])[-1].items() if k.startswith("eval_") and k not in speed}
        how = "; ".join(self.labels) or None
        model.facts = replace(model.facts, scores=scores, seed=seed, energy_kwh=self.energy_kwh, energy_how=how)
