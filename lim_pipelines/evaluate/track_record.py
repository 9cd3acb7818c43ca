r"""The minimum track record length: returns it takes until a Sharpe ratio is surely above a benchmark.

.. math::
    \mathrm{MinTRL} = 1 + \left(1 - \gamma_3 \hat s + \frac{\gamma_4 - 1}{4}\hat s^2\right)
        \left(\frac{\Phi^{-1}(p)}{\hat s - s^*}\right)^2

with the Sharpe ratio :math:`\hat s` of one return, skewness and kurtosis (3 for a normal) of the returns, and
the benchmark :math:`s^*`. It is the length at which the probabilistic Sharpe ratio reaches p, if the returns
to come are like those so far.

What does not belong here: the benchmark of many trials (`deflated_sharpe.py`).

D. Bailey and M. Lopez de Prado (2012), The Sharpe ratio efficient frontier, Journal of Risk 15(2).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from lim_pipelines.evaluate.deflated_sharpe import sharpe_variance

CONFIDENCE = 0.95


def minimum_track_record(
    sharpe: float, skew: float, kurtosis: float, benchmark: float = 0.0, confidence: float = CONFIDENCE
) -> float:
    """Count the returns needed until the true Sharpe ratio exceeds a benchmark with some confidence.

    Parameters
    ----------
    sharpe, benchmark
        Per return, not annualised.
    skew, kurtosis
        Of the returns; a normal has 0 and 3.
    confidence
        p, above a half and below 1.

    Returns
    -------
    float
        Number of returns, not rounded; infinite where the ratio does not exceed the benchmark.

    Raises
    ------
    ValueError
        `confidence` is not between a half and 1.
    """
    if not 0.5 < confidence < 1.0:
        raise ValueError(f"confidence {confidence}: take one above 0.5 and below 1, such as {CONFIDENCE}")
    if not sharpe > benchmark:
        return math.inf
    quantile = NormalDist().inv_cdf(confidence)
    return 1.0 + sharpe_variance(sharpe, skew, kurtosis) * (quantile / (sharpe - benchmark)) ** 2
