"""Other portfolio settings: each number by itself, half as large again and half as large.

A strategy whose record hangs on the third digit of a setting was fitted to it. What does not belong here:
settings of models, which were fitted with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from lim_pipelines.strategies.portfolios import Optimised
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.costed import Variant, changed, why_invalid
from lim_pipelines.stress.scenarios import SETTINGS, LeftOut, Scenario

TIMES = (0.5, 1.5)
REASON = "Settings are chosen by hand; half as much, or half as much again, might have been chosen as well."


def varied(spec: StrategySpec) -> tuple[list[Variant], list[LeftOut]]:
    """Vary the numbers of a strategy's portfolio, one at a time.

    Parameters
    ----------
    spec
        The strategy.

    Returns
    -------
    tuple
        Valid variants; those that are no valid strategy, or the same one.
    """
    found: list[Variant] = []
    left: list[LeftOut] = []
    for name, value in _numbers(spec):
        for times in TIMES:
            other = value * times if isinstance(value, float) else round(value * times)
            label = f"{name} {_short(value)} to {_short(other)}"
            if other == value:
                left.append(LeftOut(label, SETTINGS, "it is the same"))
                continue
            try:
                one = changed(spec, {"portfolio": {name: other}})
            except ValidationError as error:
                left.append(LeftOut(label, SETTINGS, why_invalid(error)))
            else:
                found.append(Variant(Scenario(label, SETTINGS, REASON), one))
    return found, left


def _numbers(spec: StrategySpec) -> Iterator[tuple[str, Any]]:
    """Names and values of the portfolio's numbers that are used."""
    portfolio = spec.portfolio
    for name in type(portfolio).model_fields:
        value = getattr(portfolio, name)
        idle = isinstance(portfolio, Optimised) and name == "risk_factors" and portfolio.risk_model != "pca"
        if isinstance(value, int | float) and not isinstance(value, bool) and not idle:
            yield name, value


def _short(value: float) -> str:
    return f"{value:g}"
