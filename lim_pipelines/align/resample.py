"""Longer bars from shorter ones, by the exchange's sessions.

What does not belong here: filling gaps. A value that one of the bars lacks is missing in the longer bar.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lim_pipelines.align.bars import INTRADAY
from lim_pipelines.schemas import ALIGNED_BARS
from lim_pipelines.sources.clock import session_grid

_INSTRUMENT = ["exchange", "instrument_id"]


def resample(bars: pl.DataFrame, freq: str) -> pl.DataFrame:
    """Resample bars to a longer length.

    Parameters
    ----------
    bars
        Frame of `ALIGNED_BARS` (or `VALIDATED_BARS`) of one bar length, one revision a bar.
    freq
        1w (from daily bars), 1d, or an intraday length counted from the session's open.

    Returns
    -------
    pl.DataFrame
        Same columns. `date` and `ts` are those of the period's last session and end by the exchange's
        calendar, `volume` is the sum, `ex_factor` the product. Prices before a corporate action inside the
        period are put in terms of its end. Only periods that are over are given: a bar of the exchange
        ends at the period's end or later. `known_at` is the first moment at which that bar and all bars of
        the period were known.

    Raises
    ------
    ValueError
        The bars have several lengths or repeat a key, or the length is unknown.
    """
    if bars.is_empty():
        return bars
    if bars["freq"].n_unique() > 1 or bars.select(pl.struct(ALIGNED_BARS.key).is_duplicated().any()).item():
        raise ValueError(
            "resample takes bars of one length and one revision each; filter or read as of a moment"
        )
    periods = _periods(bars, freq)
    rows = bars.join(periods, on=["exchange", "date"], how="inner")
    if freq in INTRADAY:
        step = INTRADAY[freq]
        nth = (
            (pl.col("ts") - pl.col("open_time")).dt.total_microseconds() / (step / timedelta(microseconds=1))
        ).ceil()
        end = pl.col("open_time") + nth.cast(pl.Int64) * pl.lit(step)
        rows = rows.with_columns(period_end=pl.min_horizontal(end, "period_end"))
    rows = _over(rows, bars).sort(*_INSTRUMENT, "ts")

    group = [*_INSTRUMENT, "period_date", "period_end"]
    later = (pl.col("ex_factor").cum_prod(reverse=True) / pl.col("ex_factor")).over(group)
    rows = rows.with_columns(pl.col("open", "high", "low", "close") * later)
    out = rows.group_by(group, maintain_order=True).agg(
        pl.col("open").first(),
        _unless_missing("high", pl.col("high").max()),
        _unless_missing("low", pl.col("low").min()),
        pl.col("close").last(),
        _unless_missing("volume", pl.col("volume").sum()),
        pl.col("ex_factor").product(),
        pl.col("source").last(),
        pl.max_horizontal(pl.col("known_at").max(), pl.col("known_over").first()),
    )
    out = out.rename({"period_date": "date", "period_end": "ts"}).with_columns(freq=pl.lit(freq))
    return out.select(bars.columns).sort(ALIGNED_BARS.key)


def _periods(bars: pl.DataFrame, freq: str) -> pl.DataFrame:
    """Sessions with the date and end of the period that each belongs to."""
    if freq not in {"1d", "1w", *INTRADAY}:
        raise ValueError(f"cannot resample to {freq!r}; known lengths: 1w, 1d, {', '.join(INTRADAY)}")
    frames = []
    spans = bars.group_by("exchange").agg(first=pl.col("date").min(), last=pl.col("date").max())
    for mic, first, last in spans.sort("exchange").iter_rows():
        # Whole weeks: whether a week is over depends on sessions after the last bar.
        grid = session_grid(mic, first, last + timedelta(days=7))
        week = pl.col("date").dt.truncate("1w") if freq == "1w" else pl.col("date")
        frames.append(
            grid.select(
                pl.lit(mic).alias("exchange"),
                "date",
                pl.col("open").alias("open_time"),
                pl.col("date").max().over(week).alias("period_date"),
                pl.col("close").max().over(week).alias("period_end"),
            )
        )
    return pl.concat(frames)


def _over(rows: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Rows of periods that are over, with the first moment at which a bar of the exchange showed it."""
    shown = bars.group_by("exchange", "ts").agg(pl.col("known_at").min()).sort("ts")
    shown = shown.select(
        "exchange",
        pl.col("ts").alias("shown_ts"),
        known_over=pl.col("known_at").cum_min(reverse=True).over("exchange"),
    )
    joined = rows.sort("period_end").join_asof(
        shown,
        left_on="period_end",
        right_on="shown_ts",
        by="exchange",
        strategy="forward",
        check_sortedness=False,
    )
    return joined.filter(pl.col("known_over").is_not_null())


def _unless_missing(name: str, value: pl.Expr) -> pl.Expr:
    return pl.when(pl.col(name).null_count() == 0).then(value).alias(name)
