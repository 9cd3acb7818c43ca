r"""Trend by crossing averages (MACD) at three speeds, the yardstick of learned trend following.

With :math:`m(n)` the exponential mean of the log price whose weights fall by :math:`1 - 1/n` a session:

.. math:: q = \frac{m(S) - m(L)}{\sigma_{63}(p)}, \qquad y = \frac{q}{\sigma_{252}(q)}, \qquad
    \phi(y) = \frac{y\,e^{-y^2/4}}{0.89}

and the forecast is the mean of :math:`\phi(y)` over (S, L) = (8, 24), (16, 48), (32, 96): strong trends count
less again, because they tend to be over.

What does not belong here: how large a position is (`portfolio/`).

J. Baz et al. (2015), Dissecting investment strategies in the cross section and time series, SSRN 2695101;
as used in B. Lim, S. Zohren and S. Roberts (2019), Enhancing time series momentum strategies using deep
neural networks, Journal of Financial Data Science 1(4), equations 5 to 8.
"""

from __future__ import annotations

import numpy as np

from lim_pipelines.finetune.controls.lookback import of_past_returns
from lim_pipelines.finetune.samples import Floats, Samples

SPEEDS = ((8, 24), (16, 48), (32, 96))
PRICE_SESSIONS, SIGNAL_SESSIONS = 63, 252
BARS = 315
"""Bars that it sees: those of the longer deviation, and of the shorter one before its first day. Less than
what a decision looks at."""

_TINY = 1e-12


class Macd:
    """The forecast is the mean response, between -1 and 1, in units of the scale; a `Forecaster`."""

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        return of_past_returns(samples, BARS, response)[:, None]


def response(returns: Floats) -> Floats:
    """Mean response (n,) to log returns (n, BARS), oldest first."""
    price = returns.cumsum(axis=1)
    size = _deviation(price, PRICE_SESSIONS)
    total = np.zeros(len(returns))
    for fast, slow in SPEEDS:
        signal = (_mean(price, fast) - _mean(price, slow))[:, -SIGNAL_SESSIONS:]
        signal = signal / np.maximum(size[:, -SIGNAL_SESSIONS:], _TINY)
        y = signal[:, -1] / np.maximum(signal.std(axis=1, ddof=1), _TINY)
        total += y * np.exp(-(y**2) / 4) / 0.89
    return np.asarray(total / len(SPEEDS))


def _mean(price: Floats, n: int) -> Floats:
    """Exponential mean up to each session, (n, T); weights of the sessions that there are sum to one."""
    decay, out = 1.0 - 1.0 / n, np.empty_like(price)
    value, weight = np.zeros(len(price)), 0.0
    for t in range(price.shape[1]):
        value, weight = decay * value + price[:, t], decay * weight + 1.0
        out[:, t] = value / weight
    return out


def _deviation(price: Floats, n: int) -> Floats:
    """Deviate the last n levels up to each session, (n, T); in the first n - 1 sessions those of the n-th."""
    windows = np.lib.stride_tricks.sliding_window_view(price, n, axis=1)
    spread = windows.std(axis=-1, ddof=1)
    return np.concatenate([np.repeat(spread[:, :1], n - 1, axis=1), spread], axis=1)
