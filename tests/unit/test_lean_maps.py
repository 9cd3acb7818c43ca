"""Which firm a ticker means, what went ex when, which contract stands for a root."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lean_world import FEED, HISTORY, LeanWorld

from lim_pipelines.schemas import CORPORATE_ACTIONS, ROLLS, UTC_TIME
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.lean.factors import events_of
from lim_pipelines.sources.lean.finish import with_ex_factor
from lim_pipelines.sources.lean.futures import mapped, month_of
from lim_pipelines.sources.lean.maps import uses_of

ES_2009_12, ES_2010_03 = "es uik2f7cj4v0h", "es ul1o3pmw3im9"
"""LEAN's identifiers of contracts that expire on 2009-12-18 and 2010-03-19."""


@pytest.fixture
def world(tmp_path: Path) -> LeanWorld:
    world = LeanWorld(tmp_path)
    world.text("equity/usa/map_files/goog.csv", "20140327,goocv,Q\n20140402,goocv,Q\n20501231,goog,Q\n")
    world.text("equity/usa/map_files/googl.csv", "20040819,goog,Q\n20140402,goog,Q\n20501231,googl,Q\n")
    world.text("equity/usa/map_files/fb.csv", "20120518,fb,Q\n20501231,fb,Q\n")
    world.text("equity/usa/map_files/fb.1.csv", "19990929,fb\n20030328,fb\n")
    world.text("equity/usa/map_files/tap.a.csv", "20050209,tapa,N\n20121231,tapa,N\n20501231,tap.a,N\n")
    world.text(
        "equity/usa/map_files/tfcfa.csv",
        "20041112,nwsa,Q\n20130628,nwsa,Q\n20190318,foxa,Q\n20190320,tfcfa,Q\n",
    )
    world.text(
        "equity/usa/factor_files/nwsa.csv", "20130619,0.99,1,1\n20150911,0.99,1,13.05\n20501231,1,1,0\n"
    )
    return world


def said(world: LeanWorld, ticker: str) -> list[tuple[str, date, date | None]]:
    uses = uses_of(world.landing, HISTORY, "usa", ticker)
    return [(use.instrument_id, use.first, use.last) for use in uses]


def test_a_ticker_that_changes_hands(world: LeanWorld) -> None:
    assert said(world, "GOOG") == [
        ("XNAS:GOOGL", date(2004, 8, 19), date(2014, 4, 2)),
        ("XNAS:GOOG", date(2014, 4, 3), None),
    ]
    assert said(world, "GOOCV") == [("XNAS:GOOG", date(2014, 3, 27), date(2014, 4, 2))]


def test_the_firm_that_gave_its_ticker_away_is_named_by_its_year(world: LeanWorld) -> None:
    assert said(world, "FB") == [
        ("XNYS:FB~1999", date(1999, 9, 29), date(2003, 3, 28)),
        ("XNAS:FB", date(2012, 5, 18), None),
    ]
    # A letter behind the point is a class of shares.
    assert said(world, "TAP.A") == [("XNYS:TAP.A", date(2013, 1, 1), None)]


def test_tickers_without_a_map_file(world: LeanWorld) -> None:
    assert said(world, "SHY") == [("XNYS:SHY", date(1900, 1, 1), None)]
    # The new firm has a factor file; before, the ticker was another's.
    assert said(world, "NWSA")[1:] == [("XNAS:NWSA", date(2013, 6, 29), None)]
    # Nothing speaks of a firm that had the ticker since.
    assert said(world, "FOXA") == [("XNAS:TFCFA", date(2013, 6, 29), date(2019, 3, 18))]


def test_splits_and_dividends(world: LeanWorld) -> None:
    world.text(
        "equity/usa/factor_files/goog.csv",
        "20040819,0.9,0.0357143,1\n20140606,0.9,0.0357143,645.57\n20140806,0.9,0.25,94.96\n20501231,0.92,1,0\n",
    )
    split, both = events_of(world.landing, HISTORY, "usa", "goog")
    # Not 0.1428572, as the seven digits say.
    assert (split.after, split.split, split.dividend) == (date(2014, 6, 6), 1 / 7, 1.0)
    assert (both.split, both.amount) == (0.25, pytest.approx(94.96 * (1 - 0.9 / 0.92), abs=1e-4))
    assert both.ratio == pytest.approx(0.25 * 0.9 / 0.92)


# It writes files, and the machine may be busy.
@settings(max_examples=30)
@given(level=st.floats(0.01, 100), later=st.floats(0.5, 2))
def test_what_comes_later_changes_no_earlier_event(
    level: float, later: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = LeanWorld(tmp_path_factory.mktemp("landing"))
    before = [("20100104", 0.9, 1.0, 50.0), ("20110104", 0.95, 1.0, 60.0), ("20120104", 1.0, 0.5, 70.0)]
    world.text("equity/usa/factor_files/a.csv", "".join(f"{d},{p},{s},{c}\n" for d, p, s, c in before))
    scaled = [(d, p * level, s * later, c) for d, p, s, c in before] + [("20130104", level, later, 80.0)]
    world.text("equity/usa/factor_files/b.csv", "".join(f"{d},{p!r},{s!r},{c}\n" for d, p, s, c in scaled))
    first = events_of(world.landing, HISTORY, "usa", "a")
    second = events_of(world.landing, HISTORY, "usa", "b")
    assert [e.after for e in second[: len(first)]] == [e.after for e in first]
    assert [e.ratio for e in second[: len(first)]] == pytest.approx([e.ratio for e in first], rel=1e-6)


@given(
    bars=st.lists(st.integers(1, 400), min_size=1, max_size=40, unique=True),
    events=st.lists(st.tuples(st.integers(0, 20), st.floats(0.1, 10)), max_size=8),
    cut=st.integers(0, 40),
)
def test_every_event_reaches_one_bar_of_each_price_type(
    bars: list[int], events: list[tuple[int, float]], cut: int
) -> None:
    """Twenty hours a day of trading: bars at any of them, events at midnight."""
    moments = [
        datetime(2020, 1, 1, tzinfo=UTC) + (n // 20) * (HOUR * 24) + (n % 20 + 1) * HOUR for n in sorted(bars)
    ]
    rows = pl.DataFrame(
        {
            "date": [m.date() for m in moments] * 2,
            "ts": moments * 2,
            "price_type": ["bid"] * len(bars) + ["ask"] * len(bars),
            "ex_factor": 1.0,
        },
        schema_overrides={"ts": UTC_TIME},
    )
    at = [datetime(2020, 1, 1, tzinfo=UTC) + day * (HOUR * 24) for day, _ in events]
    known = pl.DataFrame(
        {"at": at, "date": [m.date() for m in at], "ratio": [ratio for _, ratio in events]},
        schema={"at": UTC_TIME, "date": pl.Date, "ratio": pl.Float64},
    ).sort("at")
    one = with_ex_factor(rows, known, {})
    expected = 1.0
    for moment, (_, ratio) in zip(at, events, strict=True):
        if moments[0].date() <= moment.date() and moment < moments[-1]:
            expected *= ratio
    for kind in ("bid", "ask"):
        assert one.filter(pl.col("price_type") == kind)["ex_factor"].product() == pytest.approx(expected)
    assert one.drop("ex_factor").equals(rows.drop("ex_factor"))
    # The same in two blocks of one file.
    before: dict[str, pl.DataFrame] = {}
    border = moments[min(cut, len(moments) - 1)]
    parts = [rows.filter(pl.col("ts") <= border), rows.filter(pl.col("ts") > border)]
    two = pl.concat([with_ex_factor(part, known, before) for part in parts])
    assert two.sort("price_type", "ts").equals(one.sort("price_type", "ts"))


def test_contracts_and_rolls(world: LeanWorld) -> None:
    assert month_of("20131007_es_minute_trade_201312.csv") == "201312"
    assert month_of("es_trade_20131220.csv") == "201312"
    assert month_of("es_trade.csv") is None
    world.text(
        "future/cme/map_files/es.csv",
        f"18991230,es,CME\n20091130,{ES_2009_12},CME,1\n20091217,{ES_2009_12},CME,0\n20100318,{ES_2010_03},CME,0\n",
    )
    first, second = mapped(world.landing, HISTORY, "cme", "ES")
    assert (first.month, first.expiry, first.until) == ("200912", date(2009, 12, 18), date(2009, 12, 17))
    assert second.month == "201003"
    (roll,) = world.source.reference(world.landing)[ROLLS.name].iter_rows(named=True)
    assert (roll["current_contract"], roll["next_contract"]) == ("XCME:ES.200912", "XCME:ES.201003")
    assert (roll["ts"].date(), roll["exchange"], roll["root"]) == (date(2009, 12, 17), "XCME", "XCME:ES")
    assert roll["known_at"] <= roll["ts"]


def test_corporate_actions(world: LeanWorld) -> None:
    actions = world.source.reference(world.landing)[CORPORATE_ACTIONS.name]
    changes = actions.filter(pl.col("kind") == "symbol_change").sort("symbol")
    told = changes.select("symbol", "new_symbol", "instrument_id", "ex_date").rows()
    assert ("GOOG", "GOOGL", "XNAS:GOOGL", date(2014, 4, 3)) in told
    # Monday: the session after Friday 2013-06-28.
    assert ("NWSA", "FOXA", "XNAS:TFCFA", date(2013, 7, 1)) in told
    gone = actions.filter(pl.col("kind") == "delisting")
    assert set(gone["instrument_id"]) == {"XNYS:FB~1999", "XNAS:TFCFA"}
    (dividend,) = actions.filter(pl.col("kind") == "dividend").iter_rows(named=True)
    assert (dividend["instrument_id"], dividend["ex_date"]) == ("XNAS:NWSA", date(2015, 9, 14))
    assert dividend["amount"] == pytest.approx(13.05 * 0.01)
    assert dividend["known_at"] == datetime(2015, 9, 14, 13, 30, tzinfo=UTC)


def test_actions_of_a_feed_are_known_when_they_arrive(tmp_path: Path) -> None:
    world = LeanWorld(tmp_path, FEED)
    file = world.text(
        "equity/usa/factor_files/a.csv", "20150101,0.9,1,1\n20150911,0.9,1,10\n20501231,1,1,0\n"
    )
    (action,) = world.source.reference(tmp_path)[CORPORATE_ACTIONS.name].iter_rows(named=True)
    assert abs(action["known_at"].timestamp() - file.stat().st_mtime) < 1


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("equity/usa/map_files/aapl.csv", "19980102,aapl,Q\nyesterday,aapl,Q\n"),
        ("equity/usa/factor_files/aapl.csv", "19980102,0,1,1\n"),
        ("symbol-properties/symbol-properties-database.csv", "usa,AAPL,equity,,USD,many,0.01,1\n"),
    ],
)
def test_a_reference_file_that_cannot_be_understood_keeps_bars_out(
    world: LeanWorld, path: str, content: str
) -> None:
    world.text(path, content)
    world.zip("equity/usa/daily/aapl.zip", {"aapl.csv": "20140605 00:00,6460000,6470000,6450000,6469900,10"})
    with pytest.raises(RejectedFileError, match=r"reference_file.*drop LEAN's own file again"):
        world.read("equity/usa/daily/aapl.zip")


HOUR = datetime(2020, 1, 1, 1) - datetime(2020, 1, 1, 0)  # noqa: DTZ001
