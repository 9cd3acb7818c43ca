"""The optimiser: the best weights within limits, net of what trading costs.

One convex problem for all objectives (`question.py` has the formula): Markowitz (1952) as the paper uses it
after data-to-alpha models (sections 3.1 and 5.3), with the costs of the trade inside. Written in cvxpy's
disciplined parametrised programming: compiled once for a size, solved again by Clarabel with new numbers.
Universes change a little from one rebalance to the next; they are padded with instruments that may not be
held, so that a year of rebalances compiles once.

What does not belong here: forecasts, risk models (`risk/`), which limits clash (`infeasible.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from lim_pipelines.portfolio.impact_cones import solve_with_impact
from lim_pipelines.portfolio.infeasible import explain
from lim_pipelines.portfolio.question import Floats, OptimiserError, Question

TOLERANCE = 1e-11
"""Two or three steps more than the solver's own 1e-8, at which weights are wrong by up to 1e-4: the best is
flat, and much is worth nearly as much."""

KEPT = 1e-9
"""To which limits are kept. Asked for more, one rebalance in twenty stops early."""

TOLERANCE_OF_IMPACT = 1e-8
"""The cones of impact are not solved to more; weights are then right to about 1e-6."""

_SOLVED = ("optimal", "optimal_inaccurate", "solved", "almostsolved")
"""As cvxpy and as Clarabel say it."""

NO_SECTOR = 1e3
"""A limit no sector reaches."""


def optimise(question: Question) -> Floats:
    """Return the optimal weights.

    Parameters
    ----------
    question
        What is asked.

    Returns
    -------
    ndarray
        Weights, shape (n,), within the limits and optimal to `TOLERANCE`, in units of the largest forecast or
        cost (5e-5 where the solver stops early; cvxpy warns).

    Raises
    ------
    OptimiserError
        Limits clash, and the message says which; or the solver fails.
    """
    sectors = question.limits.sectors
    compiled = _compiled(
        padded(question.mean.size),
        padded(question.risk.loadings.shape[1], finest=4),
        0 if question.limits.sector is None or sectors is None else padded(len(sectors), finest=4),
    )
    return compiled.solve(question)


def padded(size: int, finest: int = 16) -> int:
    """Round a number of instruments, factors or sectors up, by at most an eighth where there are many.

    Factors cost the square of their number and change seldom: theirs is a finer step.
    """
    step = max(finest, 1 << max(size.bit_length() - 4, 0))
    return -(-size // step) * step


@lru_cache(maxsize=8)
def _compiled(instruments: int, factors: int, sectors: int) -> Compiled:
    return Compiled(instruments, factors, sectors)


class Compiled:
    """The problem for a number of instruments, factors and sectors.

    Parameters
    ----------
    instruments, factors, sectors
        Sizes n, k and g; what is asked may be smaller.
    """

    def __init__(self, instruments: int, factors: int, sectors: int) -> None:
        import cvxpy as cp

        self.accuracy = {"tol_gap_abs": TOLERANCE, "tol_gap_rel": TOLERANCE, "tol_feas": KEPT}
        self.size = (instruments, factors, sectors)
        n, k, g = self.size

        def each(*shape: int) -> Any:
            return cp.Parameter(shape)

        def positive(*shape: int) -> Any:
            return cp.Parameter(shape, nonneg=True)

        self.parameters = {
            "mean": each(n),
            "half": each(k, n),
            "half_centre": each(k),
            "deviation": positive(n),
            "deviation_centre": each(n),
            "previous": each(n),
            "trade": positive(n),
            "borrow": positive(n),
            "position": positive(n),
            "gross": positive(),
            "net_low": each(),
            "net_high": each(),
            "turnover": positive(),
            "sectors": each(g, n),
            "sector": positive(),
        }
        p = self.parameters
        self.weights = w = cp.Variable(n)
        long, short, bought, sold = (cp.Variable(n) for _ in range(4))
        self.trades = (bought, sold)
        factor, own = cp.Variable(k), cp.Variable(n)
        cost = p["trade"] @ (bought + sold) + p["borrow"] @ short
        constraints = [
            *(part >= 0 for part in (long, short, bought, sold)),
            # Weights stand alone in each product: a parameter times a parameter would not be DPP, and compile
            # each time.
            factor == p["half"] @ w - p["half_centre"],
            own == cp.multiply(p["deviation"], w) - p["deviation_centre"],
            w == long - short,
            w == p["previous"] + bought - sold,
            long <= p["position"],
            short <= p["position"],
            cp.sum(long + short) <= p["gross"],
            cp.sum(w) >= p["net_low"],
            cp.sum(w) <= p["net_high"],
            cp.sum(bought + sold) <= p["turnover"],
        ]
        if g:
            constraints.append(cp.abs(p["sectors"] @ w) <= p["sector"])
        risk = cp.sum_squares(factor) + cp.sum_squares(own)
        self.problem: Any = cp.Problem(cp.Maximize(p["mean"] @ w - risk - cost), constraints)

    def solve(self, question: Question) -> Floats:
        """As `optimise`, for a question that fits."""
        self.fill(question)
        try:
            status, weights = self._with_impact(question) if _has_impact(question) else self._without()
        except Exception as error:  # cvxpy raises its own and the solver's errors, of no common type
            status, weights = f"failed: {error}", None
        if status in _SOLVED and weights is not None:
            return np.asarray(weights, dtype=np.float64)[: question.mean.size]
        clash = explain(question.limits, question.previous)
        if clash:
            raise OptimiserError(f"no positions within the limits: {clash} ({question})")
        raise OptimiserError(
            f"no positions, solver status {status} ({question}). The limits can be"
            " kept, so this is one of scale: check the forecasts' unit (log return over the horizon) and the"
            " covariance"
        )

    def _without(self) -> tuple[str, Floats | None]:
        # Not warm: what was solved before must not reach the last bits of this answer.
        self.problem.solve(solver="CLARABEL", warm_start=False, **self.accuracy)
        return str(self.problem.status), self.weights.value

    def _with_impact(self, question: Question) -> tuple[str, Floats | None]:
        assert question.charges.impact is not None
        data, _, _ = self.problem.get_problem_data("CLARABEL")
        begins = data["param_prob"].var_id_to_col
        bought, sold = (begins[part.id] for part in self.trades)
        impact = _fitted(question.charges.impact / _unit(question), (self.size[0],))
        gap = dict.fromkeys(("tol_gap_abs", "tol_gap_rel"), TOLERANCE_OF_IMPACT)
        status, values = solve_with_impact(data, bought, sold, impact, self.accuracy | gap)
        first = begins[self.weights.id]
        return status, values[first : first + self.size[0]]

    def fill(self, question: Question) -> None:
        """Put the numbers of a question into the parameters, in units of its largest forecast or cost."""
        limits, charges = question.limits, question.charges
        unit = _unit(question)
        root = (question.risk_aversion / unit) ** 0.5
        half, deviation = root * question.risk.half, root * np.sqrt(question.risk.specific)
        values: dict[str, Floats | float] = {
            "mean": question.mean / unit,
            "half": half,
            "half_centre": half @ question.centre,
            "deviation": deviation,
            "deviation_centre": deviation * question.centre,
            "previous": question.previous,
            "trade": charges.trade / unit,
            "borrow": charges.borrow / unit,
            "position": limits.position,
            "gross": limits.gross,
            "net_low": limits.net[0],
            "net_high": limits.net[1],
            "turnover": largest_turnover(question),
            "sectors": np.zeros((0, 0)) if limits.sectors is None else limits.sectors,
            "sector": NO_SECTOR if limits.sector is None else limits.sector,
        }
        for name, value in values.items():
            self.parameters[name].value = _fitted(np.asarray(value), self.parameters[name].shape)


def largest_turnover(question: Question) -> float:
    """Return the limit of trades; where there is none, what no trade reaches that keeps to the gross limit.

    Without it, trades that cost nothing could be made and unmade without end, and the solver's variables
    with them.
    """
    if question.limits.turnover is not None:
        return question.limits.turnover
    return 2.0 * (question.limits.gross + float(np.abs(question.previous).sum()))


def _has_impact(question: Question) -> bool:
    impact = question.charges.impact
    return impact is not None and bool(impact.any())


def _unit(question: Question) -> float:
    """Say what a weight of 1 may earn, cost or risk: the solver's tolerances are for problems of size one."""
    largest = max(np.abs(question.mean).max(), question.charges.trade.max())
    if largest > 0:
        return float(largest)
    risk = float((question.risk.half**2).sum(axis=0).max() + question.risk.specific.max())
    return question.risk_aversion * risk or 1.0


def _fitted(value: Floats, shape: tuple[int, ...]) -> Floats:
    """Put into a larger array of zeros: instruments that may not be held, factors that move nothing."""
    if value.shape == shape:
        return value
    out = np.zeros(shape)
    out[tuple(slice(0, size) for size in value.shape[: len(shape)])] = value
    return out
