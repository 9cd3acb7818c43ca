r"""Factors that have a name: exposures are known, what a factor earned is estimated from a cross-section.

Every session t, by weighted least squares over the instruments, :math:`r_t = B_{t-1} f_t + e_t`; then
:math:`\Sigma = B_T F B_T^\top + D`, F the (shrunk) covariance of the f, D the variances of the e.

What does not belong here: the exposures themselves (`exposures.py`).
skfolio's `CharacteristicsFactorModel` does the same and more, but wants market values of every session, which
the lake does not have; its cross-sectional regression is this one's oracle in the tests.
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.portfolio.risk.base import LEAST_SESSIONS, Floats, RiskModel, centred
from lim_pipelines.portfolio.risk.ledoit_wolf import ledoit_wolf


def fundamental(returns: Floats, exposures: Floats) -> RiskModel:
    """Estimate what factors earned in each session, and from that their covariance.

    Parameters
    ----------
    returns
        Past returns of one period, shape (T, n), NaN where there is none.
    exposures
        Shape (T + 1, n, k), finite: `exposures[t]` was known before `returns[t]`, the last is today's.

    Returns
    -------
    RiskModel
        Per period; k factors. Sessions with fewer instruments than factors say nothing of the factors.

    Raises
    ------
    ValueError
        No session has enough instruments.

    Notes
    -----
    E. Fama and J. MacBeth (1973), Risk, return and equilibrium, Journal of Political Economy 81; as a risk
    model R. Grinold and R. Kahn (2000), Active Portfolio Management, chapter 3. Instruments weigh alike.
    """
    k = exposures.shape[2]
    earned, own = [], np.full(returns.shape, np.nan)
    for t, row in enumerate(returns):
        there = np.isfinite(row)
        if there.sum() <= k:
            continue
        # Industries add up to the market: of the many solutions the smallest, whose fit is the same.
        factor, _, rank, _ = np.linalg.lstsq(exposures[t][there], row[there], rcond=None)
        rest = row[there] - exposures[t][there] @ factor
        earned.append(factor)
        # The fit takes as many degrees of freedom as it has independent factors.
        own[t, there] = rest * (rest.size / (rest.size - rank)) ** 0.5
    if len(earned) < LEAST_SESSIONS:
        raise ValueError(
            f"risk model fundamental: {len(earned)} of {len(returns)} sessions have more instruments than"
            f" {k} factors; take `risk_model: pca`, or a larger universe"
        )
    factors = ledoit_wolf(np.array(earned))
    values, vectors = np.linalg.eigh(factors.covariance())
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return RiskModel(exposures[-1], root, (centred(own) ** 2).mean(axis=0))
