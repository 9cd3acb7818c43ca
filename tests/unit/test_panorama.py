"""Coverage, staleness and timelines against small lakes of known content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import bar

from lim_pipelines.exchanges import sessions
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.panorama import happenings, heatmap, pages
from lim_pipelines.panorama.coverage import QUIET_SESSIONS, coverage
from lim_pipelines.panorama.grid import ENDED, MOST_ROWS, grid_of, unit_for
from lim_pipelines.panorama.issuers import issuer_grids
from lim_pipelines.panorama.staleness import FRESH, LATE, NEW, SILENT, habit_of, remedy, staleness, state_of
from lim_pipelines.panorama.timeline import most_told, timeline
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    LANDING_FILES,
    LISTINGS,
    QUARANTINE,
    VALIDATED_BARS,
    VALIDATED_EVENTS,
    VALIDATED_FACTS,
    VALIDATED_TEXTS,
    Table,
)

NOW = datetime(2018, 12, 28, 12, tzinfo=UTC)


def put(lake: Lake, table: Table, rows: Sequence[dict[str, object]]) -> None:
    frame = pl.DataFrame(rows, schema_overrides={c: t for c, t in table.schema.items() if c in rows[0]})
    lake.write(table, frame, frame.select(table.partition_key).unique())


def days_of(first: date, last: date, mic: str = "XNYS") -> list[date]:
    return sessions(mic, first, last)["date"].to_list()


def bars_on(days: Sequence[date], name: str = "A", **other: object) -> list[dict[str, object]]:
    return [bar(day, "XNYS", **{"instrument_id": f"XNYS:{name}", **other}) for day in days]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


AUTUMN = days_of(date(2018, 9, 3), date(2018, 12, 31))


def test_a_missing_session_is_a_gap_and_withdrawn_bars_do_not_count(lake: Lake) -> None:
    rows = bars_on(AUTUMN) + bars_on([d for i, d in enumerate(AUTUMN) if i not in (10, 11, 30)], "B")
    withdrawn = bar(AUTUMN[20], "XNYS", instrument_id="XNYS:B", withdrawn=True, known_day=date(2019, 1, 5))
    put(lake, VALIDATED_BARS, [*rows, withdrawn])
    found = coverage(lake, as_of=LATEST)
    lives = {row["instrument_id"]: row for row in found.lives.iter_rows(named=True)}
    assert (lives["XNYS:A"]["have"], lives["XNYS:A"]["expected"]) == (len(AUTUMN), len(AUTUMN))
    assert (lives["XNYS:B"]["have"], lives["XNYS:B"]["expected"]) == (len(AUTUMN) - 4, len(AUTUMN))
    assert [(g.first, g.last, g.sessions) for g in found.gaps] == [
        (AUTUMN[10], AUTUMN[11], 2),
        (AUTUMN[20], AUTUMN[20], 1),
        (AUTUMN[30], AUTUMN[30], 1),
    ]
    (grid,) = found.grids
    assert grid.unit == "session"
    assert [grid.starts[i] for i in np.flatnonzero(grid.share[grid.names.index(("XNYS:B",))] == 0)] == [
        AUTUMN[i] for i in (10, 11, 20, 30)
    ]
    before = coverage(lake, as_of=datetime(2019, 1, 4, tzinfo=UTC))
    assert sum(gap.sessions for gap in before.gaps) == 3


@pytest.mark.parametrize(("quiet", "ended"), [(QUIET_SESSIONS, False), (QUIET_SESSIONS + 1, True)])
def test_an_instrument_that_is_quiet_for_long_has_ended(lake: Lake, quiet: int, ended: bool) -> None:
    put(lake, VALIDATED_BARS, bars_on(AUTUMN) + bars_on(AUTUMN[:-quiet], "B"))
    found = coverage(lake, as_of=LATEST)
    row = found.lives.row(by_predicate=pl.col("instrument_id") == "XNYS:B", named=True)
    assert row["ended"] is ended
    assert row["expected"] == len(AUTUMN) - quiet * ended
    tail = found.grids[0].share[found.grids[0].names.index(("XNYS:B",))][-quiet:]
    assert (tail == (ENDED if ended else 0.0)).all()


def test_a_listing_that_tells_the_end_holds(lake: Lake) -> None:
    put(lake, VALIDATED_BARS, bars_on(AUTUMN) + bars_on(AUTUMN[:-10], "Z"))
    listing = {
        **{"source": "test", "symbol": "Z", "exchange": "XNYS", "instrument_id": "XNYS:Z", "name": "Z"},
        **{"last": AUTUMN[-9], "asset_class": "equity", "currency": "USD", "file": "f", "known_at": NOW},
    }
    put(lake, LISTINGS, [listing])
    (gap,) = coverage(lake, as_of=LATEST).gaps
    assert (gap.instrument_id, gap.first, gap.last) == ("XNYS:Z", AUTUMN[-10], AUTUMN[-9])


def test_intraday_sessions_count_by_their_share_and_half_days_are_whole(lake: Lake) -> None:
    half = date(2018, 11, 23)
    days = days_of(date(2018, 11, 1), date(2018, 11, 30))
    rows = []
    for day in days:
        hours = 4 if day == half else 7
        if day == days[3]:
            hours = 2
        rows += [
            bar(day, "XNYS", freq="1h", ts=datetime(day.year, day.month, day.day, 15 + h, tzinfo=UTC))
            for h in range(hours)
        ]
    put(lake, VALIDATED_BARS, rows)
    (grid,) = coverage(lake, as_of=LATEST).grids
    share = dict(zip(grid.starts, grid.share[0], strict=True))
    assert share[days[3]] == pytest.approx(2 / 7)
    assert share[half] == 1.0
    assert grid.have == pytest.approx(len(days) - 5 / 7)


def test_many_instruments_share_rows_and_the_worst_have_a_map_of_their_own(lake: Lake) -> None:
    few = AUTUMN[:30]
    rows = [r for i in range(MOST_ROWS + 1) for r in bars_on(few if i != 7 else few[:5] + few[15:], f"I{i}")]
    put(lake, VALIDATED_BARS, rows)
    whole, worst = coverage(lake, as_of=LATEST).grids
    assert sum(map(len, whole.names)) == MOST_ROWS + 1
    assert len(whole.names) == MOST_ROWS // 2 + 1
    assert worst.names == (("XNYS:I7",),)
    assert (worst.share[0] == [0.0 if 5 <= i < 15 else 1.0 for i in range(30)]).all()
    assert heatmap.heatmap_figure([whole, worst]).axes


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=3), max_size=9)
)
def test_shares_lie_between_none_and_all(cells: list[list[tuple[int, int]]]) -> None:
    if not cells:
        return
    names = [f"n{i}" for i in range(len(cells))]
    starts = pl.Series([date(2020, 1, 1 + i) for i in range(3)])
    have = pl.DataFrame(
        [(n, starts[j], float(c[0])) for n, row in zip(names, cells, strict=True) for j, c in enumerate(row)],
        schema={"name": pl.String, "bin": pl.Date, "have": pl.Float64},
        orient="row",
    )
    expected = np.array([[float(c[1]) for c in row] for row in cells])
    grid = grid_of("t", "session", "c", "names", names, starts, have, expected, expected < 0)
    assert (np.isnan(grid.share) == (expected == 0)).all()
    there = grid.share[~np.isnan(grid.share)]
    assert ((there >= 0) & (there <= 1)).all()
    assert grid.have <= grid.expected


def test_one_lost_session_in_a_quarter_is_seen() -> None:
    shares = np.array([0.0, 0.3, 0.6, 0.95, 1 - 1 / 64 / 100, 1.0, ENDED, np.nan])
    found = heatmap.classes_of(shares)
    assert found[:7].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.isnan(found[7])


@given(st.dates(date(1970, 1, 1), date(2030, 1, 1)), st.integers(0, 22000))
def test_a_map_never_has_more_columns_than_a_page_shows(first: date, span: int) -> None:
    last = first + timedelta(days=span)
    days = {"session": 1.4, "week": 7, "month": 30.4, "quarter": 91.3}[unit_for(first, last)]
    assert (span + 1) / days <= 270


def test_labels_of_dates_are_few_and_name_the_year() -> None:
    for days in (AUTUMN, days_of(date(2014, 1, 2), date(2018, 12, 31)), AUTUMN[:12], AUTUMN[:1]):
        at, labels = heatmap.ticks(days)
        assert 1 <= len(at) <= 9
        assert sorted(at) == at
        assert len(days) < 40 or "20" in labels[0]


def event(kind: str, ts: datetime, known: datetime, entity: str = "issuer:XNYS:A") -> dict[str, object]:
    return {
        **{"source": "cal", "entity_id": entity, "year": ts.year, "kind": kind, "ts": ts},
        **{"file": "cal/history/a.csv", "line": 1, "known_at": known},
    }


def company(lake: Lake) -> None:
    """A company with bars, a revision, a split, a filing, earnings, texts, an index, a row held back."""
    rows = bars_on(AUTUMN, close=100.0)
    rows[40] |= {"close": 50.0, "ex_factor": 0.5}
    revised = bar(AUTUMN[5], "XNYS", instrument_id="XNYS:A", close=101.0, known_day=AUTUMN[8])
    put(lake, VALIDATED_BARS, [*rows, revised])
    ago = datetime(1970, 1, 1, tzinfo=UTC)
    link = {"relation": "issued_by", "child": "XNYS:A", "parent": "issuer:XNYS:A", "score": 1.0}
    link |= {"method": "listing", "source": "x", "known_at": ago, "first": date(2000, 1, 1), "last": None}
    member = link | {"relation": "member_of", "parent": "index:XNYS:SPX", "first": AUTUMN[2]}
    other = link | {"child": "XNYS:OLD", "last": date(2018, 9, 30)}
    put(lake, ENTITY_LINKS, [link, member, other])
    fact = {
        **{"source": "f", "entity_id": "issuer:XNYS:A", "year": 2018, "period": "Q", "unit": "USD"},
        **{"ts": datetime(2018, 9, 30, tzinfo=UTC), "form": "10-Q", "file": "f/a", "line": 1},
        **{"known_at": datetime(2018, 11, 5, tzinfo=UTC)},
    }
    put(lake, VALIDATED_FACTS, [fact | {"field": f, "value": 1.0} for f in ("assets", "revenues")])
    put(
        lake,
        VALIDATED_EVENTS,
        [
            event("earnings_release", datetime(2018, 10, 20, tzinfo=UTC), datetime(2018, 10, 21, tzinfo=UTC)),
            event("earnings_scheduled", datetime(2019, 1, 20, tzinfo=UTC), datetime(2018, 12, 1, tzinfo=UTC)),
        ],
    )
    texts = []
    for i, hour in enumerate((10, 11, 23)):
        at = datetime(2018, 10, 3, hour, 30, tzinfo=UTC)
        texts.append(
            {
                **{"source": "t", "entity_id": "issuer:XNYS:A", "date": at.date(), "ts": at, "text": "x"},
                **{"text_id": str(i), "file": "t/a", "line": i, "known_at": at + timedelta(hours=1)},
            }
        )
    put(lake, VALIDATED_TEXTS, texts)
    held = {
        **{"stage": "validate", "exchange": "XNYS", "date": AUTUMN[9], "source": "test", "file": "f"},
        **{"line": 3, "symbol": "XNYS:A", "rule": "positive_prices", "reason": "r", "evidence": "{}"},
    }
    put(lake, QUARANTINE, [held | {"known_at": NOW}])


def test_a_timeline_has_every_happening_at_both_of_its_moments(lake: Lake) -> None:
    company(lake)
    line = timeline(lake, "XNYS:A")
    marks = {lane: rows for (lane,), rows in line.marks.partition_by("lane", as_dict=True).items()}
    assert set(marks) == {
        *(happenings.EARNINGS, happenings.FILINGS, happenings.ACTIONS),
        *(happenings.INDEX, happenings.REVISED, happenings.HELD),
    }
    filing = marks[happenings.FILINGS].row(0, named=True)
    assert filing["what"] == "10-Q to 2018-09-30: 2 numbers"
    assert filing["known_at"] - filing["ts"] == timedelta(days=36)
    scheduled = marks[happenings.EARNINGS].row(1, named=True)
    assert scheduled["ts"] > scheduled["known_at"]
    assert marks[happenings.REVISED]["what"].to_list() == ["bar revised: close 100.0 -> 101.0"]
    assert marks[happenings.INDEX]["what"].to_list() == ["enters XNYS:SPX"]
    # The split halves what came before it, and nothing else.
    assert line.bars["adjusted"].to_list() == [
        50.5 if i == 5 else 50.0 if i <= 40 else 100.0 for i in range(len(AUTUMN))
    ]
    assert line.texts.rows() == [(date(2018, 10, 3), 2, None), (date(2018, 10, 4), 1, None)]
    assert line.issuers == ("issuer:XNYS:A",)


def test_an_issuer_is_told_of_only_while_it_is_linked(lake: Lake) -> None:
    company(lake)
    marks = timeline(lake, "XNYS:OLD").marks
    assert marks["what"].to_list() == ["10-Q to 2018-09-30: 2 numbers"]


@settings(max_examples=20)
@given(st.integers(-5, 130))
def test_a_timeline_as_of_a_moment_shows_what_was_known_then_and_no_more(day: int) -> None:
    lake = _COMPANY.lake()
    moment = datetime(2018, 9, 1, 18, tzinfo=UTC) + timedelta(days=day)
    then, now = timeline(lake, "XNYS:A", moment), timeline(lake, "XNYS:A")
    assert then.marks.filter(pl.col("known_at") > moment).is_empty()
    assert then.bars.filter(pl.col("known_at") > moment).is_empty()
    told = now.marks.filter(pl.col("known_at") <= moment)
    assert told.join(then.marks, on=["lane", "what", "ts", "known_at"], how="anti").is_empty()


class _COMPANY:
    """One lake for all examples of a law."""

    found: Lake | None = None

    @classmethod
    def lake(cls) -> Lake:
        if cls.found is None:
            import tempfile

            cls.found = Lake(Path(tempfile.mkdtemp()) / "lake")
            company(cls.found)
        return cls.found


def test_sentiment_colours_the_texts_that_are_embedded(lake: Lake) -> None:
    company(lake)
    felt = pl.DataFrame({"text_id": ["0", "1", "9"], "sentiment": [0.5, -0.1, 1.0]})
    line = timeline(lake, "XNYS:A", None, felt)
    assert line.texts["sentiment"].to_list() == [pytest.approx(0.2), None]
    assert "mood good" in pages.timeline_page(line, NOW)


def test_the_most_told_instruments_come_first(lake: Lake) -> None:
    company(lake)
    put(
        lake, VALIDATED_BARS, bars_on(AUTUMN) + bars_on(days_of(date(2017, 1, 3), date(2018, 12, 31)), "LONG")
    )
    assert most_told(lake, 2) == ["XNYS:A", "XNYS:LONG"]


def test_issuers_have_maps_by_source(lake: Lake) -> None:
    company(lake)
    grids = issuer_grids(lake, as_of=LATEST)
    assert [grid.title for grid in grids] == ["facts of f", "events of cal", "texts of t"]
    assert [grid.unit for grid in grids] == ["quarter", "quarter", "session"]
    assert [grid.owed for grid in grids] == [True, True, False]
    assert grids[1].share.tolist() == [[1.0, 1.0]]
    assert grids[0].names == (("XNYS:A",),)


def landed(source: str, *, history: bool) -> dict[str, object]:
    return {
        **{"path": f"{source}/a.csv", "sha256": source, "exchange": "XNYS", "bytes": 1, "arrived_at": NOW},
        **{"modified_at": NOW, "state": "present", "source": source, "history": history, "rows": 1},
        **{"rows_rejected": 0, "rule": "", "reason": "", "first_date": None, "last_date": None},
    }


def test_quotes_are_late_by_sessions_and_not_by_days(lake: Lake) -> None:
    friday = date(2018, 12, 21)
    put(lake, VALIDATED_BARS, [r | {"source": "feed"} for r in bars_on([d for d in AUTUMN if d <= friday])])
    put(lake, LANDING_FILES, [landed("feed", history=False)])

    def judged(at: datetime) -> tuple[str, float]:
        row = staleness(lake, at).row(0, named=True)
        return row["state"], row["age"]

    # Monday closes early at 18:00 UTC, Tuesday is Christmas.
    assert judged(datetime(2018, 12, 24, 17, 59, tzinfo=UTC)) == (FRESH, 0.0)
    assert judged(datetime(2018, 12, 26, 20, 59, tzinfo=UTC)) == (FRESH, 1.0)
    assert judged(datetime(2018, 12, 26, 21, 1, tzinfo=UTC)) == (LATE, 2.0)
    assert judged(datetime(2019, 1, 8, tzinfo=UTC))[0] == SILENT
    row = staleness(lake, datetime(2018, 12, 26, 21, 1, tzinfo=UTC)).row(0, named=True)
    for words in ("feed (XNYS)", "late", "2018-12-21 22:00", "2 sessions ago", "landing/feed", "quarantine"):
        assert words in remedy(row)


def test_declared_history_is_never_late(lake: Lake) -> None:
    put(lake, VALIDATED_BARS, [r | {"source": "old"} for r in bars_on(AUTUMN)])
    put(lake, LANDING_FILES, [landed("old", history=True)])
    assert staleness(lake, datetime(2026, 1, 1, tzinfo=UTC))["state"].to_list() == ["history"]


def test_what_is_known_later_is_not_looked_at(lake: Lake) -> None:
    put(lake, VALIDATED_BARS, bars_on(AUTUMN))
    row = staleness(lake, datetime(2018, 10, 10, 12, tzinfo=UTC)).row(0, named=True)
    assert row["newest_ts"].date() == date(2018, 10, 9)


def test_habits() -> None:
    assert state_of(100.0, habit_of(np.array([1.0, 2.0, 3.0])), closed=False) == NEW
    monthly = habit_of(np.arange(24) * 30.0)
    assert (monthly.usual, monthly.longest) == (30.0, 30.0)
    assert [state_of(a, monthly, closed=False) for a in (37.0, 38.0, 150.0, 151.0)] == [
        *(FRESH, LATE, LATE, SILENT)
    ]


def test_an_empty_lake_has_kind_pages(lake: Lake) -> None:
    found = coverage(lake, as_of=LATEST)
    for html in (
        pages.coverage_page(found, issuer_grids(lake, as_of=LATEST), NOW),
        pages.staleness_page(staleness(lake, NOW), NOW),
        pages.timeline_page(timeline(lake, "XNYS:NOBODY"), NOW),
    ):
        assert "Nothing to show yet" in html
        assert "make demo" in html


def test_pages_are_whole_take_the_pages_ink_and_are_reproducible(lake: Lake) -> None:
    company(lake)
    line = timeline(lake, "XNYS:A")
    found, grids = coverage(lake, as_of=LATEST), issuer_grids(lake, as_of=LATEST)
    table = staleness(lake, NOW)
    for html, again, words in (
        (pages.coverage_page(found, grids, NOW), pages.coverage_page(found, grids, NOW), "texts of t"),
        (pages.staleness_page(table, NOW), pages.staleness_page(table, NOW), "Age against habit"),
        (pages.timeline_page(line, NOW), pages.timeline_page(line, NOW), "10-Q to 2018-09-30"),
    ):
        assert html == again
        assert words in html
        assert "#808183" not in html
        assert "prefers-color-scheme: dark" in html
        assert 'src="http' not in html
        assert 'href="http' not in html
