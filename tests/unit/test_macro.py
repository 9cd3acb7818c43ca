"""Macro series: publication lags, alignment, nothing known before its period is over."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from lim_pipelines.align import macro
from lim_pipelines.schemas import RAW_MACRO
from lim_pipelines.sources.base import Parsed
from lim_pipelines.sources.macro import MACRO_SERIES, collect_macro


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
