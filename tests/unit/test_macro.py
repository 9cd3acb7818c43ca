"""Macro series: publication lags, alignment, nothing known before its period is over."""

import math
import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from lim_pipelines.align import macro
from lim_pipelines.lake import as_of_view
from lim_pipelines.schemas import ALIGNED_MACRO, RAW_MACRO, VALIDATED_MACRO
from lim_pipelines.sources.base import Parsed
from lim_pipelines.sources.macro import MACRO_SERIES, collect_macro
from lim_pipelines.validate.gate import validate


@pytest.fixture(scope="module")
def parsed() -> Parsed:
    return collect_macro()


def value(rows: pl.DataFrame, series: str, ts: datetime) -> dict[str, object]:
    return rows.filter((pl.col("series_id") == series) & (pl.col("ts") == ts)).row(0, named=True)


def test_rows_reconcile(parsed: Parsed) -> None:
    counts = dict(parsed.rows.group_by("series_id").len().iter_rows())
    assert counts == {"core_cpi": 743, "aaa_yield": 1200, "baa_yield": 1200, "vix": 1305 - 46}
    assert parsed.rejected.group_by("symbol", "rule", "exchange").len().rows() == [
        ("vix", "missing_value", "MACRO", 46)
    ]


def test_cpi_is_known_only_after_its_latest_release(parsed: Parsed) -> None:
    """January 2005 came out on 23 February, September 2013 (shutdown) on 30 October."""
    january = value(parsed.rows, "core_cpi", datetime(2005, 1, 31, 23, 59, 59, tzinfo=UTC))
    assert january["known_at"] > datetime(2005, 2, 23, 13, 30, tzinfo=UTC)
    september = value(parsed.rows, "core_cpi", datetime(2013, 9, 30, 23, 59, 59, tzinfo=UTC))
    assert september["known_at"] > datetime(2013, 10, 30, 12, 30, tzinfo=UTC)
    last = value(parsed.rows, "core_cpi", datetime(2018, 11, 30, 23, 59, 59, tzinfo=UTC))
    assert (last["value"], last["unit"], last["line"]) == (259.481, "index 1982-84 = 100", 744)


def test_vix_is_known_like_a_bar(parsed: Parsed) -> None:
    vix = value(parsed.rows, "vix", datetime(2014, 1, 3, 21, 0, tzinfo=UTC))
    assert (vix["value"], vix["known_at"]) == (13.76, datetime(2014, 1, 3, 21, 15, tzinfo=UTC))


def test_alignment_keeps_good_rows_and_all_others_go_to_quarantine(parsed: Parsed) -> None:
    outcome = macro.align(parsed.rows)
    assert outcome.rows.equals(parsed.rows)
    good = parsed.rows.head(1)
    bad = pl.concat(
        [
            good.with_columns(series_id=pl.lit("gdp")),
            good,
            good.with_columns(line=pl.lit(999, pl.Int64)),
            good.with_columns(known_at=pl.col("ts") - timedelta(seconds=1)),
        ]
    )
    outcome = macro.align(bad)
    assert outcome.rows.equals(good)
    assert sorted(outcome.quarantined["rule"]) == ["duplicate_value", "future_value", "unknown_series"]
    assert (outcome.quarantined["exchange"] == "MACRO").all()


def test_series_are_registered_once() -> None:
    assert len({series.series_id for series in MACRO_SERIES}) == len(MACRO_SERIES)
    assert macro.align(RAW_MACRO.empty()).rows.is_empty()


def revisions(seed: int) -> pl.DataFrame:
    """Random raw values of a few series, with revisions, and with rows given twice."""
    draw = random.Random(seed)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    rows = []
    for line in range(draw.randint(0, 30)):
        ts = draw.randint(0, 9)
        rows.append(
            {
                "series_id": draw.choice(["core_cpi", "vix", "frbny.PAYEMS", "unheard_of"]),
                "ts": first + timedelta(days=ts),
                "value": draw.choice([1.5, 2.5, math.nan, -1.0]),
                "unit": "",
                "source": draw.choice(["a", "b"]),
                "file": "f",
                "line": line,
                "known_at": first + timedelta(days=ts + draw.randint(-1, 8)),
            }
        )
    return pl.DataFrame(rows, RAW_MACRO.schema)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), day=st.integers(0, 18), value=st.sampled_from([9.0, math.nan, None]))
def test_nothing_known_later_changes_aligned_or_validated_values(
    seed: int, day: int, value: float | None
) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
    raw = revisions(seed)
    later = pl.col("known_at") > moment
    changed = raw.filter(~later)
    if value is not None:
        changed = raw.with_columns(pl.when(later).then(value).otherwise("value").alias("value"))

    def known(rows: pl.DataFrame) -> list[pl.DataFrame]:
        aligned = macro.align(rows).rows
        validated = validate(aligned, VALIDATED_MACRO).rows
        return [as_of_view(aligned, moment, ALIGNED_MACRO), as_of_view(validated, moment, VALIDATED_MACRO)]

    for seen, again in zip(known(raw), known(changed), strict=True):
        assert_frame_equal(seen, again, check_exact=True)
