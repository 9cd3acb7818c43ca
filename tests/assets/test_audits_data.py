"""The checks `no_look_ahead` of data in a run: what they say, what they write, that they block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
import pytest
from inprocess import Lineage, checks_of, open_lineage

from lim_pipelines.schemas import AUDIT_RESULTS, RESAMPLED_BARS, VALIDATED_BARS

WEEK = ("2018-11-19|XNYM", "2018-11-25|XNYS")
STEPS = ("raw_quotes", "aligned_bars", "validated_bars", "resampled_bars", "model_inputs")
CHECK = {"no_look_ahead"}


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lineage, Any]]:
    with open_lineage(tmp_path_factory.mktemp("week")) as lineage:
        start, end = WEEK
        yield lineage, lineage.run(*STEPS, start=start, end=end, checks=CHECK)


def test_every_table_of_a_run_is_audited(week: tuple[Lineage, Any]) -> None:
    lineage, result = week
    checks = checks_of(result)
    for step in STEPS[1:]:
        check = checks[f"{step}/no_look_ahead"]
        assert check.passed, check.description
        assert check.blocking
        assert check.severity == dg.AssetCheckSeverity.ERROR
    kept = lineage.lake.revisions(AUDIT_RESULTS).collect()
    assert set(kept["asset"]) == {"aligned_bars", "validated_bars", "model_inputs"}, "no bars were resampled"
    assert kept["passed"].all()
    assert kept.filter(pl.col("audit") == "recompute")["compared"].sum() > 0
    assert set(kept.filter(pl.col("audit") == "recompute")["partition"].str.slice(11)) <= {"XNYM", "XNYS"}


def test_a_leak_blocks_what_follows(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from lim_pipelines import ingest

    honest = ingest.align_bars.align

    def by_the_whole_week(raw: pl.DataFrame, listings: pl.DataFrame) -> Any:
        return honest(raw.with_columns(open=pl.col("close").max().over("symbol")), listings)

    monkeypatch.setattr(ingest.align_bars, "align", by_the_whole_week)
    with open_lineage(tmp_path) as lineage:
        with pytest.raises(dg.DagsterError, match="no_look_ahead"):
            lineage.run(*STEPS, start=WEEK[0], end=WEEK[1], checks=CHECK)
        kept = lineage.lake.revisions(AUDIT_RESULTS, ~pl.col("passed")).collect()
        assert set(kept["asset"]) == {"aligned_bars"}
        assert "open is" in kept["finding"][0]
        for table in (VALIDATED_BARS, RESAMPLED_BARS):
            assert lineage.lake.version(table) == -1, "nothing was made of it"
