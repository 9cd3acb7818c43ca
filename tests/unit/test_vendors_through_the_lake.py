"""Whole vendor folders through parsing, alignment, validation: rows in = published + held back, by rule."""

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
from landing_files import copy, drop, read
from shared_data import folder

from lim_pipelines import ingest
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.sources import QUOTE_SOURCES


@dataclass(frozen=True)
class Expected:
    """What becomes of a folder: rows published by length and price type, held back by stage and rule."""

    published: dict[str, int]
    held: dict[str, int] = field(default_factory=dict)


def through(root: Path, name: str) -> Expected:
    source = next(source for source in QUOTE_SOURCES if source.name == name)
    parsed = read(source, root / "landing")
    keys = ["exchange", "date"]
    scope = pl.concat([parsed.rows.select(keys), parsed.rejected.select(keys)]).unique()
    lake = Lake(root / "lake")
    steps = {
        "parse": ingest.load_raw_quotes(lake, root / "landing", scope),
        "align": ingest.align_quotes(lake, scope),
        "validate": ingest.validate_bars(lake, scope),
    }
    mine = pl.col("source") == name
    held = {
        f"{stage} {rule}": n
        for stage, step in steps.items()
        for rule, n in step.quarantined.filter(mine).group_by("rule").len().sort("rule").iter_rows()
    }
    rows = lake.revisions(VALIDATED_BARS, mine).collect()
    published = dict(
        rows.group_by(kind=pl.concat_str("freq", "price_type", separator=" ")).len().sort("kind").iter_rows()
    )
    made = rows.filter(pl.col("price_type") == "mid").height if "1m bid" in published else 0
    later = sum(n for rule, n in held.items() if not rule.startswith("parse"))
    assert rows.height - made + later == parsed.rows.height
    assert sum(n for rule, n in held.items() if rule.startswith("parse")) == parsed.rejected.height
    return Expected(published, held)


def test_a_simulated_folder(tmp_path: Path) -> None:
    text = "timestamp,open,high,low,close\n2012-02-05 22:00:00+00:00,1.31,1.32,1.30,1.315\n"
    late = "2012-02-11 12:00:00+00:00,1.31,1.32,1.30,1.315\n"
    drop(tmp_path / "landing", "fxcm/eurusd-m1-bid-2012.csv", text + late)
    drop(tmp_path / "landing", "fxcm/eurusd-m1-ask-2012.csv", text.replace("1.315", "1.317"))
    assert through(tmp_path, "fxcm") == Expected(
        {"1m ask": 1, "1m bid": 1, "1m mid": 1}, {"align closed_session": 1}
    )


@pytest.mark.parametrize(
    ("name", "real", "expected"),
    [
        (
            "fxcm",
            "fx_minute_fxcm",
            Expected({"1m ask": 30_117, "1m bid": 30_117, "1m mid": 30_117}),
        ),
        ("btc_perp", "crypto_minute_btcperp", Expected({"1m trade": 45_031})),
        ("nautilus_bars", "futures_minute_6EH4", Expected({"1m trade": 29_996})),
        (
            # Six bars of Friday's midnight are stamped Monday 00:00.
            "trademaster_futures",
            "cn_futures_5min_trademaster",
            Expected({"5m trade": 10_134}, {"align outside_session": 6}),
        ),
        (
            "trademaster_shares",
            "cn_equity_intraday_trademaster",
            Expected({"1h trade": 10_712}, {"parse auction_print": 2_678}),
        ),
        (
            "google_finance",
            "us_equity_daily_rsr/raw",
            Expected({"1d trade": 136_011 - 344}, {"validate ohlc_order": 344}),
        ),
        (
            "pystock",
            "us_equity_eod_and_filings_pystock/raw",
            Expected({"1d trade": 109_974 - 48_467}, {"parse duplicate_bar": 48_467}),
        ),
        (
            "pysystemtrade",
            "futures_pysystemtrade/raw",
            Expected(
                {"1d mid": 71_680 - 387, "1d trade": 138_456 - 604},
                {
                    "parse intraday_snapshot": 85_342,
                    "parse missing_close": 1,
                    "parse missing_value": 97,
                    "align closed_session": 991,
                },
            ),
        ),
    ],
)
def test_a_vendors_folder(tmp_path: Path, name: str, real: str, expected: Expected) -> None:
    copy(tmp_path / "landing", name, folder(real.split("/")[0]) / real.partition("/")[2])
    assert through(tmp_path, name) == expected
