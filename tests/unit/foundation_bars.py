"""Bars and series with a known answer, for the tests of the foundation model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.series import Series, build_series
from lim_pipelines.instruments import instruments
from lim_pipelines.schemas import VALIDATED_BARS

FIRST = datetime(2010, 1, 4, 21, 0, tzinfo=UTC)
"""A Monday."""

TINY = FoundationConfig(
    name="tiny",
    exchanges=("XNYS",),
    asset_classes=("equity", "index"),
    freqs=("1d",),
    context=32,
    horizon=8,
    patch=8,
    steps_first=4,
    steps_continual=2,
    batch_size=8,
)


def weekdays(count: int) -> list[datetime]:
    """Closes of the first `count` weekdays."""
    return [FIRST + timedelta(days=7 * (i // 5) + i % 5) for i in range(count)]


def bars(
    returns: npt.ArrayLike, instrument: str = "XNYS:IBM", seed: int = 0, close_only: bool = False
) -> pl.DataFrame:
    """Daily bars whose close has the given log returns."""
    steps = np.asarray(returns, dtype=float)
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(steps))
    opened = close * np.exp(0.002 * rng.standard_normal(len(close)))
    ts = weekdays(len(close))
    frame = pl.DataFrame(
        {
            "ts": ts,
            "close": close,
            "open": opened,
            "high": np.maximum(close, opened) * np.exp(0.003 * rng.random(len(close))),
            "low": np.minimum(close, opened) * np.exp(-0.003 * rng.random(len(close))),
            "volume": np.exp(10 + rng.standard_normal(len(close))),
        }
    ).with_columns(
        exchange=pl.lit(instrument.split(":")[0]),
        date=pl.col("ts").dt.date(),
        instrument_id=pl.lit(instrument),
        freq=pl.lit("1d"),
        ex_factor=pl.lit(1.0),
        asset_class=pl.lit(instruments()[instrument].asset_class),
        source=pl.lit("test"),
        known_at=pl.col("ts") + timedelta(minutes=15),
    )
    if close_only:
        frame = frame.with_columns(
            pl.lit(None, pl.Float64).alias(n) for n in ("open", "high", "low", "volume")
        )
    return VALIDATED_BARS.conform(frame)


def noise(count: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """White returns of 1 % a day."""
    return 0.01 * np.random.default_rng(seed).standard_normal(count)


def one_series(returns: npt.ArrayLike, instrument: str = "XNYS:IBM", **how: bool) -> Series:
    """The series of some returns."""
    (series,) = build_series(bars(returns, instrument, **how))
    return series
