"""Small files in LEAN's layout, written by the tests that read them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import polars as pl

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.lean import Lean

HISTORY = "lean/history/Data"
FEED = "lean"
ZONES = {
    "Equity-usa-[*]": "America/New_York",
    "Equity-india-[*]": "Asia/Kolkata",
    "Forex-fxcm-[*]": "UTC-05",
    "Forex-oanda-[*]": "UTC",
    "Cfd-oanda-[*]": "UTC",
    "Crypto-coinbase-[*]": "UTC",
    "CryptoFuture-binance-[*]": "UTC",
    "Future-cme-[*]": "UTC",
    "Future-hkfe-[*]": "Asia/Hong_Kong",
    "Index-usa-[*]": "America/New_York",
    "Index-usa-SPX": "America/Chicago",
}
PROPERTIES = """market,symbol,type,description,quote_currency,contract_multiplier,minimum_price_variation
# a comment

usa,[*],equity,,USD,1,0.01,1
cme,ES,future,E-mini S&P 500 Futures,USD,50.0,0.25,1.0
oanda,EURUSD,forex,EUR/USD,USD,1,0.00001,1
"""


class LeanWorld:
    """A landing folder with LEAN's reference files and whatever a test adds."""

    def __init__(self, landing: Path, root: str = HISTORY) -> None:
        self.landing, self.root, self.source = landing, root, Lean()
        entries = {key: {"dataTimeZone": zone} for key, zone in ZONES.items()}
        self.text("market-hours/market-hours-database.json", json.dumps({"entries": entries}))
        self.text("symbol-properties/symbol-properties-database.csv", PROPERTIES)

    def text(self, path: str, content: str) -> Path:
        where = self.landing / self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(content)
        return where

    def zip(self, path: str, entries: dict[str, str]) -> Path:
        where = self.landing / self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(where, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                # LEAN's own writer gives every entry the long form.
                with archive.open(name, "w", force_zip64=True) as stream:
                    stream.write(content.encode())
        return where

    def listed(self, path: str) -> SourceFile:
        """The file as the source lists it."""
        full = f"{self.root}/{path}"
        return next(file for file in self.source.files(self.landing) if file.path == full)

    def read(self, path: str) -> Parsed:
        """All blocks of a file."""
        return joined(list(self.source.read(self.listed(path), self.landing)))


def joined(blocks: list[Parsed]) -> Parsed:
    return Parsed(
        pl.concat([block.rows for block in blocks]),
        pl.concat([block.rejected for block in blocks]),
        pl.concat([block.listings for block in blocks]),
    )
