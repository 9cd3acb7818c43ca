"""Longer bars from shorter ones, by the exchange's sessions.

What does not belong here: filling gaps. A value that one of the bars lacks is missing in the longer bar.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from lim_pipelines.schemas import ALIGNED_BARS, INTRADAY, SESSIONS_AND_LONGER
from lim_pipelines.sources.clock import segment_grid, session_grid

_SERIES = ["exchange", "instrument_id", "price_type"]


def resample(bars: pl.DataFrame, freq: str, *, by_session: bool = False) -> pl.DataFrame:
    """Resample bars to a longer length.

    Parameters
    ----------
    bars
        Frame of `ALIGNED_BARS` (or `VALIDATED_BARS`) of one bar length, one revision a bar.
    freq
        1mo or 1w (from daily bars), 1d, or an intraday length counted from the beginning of each stretch of
        trading: no bar reaches over a break.
    by_session
        Whether only bars of a session itself show how much of it is over, so that it does not matter which
        other sessions are given; for lengths up to 1d.

    Returns
    -------
    pl.DataFrame
        Same columns. `date` and `ts` are those of the period's last session and end by the exchange's
        calendar; `volume`, `turnover` and `trades` are sums, `ex_factor` the product, `open_interest` the
        last, `vwap` is weighted by volume. Prices before a corporate action inside the
        period are put in terms of its end. Only periods that are over are given: a bar of the exchange
        ends at the period's end or later. `known_at` is the first moment at which that bar and all bars of
        the period were known.

    Raises
    ------
    ValueError
        The bars have several lengths or repeat a key, or the length is unknown, or no whole number of the
        bars makes one of it.
    """
    if bars.is_empty():
        return bars
    if bars["freq"].n_unique() > 1 or bars.select(pl.struct(ALIGNED_BARS.key).is_duplicated().any()).item():
        raise ValueError(
            "resample takes bars of one length and one revision each; filter or read as of a moment"
        )
    _refuse_unless_made_of(freq, bars["freq"][0])
    periods = _periods(bars, freq)
    rows = bars.join(periods, on=["exchange", "date"], how="inner")
    if freq in INTRADAY:
        rows = _within_sessions(rows, INTRADAY[freq])
    rows = _over(rows, bars, ["exchange", "date"] if by_session else ["exchange"]).sort(*_SERIES, "ts")

    group = [*_SERIES, "period_date", "period_end"]
    later = (pl.col("ex_factor").cum_prod(reverse=True) / pl.col("ex_factor")).over(group)
    rows = rows.with_columns(pl.col("open", "high", "low", "close", "vwap") * later)
    out = rows.group_by(group, maintain_order=True).agg(
        pl.col("open").first(),
        _unless_missing("high", pl.col("high").max()),
        _unless_missing("low", pl.col("low").min()),
        pl.col("close").last(),
        _unless_missing("volume", pl.col("volume").sum()),
        pl.col("ex_factor").product(),
        _unless_missing("turnover", pl.col("turnover").sum()),
        _vwap(),
        _unless_missing("trades", pl.col("trades").sum()),
        pl.col("open_interest").last(),
        pl.col("asset_class").last(),
        pl.col("withdrawn").last(),
        pl.col("source").last(),
        pl.max_horizontal(pl.col("known_at").max(), pl.col("known_over").first()),
    )
    out = out.rename({"period_date": "date", "period_end": "ts"}).with_columns(freq=pl.lit(freq))
    return out.select(bars.columns).sort(ALIGNED_BARS.key)


def _refuse_unless_made_of(freq: str, shorter: str) -> None:
    lengths = (*INTRADAY, *SESSIONS_AND_LONGER)
    if freq not in lengths:
        raise ValueError(f"cannot resample to {freq!r}; known lengths: {', '.join(lengths)}")
    if freq in INTRADAY:
        whole = shorter in INTRADAY and not INTRADAY[freq] % INTRADAY[shorter]
    else:
        # Any intraday bars make up a session. Weeks make up no months.
        whole = shorter in (*INTRADAY, "1d", freq)
    if not whole:
        raise ValueError(f"bars of {shorter} do not make up whole ones of {freq}; take shorter bars")


def _periods(bars: pl.DataFrame, freq: str) -> pl.DataFrame:
    """Sessions with the date and end of the period that each belongs to."""
    frames = []
    spans = bars.group_by("exchange").agg(first=pl.col("date").min(), last=pl.col("date").max())
    for mic, first, last in spans.sort("exchange").iter_rows():
        # Whole months: whether one is over depends on sessions after the last bar.
        grid = session_grid(mic, first.replace(day=1), last + timedelta(days=31))
        period = pl.col("date").dt.truncate(freq) if freq in ("1w", "1mo") else pl.col("date")
        frames.append(
            grid.select(
                pl.lit(mic).alias("exchange"),
                "date",
                pl.col("date").max().over(period).alias("period_date"),
                pl.col("close").max().over(period).alias("period_end"),
            )
        )
    return pl.concat(frames)


def _within_sessions(rows: pl.DataFrame, step: timedelta) -> pl.DataFrame:
    """Rows with `period_end` for intraday bars: whole steps from where their stretch of trading begins."""
    grids = [
        segment_grid(mic, first, last).select(pl.lit(mic).alias("exchange"), begins="open", ends="close")
        for mic, first, last in rows.group_by("exchange")
        .agg(first=pl.col("date").min(), last=pl.col("date").max())
        .sort("exchange")
        .iter_rows()
    ]
    found = (
        rows.drop("period_end")
        .sort("ts")
        .join_asof(
            pl.concat(grids).sort("ends"),
            left_on="ts",
            right_on="ends",
            by="exchange",
            strategy="forward",
            check_sortedness=False,
        )
    )
    steps = (pl.col("ts") - pl.col("begins")).dt.total_microseconds() / (step / timedelta(microseconds=1))
    end = pl.col("begins") + steps.ceil().cast(pl.Int64) * pl.lit(step)
    return found.with_columns(period_end=pl.min_horizontal(end, "ends")).drop("begins", "ends")


def _over(rows: pl.DataFrame, bars: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Rows of periods that are over, with the first moment at which a bar of the exchange showed it."""
    shown = bars.group_by(*by, "ts").agg(pl.col("known_at").min()).sort("ts")
    shown = shown.select(
        *by,
        pl.col("ts").alias("shown_ts"),
        known_over=pl.col("known_at").cum_min(reverse=True).over(by),
    )
    joined = rows.sort("period_end").join_asof(
        shown,
        left_on="period_end",
        right_on="shown_ts",
        by=by,
        strategy="forward",
        check_sortedness=False,
    )
    return joined.filter(pl.col("known_over").is_not_null())


def _unless_missing(name: str, value: pl.Expr) -> pl.Expr:
    return pl.when(pl.col(name).null_count() == 0).then(value).alias(name)


def _vwap() -> pl.Expr:
    price, volume = pl.col("vwap"), pl.col("volume")
    # A bar in which nothing was traded has no average and needs none.
    needed = (price.is_null() & (volume > 0)).any()
    whole = ~needed & (volume.null_count() == 0) & (volume.sum() > 0)
    return pl.when(whole).then((price * volume).sum() / volume.sum()).alias("vwap")
