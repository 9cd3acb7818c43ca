"""Great Expectations reads the same rules and must count the same rows as the gate."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lim_pipelines.align import macro
from lim_pipelines.schemas import ALIGNED_BARS, VALIDATED_BARS, VALIDATED_MACRO, Table
from lim_pipelines.sources.macro import collect_macro
from lim_pipelines.validate.expectations import ExpectationReport, check_expectations
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rules import rules_of

pytestmark = pytest.mark.filterwarnings("ignore")


def random_bars(seed: int, count: int = 400) -> pl.DataFrame:
    """Bars of every kind of trouble, about one value in ten."""
    rng = np.random.default_rng(seed)

    def trouble(good: np.ndarray, *bad: float) -> pl.Series:
        picked = np.where(rng.random(count) < 0.1, rng.choice([*bad, np.nan, np.inf], count), good)
        missing = rng.random(count) < 0.1
        return pl.Series([None if m else float(v) for v, m in zip(picked, missing, strict=True)])

    base = 100 + rng.normal(0, 1, count)
    close = datetime(2018, 12, 17, 21, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "exchange": ["XNAS"] * count,
            "date": [
                date(2018, 12, 17) + timedelta(days=int(d)) for d in rng.choice([0, 0, 0, 0, 1, 2, -1], count)
            ],
            "instrument_id": rng.choice(["XNAS:AAPL", "XNYM:WTI", "XNAS:IXIC"], count),
            "freq": rng.choice(["1d", "1m"], count),
            "ts": [close - timedelta(seconds=i) for i in range(count)],
            "open": trouble(base, -1, 0),
            "high": trouble(base + 1, 90, 0),
            "low": trouble(base - 1, 110, -1),
            "close": trouble(base, -1, 50, 300).fill_null(100.0),
            "volume": trouble(base, -1, 0),
            "ex_factor": trouble(np.ones(count), 0, 0.5, 1000).fill_null(1.0),
            "asset_class": rng.choice(["equity", "commodity", "index"], count),
            "source": ["test"] * count,
            "known_at": [close + timedelta(minutes=int(m)) for m in rng.choice([15, 0, -10], count)],
        }
    )
    return ALIGNED_BARS.conform(frame)


def assert_agreement(frame: pl.DataFrame, table: Table) -> ExpectationReport:
    rules = rules_of(table)
    prepared = prepare(frame, table)
    checks = [(rule.name, check) for rule in rules for check in rule.checks]
    ours = [(name, prepared.select((~check.passes()).sum()).item()) for name, check in checks]
    report = check_expectations(frame, table)
    assert [(result.rule, result.unexpected) for result in report.results] == ours
    assert all(result.success == (result.unexpected == 0) for result in report.results)
    blocked = {rule.name for rule in rules if rule.severity == "blocking"}
    assert report.success == (not any(count for name, count in ours if name in blocked))
    return report


@pytest.mark.parametrize("seed", [1, 2])
def test_agreement_on_bad_bars(seed: int) -> None:
    report = assert_agreement(random_bars(seed), VALIDATED_BARS)
    failing = [result for result in report.results if not result.success]
    assert {result.rule for result in failing} == {rule.name for rule in rules_of(VALIDATED_BARS)}
    assert all(0 < len(result.sample) <= 5 for result in failing)


def test_agreement_on_good_rows_and_on_none() -> None:
    aligned = macro.align(collect_macro().rows).rows
    assert assert_agreement(aligned, VALIDATED_MACRO).success
    assert_agreement(ALIGNED_BARS.empty(), VALIDATED_BARS)


def test_it_is_loaded_only_when_asked() -> None:
    code = """
import sys
import lim_pipelines.sources, lim_pipelines.validate.drift, lim_pipelines.validate.expectations
print([m for m in ("great_expectations", "pandas", "scipy") if m in sys.modules])
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
