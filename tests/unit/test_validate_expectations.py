"""Great Expectations reads the same rules and must count the same rows as the gate."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lim_pipelines.align import macro
from lim_pipelines.schemas import ALIGNED_BARS, VALIDATED_BARS, VALIDATED_MACRO
from lim_pipelines.sources.macro import collect_macro
from lim_pipelines.validate.beside import NOTHING
from lim_pipelines.validate.checks import Between, Check, IsTrue, NotBelow
from lim_pipelines.validate.excerpt import JUDGED
from lim_pipelines.validate.expectations import ExpectationReport, check_expectations
from lim_pipelines.validate.partitions import summarise
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.rules import RULES, rules_of

pytestmark = pytest.mark.filterwarnings("ignore")

TABLES = [table for table, _ in JUDGED]
ROWS = 300


def what_rules_read() -> dict[tuple[str, str], pl.Schema]:
    """Columns that the rules of each table and level find, with their types."""
    found = {(table.name, "row"): prepare(table.empty(), table).schema for table in TABLES}
    nothing = summarise(ALIGNED_BARS.empty(), pl.Series([], dtype=pl.Boolean), NOTHING)
    return {**found, (VALIDATED_BARS.name, "partition"): nothing.schema}


READ = what_rules_read()


def compared_with(rules: Sequence[Rule]) -> dict[str, set[Any]]:
    """Values that the rules' expectations name, by column."""
    named: defaultdict[str, set[Any]] = defaultdict(set)
    for rule in rules:
        named["source"].update(rule.sources)
        for check in rule.checks:
            _, kwargs = check.expectation()
            for bound in ("min_value", "max_value"):
                if kwargs.get(bound) is not None:
                    named[kwargs["column"]].add(float(kwargs[bound]))
            for column, values in re.findall(r"(\w+) (?:not )?in (\[.*?\])", kwargs.get("row_condition", "")):
                named[column].update(ast.literal_eval(values))
    return named


def random_values(
    rng: np.random.Generator, dtype: pl.DataType, named: set[Any], count: int, nullable: bool
) -> pl.Series:
    """Values on, beside and far from those that matter; a tenth is missing."""
    pool: list[Any]
    if dtype == pl.Boolean:
        pool = [True, False]
    elif dtype == pl.String:
        pool = [*sorted(named), "something else"]
    else:
        bounds = sorted(named) or [0.0]
        far = 100.0 if dtype == pl.Int8 else 1e18
        pool = [*bounds, *(b + step for b in bounds for step in (-1.0, 1.0)), -far, far]
        if dtype.is_float():
            pool += [b + step for b in bounds for step in (-1e-6, 1e-6)] + [float("nan"), float("inf")]
    values = [pool[i] for i in rng.integers(0, len(pool), count)]
    if nullable:
        values = [None if missing else v for v, missing in zip(values, rng.random(count) < 0.1, strict=True)]
    if dtype.is_integer():
        return pl.Series(values, dtype=pl.Float64).cast(dtype)
    return pl.Series(values, dtype=dtype, strict=False)


def random_frame(seed: int, rules: Sequence[Rule], schema: pl.Schema, count: int = ROWS) -> pl.DataFrame:
    """What rules read, filled with every kind of trouble that they look for."""
    rng, named = np.random.default_rng(seed), compared_with(rules)
    read = {name for rule in rules for name in rule.passes().meta.root_names()}
    assert read <= set(schema), f"no frame has {read - set(schema)}"
    return pl.DataFrame(
        {
            # A source is never missing.
            name: random_values(rng, schema[name], named[name], count, nullable=name != "source")
            for name in sorted(read | {"source"})
        }
    )


def random_bars(seed: int, count: int = 400) -> pl.DataFrame:
    """Bars of many kinds of trouble, about one value in ten."""
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


def assert_agreement(frame: pl.DataFrame, rules: Sequence[Rule]) -> ExpectationReport:
    report = check_expectations(frame, rules)
    assert report.disagreeing == ()
    # Not by the report's own count of what the gate does, but by the rules themselves.
    ours = {rule.name: frame.select((~rule.passes()).sum()).item() for rule in rules}
    for rule in rules:
        found = [result for result in report.results if result.rule == rule]
        assert len(found) == len(rule.checks)
        counts = [result.unexpected for result in found]
        assert max(counts) <= ours[rule.name] <= sum(counts)
        assert all(result.success == (result.unexpected == 0) for result in found)
        assert all(result.examples.height == min(result.unexpected, 5) for result in found)
    blocking = {rule.name for rule in rules if rule.severity == "blocking"}
    assert report.blocked == any(ours[name] for name in blocking)
    return report


@pytest.mark.parametrize(("table", "level"), READ, ids=lambda value: value)
def test_both_count_the_same_of_every_rule(table: str, level: str) -> None:
    rules = [rule for rule in RULES if (rule.table, rule.level) == (table, level)]
    assert rules
    failing: set[str] = set()
    holding: set[str] = set()
    for seed in (1, 2):
        frame = random_frame(seed, rules, READ[table, level])
        # Every check must fail somewhere, and hold somewhere: else nothing was compared.
        failing |= {r.expectation for r in assert_agreement(frame, rules).results if r.unexpected}
        holding |= {rule.name for rule in rules if frame.select(rule.passes().any()).item()}
        assert not any(frame.select(rule.passes().is_null().any()).item() for rule in rules)
    assert failing == {r.expectation for r in check_expectations(frame.clear(), rules).results}
    assert holding == {rule.name for rule in rules}


def test_no_rule_is_left_out() -> None:
    assert {(rule.table, rule.level) for rule in RULES} == set(READ)


def has_bounds(check: Between) -> bool:
    """Great Expectations wants one, and of two the smaller one first."""
    if check.low is None or check.high is None:
        return (check.low, check.high) != (None, None)
    return check.low <= check.high


BOUND = st.none() | st.integers(-3, 3).map(float)
WORDS = st.dictionaries(st.just("word"), st.lists(st.sampled_from("abc"), min_size=1).map(tuple), max_size=1)
CHECKS = st.one_of(
    st.builds(
        Between, st.sampled_from(["x", "y"]), BOUND, BOUND, st.booleans(), where=WORDS, unless=WORDS
    ).filter(has_bounds),
    st.just(NotBelow("x", "y")),
    st.just(IsTrue("flag")),
)
NUMBER = st.none() | st.sampled_from([float("nan"), float("inf"), -float("inf"), -3.5, -1.0, 0.0, 1.0, 3.0])
A_ROW = st.tuples(
    NUMBER, NUMBER, st.none() | st.booleans(), st.none() | st.sampled_from("abcd"), st.sampled_from("st")
)


@settings(max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    checks=st.lists(CHECKS, min_size=1, max_size=6, unique_by=repr),
    rows=st.lists(A_ROW, max_size=12),
    sources=st.sampled_from([(), ("s",)]),
)
def test_any_check_means_the_same_to_both(
    checks: list[Check], rows: list[Any], sources: tuple[str, ...]
) -> None:
    numbers = {"x": pl.Float64, "y": pl.Float64}
    schema = {**numbers, "flag": pl.Boolean, "word": pl.String, "source": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    assert_agreement(
        frame,
        [
            Rule(f"r{i}", "t", "blocking", "o", "why", "do", (c,), sources=sources)
            for i, c in enumerate(checks)
        ],
    )


def test_a_disagreement_is_seen() -> None:
    class TwoMinds(IsTrue):
        def passes(self) -> pl.Expr:
            return ~super().passes()

    rule = Rule("r", "t", "warning", "o", "why", "do", (TwoMinds("flag"),))
    (result,) = check_expectations(pl.DataFrame({"flag": [True, True, False]}), [rule]).disagreeing
    assert (result.unexpected, result.by_gate) == (1, 2)


def test_a_column_that_is_missing_is_an_error_that_names_the_rule() -> None:
    rule = Rule("high_enough", "t", "warning", "o", "why", "do", (Between("x", low=0),))
    with pytest.raises(RuntimeError, match=r"rule high_enough: .* 'x'"):
        check_expectations(pl.DataFrame({"y": [1.0]}), [rule])


@pytest.mark.parametrize("seed", [1, 2])
def test_agreement_on_bad_bars_as_they_come(seed: int) -> None:
    rules = rules_of(VALIDATED_BARS)
    report = assert_agreement(prepare(random_bars(seed), VALIDATED_BARS), rules)
    names = {"finite_numbers", "positive_prices", "ohlc_order", "volume_not_negative", "ex_factor_range"}
    assert names <= {result.rule.name for result in report.failing}


def test_agreement_on_good_rows_and_on_none() -> None:
    aligned = macro.align(collect_macro().rows).rows
    rules = rules_of(VALIDATED_MACRO)
    assert not assert_agreement(prepare(aligned, VALIDATED_MACRO), rules).blocked
    report = assert_agreement(prepare(ALIGNED_BARS.empty(), VALIDATED_BARS), rules_of(VALIDATED_BARS))
    assert not report.failing


def test_it_is_loaded_only_when_asked() -> None:
    code = """
import sys
import lim_pipelines.sources, lim_pipelines.validate.drift, lim_pipelines.validate.expectations
print([m for m in ("great_expectations", "pandas", "scipy") if m in sys.modules])
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
