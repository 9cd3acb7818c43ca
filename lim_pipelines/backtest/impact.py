r"""Square-root law of market impact.

.. math:: \text{rate} = Y \sigma \sqrt{V / \text{ADV}}

Source: Almgren, Thum, Hauptmann & Li, "Direct estimation of equity market impact" (2005), who find the
power 0.6; Toth et al., "Anomalous price impact and the critical nature of liquidity" (2011), for the square
root with Y of about 1.

What does not belong here: what impact does to later prices, which is not modelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from lim_pipelines.backtest.costs import Trades
from lim_pipelines.backtest.grid import Floats, Grid
from lim_pipelines.portfolio.known_market import LEAST_RECENT, RECENT_SESSIONS, value_traded


@dataclass(frozen=True)
class Impact:
    """Charges what a trade moves the price.

    Parameters
    ----------
    scale
        Y sigma / sqrt(ADV), one over the root of money of the base currency, shape (T, n); 0 where unknown.
    """

    scale: Floats
    part: str = "impact"

    def rate(self, t: int, value: Floats) -> Floats:
        """Fraction of the price, shape of `value`."""
        return np.asarray(self.scale[t] * np.sqrt(value))

    def __call__(self, trades: Trades) -> Floats:
        """Impact of trades; as `costs.Charge`."""
        return np.asarray(trades.impact * trades.value)


def impact_of(grid: Grid, multiplier: Floats, point: Floats, coefficient: float) -> Impact:
    """Measure what the law needs, on the sessions before each one.

    Parameters
    ----------
    grid
        Bars by session.
    multiplier
        Instrument's currency for one point of price, shape (n,).
    point
        Base currency for one point of price, shape (T, n), from session `grid.start` on.
    coefficient
        Y, times the strategy's multiplier of costs.
    """
    factor = pl.col("ex_factor").cum_prod().over("column")
    traded = value_traded(pl.lit(multiplier).get(pl.col("column")))
    own = grid.in_time().with_columns(adjusted=pl.col("close") / factor).filter(pl.col("close") > 0)
    own = own.with_columns(change=pl.col("adjusted").log().diff().over("column"), traded=traded)

    def before(value: pl.Expr) -> pl.Expr:
        return value.shift(1).over("column")

    measured = own.with_columns(
        sigma=before(pl.col("change").rolling_std(RECENT_SESSIONS, min_samples=LEAST_RECENT)),
        adv=before(pl.col("traded").rolling_mean(RECENT_SESSIONS, min_samples=LEAST_RECENT)),
    )
    past = Grid(grid.dates, grid.start, grid.instruments, measured)
    sigma, adv = (past.scatter(pl.col(name))[grid.start :] for name in ("sigma", "adv"))
    known = np.isfinite(sigma) & (np.nan_to_num(adv) > 0)
    money = np.where(known, adv, 1.0) * (point / multiplier)
    return Impact(np.where(known, coefficient * np.nan_to_num(sigma) / np.sqrt(money), 0.0))
