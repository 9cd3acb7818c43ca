"""pysystemtrade: closes of contracts from rows of three quotes, rolls, FX rates; adjusted prices stay out."""

import io
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from landing_files import ARRIVED, copy, drop, read, rules
from shared_data import folder

from lim_pipelines.align.continuous import continuous
from lim_pipelines.schemas import ROLLS
from lim_pipelines.sources.base import Parsed, RejectedFileError
from lim_pipelines.sources.pysystemtrade import Pysystemtrade
from lim_pipelines.sources.pysystemtrade.instruments import INSTRUMENTS

MULTIPLE = """DATETIME,CARRY,CARRY_CONTRACT,PRICE,PRICE_CONTRACT,FORWARD,FORWARD_CONTRACT
2018-10-17 14:00:00,,20180900,374.00,20181200,,20191200
2018-10-17 23:00:00,,20180900,375.25,20181200,405.0,20191200
2018-10-18 01:00:00,,20180900,374.75,20181200,,20191200
2018-10-18 02:00:00,,20190900,403.0,20191200,,20201200
2018-10-18 23:00:00,396.25,20190900,401.75,20191200,414.5,20201200
2018-10-19 19:00:00,,20190900,400.00,20191200,,20201200
2018-10-19 23:00:00,395.00,20190900,,20191200,414.0,20201200
2018-10-20 23:00:00,,20190900,,20191200,,20201200
tomorrow,1,20190900,1,20191200,1,20201200
"""
ROLL = """DATE_TIME,current_contract,next_contract,carry_contract
2018-10-18 02:00:00,20181200,20191200,20180900
"""
CONFIG = "Instrument,Pointsize,AssetClass,Currency,Description,Slippage\nCORN,50,Ags,USD,Corn,0.1\n"
FILES = {
    "multiple_prices_csv/CORN.csv": MULTIPLE,
    "roll_calendars_csv/CORN.csv": ROLL,
    "adjusted_prices_csv/CORN.csv": "DATETIME,price\n2018-10-17 23:00:00,-86.5\n",
    "fx_prices_csv/AUDUSD.csv": "DATETIME,PRICE\n2018-10-17 00:00:00,0.71\n2018-10-18 00:00:00,\n",
    "csvconfig/instrumentconfig.csv": CONFIG,
}


def shipped(landing: Path) -> None:
    for name, text in FILES.items():
        drop(landing, f"pysystemtrade/data/futures/{name}", text)


def zipped(landing: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    drop(landing, "pysystemtrade/csv.zip", content.getvalue())


def tabled(landing: Path) -> None:
    """The same rows in the collection's Parquet tables (but for the row whose time cannot be read)."""
    lines = pl.read_csv(MULTIPLE.encode(), infer_schema=False)
    tables = {
        "multiple_prices": lines.rename(str.lower).rename({"datetime": "ts"}),
        "roll_calendars": pl.read_csv(ROLL.encode(), infer_schema=False).rename({"DATE_TIME": "ts"}),
    }
    for name, table in tables.items():
        content = io.BytesIO()
        table.with_columns(instrument=pl.lit("CORN")).write_parquet(content)
        drop(landing, f"pysystemtrade/{name}.parquet", content.getvalue())
    drop(landing, "pysystemtrade/csvconfig/instrumentconfig.csv", CONFIG)


def corn(parsed: Parsed) -> list[tuple[str, date, float]]:
    rows = parsed.rows.filter(pl.col("exchange") == "XCBT").select("symbol", "date", "close")
    return sorted(rows.iter_rows())


@pytest.mark.parametrize("ship", [shipped, zipped, tabled])
def test_closes_of_contracts_in_every_layout(tmp_path: Path, ship) -> None:  # type: ignore[no-untyped-def]
    ship(tmp_path)
    parsed = read(Pysystemtrade(), tmp_path)
    assert corn(parsed) == [
        # On the day of the roll the old contract's last snapshot (374.75 at 01:00) is no close.
        ("CORN/201812", date(2018, 10, 17), 375.25),
        ("CORN/201909", date(2018, 10, 18), 396.25),
        ("CORN/201909", date(2018, 10, 19), 395.0),
        ("CORN/201912", date(2018, 10, 17), 405.0),
        ("CORN/201912", date(2018, 10, 18), 401.75),
        # The day's last row has no price of it: the last one that has stands.
        ("CORN/201912", date(2018, 10, 19), 400.0),
        ("CORN/202012", date(2018, 10, 18), 414.5),
        ("CORN/202012", date(2018, 10, 19), 414.0),
    ]
    held = dict(parsed.rejected.filter(pl.col("exchange") == "XCBT").group_by("rule").len().iter_rows())
    assert held == {"intraday_snapshot": 3, "missing_value": 1, "unparsable_row": 1}
    # Rows in = rows that gave a bar + rows held back.
    used = parsed.rows.filter(pl.col("exchange") == "XCBT").select("file", "line").unique().height
    assert used + sum(held.values()) == MULTIPLE.count("\n") - 1
    listing = parsed.listings.filter(pl.col("symbol") == "CORN/201812").row(0, named=True)
    assert (listing["instrument_id"], listing["root"]) == ("XCBT:ZC.201812", "XCBT:ZC")
    assert (listing["multiplier"], listing["currency"], listing["asset_class"]) == (50.0, "USD", "future")
    assert (parsed.rows["close"] > 0).all()


def test_fx_rates_are_mid_prices_of_no_venue(tmp_path: Path) -> None:
    shipped(tmp_path)
    parsed = read(Pysystemtrade(), tmp_path)
    rate = parsed.rows.filter(pl.col("exchange") == "FXSPOT").row(0, named=True)
    assert (rate["price_type"], rate["close"], rate["ts"]) == (
        "mid",
        0.71,
        datetime(2018, 10, 17, 21, tzinfo=UTC),
    )
    assert rules(parsed)["missing_close"] == 1
    assert "FXSPOT:AUDUSD" in parsed.listings["instrument_id"].to_list()


@pytest.mark.parametrize("ship", [shipped, zipped, tabled])
def test_the_continuous_series_is_made_of_contracts_and_rolls(tmp_path: Path, ship) -> None:  # type: ignore[no-untyped-def]
    ship(tmp_path)
    source = Pysystemtrade()
    parsed, rolls = read(source, tmp_path), source.reference(tmp_path)[ROLLS.name]
    assert rolls.select("ts", "current_contract", "next_contract", "carry_contract").rows() == [
        (datetime(2018, 10, 18, tzinfo=UTC), "XCBT:ZC.201812", "XCBT:ZC.201912", "XCBT:ZC.201809")
    ]
    ids = parsed.listings.select("symbol", "instrument_id", "asset_class").unique()
    bars = parsed.rows.join(ids, on="symbol")
    series = continuous(bars, rolls).filter(pl.col("instrument_id") == "XCBT:ZC")
    assert series.select("date", "close").rows() == [
        (date(2018, 10, 17), 375.25),
        (date(2018, 10, 18), 401.75),
        (date(2018, 10, 19), 400.0),
    ]
    # Held over the roll: from the new contract's 405 to its 401.75.
    assert series["ex_factor"][1] == pytest.approx(405 / 375.25)


def test_two_rolls_on_one_date_are_one(tmp_path: Path) -> None:
    twice = (
        ROLL
        + "2019-09-02 15:00:00,20191200,20200300,20190900\n2019-09-02 17:00:00,20200300,20200500,20191200\n"
    )
    drop(tmp_path, "pysystemtrade/data/futures/roll_calendars_csv/CORN.csv", twice)
    rolls = Pysystemtrade().reference(tmp_path)[ROLLS.name]
    assert rolls.select("ts", "current_contract", "next_contract", "carry_contract", "line").row(1) == (
        *(datetime(2019, 9, 2, tzinfo=UTC), "XCBT:ZC.201912", "XCBT:ZC.202005", "XCBT:ZC.201912", 4),
    )
    assert rolls.height == 2


def test_a_feed_is_known_when_it_arrived(tmp_path: Path) -> None:
    for name, text in FILES.items():
        drop(tmp_path, f"pysystemtrade/{name}", text, history=False)
    source = Pysystemtrade()
    parsed = read(source, tmp_path)
    assert (parsed.rows["known_at"] == ARRIVED).all()
    assert (parsed.rejected["known_at"] == ARRIVED).all()
    assert (source.reference(tmp_path)[ROLLS.name]["known_at"] == ARRIVED).all()


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("multiple_prices_csv/GOLD.csv", MULTIPLE, "unknown_instrument"),
        ("multiple_prices_csv/CORN.csv", "DATETIME,PRICE\n", "wrong_columns"),
    ],
)
def test_what_cannot_be_known_is_refused(tmp_path: Path, name: str, text: str, rule: str) -> None:
    drop(tmp_path, "pysystemtrade/csvconfig/instrumentconfig.csv", CONFIG)
    drop(tmp_path, f"pysystemtrade/{name}", text)
    with pytest.raises(RejectedFileError, match=rule):
        read(Pysystemtrade(), tmp_path)


def test_prices_without_point_values_are_refused(tmp_path: Path) -> None:
    drop(tmp_path, "pysystemtrade/multiple_prices_csv/CORN.csv", MULTIPLE)
    with pytest.raises(RejectedFileError, match="missing_config"):
        read(Pysystemtrade(), tmp_path)


def test_the_vendors_zip(tmp_path: Path) -> None:
    real = folder("futures_pysystemtrade")
    copy(tmp_path, "pysystemtrade", real / "raw")
    source = Pysystemtrade()
    parsed = read(source, tmp_path)
    futures = pl.col("exchange") != "FXSPOT"
    used = parsed.rows.filter(futures).select("file", "line").unique().height
    held = parsed.rejected.filter(futures).height
    with zipfile.ZipFile(next((real / "raw").iterdir())) as archive:
        lines = sum(
            archive.read(name).count(b"\n") - 1
            for name in archive.namelist()
            if name.startswith("multiple_prices_csv/")
        )
    assert used + held == lines
    assert parsed.rows.filter(~futures).height + 1 == 71_681
    assert parsed.rows.filter(~futures)["symbol"].n_unique() == 10
    assert (parsed.rows["close"] > 0).all()
    last = parsed.rows.filter((pl.col("symbol") == "CORN/201912") & (pl.col("date") == date(2018, 12, 31)))
    assert last["close"].to_list() == [398.5]
    rolls = source.reference(tmp_path)[ROLLS.name]
    assert rolls.height == 8_166
    assert rolls["root"].n_unique() == 60 - 1
    held = pl.col("next_contract").shift(1).over("root", order_by="ts")
    assert rolls.filter(held != pl.col("current_contract")).is_empty()


@pytest.mark.slow
def test_the_collections_tables(tmp_path: Path) -> None:
    real = folder("futures_pysystemtrade")
    copy(tmp_path, "pysystemtrade", real, only="multiple_prices.parquet")
    copy(tmp_path, "pysystemtrade", real, only="instrumentconfig.csv")
    parsed = read(Pysystemtrade(), tmp_path)
    used = parsed.rows.select("file", "line").unique().height
    assert (used, rules(parsed)) == (368_350, {"intraday_snapshot": 873_060, "missing_value": 300})
    assert used + parsed.rejected.height == 1_241_710
    assert parsed.rows.height == 742_977
    known = {f"{mic}:{root}" for mic, root in INSTRUMENTS.values()}
    assert set(parsed.listings["root"].unique()) <= known
    assert parsed.listings["root"].n_unique() == 56
