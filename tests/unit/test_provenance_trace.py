"""From rows to the vendor's file: every hash on the way is the thing's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from gate_world import LAST, MIC, align, bars, gate
from provenance_world import IBM, KEY, TEXT, drop, everything, home, load

from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.places import Places
from lim_pipelines.provenance.subject import Models, Report, Rows, SubjectError, find, partition_of
from lim_pipelines.provenance.trace import Number, trace
from lim_pipelines.provenance.tree import Unfolded, unfold, warnings_of
from lim_pipelines.schemas import MODEL_INPUTS, QUARANTINE, RELEASES, TABLES, VALIDATED_BARS, VALIDATED_FACTS
from lim_pipelines.validate.releases import releasable


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return home(tmp_path_factory.mktemp("home"))


def tree(places: Places, what: str, every: bool = True) -> Unfolded:
    return unfold(trace(places, find(what, places)), every=every)


def nodes(tree: Unfolded) -> Iterator[Unfolded]:
    yield tree
    for child in tree["children"]:
        yield from nodes(child)


def node(tree: Unfolded, what: str) -> dict[str, Any]:
    [found] = [one for one in nodes(tree) if one["what"] == what]
    return found


def test_a_partition_leads_to_its_file_by_hash_and_rows(places: Places) -> None:
    before = everything(places)
    found = tree(places, KEY)
    assert everything(places) == before
    lake = places.lake()
    rows = lake.revisions(VALIDATED_BARS, pl.col("date") == pl.date(2018, 11, 20)).collect()
    assert found["facts"]["fingerprint"] == fingerprint(rows.sort(VALIDATED_BARS.row_key))
    assert found["facts"]["rows"] == 2
    assert node(found, "aligned_bars")["facts"]["rows"] == 2
    assert node(found, "raw_quotes")["facts"]["source"] == ["arch_series", "csv_drop"]
    file = node(found, f"landing/{IBM}")
    assert file["facts"]["rows used"] == 1
    assert hashlib.sha256(TEXT.encode()).hexdigest() in file["facts"]["content"]
    assert "arrived 2018-12-01 12:00 UTC" in file["facts"]["content"]
    (package,) = [one for one in nodes(found) if one["what"].startswith("package://arch")]
    assert package["facts"]["package"].startswith("arch ")
    assert warnings_of(found) == []


def test_what_was_held_back_on_the_way_is_shown(places: Places) -> None:
    found = tree(places, "2018-11-21|XNYS")
    (held,) = [one for one in nodes(found) if one["what"].startswith("quarantined at validate")]
    assert held["facts"]["rows"] == 1
    assert held["facts"]["files"] == [IBM]
    assert any(one["what"].startswith("gate, blocking row rule") for one in nodes(found))


def test_a_whole_exchange_is_folded(places: Places) -> None:
    found = tree(places, "validated_bars@XNYS", every=False)
    assert "4 partitions: 2018-11-19|XNYS to 2018-11-23|XNYS (--all)" in found["folded"]
    assert node(found, f"landing/{IBM}")["facts"]["rows used"] == 3, "the fourth is in quarantine"


def test_releases_are_shown_with_who_and_why(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    bad = pl.when((pl.col("date") == LAST) & (pl.col("instrument_id") == f"{MIC}:I03")).then(-1.0)
    align(lake, bars().with_columns(volume=bad.otherwise("volume")))
    gate(lake)
    said = {"since": "arrival", "released_by": "ann", "why": "checked with the vendor"}
    what = releasable(lake, MIC, LAST, LAST, "volume_not_negative").with_columns(
        **{name: pl.lit(words) for name, words in said.items()},
        known_at=pl.lit(datetime(2019, 1, 1, tzinfo=UTC)),
    )
    lake.write(RELEASES, RELEASES.conform(what), what.select("exchange", "date"))
    gate(lake, LAST)
    found = tree(Places(tmp_path), f"{LAST}|{MIC}")
    (one,) = [one for one in nodes(found) if one["what"].startswith("released")]
    assert one["what"] == f"released {LAST}|{MIC}: volume_not_negative"
    assert {name: one["facts"][name] for name in said} == said


def test_of_a_held_partition_the_tree_says_why_it_is_empty(tmp_path: Path) -> None:
    half = pl.col("instrument_id") < f"{MIC}:I10"
    lake = Lake(tmp_path / "lake")
    align(lake, bars().filter((pl.col("date") != LAST) | half))
    gate(lake)
    found = tree(Places(tmp_path), f"{LAST}|{MIC}")
    assert found["warning"] == "the lake holds no rows of it"
    assert any(one["what"] == f"{LAST}|{MIC} is held: covered" for one in nodes(found))
    assert node(found, "aligned_bars")["facts"]["rows"] == 10


def test_a_file_that_changed_or_went_is_a_warning(tmp_path: Path) -> None:
    places = home(tmp_path)
    drop(places, TEXT.replace("117.2", "117.9"), days_later=3)
    assert any("changed since the ledger saw it" in line for line in warnings_of(tree(places, KEY)))
    load(places)
    found = node(tree(places, KEY), f"landing/{IBM}")
    assert found["warning"] == ""
    assert [name for name in found["facts"] if name.startswith("content ")] == [
        f"content {hashlib.sha256(text.encode()).hexdigest()[:16]}"
        for text in (TEXT, TEXT.replace("117.2", "117.9"))
    ]
    (places.landing / IBM).unlink()
    assert any("no longer in" in line for line in warnings_of(tree(places, KEY)))


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_that_is_there_can_be_traced(places: Places, table: str) -> None:
    if places.lake().version(TABLES[table]) < 0:
        with pytest.raises(SubjectError, match="no table"):
            tree(places, table)
    else:
        assert tree(places, table)["facts"]["rows"] > 0


def test_subjects_are_read_as_people_type_them(places: Places) -> None:
    folder = places.models / "small" / "2018-06-01" / "abc"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text("{}")
    places.reports.mkdir()
    (places.reports / "small.html").write_text("")
    for what in ("small", "small.html", "reports/small.html", "small_backtest"):
        assert find(what, places) == Report("small"), what
    for what in (str(folder), "small/2018-06-01/abc"):
        assert find(what, places) == Models("small", date(2018, 6, 1), folder)
    assert str(find("2018-06-01|XNAS", places)) == "validated_bars@2018-06-01|XNAS"
    assert str(find("validated_bars@XNAS|2018-06-01", places)) == "validated_bars@2018-06-01|XNAS"
    assert find("model_inputs@XNAS", places) == Rows(MODEL_INPUTS, {"exchange": "XNAS"})
    assert partition_of(VALIDATED_FACTS, "pystock|2014") == {"source": "pystock", "year": 2014}
    assert partition_of(QUARANTINE, "parse|XNAS|2014-01-02") == partition_of(
        QUARANTINE, "2014-01-02|parse|XNAS"
    )
    for what, words in {
        "nonsense": "is nothing that",
        "small@2018-07-01": "no checkpoint of that cutoff",
        "small@soon": "is no cutoff",
        "validated_bars@2018-06-01|XNAS|more": "is no part of its partition key",
    }.items():
        with pytest.raises(SubjectError, match=words):
            find(what, places)


def test_only_reports_have_metrics(places: Places) -> None:
    with pytest.raises(SubjectError, match="leave --metric out"):
        trace(places, find(KEY, places), Number("sharpe"))
