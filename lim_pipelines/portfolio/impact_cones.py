"""Market impact, added to a compiled problem by hand: cvxpy takes n times n places to compile as many cones.

What does not belong here: the problem itself (`optimiser.py`), how large impact is (`books.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lim_pipelines.portfolio.question import Floats


def solve_with_impact(
    data: dict[str, Any], bought: int, sold: int, impact: Floats, accuracy: dict[str, float]
) -> tuple[str, Floats]:
    r"""Solve a cone problem with :math:`\iota^\top u^{3/2}` added, u being what is bought and sold.

    For every instrument there are s and t with :math:`s^2 \le u` and :math:`u^2 \le s t`, so that
    :math:`t \ge u^{3/2}` (Lobo, Vandenberghe, Boyd and Lebret 1998, section 2.3): two cones of three numbers.

    Parameters
    ----------
    data
        As from cvxpy's `get_problem_data("CLARABEL")`: minimise x'Px / 2 + c'x, b - Ax in cones.
    bought, sold
        Places in x where the n trades begin.
    impact
        iota, shape (n,), at least 0.
    accuracy
        Clarabel's settings.

    Returns
    -------
    tuple
        Clarabel's status in lower case, and x.
    """
    import clarabel
    import scipy.sparse as sp
    from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones

    n, size = impact.size, data["c"].size
    every = np.arange(n)
    in_bought, in_sold, in_s, in_t = bought + every, sold + every, size + every, size + n + every
    # (t + s, 2u, t - s), then (u + 1, 2s, u - 1), each of three rows an instrument.
    first, second = 3 * every, 3 * n + 3 * every
    entries = [
        *((first, place, -1.0) for place in (in_t, in_s)),
        *((first + 1, place, -2.0) for place in (in_bought, in_sold)),
        (first + 2, in_t, -1.0),
        (first + 2, in_s, 1.0),
        *((second, place, -1.0) for place in (in_bought, in_sold)),
        (second + 1, in_s, -2.0),
        *((second + 2, place, -1.0) for place in (in_bought, in_sold)),
    ]
    rows, columns = (np.concatenate([entry[i] for entry in entries]) for i in (0, 1))
    values = np.concatenate([np.full(n, value) for _, _, value in entries])
    cones = sp.csc_matrix((values, (rows, columns)), shape=(6 * n, size + 2 * n))
    held = sp.hstack([data["A"], sp.csc_matrix((data["A"].shape[0], 2 * n))])
    right = np.zeros(6 * n)
    right[second], right[second + 2] = 1.0, -1.0
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    for name, value in accuracy.items():
        setattr(settings, name, value)
    solution = clarabel.DefaultSolver(
        sp.block_diag([sp.triu(data["P"]), sp.csc_matrix((2 * n, 2 * n))]).tocsc(),
        np.concatenate([data["c"], np.zeros(n), impact]),
        sp.vstack([held, cones]).tocsc(),
        np.concatenate([data["b"], right]),
        [*dims_to_solver_cones(data["dims"]), *(clarabel.SecondOrderConeT(3) for _ in range(2 * n))],
        settings,
    ).solve()
    return str(solution.status).lower(), np.array(solution.x)
