"""What the neural baselines have in common: windows on their own scale, the model's steps and batches.

What does not belong here: networks (`dlinear.py`, `patchtst.py`), the foundation model's training
(`pretrain.py`), which no baseline needs: nothing is resumed, saved or continued here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from lim_pipelines.foundation.baselines.paths import CLOSE
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.heads import Predicted
from lim_pipelines.foundation.scaling import Scale, running_scale, scaled, unscaled
from lim_pipelines.foundation.series import VARIABLES, Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch, Windows

_FARTHEST = 10.0  # inputs on their scale: one crash must not drown a linear layer
_CLIP_NORM = 1.0


class Trained(ABC):
    """A network of its own for each horizon, trained on windows.

    Parameters
    ----------
    config
        Of the model that it is compared with: context, horizon, patch, steps, batch size, peak learning rate
        and seed are taken from it.
    """

    name: str

    def __init__(self, config: FoundationConfig) -> None:
        self.config = config
        self._network: nn.Module | None = None

    @abstractmethod
    def network(self) -> nn.Module:
        """Make a network, which turns scaled contexts (B, L, p), 0 where unknown, into what `loss` takes."""

    @abstractmethod
    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Mean loss over the known values of scaled horizons (B, L_Y, p)."""

    @abstractmethod
    def paths(self, said: Predicted, count: int, generator: torch.Generator) -> Tensor:
        """Draw scaled paths, (count, B, L_Y, p)."""

    @abstractmethod
    def point(self, said: Predicted) -> Tensor:
        """Mean of all paths, scaled, (B, L_Y, p)."""

    def learned(self, network: nn.Module, store: Windows, picks: Ints) -> None:  # noqa: B027 (most need nothing)
        """Do what comes behind the last step."""

    def fit(self, store: Windows, picks: Ints) -> None:
        """See `base.Forecaster.fit`; the rate rises for a tenth of the steps, then falls as a cosine."""
        config = self.config
        torch.manual_seed(config.seed)
        network = self.network().train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.steps_first + 1, pct_start=0.1
        )
        for step in range(config.steps_first):
            rng = np.random.default_rng([config.seed, step])
            batch = store.batch(picks[rng.integers(len(picks), size=config.batch_size)])
            inputs, scale = on_scale(batch)
            loss = self.loss(network(inputs), scaled(torch.from_numpy(batch.future), scale))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), _CLIP_NORM)
            optimizer.step()
            schedule.step()
        self._network = network.eval()
        self.learned(network, store, picks)

    @torch.inference_mode()
    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """See `base.Forecaster.sample`.

        Raises
        ------
        ValueError
            Nothing was fitted, or a shorter horizon.
        """
        said, scale = self._said(batch, horizon)
        drawn = self.paths(said, count, torch.Generator().manual_seed(seed))
        out: Floats = unscaled(drawn, scale)[:, :, :horizon].numpy()
        return out

    @torch.inference_mode()
    def expected(self, batch: WindowBatch, horizon: int) -> Floats:
        """See `base.Expecting.expected`; refuses what `sample` refuses."""
        said, scale = self._said(batch, horizon)
        out: Floats = unscaled(self.point(said), scale)[:, :horizon, CLOSE].numpy()
        return out

    def _said(self, batch: WindowBatch, horizon: int) -> tuple[Predicted, Scale]:
        if self._network is None or horizon > self.config.horizon:
            known = "nothing" if self._network is None else f"{self.config.horizon} bars"
            raise ValueError(
                f"{self.name} was fitted on {known}, asked for {horizon}: fit it on windows of that horizon"
            )
        inputs, scale = on_scale(batch)
        said: Predicted = self._network(inputs)
        return said, scale


def on_scale(batch: WindowBatch) -> tuple[Tensor, Scale]:
    """Contexts on their own scale, (B, L, p), 0 where unknown; and that scale, (B, 1, p)."""
    values = torch.from_numpy(batch.values)
    scale = running_scale(values, values.isfinite(), VARIABLES, patch=values.shape[1]).last()
    return scaled(values, scale).nan_to_num(0.0).clamp(-_FARTHEST, _FARTHEST), scale
