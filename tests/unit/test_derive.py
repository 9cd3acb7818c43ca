"""Continuous futures in the lake: which rolls count where sources correct or contradict each other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from test_continuous import ROOT, at, calendar

from lim_pipelines.align.revisions import merge
from lim_pipelines.derive import stitch_futures
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.reference import register
from lim_pipelines.schemas import CONTINUOUS_FUTURES, LISTINGS, ROLLS, UTC_TIME, VALIDATED_BARS

TOLD = calendar((5, "202005", "202006"), (12, "202006", "202007"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three contracts of twenty days, rolled by the source `test`."""
    lake = Lake(tmp_path)
    names = [f"{ROOT}.{month}" for month in ("202005", "202006", "202007")]
    bars = [
        {
            **{
                "exchange": "XNYM",
                "date": at(day).date(),
                "instrument_id": name,
                "freq": "1d",
                "ts": at(day),
            },
            **dict.fromkeys(("open", "high", "low", "close"), 20.0 + nth + day),
            **{"volume": 1.0, "ex_factor": 1.0, "asset_class": "future", "source": "test"},
            "known_at": at(day) + timedelta(minutes=15),
        }
        for nth, name in enumerate(names)
        for day in range(20)
    ]
    frame = VALIDATED_BARS.conform(pl.DataFrame(bars))
    lake.write(VALIDATED_BARS, frame, frame.select(VALIDATED_BARS.partition_key))
    listed = pl.DataFrame({"symbol": names, "instrument_id": names}).with_columns(
        **{name: pl.lit(name) for name in ("name", "file")},
        **{"exchange": pl.lit("XNYM"), "asset_class": pl.lit("future"), "currency": pl.lit("USD")},
        **{"root": pl.lit(ROOT), "known_at": pl.lit(at(0), UTC_TIME)},
    )
    for source, priority in (("test", 5), ("other", 8)):
        found = listed.with_columns(source=pl.lit(source), priority=pl.lit(priority))
        register(lake, LISTINGS.conform(found))
    state(lake, TOLD)
    return lake


def state(lake: Lake, rolls: pl.DataFrame) -> None:
    arrived = datetime(2026, 1, 1, tzinfo=UTC)
    lake.update(ROLLS, rolls.select("source"), lambda there: merge(there, rolls, arrived, ROLLS))


def held(lake: Lake) -> list[int]:
    """Bars of each contract in turn."""
    stitch_futures(lake)
    rows = lake.read(CONTINUOUS_FUTURES, as_of=LATEST).sort("ts").collect()
    return rows.group_by("contract", maintain_order=True).len()["len"].to_list()


@pytest.mark.parametrize(
    "again",
    [
        calendar((6, "202005", "202006"), (12, "202006", "202007")),
        TOLD.with_columns(carry_contract=pl.lit(f"{ROOT}.202008")),
        calendar((9, "202005", "202007")).with_columns(source=pl.lit("other")),
    ],
    ids=["a roll is moved", "a carry contract is corrected", "another source has its own calendar"],
)
def test_the_series_stays_as_it_was_held(lake: Lake, again: pl.DataFrame) -> None:
    assert held(lake) == [6, 7, 7]
    state(lake, again)
    assert held(lake) == [6, 7, 7]


def test_a_calendar_with_a_hole_costs_its_own_series_only(lake: Lake) -> None:
    """The hole is told once one series is there already: that one stays, the other is stitched as ever."""
    contract = pl.col("instrument_id").str.replace(ROOT, "XNYM:NG")
    listed = lake.revisions(LISTINGS).filter(pl.col("source") == "test").collect()
    register(lake, listed.with_columns(contract, symbol=contract, root=pl.lit("XNYM:NG")))
    bars = lake.revisions(VALIDATED_BARS).collect()
    both = pl.concat([bars, bars.with_columns(contract)])
    lake.write(VALIDATED_BARS, both, both.select(VALIDATED_BARS.partition_key))
    assert stitch_futures(lake).refused == ()
    before = lake.read(CONTINUOUS_FUTURES, as_of=LATEST).sort("instrument_id", "ts").collect()
    named = [
        pl.col(name).str.replace(ROOT, "XNYM:NG") for name in ("root", "current_contract", "next_contract")
    ]
    hole = calendar((15, "202008", "202009"))
    state(lake, pl.concat([TOLD, hole, TOLD.with_columns(named)]))
    refused = stitch_futures(lake).refused
    assert len(refused) == 1
    assert re.search(r"leaves XNYM:CL.202008, but XNYM:CL.202007 was held.*rolls.csv, line 2", refused[0])
    rows = lake.read(CONTINUOUS_FUTURES, as_of=LATEST).sort("instrument_id", "ts").collect()
    assert rows.filter(pl.col("instrument_id") == ROOT).equals(before)
    assert rows.filter(pl.col("instrument_id") == "XNYM:NG")["contract"].n_unique() == 3


def test_a_correction_or_withdrawal_changes_nothing_that_was_known_before(lake: Lake) -> None:
    stitch_futures(lake)

    def seen(day: int) -> pl.DataFrame:
        rows = lake.read(CONTINUOUS_FUTURES, as_of=at(day) + timedelta(hours=1)).sort("ts")
        return rows.select("ts", "close", "ex_factor", "contract", "roll_gap", "known_at").collect()

    before = {day: seen(day) for day in (8, 15, 25)}
    bars = lake.revisions(VALIDATED_BARS).collect()
    wrong = bars.filter((pl.col("ts") == at(5)) & pl.col("instrument_id").str.ends_with("202005"))
    gone = bars.filter((pl.col("ts") == at(7)) & pl.col("instrument_id").str.ends_with("202006"))
    news = [
        wrong.with_columns(close=30.0, high=30.0, known_at=pl.lit(at(18), UTC_TIME)),
        gone.with_columns(withdrawn=True, known_at=pl.lit(at(19), UTC_TIME)),
    ]
    lake.update(
        VALIDATED_BARS, bars.select(VALIDATED_BARS.partition_key), lambda there: pl.concat([there, *news])
    )
    stitch_futures(lake)
    assert seen(8).equals(before[8])
    assert seen(15).equals(before[15])
    after = seen(25)
    assert after.height == before[25].height - 1
    assert after.filter(pl.col("ts") == at(5))["close"].to_list() == [30.0]
