"""The gate: each rule catches what it is for, nothing is lost, real data passes."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.align import bars, macro
from lim_pipelines.align.outcome import Outcome
from lim_pipelines.instruments import listings
from lim_pipelines.schemas import ALIGNED_BARS, QUARANTINE, TABLES, VALIDATED_BARS, VALIDATED_MACRO
from lim_pipelines.sources import collect
from lim_pipelines.sources.macro import collect_macro
from lim_pipelines.validate.gate import validate
from lim_pipelines.validate.rules import RULES, rules_of

CLOSE = datetime(2018, 12, 17, 21, 0, tzinfo=UTC)


def bar(**changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "exchange": "XNAS",
        "date": date(2018, 12, 17),
        "instrument_id": "XNAS:AAPL",
        "freq": "1d",
        "price_type": "trade",
        "ts": CLOSE,
        "open": 165.0,
        "high": 168.0,
        "low": 162.0,
        "close": 163.9,
        "volume": 4e7,
        "ex_factor": 1.0,
        "asset_class": "equity",
        "source": "test",
        "withdrawn": False,
        "known_at": CLOSE + timedelta(minutes=15),
    }
    return row | changes


def table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ALIGNED_BARS.schema, orient="row")


def judged(*rows: dict[str, object]) -> Outcome:
    outcome = validate(table(*rows), VALIDATED_BARS)
    assert outcome.rows.height + outcome.quarantined.height == len(rows)
    return outcome


def test_a_withdrawal_of_bad_values_goes_on() -> None:
    known = CLOSE + timedelta(hours=1)
    bad = {"low": 999.0, "known_at": known}
    gone = {**bad, "withdrawn": True, "known_at": known + timedelta(hours=1)}
    outcome = judged(bar(), bar(**bad), bar(**gone))
    assert outcome.rows["withdrawn"].to_list() == [False, True], "else the first bar would hold for ever"
    assert outcome.quarantined["rule"].to_list() == ["ohlc_order"]


WTI = {"exchange": "XNYM", "instrument_id": "XNYM:WTI", "asset_class": "commodity"}


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("finite_numbers", {"close": float("nan")}),
        ("finite_numbers", {"volume": float("inf")}),
        ("positive_prices", {"close": 0.0, "low": 0.0}),
        ("positive_prices", {"low": -1.0}),
        ("ohlc_order", {"high": 163.0}),
        ("ohlc_order", {"low": 164.0}),
        ("ohlc_order", {"open": 169.0}),
        ("ohlc_order", {"open": None, "close": 169.0}),
        ("volume_not_negative", {"volume": -1.0}),
        ("ex_factor_range", {"ex_factor": 0.0}),
        ("ex_factor_range", {"ex_factor": 2001.0}),
        ("ts_in_session", {"date": date(2018, 12, 14)}),
        ("ts_in_session", {"date": date(2018, 12, 25)}),
        ("positive_prices", {"asset_class": "crypto", "low": 0.0}),
        ("positive_prices", {"asset_class": "fx", "price_type": "bid", "low": 0.0}),
        ("known_after_end", {"known_at": CLOSE - timedelta(seconds=1)}),
    ],
)
def test_a_rule_catches_what_it_is_for(rule: str, changes: dict[str, object]) -> None:
    outcome = judged(bar(**changes), bar(ts=CLOSE - timedelta(hours=1)))
    row = outcome.quarantined.row(0, named=True)
    assert (row["rule"], row["stage"], row["symbol"]) == (
        rule,
        "validate",
        changes.get("instrument_id", "XNAS:AAPL"),
    )
    assert rule in row["reason"]
    assert json.loads(row["evidence"])["ts"] == "2018-12-17T21:00:00+00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"open": None, "high": None, "low": None, "volume": None},
        WTI | {"open": None, "high": None, "low": None, "close": -36.98},
        {"open": 164.0, "high": 164.0, "low": 164.0, "close": 164.0, "volume": 0.0},
        {"date": date(2018, 12, 18)},
        # Markets that never close end their day at midnight; Friday's night in Shanghai is of Monday.
        {
            "exchange": "BINANCE",
            "ts": datetime(2018, 12, 18, tzinfo=UTC),
            "known_at": CLOSE + timedelta(days=1),
        },
        {"exchange": "XSGE", "freq": "1h", "ts": datetime(2018, 12, 14, 14, tzinfo=UTC)},
    ],
)
def test_odd_but_right_rows_pass(changes: dict[str, object]) -> None:
    assert judged(bar(**changes)).quarantined.is_empty()


def test_a_row_that_fails_twice_is_quarantined_once_with_both_reasons() -> None:
    row = judged(bar(close=-1.0, volume=-5.0)).quarantined.row(0, named=True)
    assert row["rule"] == "positive_prices"
    assert [reason.split(":")[0] for reason in row["reason"].split(" | ")] == [
        "positive_prices",
        "ohlc_order",
        "volume_not_negative",
    ]


def test_warnings_let_pass_and_count() -> None:
    day = timedelta(days=1)
    halted = bar(date=date(2018, 12, 18), ts=CLOSE + day, known_at=CLOSE + day, volume=0.0)
    later = bar(date=date(2018, 12, 19), ts=CLOSE + 2 * day, known_at=CLOSE + 2 * day)
    halved = later | {name: later[name] / 2 for name in ("open", "high", "low", "close")}  # type: ignore[operator]
    outcome = judged(bar(), halted, halved)
    odd = {rule: rows for rule, rows in outcome.warnings.items() if rows}
    assert odd == {"jump": 1, "missed_split": 1, "traded": 1}
    assert judged(bar(), halted, halved | {"ex_factor": 0.5}).warnings["jump"] == 0
    # A bid without a size is no halt.
    assert judged(halted | {"price_type": "bid"}).warnings["traded"] == 0


def test_real_and_simulated_data_pass() -> None:
    start, end = date(1986, 1, 1), date(2018, 12, 31)
    for exchanges in ({"XNAS", "XNYS", "XNYM"}, {"XSIM"}):
        aligned = bars.align(collect(exchanges, start, end, Path("/nonexistent")).rows, listings()).rows
        outcome = validate(aligned, VALIDATED_BARS)
        assert outcome.rows.equals(aligned)
        assert outcome.warnings["jump"] <= 2  # AAPL lost 52 % on 2000-09-29


def test_macro() -> None:
    aligned = macro.align(collect_macro().rows).rows
    assert validate(aligned, VALIDATED_MACRO).rows.equals(aligned)
    wrong = aligned.head(3).with_columns(
        value=pl.Series([float("nan"), -1.0, 3.0]),
        known_at=pl.when(pl.int_range(pl.len()) == 2)
        .then(pl.col("ts") - timedelta(days=1))
        .otherwise("known_at"),
    )
    outcome = validate(wrong, VALIDATED_MACRO)
    assert outcome.rows.is_empty()
    assert sorted(outcome.quarantined["rule"]) == ["finite_value", "known_after_period", "positive_level"]
    high = aligned.head(1).with_columns(value=pl.lit(30.0))
    assert validate(high, VALIDATED_MACRO).warnings == {"plausible_level": 1}


def test_rules_are_complete() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.table in TABLES
        assert rule.rationale
        assert rule.remedy
        assert rule.owner.startswith("team:")
        assert rule.checks
    assert rules_of(VALIDATED_BARS)[0].name == "finite_numbers"


def test_nothing_in_nothing_out() -> None:
    outcome = validate(ALIGNED_BARS.empty(), VALIDATED_BARS)
    assert outcome.rows.schema == VALIDATED_BARS.schema
    assert outcome.quarantined.schema == QUARANTINE.schema
    warnings = {rule.name: 0 for rule in rules_of(VALIDATED_BARS) if rule.severity == "warning"}
    assert outcome.warnings == warnings


number = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 1e6, float("nan"), float("inf"), None])


@settings(max_examples=30)
@given(
    st.lists(st.tuples(number, number, number, number.filter(lambda x: x is not None), number), max_size=10)
)
def test_rows_in_are_rows_published_and_rows_quarantined(drawn: list[tuple[float | None, ...]]) -> None:
    names = ("open", "high", "low", "close", "volume")
    rows = [
        bar(ts=CLOSE - timedelta(minutes=i), **dict(zip(names, values, strict=True)))
        for i, values in enumerate(drawn)
    ]
    outcome = judged(*rows)
    assert outcome.rows.select(pl.col("close").is_between(0, 1e6, closed="right").all()).item()
    # Judging again what passed holds nothing back, and a row's neighbours play no part in what is held back.
    assert validate(outcome.rows, VALIDATED_BARS).rows.equals(outcome.rows)
    assert outcome.rows.height == sum(judged(row).rows.height for row in rows)
