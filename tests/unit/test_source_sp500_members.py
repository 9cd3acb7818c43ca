"""Index members: who was in on a date, as known at a moment, and where the vendor's list falls short."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from shared_data import folder

from lim_pipelines.schemas import INDEX_MEMBERS
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.sp500_members import FILE, SP500Members

SIMULATED = (
    "ticker,start_date,end_date\nAAL,1996-01-02,1997-01-15\nAAL,2015-03-23,\nPCG,1996-01-02,2019-01-18\n"
)


def read(landing: Path) -> pl.DataFrame:
    return SP500Members().reference(landing)[INDEX_MEMBERS.name]


def members(rows: pl.DataFrame, on: date, known: datetime) -> set[str]:
    seen = rows.filter(pl.col("known_at") <= known).sort("known_at").unique(["symbol", "first"], keep="last")
    there = (pl.col("first") <= on) & ((pl.col("last") >= on) | pl.col("last").is_null())
    return set(seen.filter(there)["symbol"])


def drop(landing: Path, text: str, below: str = "history") -> None:
    path = landing / "sp500_members" / below / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_a_stay_is_known_to_end_only_when_it_does(tmp_path: Path) -> None:
    drop(tmp_path, SIMULATED)
    rows = read(tmp_path)
    assert rows.height == 3 + 2
    assert (rows["index_id"] == "XNYS:SPX").all()
    before, after = datetime(2019, 1, 17, 22, tzinfo=UTC), datetime(2019, 1, 18, 22, tzinfo=UTC)
    assert members(rows, date(2019, 1, 17), before) == {"AAL", "PCG"}
    assert members(rows, date(2019, 1, 18), before) == {"AAL", "PCG"}
    assert members(rows, date(2019, 1, 18), after) == {"AAL"}
    assert members(rows, date(2019, 1, 17), after) == {"AAL", "PCG"}
    assert members(rows, date(1997, 1, 15), after) == {"PCG"}


def test_a_dropped_file_is_known_on_arrival(tmp_path: Path) -> None:
    drop(tmp_path, SIMULATED, below="")
    rows = read(tmp_path)
    assert rows.height == 3
    assert (rows["known_at"] > datetime(2020, 1, 1, tzinfo=UTC)).all()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("symbol,from,to\nA,2000-01-01,\n", "wrong_columns"),
        ("ticker,start_date,end_date\nA,2000-01-01,soon\n", "unparsable_date"),
        ("ticker,start_date,end_date\nA,2000-01-01,1999-01-01\n", "unparsable_date"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    drop(tmp_path, text)
    with pytest.raises(RejectedFileError) as error:
        read(tmp_path)
    assert error.value.rule == rule


def test_the_vendors_file(tmp_path: Path) -> None:
    (tmp_path / "sp500_members" / "history").mkdir(parents=True)
    for path in folder("index_membership_sp500").iterdir():
        shutil.copy(path, tmp_path / "sp500_members" / "history")
    rows = read(tmp_path)
    stays = rows.select("symbol", "first").unique()
    assert stays.height == 1230
    assert rows.height == 1230 + (1230 - 503)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    sizes = [len(members(rows, day, now)) for day in (date(1996, 1, 3), date(2001, 1, 2), date(2025, 11, 12))]
    assert sizes == [487, 493, 503]
    on_the_change = members(rows, date(2019, 1, 18), now)
    assert "TFX" in on_the_change
    assert "PCG" not in on_the_change
    assert len(on_the_change) == 505
    # A renamed firm leaves and comes: Facebook, Meta.
    assert "FB" in members(rows, date(2022, 6, 8), now)
    assert {"FB", "META"} & members(rows, date(2022, 6, 9), now) == {"META"}
