"""What the optimiser is asked: forecasts, risk, what is held, what trading costs, what is allowed.

What does not belong here: the answer (`optimiser.py`), where limits come from (`books.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lim_pipelines.portfolio.risk.base import RiskModel

Floats = npt.NDArray[np.float64]


class OptimiserError(RuntimeError):
    """There are no positions; the message says what was asked and what to change."""


@dataclass(frozen=True)
class Charges:
    """What n instruments cost over the horizon, as fractions of the book.

    Parameters
    ----------
    trade
        Of a unit of weight traded, shape (n,), at least 0.
    borrow
        Of a unit of weight held short until the end of the horizon, shape (n,), at least 0.
    impact
        Of a trade of u: this times abs(u)**1.5, shape (n,), at least 0. None where impact is not counted.
    """

    trade: Floats
    borrow: Floats
    impact: Floats | None = None


@dataclass(frozen=True)
class Limits:
    """What weights of n instruments keep to.

    Parameters
    ----------
    gross
        Largest sum of absolute weights.
    net
        Smallest and largest sum of weights.
    position
        Largest absolute weight of each, shape (n,); 0 is sold.
    turnover
        Largest sum of absolute trades; None is any.
    sector
        Largest absolute sum of the weights of a sector; None is any.
    sectors
        1 where an instrument belongs to a sector, shape (g, n); given where `sector` is.
    """

    gross: float
    net: tuple[float, float]
    position: Floats
    turnover: float | None = None
    sector: float | None = None
    sectors: Floats | None = None


@dataclass(frozen=True)
class Question:
    r"""One rebalance.

    .. math::
        \max_w\; \mu^\top w - \gamma\,(w - c)^\top \Sigma (w - c) - \kappa^\top |w - w_0|
        - \iota^\top |w - w_0|^{3/2} - \beta^\top w^-

    Parameters
    ----------
    mean
        mu: forecast returns over the horizon, shape (n,).
    risk
        Sigma: risk model of the same returns.
    risk_aversion
        gamma: price of a unit of variance, above 0.
    previous
        w0: weights held before the trade, shape (n,).
    charges
        kappa, iota and beta.
    limits
        What w keeps to.
    centre
        c: weights that risk is measured from, shape (n,); zeros, a benchmark, or what would be held without
        costs and limits.
    """

    mean: Floats
    risk: RiskModel
    risk_aversion: float
    previous: Floats
    charges: Charges
    limits: Limits
    centre: Floats

    def __post_init__(self) -> None:
        risk, charges, limits = self.risk, self.charges, self.limits
        refuse_not_finite(
            mean=self.mean,
            loadings=risk.loadings,
            factor_root=risk.factor_root,
            specific=risk.specific,
            previous=self.previous,
            trade=charges.trade,
            borrow=charges.borrow,
            impact=charges.impact,
            position=limits.position,
            sectors=limits.sectors,
            centre=self.centre,
        )

    def __str__(self) -> str:
        """Say what was asked in a line."""
        variance = (self.risk.half**2).sum(axis=0) + self.risk.specific
        limits = self.limits
        return (
            f"{self.mean.size} instruments, risk_aversion={self.risk_aversion}, gross={limits.gross},"
            f" net={limits.net[0]}..{limits.net[1]}, max_position={limits.position.max()},"
            f" forecasts {self.mean.min():.3g}..{self.mean.max():.3g},"
            f" variances {variance.min():.3g}..{variance.max():.3g}"
        )

    def value(self, weights: Floats) -> float:
        """Say what weights are worth, by the formula above."""
        trade = np.abs(weights - self.previous)
        cost = self.charges.trade @ trade + self.charges.borrow @ np.maximum(-weights, 0.0)
        if self.charges.impact is not None:
            cost += self.charges.impact @ trade**1.5
        risk = self.risk.variance(weights - self.centre)
        return float(self.mean @ weights - self.risk_aversion * risk - cost)


def refuse_not_finite(**arrays: Floats | None) -> None:
    """Refuse arrays with NaN or infinities, by their names.

    Raises
    ------
    OptimiserError
        It has some; the first places are named.
    """
    for name, value in arrays.items():
        if value is not None and not np.isfinite(value).all():
            bad = np.argwhere(~np.isfinite(value))[:5].tolist()
            raise OptimiserError(
                f"{name} is not finite at {bad}; leave these instruments out of the decision"
            )
