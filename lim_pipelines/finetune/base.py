"""The contract of every arm: what a forecaster says, and how that becomes a return.

What does not belong here: how an arm is fitted (a file each: `full.py`, `head.py`, `scratch.py`, `ridge.py`,
`persistence.py`), files (`store.py`). No torch.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from lim_pipelines.finetune.samples import Floats, Samples, demean
from lim_pipelines.finetune.spec import ModelSpec, Task


class Forecaster(Protocol):
    """A fitted arm."""

    def outputs(self, samples: Samples) -> Floats:
        """Say how large a return is expected.

        Parameters
        ----------
        samples
            N samples; their labels are not looked at.

        Returns
        -------
        ndarray
            Shape (N,), in units of `Samples.scale`.
        """
        ...


def forecast(spec: ModelSpec, forecaster: Forecaster, samples: Samples) -> Floats:
    """Forecast returns.

    Parameters
    ----------
    spec
        Task and horizon.
    forecaster
        A fitted arm.
    samples
        N samples; of a cross-section all that belong to a session.

    Returns
    -------
    ndarray
        Log return over the horizon, shape (N,); in a cross-section relative to the session's mean.
    """
    return to_returns(spec.task, forecaster.outputs(samples), samples, spec.horizon)


def to_returns(task: Task, outputs: Floats, samples: Samples, horizon: int) -> Floats:
    """Turn outputs, shape (N,), into log returns; see `forecast`."""
    returns = np.asarray(outputs * samples.scale(horizon))
    return demean(returns, samples.groups()) if task == "cross_sectional" and len(samples) else returns


def targets(task: Task, samples: Samples) -> Floats:
    """Labels as an arm is fitted on them, shape (N,): in a cross-section relative to the session's mean."""
    return demean(samples.label, samples.groups()) if task == "cross_sectional" else samples.label


def skill(spec: ModelSpec, forecasts: Floats, samples: Samples) -> dict[str, float]:
    """How good forecasts were, against forecasting zero.

    Returns
    -------
    dict
        r2: share of the squared scaled label that the forecast explains, negative if it does worse than zero;
        rank_ic: Spearman correlation with the label over all samples; samples: their number.
    """
    scale = samples.scale(spec.horizon)
    label, said = targets(spec.task, samples) / scale, forecasts / scale
    r2 = 1.0 - float(((label - said) ** 2).sum() / (label**2).sum())
    return {
        "r2": r2,
        "rank_ic": rank_correlation(forecasts, targets(spec.task, samples)),
        "samples": float(len(label)),
    }


def rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if one of the two is constant."""
    x, y = _ranks(a), _ranks(b)
    if len(x) < 2 or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    return np.asarray((first + (counts - 1) / 2)[inverse])
