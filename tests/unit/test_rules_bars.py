"""Rules of bars that no vendor file here breaks; the same verdict alone and within a range."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lake_rows import bar

from lim_pipelines.exchanges import sessions
from lim_pipelines.schemas import (
    ALIGNED_BARS,
    CORPORATE_ACTIONS,
    LISTINGS,
    UTC_TIME,
    VALIDATED_BARS,
    SchemaError,
)
from lim_pipelines.validate.beside import BEFORE_COLUMNS, BEFORE_SESSIONS, NOTHING, Beside, last_bars
from lim_pipelines.validate.gate import validate
from lim_pipelines.validate.prepare import prepare
from lim_pipelines.validate.rules import RULES, rules_of

SESSIONS = sessions("XNAS", date(2017, 1, 1), date(2018, 12, 31))
DAYS = SESSIONS["date"].to_list()
CLOSES = dict(SESSIONS.select("date", "close").iter_rows())
DAY = date(2018, 10, 1)
ROOT = Path(__file__).resolve().parents[2]


def quote(day: date = DAY, **changes: object) -> dict[str, object]:
    """One daily bar at its session's close."""
    return bar(day, **({"ts": CLOSES.get(day, bar(day)["ts"]), "close": 10.0, "volume": 100.0} | changes))


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ALIGNED_BARS.schema).sort(ALIGNED_BARS.row_key)


def flagged(rows: pl.DataFrame, beside: Beside = NOTHING) -> set[str]:
    judged = prepare(rows, VALIDATED_BARS, beside)
    return {rule.name for rule in rules_of(VALIDATED_BARS) if not judged.select(rule.passes().all()).item()}


def listing(**changes: object) -> pl.DataFrame:
    said = {
        "source": "test",
        "symbol": "A",
        "exchange": "XNAS",
        "instrument_id": "XNAS:A",
        "name": "A",
        "asset_class": "equity",
        "currency": "USD",
        "file": "a.csv",
    } | changes
    known = pl.lit(CLOSES[DAY], UTC_TIME)
    return LISTINGS.conform(pl.DataFrame([said]).with_columns(known_at=known))


LATER = {"known_at": CLOSES[DAY] + timedelta(hours=9)}


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("known_values", [quote(freq="2h")]),
        ("known_values", [quote(instrument_id="")]),
        ("known_values", [quote(asset_class="bond")]),
        ("positive_index", [quote(asset_class="index", low=-1.0)]),
        ("counts_not_negative", [quote(trades=-1)]),
        ("counts_not_negative", [quote(turnover=-1.0)]),
        ("vwap_in_range", [quote(vwap=11.0)]),
        ("vwap_in_range", [quote(vwap=9.9)]),
        ("turnover_agrees", [quote(turnover=1.0)]),
        ("in_session", [quote(ts=CLOSES[DAY] - timedelta(minutes=1))]),
        ("in_session", [quote(freq="1m", ts=CLOSES[DAY] + timedelta(minutes=1))]),
        ("sources_agree", [quote(), quote(source="other", close=10.2, **LATER)]),
        ("price_limit", [quote(), quote(DAY + timedelta(1), close=11.2)]),
    ],
)
def test_a_rule_catches_what_it_is_for(rule: str, rows: list[dict[str, object]]) -> None:
    if rule == "price_limit":
        rows = [row | {"exchange": "XSHG", "instrument_id": "XSHG:A"} for row in rows]
        rows = [row | {"date": date(2018, 10, 8 + n)} for n, row in enumerate(rows)]
    assert rule in flagged(frame(*rows))


@pytest.mark.parametrize(
    "changes",
    [
        {"vwap": 10.005, "turnover": 1010.0, "trades": 0},
        {"vwap": 10.09},
        {"ex_factor": 1 / 200},
        {"ex_factor": 400.0},
        {"freq": "1m", "ts": CLOSES[DAY] - timedelta(minutes=3)},
        {"volume": None, "open": None, "high": None, "low": None, "asset_class": "index"},
    ],
)
def test_a_right_row_passes(changes: dict[str, object]) -> None:
    assert not flagged(frame(quote(**changes)))


def test_what_may_be_right_is_not_blocked() -> None:
    rules = {rule.name: rule.severity for rule in rules_of(VALIDATED_BARS)}
    assert rules["vwap_in_range"] == rules["positive_index"] == "warning"
    assert flagged(frame(quote(asset_class="index", close=-0.1, open=-0.1, high=0.1, low=-0.2))) == {
        "positive_index"
    }, "an index of interest rates"


def test_two_rows_of_one_bar_and_moment_never_come_to_the_rules() -> None:
    with pytest.raises(SchemaError):
        validate(frame(quote(), quote(close=11.0)), VALIDATED_BARS)


def test_a_revision_by_another_source_that_agrees_passes() -> None:
    assert not flagged(frame(quote(), quote(source="other", close=10.05, **LATER)))


def test_listings_say_when_and_in_which_steps_it_trades() -> None:
    beside = replace(NOTHING, listings=listing(first=date(2018, 10, 2)))
    assert flagged(frame(quote()), beside) == {"listed"}
    beside = replace(NOTHING, listings=listing(expiry=date(2018, 9, 28)))
    assert flagged(frame(quote()), beside) == {"not_expired"}
    points = {"source": "lean", "asset_class": "future"}
    beside = replace(NOTHING, listings=listing(tick_size=0.25, lot_size=10.0, **points))
    assert flagged(frame(quote(close=10.25, **points)), beside) == set()
    assert flagged(frame(quote(close=10.2, volume=15.0, **points)), beside) == {
        "price_on_tick",
        "volume_on_lot",
    }
    adjusted = points | {"source": "google_finance"}
    assert flagged(frame(quote(close=10.2, volume=15.0, **adjusted)), beside) == set(), (
        "it gives no prices as traded"
    )


def test_a_factor_is_what_its_actions_multiply_to() -> None:
    actions = CORPORATE_ACTIONS.conform(
        pl.DataFrame(
            [
                {"kind": kind, "ratio": ratio, "symbol": "A", "source": "test", "exchange": "XNAS"}
                for kind, ratio in (("split", 0.5), ("dividend", 0.99))
            ]
        ).with_columns(
            instrument_id=pl.lit("XNAS:A"),
            ex_date=DAY,
            amount=None,
            file=pl.lit("a"),
            line=1,
            known_at=pl.lit(CLOSES[DAY], UTC_TIME),
        )
    )
    beside = replace(NOTHING, actions=actions)
    assert flagged(frame(quote(ex_factor=0.495)), beside) == set()
    assert flagged(frame(quote(ex_factor=0.5)), beside) == {"action_applied"}
    assert flagged(frame(quote()), beside) == {"action_applied"}


@settings(max_examples=15)
@given(st.integers(0, 2**31))
@example(157161541)
def test_a_session_is_judged_alike_alone_and_within_a_range(seed: int) -> None:
    """Bars with holes, jumps, repeats and revisions: what the past says does not depend on the scope."""
    rng = np.random.default_rng(seed)
    days, rows = DAYS[: 3 * BEFORE_SESSIONS], []
    for name in ("XNAS:A", "XNAS:B"):
        close, rests = 10.0, range(*sorted(rng.integers(0, 3 * BEFORE_SESSIONS, 2)))
        for nth, day in enumerate(days):
            if rng.random() < 0.05 or nth in rests:
                continue
            close = round(close * float(rng.choice([1.0, 1.0, 1.01, 0.99, 1.5, 0.5])), 4)
            rows.append(quote(day, instrument_id=name, close=close, high=close + 1, low=close - 1))
            if rng.random() < 0.1:
                later = {"known_at": CLOSES[day] + timedelta(days=3)}
                rows.append(quote(day, instrument_id=name, close=close * 1.1, high=close * 3, **later))
    whole = frame(*rows)
    past = ("log_return", "surprise", "from_split", "sessions_since", "repeats", "stuck", "beyond_limit")
    together = prepare(whole, VALIDATED_BARS).select(*ALIGNED_BARS.row_key, *past)
    day = days[int(rng.integers(BEFORE_SESSIONS, len(days)))]
    first = days[days.index(day) - BEFORE_SESSIONS]
    before = whole.filter(pl.col("date").is_between(first, day, closed="left")).select(BEFORE_COLUMNS)
    older = last_bars(whole.filter(pl.col("date") < first).select(BEFORE_COLUMNS).lazy())
    beside = replace(NOTHING, before=before, older=older)
    alone = prepare(whole.filter(pl.col("date") == day), VALIDATED_BARS, beside)
    assert alone.select(together.columns).equals(together.filter(pl.col("date") == day))


def test_a_jump_across_a_hole_of_a_year_is_seen_alone_and_within_a_range() -> None:
    rows = frame(quote(DAYS[0]), quote(DAYS[250], close=100.0))
    assert flagged(rows) == {"jump", "gap", "missed_split"}
    old, new = rows.head(1).select(BEFORE_COLUMNS), rows.tail(1)
    assert flagged(new, replace(NOTHING, older=old)) == {"jump", "gap", "missed_split"}
    assert not flagged(new)


def test_the_page_lists_the_rules_as_they_are() -> None:
    sys.path.insert(0, str(ROOT))
    from scripts.flagged import rules_list

    assert rules_list() in (ROOT / "docs" / "validation-rules.md").read_text(), (
        "run scripts/flagged.py --list"
    )
    assert len({rule.name for rule in RULES}) == len(RULES)
