"""What a book strives for: the forecasts it believes, and the weights its risk is measured from.

What does not belong here: limits and costs (`books.py`), the arithmetic (`optimiser.py`).
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.portfolio.known_market import KnownMarket
from lim_pipelines.portfolio.question import Floats, OptimiserError
from lim_pipelines.portfolio.risk.base import RiskModel
from lim_pipelines.portfolio.risk_parity import risk_parity
from lim_pipelines.strategies.portfolios import Optimised

BENCHMARK_SESSIONS = 60
"""Sessions over which a benchmark by value traded looks back: it is to move slowly."""


def aim(settings: Optimised, forecast: Floats, risk: RiskModel, market: KnownMarket) -> tuple[Floats, Floats]:
    """Say what is believed, and what risk is measured from.

    Parameters
    ----------
    settings
        The objective.
    forecast
        Log returns over the horizon, shape (n,).
    risk
        Risk model of the n instruments.
    market
        Their past sessions.

    Returns
    -------
    tuple of ndarray
        Mean and centre, both of shape (n,): `question.Question` has the formula.

    Raises
    ------
    OptimiserError
        Risk parity of an instrument without risk; a benchmark by value traded where none is known, or where
        it is of several currencies.
    """
    nothing = np.zeros(forecast.shape)
    if settings.objective == "minimum_variance":
        return nothing, nothing
    if settings.objective == "risk_parity":
        sides = np.ones(forecast.shape) if settings.long_only else np.where(forecast < 0, -1.0, 1.0)
        return nothing, settings.gross * risk_parity(risk, sides)
    if settings.objective == "benchmark_relative":
        return forecast, benchmark(settings, market)
    return forecast, nothing


def benchmark(settings: Optimised, market: KnownMarket) -> Floats:
    """Weights of the benchmark over the instruments that can be decided on, shape (n,), together 1."""
    if settings.benchmark == "equal":
        return np.full(len(market.names), 1.0 / len(market.names))
    currencies = sorted(set(market.currencies))
    if len(currencies) > 1:
        raise OptimiserError(
            f"benchmark traded_value: values traded in {', '.join(currencies)} cannot be added up; write"
            " `benchmark: equal`, or take a universe of one currency"
        )
    recent = np.nan_to_num(market.value[-BENCHMARK_SESSIONS:])
    total = float(recent.sum())
    if total <= 0:
        raise OptimiserError(
            f"benchmark traded_value: no bar of {len(market.names)} instruments has a volume in the last"
            f" {BENCHMARK_SESSIONS} sessions; write `benchmark: equal`"
        )
    return np.asarray(recent.sum(axis=0) / total)
