"""A file that was held and then corrected: what nobody could read then, nobody reads later."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
from gate_world import DAYS, LAST, align, bars, gate, published, quarantined

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS

TWO_DAYS = timedelta(days=2)
PRICES = ("open", "high", "low", "close")
TODAY = pl.col("date") == LAST


def cents(frame: pl.DataFrame) -> pl.DataFrame:
    """The last day's prices in another unit."""
    return frame.with_columns(pl.when(TODAY).then(pl.col(p) * 100).otherwise(pl.col(p)) for p in PRICES)


def corrected(frame: pl.DataFrame) -> pl.DataFrame:
    """The last day once more, right, later."""
    return frame.filter(TODAY).with_columns(known_at=pl.col("known_at") + TWO_DAYS)


def as_of_the_day(lake: Lake) -> pl.DataFrame:
    moment = bars().filter(TODAY)["known_at"].max() + timedelta(minutes=1)
    return lake.read(VALIDATED_BARS, as_of=moment, where=TODAY).collect()


def test_prices_that_were_held_are_not_read_as_of_then_after_the_correction(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    wrong = cents(bars())
    align(lake, wrong)
    assert gate(lake).held.select("date", "rule").rows() == [(LAST, "no_common_jump")]
    assert as_of_the_day(lake).is_empty()

    right = corrected(bars())
    align(lake, pl.concat([wrong.filter(TODAY), right]))
    step = gate(lake, LAST)
    assert step.held.is_empty()
    assert published(lake, LAST).equals(right), "the correction only"
    assert as_of_the_day(lake).is_empty(), "as it was: nobody was shown the cents"
    held = quarantined(lake, "validate")
    assert held.height == right.height
    assert set(held["rule"]) == {"no_common_jump"}
    assert step.rows_in == published(lake, LAST).height + held.height


def test_the_same_files_at_once_or_one_after_the_other(tmp_path: Path) -> None:
    once, after = Lake(tmp_path / "once"), Lake(tmp_path / "after")
    wrong, right = cents(bars()), corrected(bars())
    align(once, pl.concat([wrong, right]))
    gate(once)
    align(after, wrong)
    gate(after)
    align(after, pl.concat([wrong.filter(TODAY), right]))
    gate(after, LAST)
    assert published(once).equals(published(after))


def test_what_was_right_when_it_came_stays_beside_its_corrections(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    first = bars()
    wrong = cents(first.filter(TODAY)).with_columns(known_at=pl.col("known_at") + TWO_DAYS)
    right = corrected(first).with_columns(known_at=pl.col("known_at") + TWO_DAYS)
    align(lake, pl.concat([first, wrong, right]))
    gate(lake)
    assert DAYS[-1] == LAST
    kept = published(lake, LAST)
    assert kept.height == 2 * right.height, "the first words and the last ones, not the cents between"
    assert kept["close"].max() == first.filter(TODAY)["close"].max()
    assert not as_of_the_day(lake).is_empty()
