"""What of the rules, charges and interest a run needs: put together once, before the loop.

What does not belong here: each of them (a file an idea).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lim_pipelines.backtest.costs import Charge, CostRates, cost_rates
from lim_pipelines.backtest.facts import Facts
from lim_pipelines.backtest.grid import Grid
from lim_pipelines.backtest.impact import Impact, impact_of
from lim_pipelines.backtest.market import Market, build_market
from lim_pipelines.backtest.overnight import Interest
from lim_pipelines.backtest.rules.lots import Lots
from lim_pipelines.backtest.rules.margin import InitialMargin, MarginCall
from lim_pipelines.backtest.rules.order import Rule
from lim_pipelines.backtest.rules.participation import Participation
from lim_pipelines.backtest.rules.price_limit import PriceLimit
from lim_pipelines.backtest.rules.short_ban import ShortBan
from lim_pipelines.backtest.rules.table import RuleTable
from lim_pipelines.backtest.tax import Tax
from lim_pipelines.backtest.ticks import Ticks
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.instruments import terms
from lim_pipelines.strategies.execution import Execution


@dataclass(frozen=True)
class Plan:
    """How books are run.

    Parameters
    ----------
    capital
        Money that each starts with.
    rates
        Linear costs.
    rules, charges
        In the order in which they apply.
    impact
        What large trades move the price; None where they do not.
    interest
        None if cash costs and earns nothing.
    maintenance
        Margin below which a book is called; None never calls.
    haircut
        What a delisting takes of the last price.
    """

    capital: float
    rates: CostRates
    rules: Sequence[Rule]
    charges: Sequence[Charge]
    impact: Impact | None
    interest: Interest | None
    maintenance: float | None
    haircut: float


def make_plan(grid: Grid, costs: Costs, execution: Execution, facts: Facts) -> tuple[Plan, Market]:
    """Put a run together; parameters and errors as in `engine.run`."""
    what = terms(grid.instruments, facts.listings)
    table = RuleTable(grid.dates[grid.start :], what) if execution.exchange_rules else None
    market = build_market(grid, what, execution, facts, table)
    rates = cost_rates(what["exchange"].to_list(), costs)
    impact = None
    if execution.impact * costs.multiplier > 0:
        coefficient = execution.impact * costs.multiplier
        impact = impact_of(grid, what["multiplier"].to_numpy(), market.point, coefficient)
    plan = Plan(
        execution.capital,
        rates,
        _rules(execution, market, table),
        _charges(execution, costs, market, rates, table, impact),
        impact,
        Interest.of(execution, market),
        execution.maintenance_margin,
        execution.delisting_haircut,
    )
    return plan, market


def _rules(execution: Execution, market: Market, table: RuleTable | None) -> list[Rule]:
    """Rules that can cut anything, in the order of docs/backtest.md."""
    rules: list[Rule] = []
    if table is not None and any(row.bans for row in table.rows):
        rules.append(ShortBan.of(table, market))
    if table is not None and any(row.lot.any() for row in table.rows):
        rules.append(Lots(table))
    if execution.maintenance_margin is not None and execution.initial_margin is not None:
        rules.append(MarginCall(execution.initial_margin, table))
    if table is not None and any((row.price_limit < float("inf")).any() for row in table.rows):
        rules.append(PriceLimit.of(table, market))
    if execution.participation is not None and market.volume is not None:
        rules.append(Participation(execution.participation, market.volume, table))
    if execution.initial_margin is not None:
        rules.append(InitialMargin(execution.initial_margin, table))
    return rules


def _charges(
    execution: Execution,
    costs: Costs,
    market: Market,
    rates: CostRates,
    table: RuleTable | None,
    impact: Impact | None,
) -> list[Charge]:
    charges: list[Charge] = [] if impact is None else [impact]
    if table is not None and any((row.purchase_tax + row.sale_tax).any() for row in table.rows):
        charges.append(Tax(table, costs.multiplier))
    if table is not None and execution.fill != "vwap" and any(row.tick.any() for row in table.rows):
        charges.append(Ticks(table, market, rates.spread.each, bool((rates.spread.each > 0).all())))
    return charges
