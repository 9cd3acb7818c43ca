"""Sources of quotes: a file each, listed here, read through `collect`.

What does not belong here: instrument ids and session membership (`align/`), whether values make sense
(`validate/`). To add a source, copy `template.py` and name it in `QUOTE_SOURCES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.sources import collecting
from lim_pipelines.sources.arch_series import ArchSeries
from lim_pipelines.sources.base import (
    AlternativeSource,
    Parsed,
    QuoteSource,
    ReferenceSource,
    RejectedFileError,
    SourceFile,
)
from lim_pipelines.sources.bokeh_stocks import BokehStocks
from lim_pipelines.sources.btc_perp import BtcPerp
from lim_pipelines.sources.collecting import Collected
from lim_pipelines.sources.csv_drop import CsvDrop
from lim_pipelines.sources.earnings_dates import EarningsDates
from lim_pipelines.sources.facts_feed import FactsFeed
from lim_pipelines.sources.feed import Feed
from lim_pipelines.sources.findkg import FinDKG
from lim_pipelines.sources.fxcm import Fxcm
from lim_pipelines.sources.google_finance import GoogleFinance
from lim_pipelines.sources.hv_apple import HvApple
from lim_pipelines.sources.lean import Lean
from lim_pipelines.sources.nautilus_bars import NautilusBars
from lim_pipelines.sources.pystock import Pystock
from lim_pipelines.sources.pystock_collection import PystockCollection
from lim_pipelines.sources.pystock_filings import PystockCollectionFilings, PystockFilings
from lim_pipelines.sources.pystock_names import PystockNames
from lim_pipelines.sources.pysystemtrade import Pysystemtrade
from lim_pipelines.sources.rsr_relations import RsrRelations
from lim_pipelines.sources.sp500_companies import SP500Companies
from lim_pipelines.sources.sp500_members import SP500Members
from lim_pipelines.sources.stocknet import StocknetTweets
from lim_pipelines.sources.stocknet_companies import StocknetCompanies
from lim_pipelines.sources.trademaster_futures import TrademasterFutures
from lim_pipelines.sources.trademaster_shares import TrademasterShares
from lim_pipelines.sources.xsim import XSim

QUOTE_SOURCES: tuple[QuoteSource, ...] = (
    BokehStocks(),
    ArchSeries(),
    HvApple(),
    XSim(),
    CsvDrop(),
    Feed(),
    Lean(),
    Pystock(),
    PystockCollection(),
    GoogleFinance(),
    Pysystemtrade(),
    Fxcm(),
    BtcPerp(),
    NautilusBars(),
    TrademasterFutures(),
    TrademasterShares(),
)
"""All sources, in the order in which they are read."""

REFERENCE_SOURCES: tuple[ReferenceSource, ...] = (Lean(), Pysystemtrade(), SP500Members())
"""Sources of corporate actions, roll calendars and index members."""

ALTERNATIVE_SOURCES: tuple[AlternativeSource, ...] = (
    PystockFilings(),
    PystockCollectionFilings(),
    StocknetTweets(),
    FinDKG(),
    EarningsDates(),
    FactsFeed(),
    PystockNames(),
    SP500Companies(),
    RsrRelations(),
    StocknetCompanies(),
)
"""Sources of facts, events, texts, relations and claims about companies."""


def collect(
    exchanges: Iterable[str], start: date, end: date, landing: Path, ledger: pl.DataFrame | None = None
) -> Collected:
    """Read everything all sources hold for some exchanges and session dates; see `collecting.collect`."""
    return collecting.collect(QUOTE_SOURCES, exchanges, start, end, landing, ledger)


__all__ = [
    "ALTERNATIVE_SOURCES",
    "QUOTE_SOURCES",
    "REFERENCE_SOURCES",
    "Collected",
    "Parsed",
    "QuoteSource",
    "RejectedFileError",
    "SourceFile",
    "collect",
]
