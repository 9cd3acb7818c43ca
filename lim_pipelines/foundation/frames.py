"""Anybody's bars as series: what `LIM.forecast` and `LIM.embed` read from a frame.

What does not belong here: bars of the lake (`data.py`), which are complete and validated; what the model says
(`answers.py`); torch.

Only `ts` and `close` are needed. What a frame does not say is neutral: one instrument, a clock in UTC, no
session hours, the frequency that fits the spacing of its bars best. Numeric columns that nobody knows are
variables of their own; a model reads as many of them as it has spare slots.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import polars.selectors as cs

from lim_pipelines.exchanges import EXCHANGES, session_of, sessions
from lim_pipelines.foundation.config import FREQS
from lim_pipelines.foundation.series import (
    BAR_LENGTH_US,
    VARIABLES,
    WHOLE_SESSIONS,
    Series,
    build_series,
    series_of_market,
)
from lim_pipelines.instruments import ASSET_CLASSES, AssetClass
from lim_pipelines.schemas import UTC_TIME, VALIDATED_BARS

DEFAULT_CLASS: AssetClass = "equity"
"""Asset class of a frame that names none: what most of the quotes that models learn from are."""

_ONE = "instrument"  # instrument of a frame that names none
_NOWHERE = ""  # exchange of a frame that names none
_CLOSE = time(16)  # when a session ends that no calendar knows: a time of day that daily models have met
_KEY = ("exchange", "instrument_id", "freq")
_OURS = ("return", "row", "sample", "step")  # columns and variables of answers


class FrameError(ValueError):
    """A frame of bars cannot be read; the message says what to do."""


class ArrowTable(Protocol):
    """Any table with the Arrow C stream interface: polars, pyarrow, DuckDB, pandas 3."""

    def __arrow_c_stream__(self, requested_schema: object | None = None, /) -> object:
        """Export the table."""
        ...


class Read(NamedTuple):
    """Series of a frame.

    Parameters
    ----------
    series
        One for each instrument and frequency, sorted by exchange, instrument and frequency; values (T, p), of
        `VARIABLES` and the unknown variables.
    close
        (n,) last known close of each, in the frame's units.
    unknown
        Names of the unknown variables, in the frame's order.
    """

    series: list[Series]
    close: npt.NDArray[np.float64]
    unknown: list[str]


def read_frame(bars: ArrowTable | pl.LazyFrame, *, shortest: int, longest: int, spare: int) -> Read:
    """Make series of a frame of bars.

    Parameters
    ----------
    bars
        Columns `ts` (end of the bar; times without a zone are UTC; dates are sessions, and so are times
        without a zone that are all midnight, as pandas has dates) and `close`; where they are known, also
        `open`, `high`, `low`, `volume`, `ex_factor` (see `schemas/bars.py`), `instrument_id`, `exchange`,
        `freq`, `asset_class`. Other columns of the lake's bars are not read, nor are texts; all other
        numeric columns are variables of their own. The rows of an instrument are in order of time.
    shortest, longest
        Fewest rows of a series; most rows that are kept of it, the last ones.
    spare
        Most variables that nobody knows.

    Raises
    ------
    FrameError
        A column is missing or of no use, rows are out of order or twice there, an instrument has too few rows
        or no price, or there are too many unknown variables.
    """
    frame = bars.collect() if isinstance(bars, pl.LazyFrame) else pl.DataFrame(bars)
    unknown = [name for name in frame.select(cs.numeric()).columns if name not in VALIDATED_BARS.columns]
    if len(unknown) > spare:
        raise FrameError(
            f"the model does not know the numeric columns {', '.join(unknown)}; it has {spare} spare slots"
            " for such variables: drop those that matter least"
        )
    ours = sorted(set(unknown) & set(_OURS))
    if ours:
        raise FrameError(
            f"numeric columns {', '.join(ours)}: so are columns of answers named; rename or drop them"
        )
    frame = _in_order(_completed(frame)).select(*VALIDATED_BARS.columns, *unknown)
    frame = frame.sort(_KEY, maintain_order=True).group_by(_KEY, maintain_order=True).tail(longest)
    close = _closes(frame, shortest)
    series = []
    for (exchange, freq), part in frame.partition_by("exchange", "freq", as_dict=True).items():
        if exchange in EXCHANGES:
            made = build_series(part)
        else:
            session = 0.5 if freq in WHOLE_SESSIONS else 0.0
            made = series_of_market(part.with_columns(session=pl.lit(session)), "UTC")
        series += _with_unknown(made, part, unknown)
    return Read(sorted(series, key=lambda one: (one.exchange, one.instrument_id, one.freq)), close, unknown)


def _completed(frame: pl.DataFrame) -> pl.DataFrame:
    """All columns of the lake's bars, neutral where the frame does not have them."""
    missing = [name for name in ("ts", "close") if name not in frame.columns]
    if missing or frame.is_empty():
        raise FrameError(
            f"bars with {f'no column {missing[0]}' if missing else 'no rows'} (columns:"
            f" {', '.join(frame.columns)}); needed are ts, the end of each bar, and close"
        )
    defaults = {
        "instrument_id": pl.lit(_ONE),
        "exchange": pl.lit(_NOWHERE),
        "asset_class": pl.lit(DEFAULT_CLASS),
        "ex_factor": pl.lit(1.0),
    }
    numbers = (*VARIABLES, "ex_factor")
    for name in numbers:
        if name in frame.columns and not (frame[name].dtype.is_numeric() or frame[name].dtype == pl.Null):
            raise FrameError(f"column {name} holds {frame[name].dtype}; cast it to numbers")
    frame = frame.with_columns(
        (pl.col(name).fill_null(value) if name in frame.columns else value).alias(name)
        for name, value in defaults.items()
    ).with_columns(pl.lit(None, pl.Float64).alias(name) for name in VARIABLES if name not in frame.columns)
    wrong = set(frame["asset_class"].unique()) - set(ASSET_CLASSES)
    if wrong:
        raise FrameError(
            f"asset_class {sorted(wrong)} is none of {', '.join(ASSET_CLASSES)}; take the nearest"
        )
    frame = _with_freq(_with_moments(frame.with_columns(pl.col(numbers).cast(pl.Float64))))
    absent = {name: kind for name, kind in VALIDATED_BARS.schema.items() if name not in frame.columns}
    frame = frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in absent.items())
    return frame.with_columns(known_at=pl.col("ts"), date=_dates(frame))


def _with_moments(frame: pl.DataFrame) -> pl.DataFrame:
    """`ts` in UTC; dates become their sessions' closes."""
    ts = frame["ts"]
    if ts.null_count():
        raise FrameError(f"{ts.null_count()} bars without ts; drop them")
    if (
        ts.dtype in (pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("ns"))
        and (ts.dt.time() == time(0)).all()
    ):
        frame = frame.with_columns(pl.col("ts").dt.date())
        ts = frame["ts"]
    if isinstance(ts.dtype, pl.Datetime):
        zoned = pl.col("ts").dt.replace_time_zone("UTC") if ts.dtype.time_zone is None else pl.col("ts")
        return frame.with_columns(zoned.dt.convert_time_zone("UTC").cast(UTC_TIME).alias("ts"))
    if ts.dtype != pl.Date:
        raise FrameError(
            f"column ts holds {ts.dtype}; it must be dates or times, e.g. pl.col('ts').str.to_datetime()"
        )
    first, last = frame.select(first=pl.col("ts").min(), last=pl.col("ts").max()).row(0)
    known = [
        sessions(mic, first, last).select(pl.lit(mic).alias("exchange"), ts="date", ended="close")
        for mic in frame["exchange"].unique()
        if mic in EXCHANGES
    ]
    supposed = pl.col("ts").dt.combine(_CLOSE).dt.replace_time_zone("UTC").cast(UTC_TIME)
    if not known:
        return frame.with_columns(supposed)
    return (
        frame.join(pl.concat(known), on=["exchange", "ts"], how="left", maintain_order="left")
        .with_columns(ts=pl.coalesce("ended", supposed))
        .drop("ended")
    )


def _with_freq(frame: pl.DataFrame) -> pl.DataFrame:
    """`freq` as the frame says, else what fits each instrument's spacing of bars best."""
    if "freq" in frame.columns:
        wrong = set(frame["freq"].unique()) - set(FREQS)
        if wrong:
            raise FrameError(
                f"freq {sorted(map(str, wrong))} is none of {', '.join(FREQS)}; leave the column out, and the"
                " one that fits the bars best is taken"
            )
        return frame
    spacing = pl.col("ts").diff().over("exchange", "instrument_id").dt.total_microseconds()
    frame = frame.with_columns(apart=spacing.median().over("exchange", "instrument_id"))
    names, lengths = np.array(list(BAR_LENGTH_US)), np.log(list(BAR_LENGTH_US.values()))
    apart = np.log(np.maximum(frame["apart"].fill_null(0.0).to_numpy(), 1.0))
    nearest = np.abs(apart[:, None] - lengths).argmin(axis=1)
    return frame.with_columns(freq=pl.Series(names[nearest])).drop("apart")


def _dates(frame: pl.DataFrame) -> pl.Series:
    """Sessions of bars that are shorter than one, where the exchange's hours are known; else days in UTC."""
    dates = frame["ts"].dt.date()
    for mic in set(frame["exchange"].unique()) & set(EXCHANGES):
        short = (frame["exchange"] == mic) & ~frame["freq"].is_in(WHOLE_SESSIONS)
        if short.any():
            at = short.arg_true()
            inside = session_of(mic, frame["ts"].gather(at))["date"]
            dates = dates.scatter(
                at, inside.fill_null(strategy="forward").zip_with(inside.is_not_null(), dates.gather(at))
            )
    return dates.alias("date")


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Check that every series' bars are in order of time, each there once."""
    apart = pl.col("ts").diff().over(_KEY).dt.total_microseconds()
    wrong = frame.with_columns(apart=apart).filter(pl.col("apart") <= 0)
    if wrong.is_empty():
        return frame
    one = wrong.row(0, named=True)
    where = f"{one['instrument_id']} {one['freq']}"
    if one["apart"] == 0:
        raise FrameError(
            f"{where}: two bars end at {one['ts']}; keep one, e.g. frame.unique(['instrument_id', 'ts'])"
        )
    raise FrameError(f"{where}: {one['ts']} comes after a later bar; sort the frame by instrument_id and ts")


def _closes(frame: pl.DataFrame, shortest: int) -> npt.NDArray[np.float64]:
    """Last known close of each series; checks that there is one, and bars enough."""
    price = pl.col("close").filter((pl.col("close") > 0) & pl.col("close").is_finite())
    found = frame.group_by(_KEY, maintain_order=True).agg(pl.len(), close=price.last())
    short = found.filter(pl.col("len") < shortest)
    if not short.is_empty():
        names = ", ".join(short["instrument_id"].head(5))
        raise FrameError(
            f"{short.height} instruments have fewer than {shortest} bars, a patch and the bar before it:"
            f" {names}; add history or leave them out"
        )
    silent = found.filter(pl.col("close").is_null())
    if not silent.is_empty():
        names = ", ".join(silent["instrument_id"].head(5))
        raise FrameError(
            f"{silent.height} instruments have no positive close in the context: {names}; leave them out"
        )
    return found["close"].to_numpy()


def _with_unknown(series: list[Series], rows: pl.DataFrame, unknown: list[str]) -> list[Series]:
    """Add unknown variables to the series of one exchange and frequency, made of sorted rows."""
    if not unknown:
        return series
    values = rows.select(pl.col(unknown).cast(pl.Float32).fill_null(float("nan"))).to_numpy()
    values = np.where(np.isfinite(values), values, np.nan)
    ends = np.cumsum([len(one) for one in series])
    parts = np.split(values, ends[:-1])
    return [
        replace(one, values=np.concatenate([one.values, part], axis=1))
        for one, part in zip(series, parts, strict=True)
    ]
