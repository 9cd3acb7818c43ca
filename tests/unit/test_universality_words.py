"""What is said of families that were asked about markets, in words and in plots."""

from __future__ import annotations

import math
from datetime import date

import polars as pl
import pytest

from lim_pipelines.reports.universality import Counted, skill_chart, verdict
from lim_pipelines.schemas import UNIVERSALITY

FAMILY = "foundation_checkpoint"


@pytest.mark.parametrize(
    ("low", "cells", "words"),
    [(0.6, 5, "SHOWN for return"), (0.6, 4, "NOT SHOWN"), (0.5, 9, "NOT SHOWN"), (math.nan, 9, "NOT SHOWN")],
)
def test_what_holds_in_a_few_markets_is_not_shown(low: float, cells: int, words: str) -> None:
    counted = Counted(FAMILY, False, "zero", "return", "persistence", 1.0, low, 1.0, cells)
    assert verdict([counted]).startswith(words)
    assert verdict([]) == "Nothing to say: no market is new to it."


def test_what_was_seen_is_drawn_between_the_two_ways_of_asking_about_what_was_not() -> None:
    about = (FAMILY, False, "XNYM", "commodity", "1d", "new exchange")
    rows = [
        (*about, shot, "volatility", "historical_volatility", 32, 0.1, 0.0, 0.2, date(2018, 7, 1))
        for shot in ("few", "full", "zero")
    ]
    drawn = skill_chart(pl.DataFrame(rows, schema=UNIVERSALITY.schema, orient="row"))["data"]
    assert [one["offsetgroup"] for one in drawn] == ["zero", "full", "few"]
    assert [one["legendrank"] for one in drawn] == [1, 0, 2]
    assert len({one["marker"]["color"] for one in drawn}) == 3
