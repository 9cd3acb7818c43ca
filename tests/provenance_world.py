"""A home with one vendor's files, read, aligned and validated: for tests of provenance."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from lim_pipelines import ingest
from lim_pipelines.lake import Lake
from lim_pipelines.landing.register import register
from lim_pipelines.places import Places

DAYS = [date(2018, 11, day) for day in (19, 20, 21, 23)]
SCOPE = pl.DataFrame({"exchange": ["XNYS"] * len(DAYS), "date": DAYS})
KEY = "2018-11-20|XNYS"
IBM = "csv_drop/XNYS/ibm.csv"
HEADER = "symbol,date,open,high,low,close,volume\n"
LINES = {
    date(2018, 11, 19): "IBM,2018-11-19,119,120,118,119.5,4000\n",
    date(2018, 11, 20): "IBM,2018-11-20,117,118,116,117.2,5000\n",
    # The high is below the low: held back.
    date(2018, 11, 21): "IBM,2018-11-21,118,110,117,118.1,4500\n",
    date(2018, 11, 23): "IBM,2018-11-23,118,119,117,118.4,3000\n",
}
TEXT = HEADER + "".join(LINES.values())
ARRIVED = datetime(2018, 12, 1, 12, tzinfo=UTC)


def drop(places: Places, text: str = TEXT, days_later: int = 0) -> Path:
    """Lay the vendor's file into the landing folder."""
    file = places.landing / IBM
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    at = (ARRIVED + timedelta(days=days_later)).timestamp()
    os.utime(file, (at, at))
    return file


def load(places: Places, scope: pl.DataFrame = SCOPE) -> Lake:
    """Register what lies there and take it through all steps, as the sensor's run does."""
    lake = places.lake()
    register(lake, places.landing)
    ingest.load_raw_quotes(lake, places.landing, scope)
    ingest.align_quotes(lake, scope)
    ingest.validate_bars(lake, scope)
    return lake


def home(root: Path) -> Places:
    """A home whose file is read and published."""
    places = Places(root.resolve())
    drop(places)
    load(places)
    return places


def everything(places: Places) -> dict[str, bytes]:
    """All files of a home: nothing that only looks may change one."""
    return {
        str(path.relative_to(places.root)): path.read_bytes()
        for path in sorted(places.root.rglob("*"))
        if path.is_file()
    }
