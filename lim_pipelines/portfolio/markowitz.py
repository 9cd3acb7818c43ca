r"""Mean against variance and trading cost: the positions of a cross-section.

.. math::
    \max_w\; \mu^\top w - \gamma\, w^\top \Sigma w - \kappa^\top |w - w_0|
    \quad \text{s.t.}\quad \mathbf 1^\top w = 0,\; \lVert w\rVert_1 \le G,\; |w_i| \le c

Markowitz (1952) as the paper uses it after data-to-alpha models (sections 3.1 and 5.3), with the cost of the
trade inside. The problem is compiled once for a number of instruments and solved again with new parameters
(cvxpy's disciplined parametrised programming, Clarabel).

What does not belong here: forecasts, the covariance (`risk.py`), what is traded when (`targets.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class OptimiserError(RuntimeError):
    """The solver gave no positions; the message says what it was asked and what to change."""


class Markowitz:
    """The optimiser for a fixed number of instruments.

    Parameters
    ----------
    instruments
        Number n of instruments.
    risk_aversion
        gamma, price of a unit of variance.
    gross
        G, largest sum of absolute weights.
    max_position
        c, largest absolute weight of one instrument.
    """

    def __init__(self, instruments: int, risk_aversion: float, gross: float, max_position: float) -> None:
        import cvxpy as cp

        self.settings = f"risk_aversion={risk_aversion}, gross={gross}, max_position={max_position}"
        self._mean = cp.Parameter(instruments)
        self._root = cp.Parameter((instruments, instruments))
        self._previous = cp.Parameter(instruments)
        self._cost = cp.Parameter(instruments, nonneg=True)
        self._weights = cp.Variable(instruments)
        w = self._weights
        variance = cp.sum_squares(self._root @ w)
        # The trade is a variable of its own: a parameter times a parameter would not be DPP, and compile
        # each time.
        trade = cp.Variable(instruments)
        self._problem: Any = cp.Problem(
            cp.Maximize(self._mean @ w - risk_aversion * variance - self._cost @ cp.abs(trade)),
            [trade == w - self._previous, cp.sum(w) == 0, cp.norm1(w) <= gross, cp.abs(w) <= max_position],
        )

    def solve(self, mean: Floats, root: Floats, previous: Floats, cost: Floats) -> Floats:
        """Return the optimal weights.

        Parameters
        ----------
        mean
            Forecast returns over the horizon, shape (n,).
        root
            Root of the covariance of the same returns, from `risk.root`, shape (n, n).
        previous
            Weights held before the trade, shape (n,).
        cost
            Cost of trading a unit of value, shape (n,), at least 0.

        Returns
        -------
        ndarray
            Weights, shape (n,): net zero and within the limits to the solver's tolerance
            (1e-8; 5e-5 where it stops early).

        Raises
        ------
        OptimiserError
            An input is not finite, or the solver fails.
        """
        for name, value in (
            ("mean", mean),
            ("root", root),
            ("previous", previous),
            ("cost", cost),
        ):
            if not np.isfinite(value).all():
                bad = np.argwhere(~np.isfinite(value))[:5].tolist()
                raise OptimiserError(
                    f"{name} is not finite at {bad}; leave these instruments out of the decision"
                )
        self._mean.value, self._root.value = mean, root
        self._previous.value, self._cost.value = previous, cost
        failure = ""
        try:
            # Not warm: what was solved before must not reach the last bits of this answer.
            self._problem.solve(solver="CLARABEL", warm_start=False)
        except Exception as error:  # cvxpy raises its own and the solver's errors, of no common type
            failure = f": {error}"
        if failure or self._problem.status not in ("optimal", "optimal_inaccurate"):
            variance = (root**2).sum(axis=0)
            raise OptimiserError(
                f"no positions for {mean.size} instruments, solver status {self._problem.status}{failure}"
                f" ({self.settings}, forecasts {mean.min():.3g}..{mean.max():.3g}, variances"
                f" {variance.min():.3g}..{variance.max():.3g}). Zero positions are"
                " always allowed, so this is one of scale: check the forecasts' unit (log return over the"
                " horizon) and the covariance"
            )
        return np.asarray(self._weights.value, dtype=np.float64)
