"""A moving average of weights, which forecasts better than the last ones while the rate is still high.

What does not belong here: when it is updated (`task.py`), how it is kept over a kill (`resume.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a model's parameters (Polyak and Juditsky 1992; Izmailov et al. 2018).

    Parameters
    ----------
    model
        The model; the average begins at its weights.
    decay
        Weight of what was, 0 to 1. Early on it is (1 + t) / (10 + t) where that is less, so that the random
        weights of the beginning are forgotten in a short training, too.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, steps: int) -> None:
        """Take a model's weights in after `steps` steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        new: list[Tensor] = [p.detach() for p in model.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), new, 1 - decay)
