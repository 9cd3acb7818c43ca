"""A backtest run again on less history and with other later targets: nothing before may change.

What does not belong here: the decisions themselves (`targets.py`). Prices are those known today: what a
position earned may be told better later, and no decision reads it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from lim_pipelines import walkforward
from lim_pipelines.audit.compare import difference, quote
from lim_pipelines.audit.verdict import Audit, Verdict
from lim_pipelines.backtest import metrics
from lim_pipelines.backtest.facts import read_facts
from lim_pipelines.backtest.recorder import WITHOUT_ORDER
from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import LATEST, Lake, fingerprint, midnight, next_cutoff
from lim_pipelines.portfolio.fills import fills
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS, TRIALS, VALIDATED_BARS, Table
from lim_pipelines.strategies.execution import Fill
from lim_pipelines.strategies.spec import StrategySpec

_OVERNIGHT = ("gross_exposure", "net_exposure")
"""What is said of the positions held into a session; a fill within it must not show in that."""

_HELD = ("gross_return", *_OVERNIGHT)
"""What a fill at the session's close must not show in, either."""

_BOOKS = ("arm", "seed", "date")


def audit_backtest(lake: Lake, spec: StrategySpec, sessions: int) -> list[Verdict]:
    """Audit the stored backtest of a strategy.

    Parameters
    ----------
    lake
        Where targets, bars and results lie.
    spec
        The strategy; without a stored backtest there is nothing to audit.
    sessions
        After how many sessions history is cut off, one after the other; the same ones for the same results.
    """
    stored = _read(lake, BACKTEST_DAILY, pl.col("strategy") == spec.name)
    if stored.is_empty():
        return []
    targets = _read(lake, TARGETS, pl.col("strategy") == spec.name)
    through = next_cutoff(max(targets["cutoff"].to_list())) - timedelta(days=1)
    bars = _read(lake, VALIDATED_BARS, walkforward.universe(spec) & (pl.col("date") <= through))
    broken = (
        _fills(spec, targets, bars)
        + _orders(lake, spec, stored, targets, bars)
        + _results(lake, spec, stored, targets, bars)
    )
    end = midnight(through + timedelta(days=1))
    return [
        _verdict(spec, "windows", end, targets.height, len(broken), "; ".join(broken)),
        *(_again(lake, spec, stored, targets, bars, day) for day in _sampled(stored, sessions)),
    ]


def _read(lake: Lake, table: Table, where: pl.Expr) -> pl.DataFrame:
    return lake.read(table, as_of=LATEST, where=where).sort(table.row_key).collect()


def _sampled(stored: pl.DataFrame, count: int) -> list[date]:
    days = stored["date"].unique().sort().to_list()
    dice = np.random.default_rng(int(fingerprint(stored)[:15], 16))
    return sorted(days[i] for i in dice.permutation(len(days))[:count])


def _again(
    lake: Lake, spec: StrategySpec, stored: pl.DataFrame, targets: pl.DataFrame, bars: pl.DataFrame, day: date
) -> Verdict:
    """Run the engine where no bar lies behind a session; what it says up to there must be what is stored."""
    there = bars.filter(pl.col("date") <= day)
    due = targets.join(there.select("instrument_id").unique(), on="instrument_id", how="semi")
    facts = read_facts(lake, there, spec.execution.currency)
    rows = walkforward.trade(spec, due, there, day, facts).daily
    own = stored.filter(pl.col("date") <= day)
    found = difference(BACKTEST_DAILY, own, rows.sort(BACKTEST_DAILY.row_key))
    text = "" if found is None else f"without bars after {day}: {quote(found.example)}: {found.words}"
    moment = midnight(day + timedelta(days=1))
    return _verdict(spec, "recompute", moment, own.height, 0 if found is None else found.count, text)


def _fills(spec: StrategySpec, targets: pl.DataFrame, bars: pl.DataFrame) -> list[str]:
    """Check that the price which fills a decision was not known when it was decided."""
    price = spec.execution.fill
    decided = targets.select("exchange", "instrument_id", "date", "decided_at").unique()
    filled = fills(decided.sort("date", "instrument_id"), bars, spec.execution).drop_nulls("filled")
    if filled.is_empty():
        return []
    if price == "close":
        early = filled.with_columns(fill="ts").filter(pl.col("fill") <= pl.col("decided_at"))
    else:
        # An order that comes with the opening still takes part in it: so the engine has it, too.
        early = _with_opens(filled).filter(pl.col("fill") < pl.col("decided_at"))
    if early.is_empty():
        return []
    first = early.row(0, named=True)
    return [
        f"{early.height} decisions are filled at an earlier {price}, first {first['instrument_id']} decided"
        f" {first['decided_at']}, filled {first['fill']}"
    ]


def _with_opens(filled: pl.DataFrame) -> pl.DataFrame:
    """Add the moment at which the session that fills opens, as column fill."""
    first, last = filled.select(first=pl.col("filled").min(), last=pl.col("filled").max()).row(0)
    opens = [
        sessions(mic, first, last).select(pl.lit(mic).alias("exchange"), filled="date", fill="open")
        for mic in filled["exchange"].unique().sort()
    ]
    return filled.join(pl.concat(opens), on=["exchange", "filled"], maintain_order="left")


def _orders(
    lake: Lake, spec: StrategySpec, stored: pl.DataFrame, targets: pl.DataFrame, bars: pl.DataFrame
) -> list[str]:
    """Turn all targets from a session on round: nothing up to the price that fills them may change."""
    days = targets["date"].unique().sort()
    turned = days[len(days) // 2]
    results = stored["date"].unique().sort().to_list()
    after, execution = [day for day in results if day > turned], spec.execution
    if len(after) < execution.delay:
        return []
    fill = after[execution.delay - 1]
    weight = pl.when(pl.col("date") >= turned).then(-0.5 * pl.col("weight")).otherwise("weight")
    facts = read_facts(lake, bars, execution.currency)
    again = walkforward.trade(spec, targets.with_columns(weight=weight), bars, results[-1], facts)
    found = _mispriced(again.trades, bars, execution.fill)
    parts = (
        (pl.col("date") < fill, [name for name in stored.columns if name not in _BOOKS]),
        (pl.col("date") == fill, list(_HELD if execution.fill == "close" else _OVERNIGHT)),
    )
    for where, columns in parts:
        one, two = (
            frame.filter(where).sort(_BOOKS).select(*_BOOKS, *columns) for frame in (stored, again.daily)
        )
        if not one.equals(two):
            found.append(
                f"results up to {fill} change with targets decided from {turned} on, which are filled at the"
                f" {execution.fill} of {fill} and earn from there on: orders are filled before they can be"
                " known"
            )
    return found[:1]


def _mispriced(trades: pl.DataFrame, bars: pl.DataFrame, fill: Fill) -> list[str]:
    """Check that orders get the price of their session which the strategy names, and no other."""
    ordered = trades.filter(~pl.col("reason").is_in(WITHOUT_ORDER))
    own = ordered.join(
        bars.select("instrument_id", "date", own=fill), on=["instrument_id", "date"], how="left"
    )
    other = own.filter(~pl.col("own").eq_missing(pl.col("price")))
    if other.is_empty():
        return []
    first = other.row(0, named=True)
    return [
        f"{other.height} orders are filled at a price that is not the {fill} of their session, first"
        f" {first['instrument_id']} on {first['date']}: {first['price']} instead of {first['own']}"
    ]


def _results(
    lake: Lake, spec: StrategySpec, stored: pl.DataFrame, targets: pl.DataFrame, bars: pl.DataFrame
) -> list[str]:
    """Check that scores are those of the daily rows, and that the ledger counts this specification."""
    own = pl.col("strategy") == spec.name
    scores = metrics.scores(spec.name, spec.task, spec.horizon, stored, targets, bars)
    found = difference(SCORES, _read(lake, SCORES, own), scores.sort(SCORES.row_key))
    broken = [] if found is None else [f"scores are not those of the daily rows: {found.words}"]
    tried = _read(lake, TRIALS, own & (pl.col("spec_digest") == spec.digest()))
    books = stored.select("arm", "seed").unique()
    missing = books.join(tried.select("arm", "seed"), on=["arm", "seed"], how="anti").height
    if missing:
        broken.append(f"{missing} of {books.height} books are not in the ledger of trials")
    return broken


def _verdict(
    spec: StrategySpec, audit: Audit, moment: datetime, compared: int, different: int, text: str
) -> Verdict:
    finding = (
        f"backtest {spec.name}: {text}; materialise {spec.name}_backtest again (bars that were corrected"
        " since give other results, too); if it stays, correct the engine"
        if text
        else ""
    )
    return Verdict(f"{spec.name}_backtest", "", audit, moment, compared, different, finding)
