"""Daily bars for tests of drift: instruments move together, volatility clusters, changes can be planted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.simulate.processes import ar1, fat_tailed, garch, stream

LAST = date(2018, 12, 14)


def weekdays(count: int, last: date = LAST) -> list[date]:
    days = [last - timedelta(i) for i in range(2 * count)]
    return sorted([day for day in days if day.weekday() < 5][:count])


def bars(
    seed: int = 1,
    sessions: int = 760,
    instruments: int = 8,
    exchange: str = "XNAS",
    recent: int = 40,
    volatility: float = 1.0,
    volume: float = 1.0,
    last: date = LAST,
) -> pl.DataFrame:
    """Bars of `sessions` weekdays up to `last`; in the `recent` ones volatility and volume are multiplied."""
    own, vol = garch(fat_tailed(stream(seed, "own"), sessions, instruments), np.full(instruments, 0.01))
    common, _ = garch(fat_tailed(stream(seed, "common"), sessions, 1), np.array([0.008]))
    scale = np.where(np.arange(sessions) < sessions - recent, 1.0, volatility)[:, None]
    returns = (own + common) * scale
    close = 100 * np.exp(returns.cumsum(axis=0))
    half = 0.7 * vol * scale * np.exp(0.3 * stream(seed, "range").standard_normal(returns.shape))
    traded = ar1(stream(seed, "volume").standard_normal(returns.shape), 8, 0.4)
    traded = 1e6 * np.exp(traded)
    traded[sessions - recent :] *= volume
    days = weekdays(sessions, last)
    return pl.concat(
        pl.DataFrame(
            {
                "date": days,
                "ts": [datetime(day.year, day.month, day.day, 21, tzinfo=UTC) for day in days],
                "close": close[:, i],
                "open": close[:, i],
                "high": close[:, i] * np.exp(half[:, i]),
                "low": close[:, i] * np.exp(-half[:, i]),
                "volume": traded[:, i],
            }
        ).with_columns(
            exchange=pl.lit(exchange),
            instrument_id=pl.lit(f"{exchange}:I{i}"),
            freq=pl.lit("1d"),
            price_type=pl.lit("trade"),
            ex_factor=pl.lit(1.0),
            asset_class=pl.lit("equity"),
            source=pl.lit("test"),
            withdrawn=pl.lit(False),
            turnover=pl.lit(None, pl.Float64),
            known_at=pl.col("ts"),
        )
        for i in range(instruments)
    )


def write(lake: Lake, frame: pl.DataFrame) -> None:
    """Make bars the whole content of their partitions."""
    lake.write(VALIDATED_BARS, frame, frame.select("exchange", "date").unique())
