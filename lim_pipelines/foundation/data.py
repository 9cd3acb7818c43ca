"""The rows a checkpoint may learn from: what was known at its cutoff, and not a row more.

What does not belong here: windows (`windows.py`), how the lake stores rows (`lake.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from lim_pipelines.align.resample import resample
from lim_pipelines.foundation.checkpoint import DataRead, Group
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.series import Series, build_series, iso, microseconds
from lim_pipelines.instruments import instruments
from lim_pipelines.lake import Lake, fingerprint, midnight
from lim_pipelines.schemas import VALIDATED_BARS

_RESAMPLED = {"1w": "1d"}
"""Frequencies that are not in the lake, and what they are made from."""


class NoRowsError(ValueError):
    """The lake has nothing for a family as of a cutoff."""


class LookAheadError(AssertionError):
    """A row was not known at the cutoff; the lake's or the resampling's point-in-time promise is broken."""


@dataclass(frozen=True)
class Rows:
    """Bars of one family as of one cutoff.

    Parameters
    ----------
    bars
        Rows of VALIDATED_BARS, one row a key.
    read
        What was read, for the checkpoint's meta.
    series
        The bars, and what is resampled from them, as series.
    """

    bars: pl.DataFrame
    read: DataRead
    series: list[Series]


def read_rows(lake: Lake, config: FoundationConfig, cutoff: date) -> Rows:
    """Read a family's bars as of a cutoff's midnight, UTC.

    Raises
    ------
    NoRowsError
        There are none.
    LookAheadError
        A row or a resampled bar was not known at that moment.
    """
    moment = midnight(cutoff)
    # Asked before the rows are read: a commit in between is then new to the next training, not lost to it.
    version = lake.version(VALIDATED_BARS)
    bars = lake.read(VALIDATED_BARS, as_of=moment, where=_wanted(config)).collect()
    if bars.is_empty():
        raise NoRowsError(
            f"{config.name} {cutoff}: {lake.root}/{VALIDATED_BARS.name} had no bars by then of exchanges"
            f" {config.exchanges}, classes {config.asset_classes}, frequencies {config.freqs}; materialise"
            f" `archive` and `validated_bars` up to {cutoff}, or start at a later cutoff"
        )
    parts = [bars.filter(pl.col("freq").is_in(config.freqs))]
    for freq in config.freqs:
        if freq in _RESAMPLED:
            parts.append(resample(bars.filter(pl.col("freq") == _RESAMPLED[freq]), freq))
    series = build_series(pl.concat(parts))
    newest = max((int(s.known_at.max()) for s in series), default=0)
    if newest > microseconds(moment.isoformat()):
        raise LookAheadError(
            f"{config.name} {cutoff}: a bar was known only at {iso(newest)}; check `known_at` of"
            f" {VALIDATED_BARS.name} and lim_pipelines/align/resample.py"
        )
    read = DataRead(
        table=VALIDATED_BARS.name,
        lake_version=version,
        as_of=moment.isoformat(),
        fingerprint=fingerprint(bars),
        rows=bars.height,
        groups=_groups(series),
    )
    return Rows(bars, read, series)


def _wanted(config: FoundationConfig) -> pl.Expr:
    ids = [i.instrument_id for i in instruments().values() if i.asset_class in config.asset_classes]
    freqs = sorted({_RESAMPLED.get(freq, freq) for freq in config.freqs})
    return (
        pl.col("exchange").is_in(config.exchanges)
        & pl.col("freq").is_in(freqs)
        & pl.col("instrument_id").is_in(ids)
    )


def _groups(series: list[Series]) -> tuple[Group, ...]:
    return tuple(
        Group(
            exchange=exchange,
            freq=freq,
            instruments=len(members),
            rows=sum(len(s) for s in members),
            first_ts=iso(min(int(s.ts[0]) for s in members)),
            last_ts=iso(max(int(s.ts[-1]) for s in members)),
        )
        for exchange, freq in sorted({(s.exchange, s.freq) for s in series})
        for members in [[s for s in series if (s.exchange, s.freq) == (exchange, freq)]]
    )
