"""Which limits clash: the least by which each would have to give way, found by a problem of its own.

Every limit may be broken at a price, and the cheapest way out is taken (an elastic programme, Chinneck and
Dravnieks 1991); what is broken, and what the solution leans on, are the limits that clash.

What does not belong here: the optimiser (`optimiser.py`), which asks only when there is no answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lim_pipelines.portfolio.question import Floats, Limits

_BROKEN = 1e-6
"""Weights by which a limit is broken in earnest."""

_LEANT_ON = 1e-6
"""Price of a limit, in units of what is broken, from which it has a part in the clash."""


def explain(limits: Limits, previous: Floats) -> str:
    """Say in words which limits clash.

    Parameters
    ----------
    limits
        What weights keep to.
    previous
        Weights held before the trade, shape (n,).

    Returns
    -------
    str
        Such as `max_turnover 0.1 would have to be 0.5, or one of net 1..1 give way`; empty if there are
        weights within the limits.
    """
    import cvxpy as cp

    n = previous.size
    w = cp.Variable(n)
    room: dict[str, Any] = {}
    if limits.turnover is not None:
        room["max_turnover"] = (limits.turnover, cp.norm1(w - previous), 1)
    if limits.sector is not None and limits.sectors is not None and len(limits.sectors):
        room["max_sector"] = (limits.sector, cp.max(cp.abs(limits.sectors @ w)), 1)
    room |= {
        "net at least": (limits.net[0], cp.sum(w), -1),
        "net at most": (limits.net[1], cp.sum(w), 1),
        "gross": (limits.gross, cp.norm1(w), 1),
    }
    slack: dict[str, Any] = {name: cp.Variable(nonneg=True) for name in room}
    position = cp.Variable(n, nonneg=True)
    held: dict[str, Any] = {
        name: sign * value <= sign * limit + slack[name] for name, (limit, value, sign) in room.items()
    }
    held["max_position"] = cp.abs(w) <= limits.position + position
    # Of ways that are as short the first in this order: else a bit of each would give way.
    price = sum((1 + rank / 10) * one for rank, one in enumerate(slack.values()))
    problem: Any = cp.Problem(cp.Minimize(price + 2 * cp.sum(position)), list(held.values()))
    problem.solve(solver="CLARABEL")
    if problem.status != "optimal" or problem.value <= _BROKEN:
        return ""
    limit_of = {name: limit for name, (limit, _, _) in room.items()}
    broken = [
        f"{name} {limit_of[name]:g} would have to be {limit_of[name] + sign * float(slack[name].value):.4g}"
        for name, (_, _, sign) in room.items()
        if slack[name].value > _BROKEN
    ]
    beyond = np.maximum(position.value, 0.0)
    if beyond.max() > _BROKEN:
        broken.append(
            f"max_position of {int((beyond > _BROKEN).sum())} instruments (up to {limits.position.max():g})"
            f" would have to be larger by {beyond.sum():.4g} altogether"
        )
    against = [
        f"{name} {limit_of[name]:g}" if name in limit_of else name
        for name, constraint in held.items()
        if float(np.abs(constraint.dual_value).max()) > _LEANT_ON
        and not any(words.startswith(name) for words in broken)
    ]
    others = f"; or one of these would have to give way: {', '.join(against)}" if against else ""
    return ", ".join(broken) + others
