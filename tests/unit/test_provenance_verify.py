"""Partitions made again: equal to the bit, different where they were touched, honest about what is gone."""

from __future__ import annotations

import hashlib
import shutil
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from gate_world import DAYS as GATE_DAYS
from gate_world import LAST, MIC, align, bars, gate
from landing_files import copy
from provenance_world import ARRIVED, DAYS, IBM, KEY, TEXT, drop, everything, home, load
from shared_data import folder

from lim_pipelines import ingest
from lim_pipelines.lake import Lake
from lim_pipelines.places import Places
from lim_pipelines.provenance.compare import Finding
from lim_pipelines.provenance.subject import SubjectError, find
from lim_pipelines.provenance.verify import verdict, verify
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    GATE_RESULTS,
    QUARANTINE,
    RAW_QUOTES,
    RELEASES,
    VALIDATED_BARS,
    Table,
)
from lim_pipelines.validate.releases import releasable


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def places(original: Places, tmp_path: Path) -> Places:
    """A home of the test's own; modification times are kept."""
    return Places(shutil.copytree(original.root, tmp_path / "home"))


def looked_at(places: Places, what: str = KEY) -> list[Finding]:
    return verify(places, find(what, places))


def of(found: list[Finding], what: str) -> Finding:
    [one] = [finding for finding in found if finding.what == what]
    return one


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def tamper(places: Places, table: Table, close: float) -> None:
    lake, where = places.lake(), pl.col("date") == DAYS[1]
    rows = lake.revisions(table, where).collect()
    lake.write(table, rows.with_columns(close=pl.lit(close)), rows.select(table.partition_key).unique())


def test_a_partition_comes_out_again_to_the_bit_and_nothing_is_written(places: Places) -> None:
    before = everything(places)
    found = looked_at(places, "validated_bars@XNYS")
    assert verdict(found) == "equal"
    compared = {one.what: one.compared for one in found}
    assert compared["raw_quotes"] == 8, "four bars of the file, four of the embedded index"
    assert compared["validated_bars"] == 7, "one row is held back"
    assert compared["quarantine, stage validate"] == 1
    assert compared["gate_results"] >= 4
    assert everything(places) == before


@pytest.mark.parametrize("table", [VALIDATED_BARS, ALIGNED_BARS])
def test_a_changed_number_is_named_with_key_column_and_both_values(places: Places, table: Table) -> None:
    tamper(places, table, 117.3)
    found = looked_at(places)
    assert verdict(found) == "differs"
    detail = of(found, table.name).detail
    for words in ("XNYS:IBM", "2018-11-20", "close is stored as 117.3, comes out as 117.2"):
        assert words in detail
    assert of(found, "raw_quotes").verdict == "equal"


def test_a_row_that_was_slipped_in_is_named(places: Places) -> None:
    lake = places.lake()
    rows = lake.revisions(VALIDATED_BARS, pl.col("date") == DAYS[1]).collect()
    ghost = rows.filter(pl.col("instrument_id") == "XNYS:IBM").with_columns(
        instrument_id=pl.lit("XNYS:GHOST")
    )
    more = pl.concat([rows, ghost])
    lake.write(VALIDATED_BARS, more, rows.select(VALIDATED_BARS.partition_key).unique())
    detail = of(looked_at(places), "validated_bars").detail
    assert "1 rows are stored that do not come out again" in detail
    assert "XNYS:GHOST" in detail


def test_of_a_replaced_file_what_is_gone_is_named_by_its_hash(places: Places) -> None:
    newer = TEXT.replace("117.2", "117.9")
    drop(places, newer, days_later=3)
    load(places)
    found = looked_at(places)
    assert verdict(found) == "cannot be verified"
    raw = [one for one in found if one.what == "raw_quotes"]
    assert {one.verdict for one in raw} == {"equal", "cannot be verified"}
    assert any(sha(TEXT) in one.detail for one in raw)
    assert sum(one.compared for one in raw) == 3, "the index, and both revisions of the bar"
    assert all(of(found, name).verdict == "equal" for name in ("aligned_bars", "validated_bars"))
    other = looked_at(places, "2018-11-19|XNYS")
    assert verdict(other) == "cannot be verified", "the values are the same, the file that came first is gone"
    assert any(sha(TEXT) in one.detail for one in other)


def test_a_file_changed_behind_the_ledger_is_named_with_both_hashes(places: Places) -> None:
    newer = TEXT.replace("117.2", "117.9")
    drop(places, newer, days_later=3)
    found = looked_at(places)
    assert verdict(found) == "cannot be verified"
    assert any(sha(TEXT) in one.detail and sha(newer) in one.detail for one in found)


def test_a_file_that_is_gone_is_named_with_its_hash(places: Places) -> None:
    (places.landing / IBM).unlink()
    found = looked_at(places)
    assert verdict(found) == "cannot be verified"
    assert any(f"{IBM} is gone" in one.detail and sha(TEXT) in one.detail for one in found)


def test_a_raw_row_that_its_unchanged_file_does_not_give_is_a_difference(places: Places) -> None:
    tamper(places, RAW_QUOTES, 99.0)
    found = looked_at(places)
    assert verdict(found) == "differs"
    assert any(one.what == "raw_quotes" and "99.0" in one.detail for one in found)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_raw_row_whose_moment_was_moved_is_a_difference(places: Places, hours: int) -> None:
    lake, where = places.lake(), pl.col("date") == DAYS[1]
    rows = lake.revisions(RAW_QUOTES, where).collect()
    moved = rows.with_columns(known_at=pl.col("known_at") + timedelta(hours=hours))
    lake.write(RAW_QUOTES, moved, rows.select(RAW_QUOTES.partition_key).unique())
    found = looked_at(places)
    assert any(one.what == "raw_quotes" and one.verdict == "differs" for one in found)


def test_of_a_partition_that_the_gate_holds_it_says_so(tmp_path: Path) -> None:
    places = Places(tmp_path)
    half = pl.col("instrument_id") < f"{MIC}:I10"
    lake = Lake(tmp_path / "lake")
    align(lake, bars().filter((pl.col("date") != LAST) | half))
    gate(lake)
    assert lake.revisions(GATE_RESULTS, pl.col("held")).collect().height
    found = looked_at(places, f"{LAST}|{MIC}")
    assert of(found, "validated_bars").verdict == "cannot be verified"
    assert "held by the gate" in of(found, "validated_bars").detail
    assert of(found, "gate_results").verdict == "equal"
    assert of(looked_at(places, f"{GATE_DAYS[-2]}|{MIC}"), "validated_bars").verdict == "equal"


def test_a_vendors_real_files_come_out_again(tmp_path: Path) -> None:
    places = Places(tmp_path)
    copy(places.landing, "fxcm", folder("fx_minute_fxcm"))
    load(places, pl.DataFrame({"exchange": ["FXCM"], "date": [date(2012, 2, 15)]}))
    found = looked_at(places, "2012-02-15|FXCM")
    assert verdict(found) == "equal"
    compared = {one.what: one.compared for one in found}
    assert compared["raw_quotes"] > 2000
    assert compared["validated_bars"] > compared["raw_quotes"], "and mid quotes"


def test_macro_series_come_out_again(tmp_path: Path) -> None:
    places = Places(tmp_path)
    lake = places.lake()
    ingest.load_raw_macro(lake, places.landing)
    ingest.align_macro_series(lake)
    ingest.validate_macro_series(lake)
    found = looked_at(places, "validated_macro@vix")
    assert verdict(found) == "equal"
    assert len({one.compared for one in found}) == 1
    assert found[0].compared > 1000


def test_what_nobody_derives_is_refused_with_what_can_be_verified(places: Places) -> None:
    with pytest.raises(SubjectError, match="what can be verified"):
        looked_at(places, "landing_files")
    with pytest.raises(SubjectError, match="no such rows"):
        looked_at(places, f"{date(2018, 11, 26)}|XNYS")


def test_the_newest_revision_of_a_replaced_file_is_held_against_it(places: Places) -> None:
    drop(places, TEXT.replace("117.2", "117.9"), days_later=3)
    lake = load(places)
    rows = lake.revisions(RAW_QUOTES, pl.col("date") == DAYS[1]).collect()
    forged = rows.with_columns(close=pl.when(pl.col("close") == 117.9).then(117.5).otherwise("close"))
    lake.write(RAW_QUOTES, forged, rows.select(RAW_QUOTES.partition_key).unique())
    found = looked_at(places)
    assert verdict(found) == "differs"
    detail = next(one.detail for one in found if one.what == "raw_quotes" and one.verdict == "differs")
    assert "close is stored as 117.5, comes out as 117.9" in detail


@pytest.mark.parametrize(("who", "expected"), [("", "differs"), ("ann", "equal")])
def test_releases_are_named_and_one_of_nobody_is_a_difference(
    places: Places, who: str, expected: str
) -> None:
    lake, held = places.lake(), DAYS[2]
    rows = lake.revisions(QUARANTINE, (pl.col("date") == held) & (pl.col("stage") == "validate")).collect()
    for rule in rows["rule"].unique():
        what = releasable(lake, "XNYS", held, held, rule)
        release = what.with_columns(
            since=pl.lit("arrival"), released_by=pl.lit(who), why=pl.lit("seen"), known_at=ARRIVED
        )
        lake.write(RELEASES, RELEASES.conform(release), release.select(RELEASES.partition_key).unique())
    ingest.validate_bars(lake, pl.DataFrame({"exchange": ["XNYS"], "date": [held]}))
    found = looked_at(places, f"{held}|XNYS")
    assert of(found, "releases").verdict == expected
    assert verdict(found) == expected
    assert who in of(found, "releases").detail


def test_what_stays_published_of_a_held_partition_is_held_against_aligned_rows(tmp_path: Path) -> None:
    lake, half = Lake(tmp_path / "lake"), pl.col("instrument_id") < f"{MIC}:I10"
    align(lake, bars())
    gate(lake)
    align(lake, bars().filter((pl.col("date") != LAST) | half))
    gate(lake)
    what = f"{LAST}|{MIC}"
    assert of(looked_at(Places(tmp_path), what), "validated_bars").verdict == "cannot be verified"
    rows = lake.revisions(VALIDATED_BARS, pl.col("date") == LAST).collect()
    assert rows.height
    forged = rows.with_columns(close=pl.lit(1.0))
    lake.write(VALIDATED_BARS, forged, rows.select(VALIDATED_BARS.partition_key).unique())
    found = [one for one in looked_at(Places(tmp_path), what) if one.what == "validated_bars"]
    assert [one.verdict for one in found] == ["differs", "cannot be verified"]
    assert "close is stored as 1.0" in found[0].detail
