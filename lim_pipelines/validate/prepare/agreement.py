"""Columns that rules read of a bar against others of its own session: sources, lengths, contracts.

What does not belong here: sessions before (`history.py`), bid against ask (`quotes.py`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import polars as pl

from lim_pipelines.schemas import INTRADAY, SESSIONS_AND_LONGER
from lim_pipelines.sources.clock import session_grid
from lim_pipelines.validate.prepare.runs import Runs, unknown

EDGE: Final = timedelta(minutes=5)
"""Silence at both ends of a session that still lets its intraday bars stand for it."""
CONTRACTS: Final = 2
"""Contracts of a root that make a curve."""
WITHIN: Final = ("beyond_intraday", "close_off_intraday", "volume_of_intraday")
CURVE: Final = ("off_curve", "return_off_curve")


def other_source(frame: pl.DataFrame, runs: Runs) -> pl.Series:
    """How far a bar's close lies from what another source gave of it first, as a share; null without one.

    Parameters
    ----------
    frame
        Bars, columns of `ALIGNED_BARS`, in the order of its row key.
    runs
        Its runs.
    """
    name = "off_other_source"
    if runs.first.all():
        return unknown(frame.height, [name]).to_series()
    bar = runs.first.cast(pl.UInt32).cum_sum()
    rows = frame.select("source", "close", bar=bar, later=~runs.first).with_row_index("row")
    told = rows.filter(~pl.col("later")).select("bar", told_by="source", told="close")
    again = rows.filter("later").join(told, on="bar").filter(pl.col("source") != pl.col("told_by"))
    off = again.select("row", off=(pl.col("close") - pl.col("told")).abs() / pl.col("told").abs())
    return rows.select("row").join(off, on="row", how="left", maintain_order="left")["off"].alias(name)


def intraday(frame: pl.DataFrame, runs: Runs) -> pl.DataFrame:
    """Daily bars against the intraday bars of their own session: a row a run.

    Parameters
    ----------
    frame
        Bars, columns of `ALIGNED_BARS`, in the order of its row key.
    runs
        Its runs.

    Returns
    -------
    pl.DataFrame
        beyond_intraday, how far the intraday range reaches beyond the daily one, as a share of the close;
        close_off_intraday, how far the closes lie apart, as a share; volume_of_intraday, the intraday volume
        as a share of the daily one. Of the shortest length that covers the session from its open to its close
        but for `EDGE`; null where none does.
    """
    heads = runs.heads.select("exchange", "date", "instrument_id", "price_type", "freq").with_row_index("run")
    key = ["exchange", "date", "instrument_id", "price_type"]
    daily = heads.filter(pl.col("freq") == "1d")
    inside = heads.filter(~pl.col("freq").is_in(SESSIONS_AND_LONGER)).join(daily, on=key, how="semi")
    if inside.is_empty():
        return unknown(heads.height, WITHIN)
    newest = frame.select(
        *("ts", "open", "high", "low", "close", "volume"),
        run=runs.of,
        last=runs.first.shift(-1, fill_value=True),
    ).filter("last", pl.col("run").is_in(inside["run"].implode()))
    sums = newest.group_by("run", maintain_order=True).agg(
        *(pl.col("high").max(), pl.col("low").min(), pl.col("close").last(), pl.col("volume").sum()),
        begins=pl.col("ts").first(),
        ends=pl.col("ts").last(),
    )
    length = pl.col("freq").replace_strict(INTRADAY, default=None, return_dtype=pl.Duration("us"))
    spans = (
        inside.with_columns(length=length).join(sums, on="run").join(_hours(inside), on=["exchange", "date"])
    )
    whole = (pl.col("begins") - pl.col("length") <= pl.col("opens") + EDGE) & (
        pl.col("ends") >= pl.col("closes") - EDGE
    )
    best = spans.filter(whole).sort("length").unique(key, keep="first", maintain_order=True)
    paired = daily.select("run", *key).join(best.drop("run", "freq"), on=key)
    own = runs.heads.select("high", "low", "close", "volume").with_row_index("run")
    off = paired.join(own, on="run", suffix="_day").select(
        "run",
        beyond_intraday=pl.max_horizontal(
            pl.col("high") - pl.col("high_day"), pl.col("low_day") - pl.col("low"), 0.0
        )
        / pl.col("close_day").abs(),
        close_off_intraday=(pl.col("close") - pl.col("close_day")).abs() / pl.col("close_day").abs(),
        volume_of_intraday=pl.when((pl.col("volume_day") > 0) & (pl.col("volume") > 0)).then(
            pl.col("volume") / pl.col("volume_day")
        ),
    )
    return heads.select("run").join(off, on="run", how="left", maintain_order="left").drop("run")


def _hours(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns exchange, date, opens, closes of the sessions of some rows."""
    parts = []
    for mic in rows["exchange"].unique().sort().to_list():
        days = rows.filter(pl.col("exchange") == mic)["date"].sort()
        grid = session_grid(mic, days[0], days[-1])
        parts.append(grid.select("date", opens="open", closes="close", exchange=pl.lit(mic)))
    return pl.concat(parts)


def curve(runs: Runs, root: pl.Series, log_return: pl.Series) -> pl.DataFrame:
    """Daily closes of futures against the other contracts of their root: a row a run.

    Parameters
    ----------
    runs
        Runs of bars.
    root
        Root of each run's contract, or null.
    log_return
        Total return of the first bar of each run, or null.

    Returns
    -------
    pl.DataFrame
        off_curve, logarithm of the close over the median close of the root's contracts; return_off_curve,
        the return less their median return. Null where fewer than `CONTRACTS` have one.
    """
    none = unknown(runs.heads.height, CURVE)
    if root.null_count() == len(root):
        return none
    rows = runs.heads.select("date", "freq", "price_type", "close", root=root, r=log_return).with_row_index(
        "run"
    )
    days = rows.filter(pl.col("root").is_not_null() & (pl.col("freq") == "1d") & (pl.col("close") > 0))
    if days.is_empty():
        return none
    by = ["root", "date", "price_type"]
    found = days.select(
        "run",
        off_curve=pl.when(pl.len().over(by) >= CONTRACTS).then(
            (pl.col("close") / pl.col("close").median().over(by)).log()
        ),
        return_off_curve=pl.when(pl.col("r").count().over(by) >= CONTRACTS).then(
            pl.col("r") - pl.col("r").median().over(by)
        ),
    )
    return rows.select("run").join(found, on="run", how="left", maintain_order="left").drop("run")


def explained_factor(runs: Runs, actions: pl.DataFrame) -> pl.Series:
    """How far a daily bar's ex factor lies from what its source says went ex, as a share: a value a run.

    Parameters
    ----------
    runs
        Runs of bars.
    actions
        Frame of `CORPORATE_ACTIONS`.

    Returns
    -------
    pl.Series
        Null where the source tells no ratio of that instrument and date.
    """
    name = "off_action"
    ratios = actions.filter(pl.col("ratio") > 0)
    if ratios.is_empty():
        return unknown(runs.heads.height, [name]).to_series()
    # Values of several actions of one day multiply.
    due = ratios.group_by("source", "instrument_id", date="ex_date").agg(due=pl.col("ratio").product())
    rows = runs.heads.select("source", "instrument_id", "date", "freq", "ex_factor")
    found = rows.join(due, on=["source", "instrument_id", "date"], how="left", maintain_order="left")
    off = pl.when(pl.col("freq") == "1d").then((pl.col("ex_factor") / pl.col("due") - 1).abs())
    return found.select(off.alias(name)).to_series()
