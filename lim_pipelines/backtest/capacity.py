r"""Capacity: the capital at which a strategy's own trades eat half of what it earns before costs.

By the square-root law (`impact.py`) a trade of twice the money costs :math:`\sqrt2` times as much of each
unit. So with the capital C the impact a year, as a fraction of equity, is :math:`I(C) = I(C_0)\sqrt{C/C_0}`,
and it reaches half of the gross return a year G at

.. math:: C^* = C_0 \left(\frac{G}{2\,I(C_0)}\right)^2 .

That holds while impact is small against equity, whose loss to impact makes later trades smaller.

What does not belong here: costs that do not grow with the capital.
"""

from __future__ import annotations

import math
from datetime import date

import polars as pl

from lim_pipelines.backtest import engine
from lim_pipelines.backtest.facts import Facts
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.strategies.execution import Execution

MEASURED = 1.0
"""Coefficient of the law where it was measured (`impact.py`); for strategies that pay no impact."""


def capacity(gross: float, impact: float, capital: float) -> float:
    """Capital at which impact is half of the gross return.

    Parameters
    ----------
    gross, impact
        Return before costs and impact, fractions of equity in the same time.
    capital
        What they were measured with.

    Returns
    -------
    float
        In the unit of `capital`: 0 if nothing is earned, NaN if no impact is known.
    """
    if not impact > 0:
        return math.nan
    return capital * (gross / (2.0 * impact)) ** 2 if gross > 0 else 0.0


def measured_capacity(
    arm: str,
    targets: pl.DataFrame,
    bars: pl.DataFrame,
    through: date,
    costs: Costs,
    execution: Execution,
    facts: Facts,
) -> float:
    """Run an arm with impact, and say its capacity.

    Parameters
    ----------
    arm
        The arm; its seeds are averaged.
    targets, bars, through, costs, execution, facts
        As for `engine.run`. Without an impact of its own it is run with `MEASURED`.

    Returns
    -------
    float
        As `capacity`, in the base currency. Instruments whose volume is not known cost no impact: NaN if none
        is.
    """
    with_impact = execution.model_copy(update={"impact": execution.impact or MEASURED})
    # A strategy that is let off its costs has a capacity all the same.
    costs = costs.model_copy(update={"multiplier": costs.multiplier or 1.0})
    own = targets.filter(pl.col("arm") == arm)
    daily = engine.run(own, bars, through, costs, with_impact, facts, record=False).daily
    gross, impact = (float(daily[name].to_numpy().mean()) for name in ("gross_return", "impact"))
    return capacity(gross, impact, execution.capital)
