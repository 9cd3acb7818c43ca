"""Records that might have been: blocks of the days there were, in another order.

They know of no market but that of the record: what never happened in it happens in none of them. What does
not belong here: other histories to fit on (`evaluate/paths.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.bootstrap import resampled_rows
from lim_pipelines.evaluate.intervals import MEAN_BLOCK, RESAMPLES, SEED
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Histories:
    """Figures of R resampled records, each as long as the record, shape (R,).

    Parameters
    ----------
    sharpe, cagr, max_drawdown
        Annualised Sharpe ratio (NaN where a record does not vary), growth a year, largest loss (at most 0).
    loss
        Share of the records that end with a loss.
    """

    sharpe: Floats
    cagr: Floats
    max_drawdown: Floats
    loss: float


def histories(returns: Floats) -> Histories:
    """Resample a record.

    Parameters
    ----------
    returns
        Net daily returns, shape (T,).

    Returns
    -------
    Histories
        Of the stationary bootstrap (`bootstrap.py`); the same record gives the same.
    """
    rows = resampled_rows(len(returns), RESAMPLES, MEAN_BLOCK, np.random.default_rng(SEED))
    drawn = returns[rows]
    equity = np.cumprod(1.0 + drawn, axis=1)
    peak = np.maximum.accumulate(np.maximum(equity, 1.0), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpe = drawn.mean(axis=1) / drawn.std(axis=1, ddof=1) * math.sqrt(SESSIONS_PER_YEAR)
    end = np.maximum(equity[:, -1], 0.0)
    return Histories(
        sharpe=np.where(np.isfinite(sharpe), sharpe, np.nan),
        cagr=end ** (SESSIONS_PER_YEAR / len(returns)) - 1.0,
        max_drawdown=(equity / peak - 1.0).min(axis=1),
        loss=float((end < 1.0).mean()),
    )
