"""Which risk model `portfolio.risk_model` means.

What does not belong here: the models (a file each).
"""

from __future__ import annotations

from lim_pipelines.portfolio.known_market import KnownMarket
from lim_pipelines.portfolio.risk.base import Floats, RiskModel
from lim_pipelines.portfolio.risk.exposures import exposures
from lim_pipelines.portfolio.risk.fundamental import fundamental
from lim_pipelines.portfolio.risk.ledoit_wolf import ledoit_wolf
from lim_pipelines.portfolio.risk.pca import pca
from lim_pipelines.portfolio.risk.sample import sample
from lim_pipelines.strategies.portfolios import Optimised


def fitted(settings: Optimised, market: KnownMarket, industries: Floats, inputs: Floats) -> RiskModel:
    """Fit the risk model of a strategy on what is known.

    Parameters
    ----------
    settings
        Which model, and on how many sessions.
    market
        Past sessions of n instruments.
    industries
        1 where an instrument belongs to an industry, shape (g, n).
    inputs
        The strategy's features at the decision, shape (n, f), NaN where not known.

    Returns
    -------
    RiskModel
        Of the returns of one session.

    Raises
    ------
    ValueError
        There is too little history.
    """
    past = market.returns[-settings.risk_sessions :]
    if settings.risk_model == "sample":
        return sample(past)
    if settings.risk_model == "pca":
        return pca(past, settings.risk_factors)
    if settings.risk_model == "fundamental":
        known = exposures(market.returns, market.value, market.currencies, industries, inputs, len(past))
        return fundamental(past, known)
    return ledoit_wolf(past)
