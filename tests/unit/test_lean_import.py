"""Small files of LEAN's through the lake: registered, loaded, aligned, validated."""

import os
from datetime import date
from pathlib import Path

import polars as pl
from lean_world import LeanWorld

from lim_pipelines import ingest
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.landing.register import register
from lim_pipelines.reference import load_reference
from lim_pipelines.schemas import CORPORATE_ACTIONS, LANDING_FILES, QUARANTINE, VALIDATED_BARS

DAY = date(2014, 6, 9)


def test_a_day_of_several_classes(tmp_path: Path) -> None:
    world = LeanWorld(tmp_path / "landing")
    world.text("equity/usa/map_files/aapl.csv", "19980102,aapl,Q\n20501231,aapl,Q\n")
    world.text("equity/usa/map_files/bno.csv", "20150602,bno,P\n20501231,bno,P\n")
    world.text(
        "equity/usa/factor_files/aapl.csv",
        "19980102,1,0.1428571,1\n20140606,1,0.1428571,645.57\n20501231,1,1,0",
    )
    world.zip(
        "equity/usa/daily/aapl.zip",
        {
            "aapl.csv": "20140606 00:00,6490000,6510000,6440000,6455700,1\n"
            "20140609 00:00,926900,938800,917500,937000,1"
        },
    )
    world.zip("equity/usa/daily/bno.zip", {"bno.csv": "20140609 00:00,440000,440000,440000,440000,1"})
    minutes = {minute * 60_000: "1000000,1010000,990000,1000000,5" for minute in (480, 570, 571)}
    world.zip(
        "equity/usa/minute/aapl/20140609_trade.zip",
        {"20140609_aapl_minute_trade.csv": "\n".join(f"{ms},{bar}" for ms, bar in minutes.items())},
    )
    quote = "43200000,1.36,1.3602,1.3599,1.3601,0,1.3601,1.3603,1.36,1.3603,0"
    world.zip(
        "forex/oanda/minute/eurusd/20140609_quote.zip",
        {"20140609_eurusd_minute_quote.csv": quote},
    )
    world.zip(
        "future/cme/minute/es/20140609_trade.zip",
        {
            f"20140609_es_minute_trade_{month}.csv": "50400000,1950,1951,1949,1950.25,7"
            for month in ("201406", "201409")
        },
    )
    for path in (tmp_path / "landing").rglob("*"):
        os.utime(path, (1.6e9, 1.6e9))

    lake = Lake(tmp_path / "lake")
    register(lake, tmp_path / "landing")
    ledger = lake.revisions(LANDING_FILES).collect()
    assert set(ledger["rule"]) == {""}
    scope = pl.DataFrame({"exchange": ["XNAS", "XNYS", "OANDA", "XCME"], "date": [DAY] * 4})
    ingest.load_raw_quotes(lake, tmp_path / "landing", scope)
    ingest.align_quotes(lake, scope)
    ingest.validate_bars(lake, scope)

    bars = lake.read(VALIDATED_BARS, as_of=LATEST).filter(pl.col("source") == "lean").collect()
    told = (
        bars.group_by("instrument_id", "freq", "asset_class")
        .agg(pl.col("price_type").unique().sort())
        .sort("instrument_id", "freq")
    )
    assert told.rows() == [
        ("OANDA:EURUSD", "1m", "fx", ["ask", "bid", "mid"]),
        ("XCME:ES.201406", "1m", "future", ["trade"]),
        ("XCME:ES.201409", "1m", "future", ["trade"]),
        ("XNAS:AAPL", "1d", "equity", ["trade"]),
        ("XNAS:AAPL", "1m", "equity", ["trade"]),
    ]
    apple = bars.filter(pl.col("instrument_id") == "XNAS:AAPL").sort("freq", "ts")
    assert apple["ex_factor"].to_list() == [1 / 7, 1 / 7, 1.0]
    held = lake.read(QUARANTINE, as_of=LATEST).filter(pl.col("source") == "lean").collect()
    # Before the open; and a ticker on a date that its map file does not cover.
    assert sorted(held.select("symbol", "rule").rows()) == [
        ("AAPL", "outside_session"),
        ("BNO", "unknown_symbol"),
    ]

    load_reference(lake, tmp_path / "landing", CORPORATE_ACTIONS)
    (split,) = lake.read(CORPORATE_ACTIONS, as_of=LATEST).collect().iter_rows(named=True)
    assert (split["kind"], split["ex_date"], split["ratio"]) == ("split", DAY, 1 / 7)
