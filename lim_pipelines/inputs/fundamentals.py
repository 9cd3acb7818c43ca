"""Ratios of companies' filings, as known at each decision.

Both figures of a ratio are of the same period, of filings known by then; where one is missing or of another
period there is no ratio. Figures older than `EXPIRY` count for nothing.

Ratios to a price divide by the close of the session as traded. Per-share figures are of the shares of their
period's end: when a split (or anything that looks like one, `prices.py`) has come since, the ratio is left
out until a later period is filed. It is left out too for issuers of several share classes, whose figures a
share are not those of every class, and where prices are not in dollars, as filings are. Shares outstanding
are not filed with these figures: book to price divides by net income over earnings a share of the same
filing, and only where rounding of the latter to cents is at most two per cent of it.

What does not belong here: reading filings (`sources/`), who filed (`entities/`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from lim_pipelines.align.standardise import log
from lim_pipelines.exchanges import get_exchange
from lim_pipelines.inputs.blocks import Block, Feature, Reads
from lim_pipelines.inputs.companies import companies
from lim_pipelines.inputs.linked import DECISION, known_links, last_moment, newest_known, nothing
from lim_pipelines.inputs.prices import with_closes
from lim_pipelines.schemas import ENTITY_LINKS, VALIDATED_BARS, VALIDATED_FACTS

EXPIRY: Final = timedelta(days=550)
"""A year's figures are replaced after a year and the months that a filing takes."""

LEAST_EPS: Final = 0.25
"""Dollars; half a cent of it is two per cent."""

YEAR: Final = (timedelta(days=350), timedelta(days=380))
"""Between the ends of a period and of the same a year before: fiscal years of 52 and 53 weeks, too."""

FIELDS: Final = ("revenues", "net_income", "eps_basic", "assets", "equity", "cash_flow_op")

_FEATURES: Final = (
    Feature("earnings_yield", "earnings a share of the last fiscal year over the close", "robust"),
    Feature("book_to_price", "equity over shares times the close, see the module", "robust"),
    Feature("net_margin", "net income over revenues of the last period filed", "robust"),
    Feature("accruals", "net income less operating cash flow over assets, last fiscal year", "robust"),
    Feature("revenue_growth", "revenues, log change over a year, last period filed", "robust"),
    Feature("filing_age", "days since the newest filing became known", "rank"),
)

_ANNUAL = pl.col("form").str.starts_with("10-K")
_FLOW = pl.col("period").is_in(["Q", "FY"])
_FACTS: Final = {
    "income": (pl.col("field") == "net_income") & _FLOW,
    "revenues": (pl.col("field") == "revenues") & _FLOW,
    "eps": (pl.col("field") == "eps_basic") & _FLOW,
    "equity": pl.col("field") == "equity",
    "year_income": (pl.col("field") == "net_income") & (pl.col("period") == "FY"),
    "year_eps": (pl.col("field") == "eps_basic") & (pl.col("period") == "FY"),
    "year_cash": (pl.col("field") == "cash_flow_op") & (pl.col("period") == "YTD") & _ANNUAL,
    "year_assets": (pl.col("field") == "assets") & _ANNUAL,
}


def _same(*names: str) -> pl.Expr:
    """Whether figures are of the same period and, of flows, of the same length."""
    first, *rest = names
    same = [pl.col(f"{first}.ts") == pl.col(f"{name}.ts") for name in rest]
    same += [
        pl.col(f"{first}.period") == pl.col(f"{name}.period")
        for name in rest
        if not {first, name} & {"equity", "year_assets", "year_cash"}
    ]
    return pl.all_horizontal(same)


def _value(name: str) -> pl.Expr:
    return pl.col(f"{name}.value")


_PRICED = (
    pl.col("close").is_not_null() & (pl.col("close") > 0) & (pl.col("shares") == 1) & pl.col("in_dollars")
)
_SHARES = _value("income") / _value("eps")


def _unsplit(name: str) -> pl.Expr:
    return pl.col("split_at").is_null() | (pl.col("split_at") < pl.col(f"{name}.ts"))


_RATIOS: Final = {
    "earnings_yield": pl.when(_PRICED & _unsplit("year_eps")).then(_value("year_eps") / pl.col("close")),
    "book_to_price": pl.when(
        _PRICED
        & _unsplit("equity")
        & _same("income", "eps")
        & _same("income", "equity")
        & (_value("eps").abs() >= LEAST_EPS)
        & (_SHARES > 0)
    ).then(_value("equity") / (_SHARES * pl.col("close"))),
    "net_margin": pl.when(_same("income", "revenues") & (_value("revenues") > 0)).then(
        _value("income") / _value("revenues")
    ),
    "accruals": pl.when(
        _same("year_income", "year_cash") & _same("year_income", "year_assets") & (_value("year_assets") > 0)
    ).then((_value("year_income") - _value("year_cash")) / _value("year_assets")),
    "revenue_growth": _value("growth"),
    "filing_age": (pl.col("decided_at") - pl.col("filed.known_at")).dt.total_seconds() / 86_400,
}


def growth(facts: pl.DataFrame) -> pl.DataFrame:
    """Log growth of revenues over a year, from when both figures are known: facts of their own.

    Parameters
    ----------
    facts
        Rows of `VALIDATED_FACTS`, all revisions.

    Returns
    -------
    pl.DataFrame
        Columns entity_id, ts (end of the later period), known_at, value. Of rows alike in all but the value
        the last one is of the latest revisions.
    """
    revenues = facts.filter(_FACTS["revenues"]).select("entity_id", "period", "ts", "known_at", "value")
    pairs = revenues.join(revenues, on=["entity_id", "period"], suffix="_before").filter(
        (pl.col("ts") - pl.col("ts_before")).is_between(*YEAR)
    )
    both = log(pl.col("value")) - log(pl.col("value_before"))
    return pairs.sort("known_at", "known_at_before").select(
        "entity_id", "ts", pl.max_horizontal("known_at", "known_at_before").alias("known_at"), both
    )


def _compute(reads: Reads, decisions: pl.DataFrame) -> pl.DataFrame:
    where = pl.col("field").is_in(FIELDS) & pl.col("unit").is_in(["USD", "USD/share"])
    facts = reads.known_by(VALIDATED_FACTS, last_moment(decisions), where)
    if facts.is_empty():
        return nothing(decisions, _FEATURES)
    found = companies(decisions, known_links(reads, decisions, "issued_by"))
    facts = found.theirs(facts, VALIDATED_FACTS.row_key)
    rows = found.rows.join(facts.select("entity_id").unique(), on="entity_id", how="semi")
    if rows.is_empty():
        return nothing(decisions, _FEATURES)
    rows = with_closes(reads, rows, EXPIRY)
    for name, mine in _FACTS.items():
        rows = newest_known(rows, facts.filter(mine), name, ["ts", "value", "period", "known_at"], EXPIRY)
    rows = newest_known(rows, growth(facts), "growth", ["value"], EXPIRY)
    # By knowledge, not by period: the newest filing may correct an old one.
    filed = facts.select("entity_id", "known_at", ts="known_at")
    rows = newest_known(rows, filed, "filed", ["known_at"], EXPIRY)
    dollars = [mic for mic in rows["exchange"].unique() if get_exchange(mic).currency == "USD"]
    rows = rows.with_columns(in_dollars=pl.col("exchange").is_in(dollars))
    return rows.select(
        *DECISION, *(ratio.alias(name) for name, ratio in _RATIOS.items()), newest="filed.known_at"
    )


BLOCK = Block(
    name="fundamentals",
    about="instrument",
    features=_FEATURES,
    tables=(VALIDATED_FACTS, ENTITY_LINKS, VALIDATED_BARS),
    compute=_compute,
    version=2,
)
