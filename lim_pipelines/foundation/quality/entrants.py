"""Who takes part in a walk-forward: baselines, and the foundation model trained as the platform trains it.

What does not belong here: methods (`foundation/baselines`, `foundation/model.py`), what is asked
(`harness.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from lim_pipelines.foundation.baselines.base import Forecaster
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.continual import RATE
from lim_pipelines.foundation.forecaster import LimForecaster
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.pretrain import Fit, fit
from lim_pipelines.foundation.sampler import WindowSampler
from lim_pipelines.foundation.series import Series, iso
from lim_pipelines.foundation.windows import Span, store_of

_BEGINNING = -(2**62)


@dataclass
class Baseline:
    """A forecaster that learns anew at every cutoff.

    Parameters
    ----------
    made
        Makes it for a configuration of the model: an entry of `baselines.registry.BASELINES`.
    config
        The model's: context, horizon and patch of the windows it learns from, and how they are mixed.
    windows
        How many it learns from.
    seed
        Seed of the choice of windows.
    """

    made: Callable[[FoundationConfig], Forecaster]
    config: FoundationConfig
    windows: int
    seed: int = 0

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.made(self.config).name

    def at(self, cutoff: int, past: Sequence[Series]) -> Forecaster:
        """See `harness.Entrant.at`."""
        config, forecaster = self.config, self.made(self.config)
        store = store_of(past, config)
        sampler = WindowSampler(
            store, horizon=config.horizon, patch=config.patch, span=Span(_BEGINNING, cutoff), mix=config.mix
        )
        forecaster.fit(store, sampler.draw(self.windows, self.seed))
        return forecaster


@dataclass
class Lim:
    """The foundation model: trained from scratch at the first cutoff, on from there at the next ones.

    Parameters
    ----------
    config
        The family; `steps_first` and `steps_continual` are its budget.
    seed
        Seed of weights and windows.
    name
        What tables call it.
    """

    config: FoundationConfig
    seed: int = 0
    name: str = "LIM"
    model: FoundationModel | None = field(default=None, init=False)
    held_out_from: str | None = field(default=None, init=False)

    def at(self, cutoff: int, past: Sequence[Series]) -> Forecaster:
        """See `harness.Entrant.at`."""
        config, first = self.config, self.model is None
        if self.model is None:
            torch.manual_seed(self.seed)
            self.model = FoundationModel(config)
        found = learn(
            self.model,
            past,
            steps=config.steps_first if first else config.steps_continual,
            rate=config.learning_rate * (1.0 if first else RATE),
            seed=self.seed * 1_000_003 + cutoff // 86_400_000_000,
            label=f"{self.name} {self.seed} {iso(cutoff)[:10]}",
            held_out_before=self.held_out_from,
            replay=1.0 if first else config.continual.replay,
        )
        self.held_out_from = found.windows["held_out_from"]
        return LimForecaster(self.model, self.name)


def learn(
    model: FoundationModel,
    past: Sequence[Series],
    *,
    steps: int,
    rate: float,
    seed: int,
    label: str,
    held_out_before: str | None = None,
    replay: float = 1.0,
) -> Fit:
    """Train a model in place on series, as `pretrain.fit` does, and leave no files behind.

    Parameters
    ----------
    model
        Model to train.
    past
        Series to learn from.
    steps, rate, seed, label, held_out_before, replay
        See `pretrain.fit`.
    """
    config = model.config
    model.train()
    with tempfile.TemporaryDirectory() as folder:
        found = fit(
            model,
            store_of(past, config),
            steps=steps,
            learning_rate=rate,
            seed=seed,
            label=label,
            folder=Path(folder),
            held_out_before=held_out_before,
            replay=replay,
        )
    model.eval()
    return found
