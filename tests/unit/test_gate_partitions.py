"""Rules of partitions: what is wrong as a whole is held, what is merely wild or new is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import polars as pl
import pytest
from gate_world import DAYS, LAST, LATER, MIC, bars

from lim_pipelines.align.outcome import Outcome
from lim_pipelines.schemas import INDEX_MEMBERS, LISTINGS, VALIDATED_BARS
from lim_pipelines.validate.beside import BEFORE_COLUMNS, NOTHING, Beside
from lim_pipelines.validate.gate import validate

TODAY = pl.col("date") == LAST
PRICES = ("open", "high", "low", "close")
NTH = pl.col("instrument_id").str.tail(2).cast(pl.Int64)


def held(frame: pl.DataFrame, beside: Beside = NOTHING) -> dict[date, str]:
    outcome = validate(frame, VALIDATED_BARS, beside)
    assert_nothing_is_lost(frame, outcome)
    return dict(outcome.held.select("date", "rule").iter_rows())


def assert_nothing_is_lost(frame: pl.DataFrame, outcome: Outcome) -> None:
    of_held = frame.join(outcome.held, on=["exchange", "date"], how="semi").height
    bad = outcome.quarantined.join(outcome.held, on=["exchange", "date"], how="semi").height
    assert frame.height == outcome.rows.height + outcome.quarantined.height + of_held - bad


def warned(frame: pl.DataFrame, beside: Beside = NOTHING) -> set[str]:
    results = validate(frame, VALIDATED_BARS, beside).results
    found = results.filter(pl.col("level") == "partition", pl.col("severity") == "warning")
    return set(found.filter(TODAY)["rule"])


def scaled(frame: pl.DataFrame, factor: float, where: pl.Expr = TODAY) -> pl.DataFrame:
    return frame.with_columns(pl.when(where).then(pl.col(p) * factor).otherwise(p).alias(p) for p in PRICES)


def copied(frame: pl.DataFrame, where: pl.Expr = TODAY) -> pl.DataFrame:
    """Each bar of the last day with the values of the day before."""
    return frame.with_columns(
        pl.when(where).then(pl.col(n).shift(1).over("instrument_id", order_by="date")).otherwise(n).alias(n)
        for n in (*PRICES, "volume")
    )


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("covered", lambda f: f.filter(~TODAY | (NTH < 11))),
        ("not_a_copy", copied),
        ("no_common_jump", lambda f: scaled(f, 100)),
        ("no_common_jump", lambda f: scaled(f, 0.01)),
        ("no_common_jump", lambda f: scaled(f, 2, TODAY & (NTH < 16))),
        ("mostly_right", lambda f: f.with_columns(high=pl.when(TODAY).then("low").otherwise("high"))),
        (
            "mostly_right",
            lambda f: f.with_columns(volume=pl.when(TODAY & (NTH < 6)).then(-1.0).otherwise("volume")),
        ),
    ],
)
def test_a_partition_that_is_wrong_as_a_whole_is_held_and_only_that(
    rule: str, spoil: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    good = bars()
    assert held(good) == {}
    assert held(spoil(good)) == {LAST: rule}


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.filter(~TODAY | (NTH < 13)),  # half of the instruments, but not less
        lambda f: scaled(f, 0.7),  # worse than any day ever
        lambda f: scaled(f, 2).with_columns(ex_factor=pl.when(TODAY).then(2.0).otherwise("ex_factor")),
        lambda f: scaled(f, 100, TODAY & (NTH < 10)),
        lambda f: copied(f, TODAY & (NTH < 10)),
        lambda f: f.with_columns(volume=pl.when(TODAY & (NTH < 4)).then(-1.0).otherwise("volume")),
        lambda f: f.filter(pl.col("date") >= DAYS[-4], TODAY | (NTH < 2)),  # it grows
        lambda f: f.filter(NTH < 9).filter(~TODAY | (NTH < 1)),  # too few to tell
        lambda f: f.filter((pl.col("date") < DAYS[10]) | (24 - 2 * (pl.col("date").dt.day() // 8) > NTH)),
        lambda f: f.with_columns(source=pl.when(TODAY).then(pl.lit("other")).otherwise("source")),
        lambda f: f.filter((pl.col("date") < DAYS[2]) | TODAY),  # nothing for weeks
    ],
)
def test_what_is_only_wild_or_new_is_not_held(change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    assert held(change(bars())) == {}


def test_untraded_instruments_may_repeat_themselves() -> None:
    still = bars().with_columns(pl.col("open").first().over("instrument_id").alias(p) for p in PRICES)
    assert held(still.with_columns(volume=0.0)) == {}
    assert held(still.with_columns(volume=7e5)) == {}, "a price that does not move all day is no trade's"


def test_missing_instruments_are_a_warning_before_they_hold() -> None:
    assert warned(bars()) == set()
    assert warned(bars().filter(~TODAY | (NTH < 20))) == {"well_covered"}


def test_a_session_is_judged_alike_alone_and_among_others() -> None:
    frame = copied(scaled(bars().filter(~TODAY | (NTH < 20)), 1.01))
    beside = Beside(
        NOTHING.listings, NOTHING.actions, NOTHING.members, frame.filter(~TODAY).select(BEFORE_COLUMNS)
    )
    together = validate(frame, VALIDATED_BARS).results.filter(TODAY)
    assert validate(frame.filter(TODAY), VALIDATED_BARS, beside).results.equals(together)
    assert not together.filter("held").is_empty()


def test_what_came_before_counts_as_it_was_known_and_later_news_of_it_does_not() -> None:
    frame, before = bars(), pl.col("date") == DAYS[-2]
    news = scaled(frame.filter(before), 100, pl.lit(True)).with_columns(known_at=pl.lit(LATER))
    assert held(pl.concat([frame, news])) == {DAYS[-2]: "no_common_jump"}
    late = frame.with_columns(known_at=pl.when(TODAY).then("known_at").otherwise(pl.lit(LATER)))
    few = pl.col("instrument_id").is_in(frame["instrument_id"].unique().sort().head(10).implode())
    assert held(late.filter(~TODAY | few)) == {}, "a history that is filled in later holds nothing back"


HOUR = timedelta(hours=1)
VENDOR_B = {"source": pl.lit("vendor_b")}


@pytest.mark.parametrize(
    "second",
    [
        lambda f: f.with_columns(known_at=pl.col("known_at") + HOUR),  # better, and every day an hour later
        lambda f: f.filter(TODAY).with_columns(known_at=pl.col("known_at") + HOUR),  # from today on
    ],
)
def test_a_vendor_whose_bars_another_one_corrects_is_not_held(
    second: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    both = pl.concat([bars(), second(bars().filter(NTH < 15).with_columns(**VENDOR_B))])
    assert held(both.sort(VALIDATED_BARS.row_key)) == {}
    short = both.filter(~TODAY | (NTH < 9) | (NTH == 20))
    assert held(short.sort(VALIDATED_BARS.row_key)) == {LAST: "covered"}, "together they still lack half"


def test_a_vendor_that_another_one_takes_over_from_is_not_held() -> None:
    other = pl.when(TODAY & (NTH > 0)).then(pl.lit("vendor_b")).otherwise("source")
    assert held(bars().with_columns(source=other)) == {}


def test_bids_and_asks_known_at_different_moments_are_one_instrument() -> None:
    sides = pl.concat(
        bars().with_columns(price_type=pl.lit(side), known_at=pl.col("known_at") + minutes * HOUR / 60)
        for side, minutes in (("ask", 1), ("bid", 0), ("mid", 2))
    ).sort(VALIDATED_BARS.row_key)
    assert held(sides.filter(~TODAY | (NTH > 0))) == {}
    assert held(sides.filter(~TODAY | (NTH < 11))) == {LAST: "covered"}


@pytest.mark.parametrize("wrong", [DAYS[-2:-1], DAYS[-3:-1]])
def test_a_good_session_after_wrong_ones_is_not_held(wrong: list[date]) -> None:
    there = pl.col("date").is_in(wrong)
    broken = scaled(bars(), 100, there)
    assert held(broken) == {wrong[0]: "no_common_jump"}
    repair = bars().filter(there).with_columns(known_at=pl.col("known_at") + HOUR)
    repaired = pl.concat([broken, repair]).sort(VALIDATED_BARS.row_key)
    assert held(repaired) == {}
    assert held(scaled(repaired, 100)) == {LAST: "no_common_jump"}


def test_a_session_is_compared_with_what_its_own_vendor_said_last_before_it() -> None:
    old = bars().filter(pl.col("date") == DAYS[-2])
    news = scaled(old, 100, pl.lit(True)).with_columns(known_at=pl.col("known_at") + HOUR, **VENDOR_B)
    assert held(pl.concat([bars(), news]).sort(VALIDATED_BARS.row_key)) == {}
    gone = old.with_columns(known_at=pl.col("known_at") + HOUR, withdrawn=pl.lit(True))
    assert held(copied(pl.concat([bars(), gone]).sort(VALIDATED_BARS.row_key))) == {}


def test_a_jump_is_measured_ex_the_actions_of_all_sessions_between() -> None:
    before = pl.col("date") == DAYS[-2]
    halved = scaled(bars(), 0.5, TODAY | before).with_columns(
        ex_factor=pl.when(before).then(0.5).otherwise("ex_factor")
    )
    assert held(halved) == {}
    assert held(scaled(halved, 2)) == {LAST: "no_common_jump"}


def test_a_copy_without_volumes_is_one_if_its_prices_moved() -> None:
    rates = bars().with_columns(volume=pl.lit(None, pl.Float64))
    assert held(rates) == {}
    assert held(copied(rates)) == {LAST: "not_a_copy"}
    assert held(copied(rates).with_columns(high=pl.col("close"), low=pl.col("close"), open="close")) == {}


def test_a_correction_is_judged_in_place_of_what_it_corrects() -> None:
    frame = bars()
    wrong, news = copied(frame), frame.filter(TODAY).with_columns(known_at=pl.lit(LATER))
    assert held(wrong) == {LAST: "not_a_copy"}
    assert held(pl.concat([wrong, news])) == {}
    gone = wrong.filter(TODAY).with_columns(known_at=pl.lit(LATER), withdrawn=pl.lit(True))
    assert held(pl.concat([wrong, gone])) == {}, "nothing of it is left to judge"


def test_members_of_an_index_do_not_vanish_together() -> None:
    frame = bars().with_columns(source=pl.concat_str(pl.lit("vendor_"), NTH % 2))
    ids = frame["instrument_id"].unique().sort()
    about = {"source": "v", "file": "f", "known_at": LATER}
    listings = pl.DataFrame({"symbol": ids.str.slice(5), "instrument_id": ids, "name": ids}).with_columns(
        exchange=pl.lit(MIC), asset_class=pl.lit("equity"), currency=pl.lit("USD"), **_lits(about)
    )
    members = pl.DataFrame({"symbol": ids.str.slice(5)}).with_columns(
        index_id=pl.lit("INDEX:X"), first=DAYS[0], last=None, line=2, **_lits(about)
    )
    beside = Beside(
        LISTINGS.conform(listings), NOTHING.actions, INDEX_MEMBERS.conform(members), NOTHING.before
    )
    assert warned(frame, beside) == set()
    fewer = frame.filter(~TODAY | (NTH > 1))
    assert warned(fewer, beside) == {"members_kept"}
    left = beside.members.with_columns(
        last=pl.when(pl.col("symbol").is_in(["I00", "I01"])).then(LAST - timedelta(days=1))
    )
    assert warned(fewer, Beside(beside.listings, beside.actions, left, beside.before)) == set()


def _lits(values: dict[str, object]) -> dict[str, pl.Expr]:
    return {name: pl.lit(value) for name, value in values.items()}
