"""The rows a checkpoint may learn from: what was known at its cutoff, and not a row more.

What does not belong here: windows (`windows.py`), how the lake stores rows (`lake.py`), series on disk, which
training reads (`store/`). All at once, as here, they are read by who checks what training read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from lim_pipelines.align.resample import resample
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.series import Series, build_series, iso, microseconds, parts_of
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS

RESAMPLED = {"1w": "1d"}
"""Frequencies that are not in the lake, and what they are made from."""


class NoBarsError(ValueError):
    """The lake has nothing for a family as of a cutoff."""

    @classmethod
    def of(cls, lake: Lake, config: FoundationConfig, cutoff: date) -> NoBarsError:
        """Say what is missing, and what to do."""
        return cls(
            f"{config.name} {cutoff}: {lake.root}/{VALIDATED_BARS.name} had no bars by then of exchanges"
            f" {config.exchanges}, classes {config.asset_classes}, frequencies {config.freqs}; materialise"
            f" `archive` and `validated_bars` up to {cutoff}, or start at a later cutoff"
        )


class LookAheadError(AssertionError):
    """A row was not known at the cutoff; the lake's or the resampling's point-in-time promise is broken."""


@dataclass(frozen=True)
class Bars:
    """Bars of one family as of one cutoff.

    Parameters
    ----------
    config, cutoff
        Family and cutoff.
    frame
        Rows of VALIDATED_BARS, one row a key.
    """

    config: FoundationConfig
    cutoff: date
    frame: pl.DataFrame


def read_bars(lake: Lake, config: FoundationConfig, cutoff: date) -> Bars:
    """Read a family's bars as of a cutoff's midnight, UTC.

    Raises
    ------
    NoBarsError
        There are none.
    """
    rows = lake.read(VALIDATED_BARS, as_of=midnight(cutoff), where=rows_of_family(config))
    frame = rows.sort(VALIDATED_BARS.key).collect()
    if frame.is_empty():
        raise NoBarsError.of(lake, config, cutoff)
    return Bars(config, cutoff, frame)


def with_resampled(bars: Bars) -> pl.DataFrame:
    """Rows of all of a family's frequencies, those that are made of others among them."""
    freqs = bars.config.freqs
    parts = [bars.frame.filter(pl.col("freq").is_in(freqs))]
    for freq in freqs:
        if freq in RESAMPLED:
            shorter = bars.frame.filter(pl.col("freq") == RESAMPLED[freq])
            parts.append(longer(shorter, freq, bars.cutoff))
    return pl.concat(parts)


def longer(frame: pl.DataFrame, freq: str, cutoff: date) -> pl.DataFrame:
    """Resample daily bars to weeks, so that what is made of an instrument depends on little but itself.

    Each asset class shows by itself that a week is over, and a week counts as known when it has ended and its
    own bars were known, not when another instrument's bar showed its end.

    Parameters
    ----------
    frame
        Rows of VALIDATED_BARS of one frequency, one row a key.
    freq
        Key of `RESAMPLED`.
    cutoff
        What was known at its midnight.

    Raises
    ------
    LookAheadError
        A week was not known at the cutoff.
    """
    parts = frame.partition_by("asset_class", maintain_order=True)
    made = pl.concat([frame.clear(), *(resample(part, freq) for part in parts)])
    if made.is_empty():
        return made
    refuse_later(made.select(pl.col("known_at").max().to_physical()).item(), cutoff, f"bars of {freq}")
    week = pl.col("date").dt.truncate(freq).alias("_week")
    keys = ["exchange", "instrument_id", "price_type", "asset_class", "_week"]
    own = frame.with_columns(week).group_by(keys).agg(_own=pl.col("known_at").max())
    return (
        made.with_columns(week)
        .join(own, on=keys, how="left", maintain_order="left")
        .with_columns(known_at=pl.max_horizontal("_own", "ts"))
        .select(frame.columns)
    )


def series_from(frame: pl.DataFrame) -> list[Series]:
    """Make series of bars of any exchanges and frequencies, each asset class by itself.

    Returns
    -------
    list of Series
        Sorted by exchange, instrument, frequency and asset class.
    """
    series = [one for part in parts_of(frame, "asset_class") for one in build_series(part)]
    return sorted(series, key=lambda one: (one.exchange, one.instrument_id, one.freq, one.asset_class))


def refuse_later(newest: int, cutoff: date, whose: str) -> None:
    """Raise if a row was known only after a cutoff.

    Parameters
    ----------
    newest
        When the newest row became known, microseconds since 1970, UTC.
    cutoff
        The cutoff.
    whose
        Whose row it is, for the message.

    Raises
    ------
    LookAheadError
        It was.
    """
    if newest > microseconds(midnight(cutoff).isoformat()):
        raise LookAheadError(
            f"{whose} {cutoff}: a bar was known only at {iso(newest)}; check `known_at` of"
            f" {VALIDATED_BARS.name} and lim_pipelines/align/resample.py"
        )


def series_of(bars: Bars) -> list[Series]:
    """Make series of bars, and of what is resampled from them.

    Raises
    ------
    LookAheadError
        A bar was not known at the cutoff.
    """
    series = series_from(with_resampled(bars))
    refuse_later(max(int(s.known_at.max()) for s in series), bars.cutoff, bars.config.name)
    return series


def rows_of_family(config: FoundationConfig) -> pl.Expr:
    """Rows of `VALIDATED_BARS` that a family reads."""
    freqs = sorted({RESAMPLED.get(freq, freq) for freq in config.freqs})
    return (
        pl.col("exchange").is_in(config.exchanges)
        & pl.col("freq").is_in(freqs)
        & pl.col("asset_class").is_in(config.asset_classes)
        & pl.col("price_type").is_in(ONE_PRICE)
    )
