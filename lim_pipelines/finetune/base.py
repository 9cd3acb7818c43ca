"""The contract of every arm: what a forecaster says, and how that becomes a return or a position.

What does not belong here: how an arm is fitted (`methods/`, `ridge.py`, `persistence.py`), files
(`store.py`).
No torch, but where positions are made.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from lim_pipelines.finetune.quantiles import mean, quantiles
from lim_pipelines.finetune.samples import Floats, Samples, demean
from lim_pipelines.finetune.spec import RELATIVE_TASKS, ModelSpec, Task


class Forecaster(Protocol):
    """A fitted arm."""

    def outputs(self, samples: Samples) -> Floats:
        """Say what is expected, or what should be held.

        Parameters
        ----------
        samples
            N samples; their labels are not looked at.

        Returns
        -------
        ndarray
            Shape (N, Q). Of an alpha what `quantiles.py` reads, in units of `Samples.scale`: a point
            forecaster says one column. Of a position one column, the score.
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
    if not len(samples):  # there may be no series to take windows of, either
        return np.zeros(0)
    return to_returns(spec.task, forecaster.outputs(samples), samples, spec.horizon)


def to_returns(task: Task, outputs: Floats, samples: Samples, horizon: int) -> Floats:
    """Turn outputs, shape (N, Q), into log returns; see `forecast`."""
    returns = np.asarray(mean(outputs) * samples.scale(horizon))
    return demean(returns, samples.groups()) if task in RELATIVE_TASKS and len(samples) else returns


def positions(spec: ModelSpec, forecaster: Forecaster, samples: Samples, scale: float) -> Floats:
    """Say what should be held.

    Parameters
    ----------
    spec
        Its output is position.
    forecaster
        A fitted arm.
    samples
        N samples; of a cross-section all that belong to a session.
    scale
        What its outputs are measured in: 1 for networks that were fitted as positions, the standard deviation
        of its forecasts for a control, which knows returns only. A control that never varies holds nothing.

    Returns
    -------
    ndarray
        Fractions of equity, shape (N,).
    """
    if not len(samples):  # as in `forecast`
        return np.zeros(0)
    return to_positions(spec, forecaster.outputs(samples), samples, scale)


def to_positions(spec: ModelSpec, outputs: Floats, samples: Samples, scale: float) -> Floats:
    """Turn outputs, shape (N, 1), into weights; see `positions`."""
    import torch

    from lim_pipelines.finetune.positions import weights

    if spec.position is None or not scale > 0:
        return np.zeros(len(samples))
    scores, volatility = torch.from_numpy(outputs[:, 0] / scale), torch.tensor(samples.volatility)
    held = weights(spec.position, scores, volatility, torch.from_numpy(samples.groups()))
    return np.asarray(held.numpy())


def targets(task: Task, samples: Samples) -> Floats:
    """Labels as an arm is fitted on them, shape (N,): in a cross-section relative to the session's mean."""
    return demean(samples.label, samples.groups()) if task in RELATIVE_TASKS else samples.label


def skill(spec: ModelSpec, said: Floats, samples: Samples) -> dict[str, float]:
    """How good forecasts (of the return) or positions were.

    Returns
    -------
    dict
        r2: share of the squared scaled label that the forecast explains, negative if it does worse than zero,
        NaN of positions;
        rank_ic: Spearman correlation with the label over all samples; samples: their number.
    """
    scale = samples.scale(spec.horizon)
    label = targets(spec.task, samples) / scale
    r2 = 1.0 - float(((label - said / scale) ** 2).sum() / (label**2).sum())
    return {
        "r2": r2 if spec.output == "alpha" else float("nan"),
        "rank_ic": rank_correlation(said, targets(spec.task, samples)),
        "samples": float(len(label)),
    }


def coverage(spec: ModelSpec, outputs: Floats, samples: Samples) -> float:
    """Share of labels between the outermost quantiles that outputs (N, Q) of an alpha stand for.

    Right quantiles hold 90 % (`quantiles.LEVELS`); a point forecaster's are a normal's of the expected size.
    """
    scale = samples.scale(spec.horizon)
    location = to_returns(spec.task, outputs[:, :1], samples, spec.horizon) / scale
    label, spread = targets(spec.task, samples) / scale, quantiles(outputs) - outputs[:, :1]
    inside = (label >= location + spread[:, 0]) & (label <= location + spread[:, -1])
    return float(inside.mean())


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
