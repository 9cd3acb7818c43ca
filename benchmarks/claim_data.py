"""Quotes of the paper's claim: what is pretrained on, and the futures that nobody pretrained on.

Two corpora: shares of the prepared lake, and 30 futures. Both are daily closes alone, because closes are all
that the futures' vendor gives: a model that was pretrained on ranges and volumes would miss them later.

Which futures are held out was fixed before any result was looked at, by what they are: the commodities of the
four large complexes (energy, grains and oilseeds, livestock, metals) that were quoted years before the first
cutoff. The 30 are all 26 financial futures (currencies, rates, share indices, volatility), and four
commodities of other complexes. Eleven are in neither: those that repeat what is held out (another wheat,
another natural gas, oats and ethanol, which go with corn, the commodity index), and those of which there is
too little (bitcoin, iron ore, the cotton index, two milks, cheese).

What does not belong here: models and statistics (`claim_cells.py`, `claim_tables.py`).
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.quality_home import lake_of
from lim_pipelines.align.continuous import as_taken
from lim_pipelines.bulk import import_history
from lim_pipelines.derive import stitched
from lim_pipelines.foundation.series import VARIABLES, Series, build_series
from lim_pipelines.lake import LATEST, Lake, as_of_view
from lim_pipelines.reference import load_reference
from lim_pipelines.schemas import ROLLS, VALIDATED_BARS
from lim_pipelines.sources.pysystemtrade.instruments import INSTRUMENTS
from scripts.flagged import DATA

HELD_OUT = (
    *("CRUDE_W", "HEATOIL", "GAS_US"),
    *("CORN", "WHEAT", "SOYBEAN", "SOYMEAL", "SOYOIL"),
    *("LIVECOW", "FEEDCOW", "LEANHOG"),
    *("GOLD", "COPPER", "PLAT", "PALLAD"),
)
"""Fine-tuned on and traded; the vendor's names."""

PRETRAINED = (
    *("AUD", "EUR", "GBP", "JPY", "MXP", "NZD"),
    *("EDOLLAR", "EURIBOR", "US2", "US5", "US10", "US20", "SHATZ", "OAT", "KR3", "KR10"),
    *("SP500", "NASDAQ", "AEX", "DAX", "EUROSTX", "SMI", "KOSPI", "NIKKEI"),
    *("VIX", "V2X"),
    *("LUMBER", "RICE", "MILK", "BUTTER"),
)
"""The 30 futures of the second corpus."""

CORPORA = ("equities", "futures")

_FOLDER = "futures_pysystemtrade"
_FILES = ("multiple_prices.parquet", "roll_calendars.parquet", "csvconfig")
_FIRST, _LAST = date(1970, 1, 1), date(2018, 12, 31)
_CLOSE = VARIABLES.index("close")


def prepare_futures(home: Path) -> pl.DataFrame:
    """Bring all futures through the platform's own steps, once: parse, align, validate, stitch at the rolls.

    Prices are as traded, and no later roll changes an earlier return, unlike the vendor's back-adjusted
    series.

    Returns
    -------
    pl.DataFrame
        Frame of `CONTINUOUS_FUTURES`, all revisions.
    """
    done = home / "continuous.parquet"
    if not done.exists():
        lake, landing = lake_of(home), home / "landing"
        _land(landing / "pysystemtrade" / "history")
        for mic in sorted({INSTRUMENTS[name][0] for name in (*HELD_OUT, *PRETRAINED)}):
            imported = import_history(lake, landing, mic, _FIRST, _LAST)
            print(f"{mic}: {imported.published:,} bars of contracts", file=sys.stderr, flush=True)
        load_reference(lake, landing, ROLLS)
        # Not all that is there: nobody asks for the other series.
        rolls = lake.revisions(ROLLS, pl.col("root").is_in(roots((*HELD_OUT, *PRETRAINED)))).collect()
        series = stitched(lake.revisions(VALIDATED_BARS).collect(), as_taken(rolls))
        part = done.with_suffix(".part")
        series.write_parquet(part)
        part.rename(done)
    return pl.read_parquet(done)


def _land(history: Path) -> None:
    """Copy the vendor's files to where its reader looks for history."""
    history.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        found = DATA / _FOLDER / name
        if not found.exists():
            raise FileNotFoundError(f"{found} is not there: shared data is not beside the repository")
        if found.is_dir():
            shutil.copytree(found, history / name, dirs_exist_ok=True)
        else:
            shutil.copy(found, history / name)


def roots(names: tuple[str, ...]) -> list[str]:
    """Instrument ids of the continuous series of the vendor's names."""
    return [":".join(INSTRUMENTS[name]) for name in names]


def bars_of(futures: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Continuous series of some futures as bars, as known at the end.

    The vendor's history has one revision of each bar; what was known earlier is a matter of `known_at`.
    """
    rows = futures.filter(pl.col("instrument_id").is_in(roots(names)))
    return as_of_view(
        VALIDATED_BARS.conform(rows.select(list(VALIDATED_BARS.schema))), LATEST, VALIDATED_BARS
    )


def corpus(name: str, shares: Lake, futures: pl.DataFrame) -> list[Series]:
    """Series of one corpus, closes alone."""
    if name == "futures":
        bars = bars_of(futures, PRETRAINED)
    else:
        # One vendor's shares. Funds that hold oil or metals come with another one's samples.
        where = (pl.col("source") == "google_finance") & (pl.col("freq") == "1d")
        where &= pl.col("exchange").is_in(["XNAS", "XNYS"]) & (pl.col("asset_class") == "equity")
        bars = shares.read(VALIDATED_BARS, as_of=LATEST, where=where).collect()
    return [closes_of(one) for one in build_series(bars)]


def closes_of(series: Series) -> Series:
    """Leave nothing but returns of closes in a series."""
    values = np.full_like(series.values, np.nan)
    values[:, _CLOSE] = series.values[:, _CLOSE]
    return replace(series, values=values)
