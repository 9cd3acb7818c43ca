"""The optimiser: a re-solve against Clarabel itself on the same cone problem, and against the dense form.

    python -m benchmarks.optimiser [--instruments 3000] [--factors 50] [--repeats 5] [--dense 1]

A mean-variance book with turnover costs and a turnover limit, held since yesterday; every repeat has new
forecasts and new risk. All are measured in CPU seconds of one thread, in turns. `direct` is given the cone
problem ready-made: arrays in, Clarabel, arrays out. `dense` is the same question with the covariance as one
matrix, solved so many times (it takes a minute; 0 leaves it out). `with impact` is the optimiser on the same
question with market impact, for which there is no other. Differences are of weights: from the dense
solve, and from one of the same form at a tolerance of 1e-13.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lim_pipelines.portfolio.optimiser import KEPT, TOLERANCE, Compiled, largest_turnover, optimise, padded
from lim_pipelines.portfolio.question import Charges, Floats, Limits, Question
from lim_pipelines.portfolio.risk.base import RiskModel


def asked(seed: int, n: int, k: int, impact: bool) -> Question:
    """Draw a question: a market and styles, volatilities of 16 to 48 % a year, ten basis points a trade."""
    rng = np.random.default_rng(seed)
    loadings = np.column_stack([np.ones(n), 0.3 * rng.standard_normal((n, k - 1))])
    held = rng.standard_normal(n) / n
    return Question(
        mean=0.004 * rng.standard_normal(n),
        risk=RiskModel(loadings, 0.02 * np.eye(k), rng.uniform(0.02, 0.06, n) ** 2),
        risk_aversion=10.0,
        previous=held - held.mean(),
        charges=Charges(np.full(n, 1e-3), np.zeros(n), np.full(n, 0.02) if impact else None),
        limits=Limits(1.0, (0.0, 0.0), np.full(n, 0.01), turnover=0.5),
        centre=np.zeros(n),
    )


def spent(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a piece of work, and what it gave."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def direct(compiled: Compiled) -> Callable[[], Any]:
    """Clarabel itself on the cone problem that the optimiser has just solved."""
    import clarabel
    from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones

    data, _, _ = compiled.problem.get_problem_data("CLARABEL")
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    for name, value in compiled.accuracy.items():
        setattr(settings, name, value)
    cones = dims_to_solver_cones(data["dims"])
    return lambda: clarabel.DefaultSolver(data["P"], data["c"], data["A"], data["b"], cones, settings).solve()


def dense(question: Question) -> tuple[float, Floats]:
    """Solve with the covariance as one matrix; CPU seconds of Clarabel, which is given it ready-made."""
    import clarabel
    import scipy.sparse as sp

    n, limits = question.mean.size, question.limits
    unit = float(np.abs(question.mean).max())
    # Variables: weights, long, short, bought, sold.
    eye, none = sp.eye(n), sp.csc_matrix((n, n))
    row, gap = np.ones((1, n)), np.zeros((1, n))
    equal = sp.bmat([[eye, -eye, eye, none, none], [eye, none, none, -eye, eye]])
    net, gross, turnover = [row, gap, gap, gap, gap], [gap, row, row, gap, gap], [gap, gap, gap, row, row]
    sums = sp.csc_matrix(np.vstack([np.hstack(parts) for parts in (net, gross, turnover)]))
    signs = sp.hstack([sp.csc_matrix((4 * n, n)), -sp.eye(4 * n)])
    caps = sp.hstack([sp.csc_matrix((2 * n, n)), sp.eye(2 * n), sp.csc_matrix((2 * n, 2 * n))])
    rows = sp.vstack([equal, sums[:1], sums[1:], signs, caps]).tocsc()
    right = np.concatenate(
        [
            np.zeros(n),
            question.previous,
            [0.0, limits.gross, largest_turnover(question)],
            np.zeros(4 * n),
            limits.position,
            limits.position,
        ]
    )
    cost = question.charges.trade / unit
    linear = np.concatenate([-question.mean / unit, np.zeros(2 * n), cost, cost])
    quadratic = sp.block_diag(
        [
            np.triu(2 * question.risk_aversion / unit * question.risk.covariance()),
            sp.csc_matrix((4 * n, 4 * n)),
        ]
    ).tocsc()
    cones = [clarabel.ZeroConeT(2 * n + 1), clarabel.NonnegativeConeT(right.size - 2 * n - 1)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = TOLERANCE
    settings.tol_feas = KEPT
    seconds, solution = spent(
        lambda: clarabel.DefaultSolver(quadratic, linear, rows, right, cones, settings).solve()
    )
    return seconds, np.array(solution.x[:n])


def main() -> None:
    """Solve in turns and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instruments", type=int, default=3000)
    parser.add_argument("--factors", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dense", type=int, default=1)
    given = parser.parse_args()
    n, k = given.instruments, given.factors

    first, _ = spent(lambda: optimise(asked(0, n, k, impact=False)))
    times: dict[str, list[float]] = {"optimiser": [], "direct": [], "dense": [], "with impact": []}
    compiled = Compiled(padded(n), padded(k, finest=4), 0)
    tight, from_dense = 0.0, 0.0
    for seed in range(1, given.repeats + 1):
        question = asked(seed, n, k, impact=False)
        seconds, weights = spent(lambda question=question: optimise(question))
        times["optimiser"].append(seconds)
        compiled.solve(question)
        times["direct"].append(spent(direct(compiled))[0])
        exact = dict(compiled.accuracy)
        compiled.accuracy = dict.fromkeys(exact, 1e-13)
        tight = max(tight, float(np.abs(compiled.solve(question) - weights).max()))
        compiled.accuracy = exact
        costly = asked(seed, n, k, impact=True)
        times["with impact"].append(spent(lambda costly=costly: optimise(costly))[0])
        if seed <= given.dense:
            seconds, reference = dense(replace(question))
            times["dense"].append(seconds)
            from_dense = max(from_dense, float(np.abs(reference - weights).max()))
    print(f"{n} instruments, {k} factors, turnover costs, one thread")
    print(f"first solve, with compilation: {first:.2f} CPU s")
    print("| | CPU seconds a re-solve, median | the optimiser's, over it |\n|---|---|---|")
    own = float(np.median(times["optimiser"]))
    for kind, seconds_of in times.items():
        if seconds_of:
            print(f"| {kind} | {np.median(seconds_of):.3f} | {own / np.median(seconds_of):.3f} |")
    print(f"\nlargest difference of a weight from the solve at 1e-13: {tight:.1e}")
    if times["dense"]:
        print(f"largest difference of a weight from the dense solve: {from_dense:.1e}")


if __name__ == "__main__":
    main()
