"""Continuous futures series: the contract held at each moment, without the jumps between contracts.

What does not belong here: which contracts exist and when they expire (`instruments.py`), a vendor's own roll
calendar (`sources/`), bars that were stitched by a vendor.

Prices of a continuous series are as traded, of the contract held. On the first bar after a roll, `ex_factor`
is the new contract's close over the old one's at the last moment before that bar at which both have one. So
close / (close before * ex_factor) - 1 is the return of the contract held, as for a share on its ex-date, and
no later roll changes an earlier row.

Two cases have no such ratio:

- The contracts never had a close at one moment. Who rolls is out of the market in between: the ratio is that
  of the new contract's first close to the old one's last, and the return of that bar is 0.
- A close is zero or negative (the May 2020 contract of WTI settled at -37.63). A fraction of it says
  nothing, so the ratio is taken at the last moment at which both closes were positive, and the bar below
  zero stays, as traded, for validation to judge. What was won or lost through it is no percentage of
  anything; `roll_gap`, the difference of the same two closes, has no such trouble, and differences of
  `panama` levels count it in full.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR, sessions
from lim_pipelines.schemas import ROLLS

_SERIES = ["instrument_id", "freq", "price_type"]
_LEVELS = ("open", "high", "low", "close", "vwap")
_UNTIL_EXPIRY_IS_PAST = timedelta(days=14)


def continuous(contracts: pl.DataFrame, rolls: pl.DataFrame) -> pl.DataFrame:
    """Stitch contracts to continuous series.

    Parameters
    ----------
    contracts
        Frame of `ALIGNED_BARS` of contracts (`<MIC>:<root>.<YYYYMM>`), any lengths and price types, one
        revision a bar. Contracts that no roll names are left out.
    rolls
        Frame of `ROLLS` of one source a root. A roll takes place at its `ts`, or when it is known if that is
        later: a bar that ends then is the old contract's, the next one the new contract's. A calendar that
        came years after its rolls stitches nothing before; declare it as history.

    Returns
    -------
    pl.DataFrame
        Columns of `contracts`, with the root as instrument_id, and
        contract (instrument id of the contract held) and
        roll_gap (price units: the new contract's close less the old one's, 0 where there was no roll).
        Sorted by instrument_id, freq, price_type and ts. A row is known when its bar and the closes in its
        ex_factor are.

    Raises
    ------
    ValueError
        A bar occurs twice, or a root's rolls do not follow each other.
    """
    key = [*_SERIES, "ts"]
    if contracts.select(pl.struct(key).is_duplicated().any()).item():
        raise ValueError(f"contract bars repeat a key {key}; read one revision of each, as of a moment")
    bars = contracts.join(_held(rolls), left_on="instrument_id", right_on="contract", how="inner")
    bars = bars.filter(
        (pl.col("ts") > pl.col("held_from")).fill_null(True)
        & (pl.col("ts") <= pl.col("held_to")).fill_null(True)
    )
    bars = bars.with_columns(contract="instrument_id", instrument_id="root").sort(key)
    bars = bars.with_columns(
        pl.col("contract", "close", "known_at").shift(1).over(_SERIES).name.prefix("old_")
    ).with_row_index("row")
    ratios = _at_one_moment(bars.filter(pl.col("contract") != pl.col("old_contract")), contracts)
    return (
        bars.join(ratios, on="row", how="left", maintain_order="left")
        .with_columns(
            ex_factor=pl.coalesce("ratio", "ex_factor"),
            roll_gap=pl.col("gap").fill_null(0.0),
            known_at=pl.max_horizontal("known_at", "ratio_known_at"),
        )
        .select(*contracts.columns, "contract", "roll_gap")
    )


def as_taken(statements: pl.DataFrame) -> pl.DataFrame:
    """Take rolls as they took place by what was said of them at the time.

    Parameters
    ----------
    statements
        Frame of `ROLLS` of one source a root, all revisions. Calendars are corrected: a roll is moved to
        another day, and the old day stays in the lake; or it is stated again with another carry contract.

    Returns
    -------
    pl.DataFrame
        Same columns, one row for each pair of contracts: the first statement by which the roll took place,
        at its `ts` or when it was known, before another took its place.
    """
    pair = ["root", "current_contract", "next_contract"]
    at, replaced = pl.max_horizontal("ts", "known_at"), pl.col("known_at").shift(-1).over(pair)
    told = statements.sort(*pair, "known_at", "ts")
    taken = told.filter(replaced.is_null() | (at < replaced))
    return taken.unique(pair, keep="first", maintain_order=True).sort("root", "ts")


def broken(rolls: pl.DataFrame) -> dict[str, str]:
    """Find calendars whose rolls do not follow each other: such a root cannot be stitched.

    Parameters
    ----------
    rolls
        Frame of `ROLLS`, as for `continuous`.

    Returns
    -------
    dict
        Root -> its first roll that leaves another contract than was held, and the remedy.
    """
    previous = pl.col("next_contract").shift(1).over("root", order_by="ts")
    wrong = rolls.with_columns(previous=previous).filter(pl.col("previous") != pl.col("current_contract"))
    return {
        roll[
            "root"
        ]: f"rolls of {roll['root']}: the one at {roll['ts']} leaves {roll['current_contract']}, but"
        f" {roll['previous']} was held; give the complete calendar of one source"
        f" ({roll['file']}, line {roll['line']})"
        for roll in wrong.sort("root", "ts").unique("root", keep="first", maintain_order=True).to_dicts()
    }


def back_adjusted(series: pl.DataFrame, as_of: datetime, method: Literal["ratio", "panama"]) -> pl.DataFrame:
    """Levels without jumps, as they looked at a moment.

    These are hindsight: every roll up to `as_of` moves all levels before it. Look at them, and take
    differences of panama levels; never train on levels, and never mix those of two moments.

    Parameters
    ----------
    series
        What `continuous` gives.
    as_of
        Moment (UTC); rows known later are left out. The last contract's prices are as traded.
    method
        ratio: earlier prices are multiplied by the later ex_factors; keeps returns. panama: the later
        roll_gaps are added; keeps differences, and lets levels fall below zero.

    Returns
    -------
    pl.DataFrame
        Same columns; open, high, low, close and vwap adjusted, ex_factor 1 and roll_gap 0, since nothing is
        left to adjust.
    """
    known = series.filter(pl.col("known_at") <= as_of).sort(*_SERIES, "ts")
    levels = pl.col([name for name in _LEVELS if name in series.columns])
    if method == "ratio":
        after = pl.col("ex_factor").cum_prod(reverse=True) / pl.col("ex_factor")
        adjusted = levels * after.over(_SERIES)
    else:
        after = pl.col("roll_gap").cum_sum(reverse=True) - pl.col("roll_gap")
        adjusted = levels + after.over(_SERIES)
    return known.with_columns(adjusted).with_columns(ex_factor=pl.lit(1.0), roll_gap=pl.lit(0.0))


def roll_dates(contracts: pl.DataFrame, sessions_before_expiry: int) -> pl.DataFrame:
    """Make a roll calendar from expiries.

    Parameters
    ----------
    contracts
        Columns exchange, root (instrument id of the continuous series), instrument_id and expiry (date);
        all contracts that are held in turn.
    sessions_before_expiry
        How long before the last session up to its expiry a contract is left, at the session's close.

    Returns
    -------
    pl.DataFrame
        Frame of `ROLLS`, source `expiry`. Known at the roll itself. A contract that expires after the last
        session its calendar knows is not rolled yet.

    Raises
    ------
    UnknownExchangeError
        An exchange is not registered.
    """
    frames = [ROLLS.empty()]
    for (mic,), listed in contracts.group_by(["exchange"], maintain_order=True):
        first, last = listed.select(first=pl.min("expiry"), last=pl.max("expiry")).row(0)
        # Room for the sessions before the first expiry, longest holidays included.
        start = first - timedelta(days=14 + 2 * sessions_before_expiry)
        start = max(start, date(FIRST_CALENDAR_YEAR, 1, 1))
        grid = sessions(str(mic), start, last + _UNTIL_EXPIRY_IS_PAST)
        leaves = grid.select(
            last_session="date",
            next_session=pl.col("date").shift(-1),
            ts=pl.col("close").shift(sessions_before_expiry),
        )
        rolls = (
            listed.sort("expiry")
            .join_asof(leaves, left_on="expiry", right_on="last_session", check_sortedness=False)
            .filter(pl.col("next_session").is_not_null())
            .sort("root", "expiry")
            .with_columns(
                source=pl.lit("expiry"),
                current_contract="instrument_id",
                next_contract=pl.col("instrument_id").shift(-1).over("root"),
                carry_contract=pl.lit(None, pl.String),
                file=pl.lit(f"rule://{sessions_before_expiry}-sessions-before-expiry"),
                line=pl.int_range(1, pl.len() + 1).over("root"),
                known_at="ts",
            )
            .filter(pl.col("next_contract").is_not_null() & pl.col("ts").is_not_null())
        )
        frames.append(rolls.select(pl.col(name).cast(kind) for name, kind in ROLLS.schema.items()))
    return ROLLS.conform(pl.concat(frames))


def _held(rolls: pl.DataFrame) -> pl.DataFrame:
    """When each contract is held, (held_from, held_to]; null is open.

    Columns root, contract, held_from, held_to.
    """
    if wrong := broken(rolls):
        raise ValueError("; ".join(wrong.values()))
    rolls = rolls.sort("root", "ts").with_columns(
        at=pl.max_horizontal("ts", "known_at").cum_max().over("root")
    )
    held = rolls.select(
        "root", contract="next_contract", held_from="at", held_to=pl.col("at").shift(-1).over("root")
    )
    first = rolls.group_by("root", maintain_order=True).first()
    before = first.select(
        "root", contract="current_contract", held_from=pl.lit(None, held["held_from"].dtype), held_to="at"
    )
    return pl.concat([before, held])


def _at_one_moment(rolled: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """Ratio and difference of the two contracts' closes for the first bar after each roll.

    Returns row, ratio, gap and ratio_known_at, one row a bar of `rolled`.
    """
    closes = contracts.select(*_SERIES, "ts", "close", "known_at")
    same = ["freq", "price_type"]
    pairs = rolled.select("row", "contract", "old_contract", *same, before="ts")
    old = closes.rename({"instrument_id": "old_contract", "close": "left", "known_at": "left_known_at"})
    new = closes.rename({"instrument_id": "contract", "close": "taken"})
    both = (
        pairs.join(old, on=["old_contract", *same])
        .filter(pl.col("ts") < pl.col("before"))
        .join(new, on=["contract", *same, "ts"])
        .sort("row", "ts")
    )
    positive = (pl.col("left") > 0) & (pl.col("taken") > 0)
    known_at = pl.max_horizontal("left_known_at", "known_at")
    found = both.group_by("row").agg(
        gap=(pl.col("taken") - pl.col("left")).last(),
        ratio=(pl.col("taken") / pl.col("left")).filter(positive).last(),
        found_known_at=pl.max_horizontal(known_at.last(), known_at.filter(positive).last()),
    )
    flat = pl.when((pl.col("close") > 0) & (pl.col("old_close") > 0)).then(
        pl.col("close") / pl.col("old_close")
    )
    return rolled.join(found, on="row", how="left").select(
        "row",
        ratio=pl.coalesce("ratio", flat, 1.0),
        gap=pl.coalesce("gap", pl.col("close") - pl.col("old_close")),
        ratio_known_at=pl.coalesce("found_known_at", "old_known_at"),
    )
