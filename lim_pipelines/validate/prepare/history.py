"""Columns that rules read of a bar against its instrument's own past.

What does not belong here: other instruments and other lengths of the same session (`agreement.py`).

Daily bars are held against those of the sessions before, of which the first known revision counts; intraday
bars against the bar before in their session. The bar before counts however long ago it was: a hole of years
may hide a split. Windows of many bars never reach further back than `BEFORE_SESSIONS`. So a session is judged
alike alone and within a range of years.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from lim_pipelines.schemas import SESSIONS_AND_LONGER
from lim_pipelines.sources.clock import session_grid
from lim_pipelines.validate.beside import BEFORE_SESSIONS
from lim_pipelines.validate.prepare.runs import Runs, unknown

USUAL_OVER: Final = 40
"""Returns that an instrument's usual move is the median of."""
STALE_OVER: Final = 10
"""Sessions for which a close may stay where it is while shares change hands."""
MOVE: Final = 0.1
"""Size of a return below which nothing is a surprise, however quiet the instrument has been."""
WHOLE_SPLITS: Final = 10.5
"""Up to here splits are by any whole number: old shares into one, or one into new shares. 3:2 is left out:
shares move by as much without a split."""
LARGE_SPLITS: Final = (15.0, 20.0, 25.0, 30.0, 50.0, 100.0)
"""Splits that occur beyond."""
_SERIES = ("instrument_id", "freq", "price_type")
_VALUES = ("open", "high", "low", "close", "volume", "ex_factor")
OF_DAYS: Final = {
    "surprise": pl.Float64,
    "from_split": pl.Float64,
    "sessions_since": pl.Int64,
    "repeats": pl.Boolean,
    "stuck": pl.Boolean,
}


def history(frame: pl.DataFrame, runs: Runs, before: pl.DataFrame, price_limit: pl.Series) -> pl.DataFrame:
    """Each bar against the bars before it.

    Parameters
    ----------
    frame
        Bars, columns of `ALIGNED_BARS`, in the order of its row key.
    runs
        Its runs.
    before
        Daily bars of the sessions before, and of each instrument without one the last before them, as
        `older` and `before` of `Beside`.
    price_limit
        Largest move that the exchange allows its shares, as a fraction, or null; shape (rows,).

    Returns
    -------
    pl.DataFrame
        log_return, the total return since the bar before of the same instrument and length, null where there
        is none or prices are not positive. Of daily bars besides: surprise, its size (above `MOVE`) in
        multiples of the median size over `USUAL_OVER` returns before; from_split, how far the price ratio
        lies from a usual split's, as a share, where no factor explains it; beyond_limit, how far the close
        or an end of the range lies beyond the price limit, as a share of the close before; sessions_since,
        sessions from the bar before to this one; repeats, whether it is not the bar of the session before
        once more; stuck, whether its close has moved within `STALE_OVER` sessions that all traded.
    """
    long = runs.heads["freq"].is_in(SESSIONS_AND_LONGER)
    facts = [_long(runs, before, long)] if long.any() else []
    if facts:
        past = runs.spread(facts[0])
        if not long.all():
            inside = _inside_the_session(frame, runs)
            past = past.with_columns(last_close=pl.coalesce("last_close", inside))
    else:
        past = pl.DataFrame({"last_close": _inside_the_session(frame, runs)})
    rows = pl.concat([frame.select(*_VALUES), past, price_limit.to_frame("limit")], how="horizontal")
    ratio = pl.col("close") / (pl.col("last_close") * pl.col("ex_factor"))
    log_return = pl.when((ratio > 0) & ratio.is_finite()).then(ratio.log())
    if not facts:
        rest = [unknown(frame.height, [name], dtype) for name, dtype in OF_DAYS.items()]
        own = rows.select(log_return=log_return, beyond_limit=_beyond_limit(pl.lit(None, pl.Float64)))
        return pl.concat([own, *rest], how="horizontal")
    return rows.with_columns(log_return=log_return).select(
        "log_return",
        surprise=pl.when((pl.col("usual") > 0) & (pl.col("log_return").abs() > MOVE)).then(
            pl.col("log_return").abs() / pl.col("usual")
        ),
        from_split=_from_split(),
        # Within a session the close before is no base of the limit.
        beyond_limit=_beyond_limit(pl.when(pl.col("sessions_since").is_not_null()).then("last_close")),
        sessions_since="sessions_since",
        repeats=~(
            pl.all_horizontal(
                pl.col(name) == pl.col(f"last_{name}") for name in ("open", "high", "low", "close", "volume")
            ).fill_null(False)
            & (pl.col("volume") > 0)
            & (pl.col("high") > pl.col("low"))
        ),
        stuck="stuck",
    )


def _inside_the_session(frame: pl.DataFrame, runs: Runs) -> pl.Series:
    """First known close of the bar before in the same run, null for its first bar; shape (rows,)."""
    # Revisions of a bar lie below its first one: each row carries the first close on to the next bar.
    rows = frame.select("close").with_columns(first=runs.first, opens=runs.opens)
    here = pl.when("first").then("close").forward_fill()
    back = pl.when("opens").then(float("nan")).otherwise(here.shift())
    return rows.select(pl.when("first").then(back).forward_fill().fill_nan(None).alias("inside")).to_series()


def _long(runs: Runs, before: pl.DataFrame, long: pl.Series) -> pl.DataFrame:
    """Look up the bars before, a row a run: null for intraday ones."""
    names = ["exchange", "date", *_SERIES, *_VALUES]
    # Sorted by row key, as the lake gives them: a bar's first known revision stands above the others.
    past = before.filter(
        pl.any_horizontal(
            (pl.col(name) != pl.col(name).shift()).fill_null(True) for name in ("date", *_SERIES)
        )
    )
    both = pl.concat([past.select(names), runs.heads.filter(long).select(names)])
    both = both.select(*_VALUES, "date", *_ordinals(both))
    # Whole numbers sort in a quarter of the time of whole rows, and only they need to be put back.
    order = both.select(pl.arg_sort_by("series", "date", maintain_order=True)).to_series()
    found = _looked_up(both.select(pl.all().gather(order)))
    back = order.arg_sort().slice(past.height)
    if not long.all():
        back = pl.repeat(None, len(long), dtype=back.dtype, eager=True).scatter(long.arg_true(), back)
    return found.select(pl.all().gather(back))


def _looked_up(bars: pl.DataFrame) -> pl.DataFrame:
    """Look up the bars before of bars sorted by series and date."""
    daily = pl.col("daily")
    last = [f"last_{name}" for name in ("open", "high", "low", "close", "volume")]
    return (
        bars.lazy()
        .with_columns(
            same=(pl.col("series") == pl.col("series").shift()),
            since=pl.col("session") - pl.col("session").shift(),
        )
        .with_columns(
            pl.when("same").then(pl.col(name.removeprefix("last_")).shift()).alias(name) for name in last
        )
        .with_columns(
            r=pl.when((pl.col("close") > 0) & (pl.col("last_close") > 0)).then(
                (pl.col("close") / (pl.col("last_close") * pl.col("ex_factor"))).log().abs()
            ),
            moved=~((pl.col("close") == pl.col("last_close")) & (pl.col("volume") > 0)).fill_null(False),
        )
        .select(
            *last,
            sessions_since=pl.when(pl.col("same") & daily).then("since"),
            usual=pl.when(_whole(USUAL_OVER + 1)).then(
                pl.col("r").rolling_median(USUAL_OVER, min_samples=USUAL_OVER).shift()
            ),
            stuck=~(
                _whole(STALE_OVER)
                & (pl.col("moved").cum_sum() == pl.col("moved").cum_sum().shift(STALE_OVER))
            ).fill_null(False),
        )
        .collect()
    )


def _whole(bars: int) -> pl.Expr:
    """Whether the bar that many rows above is of the same series, and within reach."""
    reach = pl.col("session") - pl.col("session").shift(bars) <= BEFORE_SESSIONS
    return (pl.col("series") == pl.col("series").shift(bars)) & reach & pl.col("daily")


def _ordinals(rows: pl.DataFrame) -> list[pl.Series]:
    """Count series, and sessions of the exchange's calendar; tell daily rows from others."""
    ids = rows["instrument_id"].cast(pl.Categorical).to_physical().cast(pl.Int64)
    series = ids
    for name in ("freq", "price_type"):
        if rows[name].n_unique() > 1:
            series = series * 16 + rows[name].rank("dense").cast(pl.Int64)
    session = pl.Series([0] * rows.height, dtype=pl.Int64)
    for mic in rows["exchange"].unique().to_list():
        here = rows["exchange"] == mic
        days = rows["date"].filter(here)
        first, last = days.sort()[0], days.sort()[-1]
        session = session.scatter(
            here.arg_true(), session_grid(mic, first, last)["date"].search_sorted(days).cast(pl.Int64)
        )
    return [series.alias("series"), session.alias("session"), (rows["freq"] == "1d").alias("daily")]


def _from_split() -> pl.Expr:
    """Distance of close to close from the nearest usual split, where no factor explains it."""
    ratio = pl.col("close") / pl.col("last_close")
    times = pl.max_horizontal(ratio, 1 / ratio)
    whole = pl.when(times <= WHOLE_SPLITS).then(pl.max_horizontal(times.round(), 2.0))
    away = pl.min_horizontal((times / n - 1).abs() for n in (whole, *LARGE_SPLITS))
    # A quotient's last bit may hang on how many rows are divided at once; a session is judged alike alone.
    return pl.when((pl.col("ex_factor") == 1) & (ratio > 0)).then(away.round(12))


def _beyond_limit(last_close: pl.Expr) -> pl.Expr:
    """How far the prices lie beyond the limit; of the range alone where no session before is known."""
    base = last_close * pl.col("ex_factor")
    moved = pl.max_horizontal(
        pl.col("high") / base - 1, 1 - pl.col("low") / base, (pl.col("close") / base - 1).abs()
    )
    span = pl.col("high") / pl.col("low") - (1 + pl.col("limit")) / (1 - pl.col("limit"))
    beyond = pl.max_horizontal(moved - pl.col("limit"), span)
    return pl.when((pl.col("limit") > 0) & beyond.is_finite()).then(pl.max_horizontal(beyond, 0.0))
