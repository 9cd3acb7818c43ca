"""The same targets, traded otherwise: dearer, later, at another price of the session.

What does not belong here: trading (`walkforward.trade`), targets, which stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import ValidationError

from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.scenarios import COSTS, LeftOut, Scenario

MULTIPLES = (2, 5)
"""Times all rates of commission, spread and borrow."""

FEWEST_OPENS = 0.99
"""Share of bars that must have an open before orders are filled there."""


@dataclass(frozen=True)
class Variant:
    """A strategy with something changed.

    Parameters
    ----------
    scenario
        What it stands for.
    spec
        The strategy, changed.
    """

    scenario: Scenario
    spec: StrategySpec


def costed(spec: StrategySpec, bars: pl.DataFrame) -> tuple[list[Variant], list[LeftOut]]:
    """Say how targets may be traded otherwise.

    Parameters
    ----------
    spec
        The strategy.
    bars
        Bars that fill its orders.

    Returns
    -------
    tuple
        Variants; what cannot be asked.
    """
    found: list[Variant] = []
    left: list[LeftOut] = []
    reason = "Commission, spread and borrow are assumptions; they may be several times as high."
    for times in MULTIPLES:
        _ask(spec, f"costs x{times}", reason, {"costs": _dearer(spec, times)}, found, left)
    late = {"execution": {"delay": spec.execution.delay + 1}}
    _ask(spec, "delay +1 session", "Orders may miss their session.", late, found, left)
    if spec.execution.fill == "close":
        opens = bars.select((pl.col("open") > 0).fill_null(False).mean()).item()
        if opens >= FEWEST_OPENS:
            reason = "The close is an assumption, too: the same session's open is earlier and wider."
            _ask(spec, "fill at the open", reason, {"execution": {"fill": "open"}}, found, left)
        else:
            why = f"{1 - opens:.0%} of the bars have no open"
            left.append(LeftOut("fill at the open", COSTS, why))
    return found, left


def changed(spec: StrategySpec, changes: dict[str, dict[str, Any]]) -> StrategySpec:
    """Change some settings of some groups of a strategy's specification.

    Raises
    ------
    pydantic.ValidationError
        It is no valid strategy then.
    """
    content = spec.model_dump(mode="json")
    return StrategySpec.model_validate(
        content | {group: content[group] | values for group, values in changes.items()}
    )


def why_invalid(error: ValidationError) -> str:
    """Say in one line why a specification is not valid."""
    return error.errors()[0]["msg"].removeprefix("Value error, ")


def _dearer(spec: StrategySpec, times: float) -> dict[str, Any]:
    return {"multiplier": spec.costs.multiplier * times}


def _ask(
    spec: StrategySpec,
    name: str,
    reason: str,
    changes: dict[str, dict[str, Any]],
    found: list[Variant],
    left: list[LeftOut],
) -> None:
    try:
        found.append(Variant(Scenario(name, COSTS, reason), changed(spec, changes)))
    except ValidationError as error:
        left.append(LeftOut(name, COSTS, why_invalid(error)))
