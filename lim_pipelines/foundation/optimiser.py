"""AdamW with a rate for each kind of weight, so that one peak learning rate holds for all widths.

What does not belong here: the peak and its schedule (`config.py`, `schedule.py`), the loop (`pretrain.py`).

Maximal update parametrisation for Adam (Yang et al. 2022, Tensor Programs V, table 3): an update of a matrix
whose inputs grow in number with the width adds up over all of them, so its rate falls as 1 / width. Weights
whose inputs do not grow (input projections, encodings), vectors and biases keep the peak rate. What the table
says of initial weights is the model's: its output weights and the last matrix of every block begin at zero,
hidden ones at 1 / sqrt(inputs). One thing departs from it: attention divides by sqrt(head width), not by head
width, for queries and keys are normed.

Weight decay is taken from what grows with the width, and its product with the rate is the same at all widths
(Wortsman et al. 2023, Small-scale proxies).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lim_pipelines.foundation.config import SIZES

BASE_WIDTH = SIZES["tiny"].d_model
"""Width at which all rates are the peak rate: the one that peaks are tuned at."""

_WEIGHT_DECAY = 0.01
_BETAS = (0.9, 0.98)
_INPUTS = ("embed.", "time.")
"""Where matrices read features of bars, whose number does not grow with the width."""


def grows(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a matrix whose inputs grow in number with the width.

    Parameters
    ----------
    name
        Its name in `FoundationModel`.
    parameter
        The parameter.
    """
    return name.endswith("weight") and parameter.ndim == 2 and not name.startswith(_INPUTS)


def decays(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is pulled towards zero: matrices are, norms, biases and encodings are not."""
    return name.endswith("weight") and parameter.ndim == 2


def optimiser_of(model: nn.Module, width: int, learning_rate: float) -> torch.optim.AdamW:
    """Optimiser of a foundation model.

    Parameters
    ----------
    model
        The model; its parameters are named as those of `FoundationModel`.
    width
        d_model.
    learning_rate
        Peak rate of a model of `BASE_WIDTH`.

    Returns
    -------
    AdamW
        Each of its groups names its own peak rate as `peak`; a schedule multiplies it.
    """
    scale = BASE_WIDTH / width
    kinds: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        kinds.setdefault((grows(name, parameter), decays(name, parameter)), []).append(parameter)
    groups: list[dict[str, Any]] = []
    for (grown, decayed), parameters in kinds.items():
        rate = learning_rate * (scale if grown else 1.0)
        decay = _WEIGHT_DECAY / (scale if grown else 1.0) if decayed else 0.0
        groups.append({"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, lr=learning_rate, betas=_BETAS, fused=True)
