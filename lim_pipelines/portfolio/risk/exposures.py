"""Exposures of instruments to factors that have a name: market, styles from their bars, industries, filings.

What does not belong here: what the factors earn (`fundamental.py`), who belongs to which industry
(`entities/`), ratios of filings (`inputs/fundamentals.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.portfolio.risk.base import Floats

STYLE_SESSIONS = 60
"""Sessions that a style looks back over."""

RECENT_SESSIONS = 5
"""The last of them are left to reversal; momentum is the return of those before."""

_FARTHEST = 3.0
"""Standard deviations beyond which an exposure is cut: no factor is made of one instrument."""


def styles(returns: Floats, value: Floats, currencies: Sequence[str], periods: int) -> Floats:
    """Momentum, reversal, volatility and liquidity, before each of the last sessions and after the last.

    Liquidity is the logarithm of the value traded, less its mean over the instruments of the same currency.
    In logarithms an exchange rate is one number for all of a currency, so nothing of it is left, and none
    needs to be known. What one currency's instruments are traded more than another's goes with it.

    Parameters
    ----------
    returns
        Log returns, shape (T, n), NaN where there is none.
    value
        Value traded, each in its own currency, shape (T, n), NaN where it is not known.
    currencies
        Currency of each, n of them.
    periods
        Number P of last sessions, fewer than T.

    Returns
    -------
    ndarray
        Standardised over the instruments, shape (P + 1, n, 4): row t was known before the t-th of the last P
        sessions.
    """
    earliest = returns.shape[0] - periods
    _, currency = np.unique(list(currencies), return_inverse=True)
    windows = (slice(max(0, end - STYLE_SESSIONS), end) for end in range(earliest, returns.shape[0] + 1))
    return np.stack([_styles_at(returns[window], value[window], currency) for window in windows])


def _styles_at(returns: Floats, value: Floats, currency: npt.NDArray[np.int64]) -> Floats:
    known = np.isfinite(returns)
    earned = np.where(known, returns, 0.0)
    momentum = earned[:-RECENT_SESSIONS].sum(axis=0)
    reversal = earned[-RECENT_SESSIONS:].sum(axis=0)
    square = (earned**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    traded = np.isfinite(value) & (value > 0)
    mean = np.where(traded, value, 0.0).sum(axis=0) / np.maximum(traded.sum(axis=0), 1)
    columns = [standardised(column) for column in (momentum, reversal, _log(square) / 2)]
    return np.stack([*columns, standardised(_log(mean), currency)], axis=1)


def _log(values: Floats) -> Floats:
    return np.log(np.where(values > 0, values, np.nan))


def standardised(values: Floats, group: npt.NDArray[np.int64] | None = None) -> Floats:
    """Less the mean, over the standard deviation, cut; missing ones are average.

    Parameters
    ----------
    values
        One number an instrument, shape (n,), NaN where it is not known.
    group
        0, 1, ..., shape (n,): whose mean is taken off each; None is that of all. The deviation is over all.

    Returns
    -------
    ndarray
        Shape (n,), finite; all 0 where the instruments do not differ.
    """
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(values.shape)
    away = np.zeros(values.shape)
    for own in [known] if group is None else [known & (group == one) for one in np.unique(group[known])]:
        away[own] = values[own] - values[own].mean()
    width = float(np.sqrt((away**2).sum() / known.sum()))
    if width <= 1e-12 * max(1.0, float(np.abs(values[known]).max())):
        return np.zeros(values.shape)
    return np.asarray(np.clip(away / width, -_FARTHEST, _FARTHEST))


def exposures(
    returns: Floats,
    value: Floats,
    currencies: Sequence[str],
    industries: Floats,
    inputs: Floats,
    periods: int,
) -> Floats:
    """Put all exposures side by side: market, styles, industries, the strategy's own inputs.

    Parameters
    ----------
    returns, value, currencies
        As in `styles`.
    industries
        1 where an instrument belongs to an industry, shape (g, n); as known today, for all sessions.
    inputs
        The strategy's features at the decision, shape (n, f), NaN where not known; for all sessions, too.
    periods
        Number P of last sessions.

    Returns
    -------
    ndarray
        Shape (P + 1, n, 1 + 4 + g + f), finite; for `fundamental.fundamental`.
    """
    n = returns.shape[1]
    own = [standardised(column) for column in inputs.T]
    # What does not tell instruments apart is no factor: macro series are the same for all.
    standing = [np.ones(n), *industries, *(column for column in own if column.any())]
    fixed = np.broadcast_to(np.stack(standing, axis=1), (periods + 1, n, len(standing)))
    return np.concatenate([fixed, styles(returns, value, currencies, periods)], axis=2)


def industry_rows(names: list[str], industries: pl.DataFrame) -> Floats:
    """Which instrument belongs to which industry.

    Parameters
    ----------
    names
        Instruments, n of them.
    industries
        Columns instrument_id and industry, at most one row an instrument; others may be among them.

    Returns
    -------
    ndarray
        1 or 0, shape (g, n), industries in the order of the alphabet; those of which there is none are left
        out.
    """
    of = dict(industries.select("instrument_id", "industry").iter_rows())
    groups = sorted({of[name] for name in names if name in of})
    rows = [[float(of.get(name) == group) for name in names] for group in groups]
    return np.array(rows).reshape(len(groups), len(names))
