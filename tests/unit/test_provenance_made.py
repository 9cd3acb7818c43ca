"""Alternative data, the entity master, longer bars: they come out again, and not where they were touched."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from alternative_world import WIRE, claim, event, fact, list_shares, listing, send, text
from provenance_world import everything

from lim_pipelines import derive
from lim_pipelines.alternative.entity_master import build_entities
from lim_pipelines.alternative.load import load_raw
from lim_pipelines.alternative.steps import SHAPES, align_shape, validate_shape
from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import scope_of
from lim_pipelines.places import Places
from lim_pipelines.provenance.subject import find
from lim_pipelines.provenance.verify import verdict, verify
from lim_pipelines.schemas import RESAMPLED_BARS, TABLES, VALIDATED_BARS

DAY = date(2018, 11, 20)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Facts, events and texts of one vendor, taken through all steps."""
    monkeypatch.setattr("lim_pipelines.sources.ALTERNATIVE_SOURCES", (WIRE,))
    places = Places(tmp_path / "home")
    lake = places.lake()
    list_shares(lake, listing("AAA"))
    send(places.landing, "a", claim(), fact(), event(), text(), fact("NOBODY"))
    load_raw(lake, places.landing)
    build_entities(lake, places.landing)
    for shape in SHAPES:
        align_shape(lake, shape)
        validate_shape(lake, shape)
    return places


TABLE_AND_COLUMN = [
    ("validated_facts", "value"),
    ("aligned_events", "value"),
    ("validated_texts", "text"),
    ("entity_links", "score"),
    ("entities", "name"),
]


@pytest.mark.parametrize(("table", "column"), TABLE_AND_COLUMN)
def test_rows_come_out_again_and_a_touched_one_does_not(places: Places, table: str, column: str) -> None:
    before = everything(places)
    found = verify(places, find(table, places))
    assert verdict(found) == "equal", found
    assert all(one.compared for one in found)
    assert everything(places) == before
    lake, stored = places.lake(), TABLES[table]
    rows = lake.revisions(stored).collect()
    other = pl.lit("touched") if stored.schema[column] == pl.String else pl.lit(0.25)
    lake.write(stored, rows.with_columns(other.alias(column)), rows.select(stored.partition_key).unique())
    named = {one.what: one for one in verify(places, find(table, places))}[table]
    assert named.verdict == "differs"
    value = "touched" if stored.schema[column] == pl.String else 0.25
    assert f"{column} is stored as {value!r}" in named.detail


def test_longer_bars_come_out_again(tmp_path: Path) -> None:
    places = Places(tmp_path)
    lake = places.lake()
    opens = sessions("XNYS", DAY, DAY)["open"][0]
    minutes = [opens + timedelta(minutes=n) for n in range(1, 61)]
    bars = pl.DataFrame({"ts": minutes, "close": [100.0 + n for n in range(60)]}).with_columns(
        exchange=pl.lit("XNYS"),
        date=pl.lit(DAY),
        instrument_id=pl.lit("XNYS:IBM"),
        freq=pl.lit("1m"),
        price_type=pl.lit("trade"),
        open="close",
        high="close",
        low="close",
        volume=1.0,
        ex_factor=1.0,
        asset_class=pl.lit("equity"),
        source=pl.lit("test"),
        withdrawn=False,
        known_at=pl.col("ts") + timedelta(minutes=15),
    )
    scope = scope_of({"exchange": ["XNYS"], "date": [DAY]})
    lake.write(VALIDATED_BARS, VALIDATED_BARS.conform(bars), scope)
    derive.resample_bars(lake, scope)
    what = find(f"resampled_bars@{DAY}|XNYS", places)
    (found,) = verify(places, what)
    assert (found.verdict, found.compared > 0) == ("equal", True)
    rows = lake.revisions(RESAMPLED_BARS).collect()
    lake.write(RESAMPLED_BARS, rows.with_columns(volume=pl.lit(7.0)), scope)
    (found,) = verify(places, what)
    assert found.verdict == "differs"
    assert "volume is stored as 7.0" in found.detail
