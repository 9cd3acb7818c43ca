"""The three questions about a horizon, answered from paths: its return, its volatility, its volume.

What does not belong here: scores of the answers (`metrics.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lim_pipelines.foundation.scores import crps
from lim_pipelines.foundation.series import VARIABLES, Floats
from lim_pipelines.foundation.windows import WindowBatch

Bools = npt.NDArray[np.bool_]

TARGETS = ("return", "volatility", "volume")
"""Sum of the log returns of close; root of their mean square; mean of log(1 + volume)."""

_CLOSE, _VOLUME = VARIABLES.index("close"), VARIABLES.index("volume")
_STILL = 0.25
"""A window is judged if at least this share of its context's closes moved: dead contracts have no scale."""

_LEAST_VOLATILITY = 1e-3
"""Of the context's: paths without any move have a logarithm, too."""


class Answers(NamedTuple):
    """The targets of horizons; NaN where a bar of the variable is asked for and not there.

    Parameters
    ----------
    returns, volatility, volume
        (..., B) each.
    """

    returns: Floats
    volatility: Floats
    volume: Floats


def answers(paths: Floats, known: Bools) -> Answers:
    """Targets of paths, over the bars whose truth is known.

    Parameters
    ----------
    paths
        (..., B, H, p) in original units.
    known
        (B, H, p) where the truth is known: a path is asked for those bars alone.
    """
    close, volume = (np.where(known[..., at], paths[..., at], 0.0) for at in (_CLOSE, _VOLUME))
    with np.errstate(divide="ignore", invalid="ignore"):
        bars, volumes = known[..., _CLOSE].sum(-1), known[..., _VOLUME].sum(-1)
        returns = np.where(bars > 0, close.sum(-1), np.nan)
        return Answers(returns, np.sqrt((close**2).sum(-1) / bars), volume.sum(-1) / volumes)


def unit_of(batch: WindowBatch) -> Floats:
    """Root mean square of the context's returns, (B,): the unit of volatility; NaN where nothing moves."""
    close = batch.values[..., _CLOSE]
    known = np.isfinite(close)
    moves = (known & (close != 0)).sum(1) >= _STILL * known.sum(1)
    squares = np.where(known, close, 0.0) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.sqrt(squares.sum(1) / known.sum(1))
    return np.where(moves & (unit > 0), unit, np.nan).astype(np.float32)


def judged(paths: Floats, batch: WindowBatch, expected: Floats | None = None) -> dict[str, Floats]:
    """Scores of each window, and what rank correlations and R2 need.

    Parameters
    ----------
    paths
        (S, B, H, p) forecast in original units, S > 1.
    batch
        The windows, their futures included.
    expected
        (B, H) mean of close, where the forecaster knows it (`baselines.base.Expecting`).

    Returns
    -------
    dict
        For each target `crps_*`, `point_*`, `truth_*`, `pit_*`, (B,) each. Returns are in units of the
        context's standard deviation over the horizon, volatility in units of the context's, of which
        `point_volatility` and `truth_volatility` are the logarithm. The point of a return and of volume is
        the mean, that of volatility the mean of the logarithms: what squared error asks for. They are over
        the paths, but for the return where its mean is `expected`.
    """
    import torch

    horizon = paths.shape[2]
    future = batch.future[:, :horizon]
    known, unit = np.isfinite(future), unit_of(batch)
    said, came = answers(paths, known), answers(future, known)
    # A volume that never changed (that of an index: 0) is no question.
    traded = np.nanmax(batch.values[..., _VOLUME], axis=1, initial=-np.inf) > np.nanmin(
        batch.values[..., _VOLUME], axis=1, initial=np.inf
    )
    scales = (unit * np.sqrt(horizon), unit, np.where(np.isfinite(unit) & traded, 1.0, np.nan))
    out: dict[str, Floats] = {}
    for name, paths_of, truth_of, scale in zip(TARGETS, said, came, scales, strict=True):
        drawn, truth = (paths_of / scale).astype(np.float32), (truth_of / scale).astype(np.float32)
        missing = np.isnan(drawn).any(0)
        out[f"crps_{name}"] = crps(torch.from_numpy(drawn), torch.from_numpy(truth)).numpy()
        below = (drawn < truth).mean(0) + 0.5 * (drawn == truth).mean(0)
        out[f"pit_{name}"] = np.where(missing | np.isnan(truth), np.nan, below).astype(np.float32)
        if name == "volatility":
            with np.errstate(divide="ignore"):
                drawn, truth = np.log(np.maximum(drawn, _LEAST_VOLATILITY)), np.log(truth)
            truth = np.where(np.isfinite(truth), truth, np.nan)  # a horizon that did not move has none
        out[f"point_{name}"], out[f"truth_{name}"] = drawn.mean(0), truth
    if expected is not None:
        said_mean = np.where(known[..., _CLOSE], expected, 0.0).sum(1) / scales[0]
        out["point_return"] = np.where(np.isnan(out["point_return"]), np.nan, said_mean).astype(np.float32)
    return out
