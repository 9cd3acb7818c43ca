"""Anybody's facts, events and texts: what a mapping says, and from when rows count as known."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from landing_files import ARRIVED, drop, read_tables, rules

from lim_pipelines.sources.base import ParsedTables, RejectedFileError
from lim_pipelines.sources.facts_feed import FactsFeed

FACTS = """\
shape: facts
columns: {symbol: Ticker, ts: Period, known_at: Published, field: Item, value: Amount}
constants: {period: Q, unit: USD}
timezone: America/New_York
"""
HEADER = "Ticker,Period,Published,Item,Amount\n"


def read(landing: Path, mapping: str, text: str, *, history: bool = True) -> ParsedTables:
    drop(landing, "facts_feed/mine/mapping.yaml", mapping, history=False)
    where = "facts_feed/mine/history/a.csv" if history else "facts_feed/mine/a.csv"
    drop(landing, where, text, history=False)
    return read_tables(FactsFeed(), landing)


def test_a_fact_is_known_when_it_was_published_and_a_day_counts_as_its_end(tmp_path: Path) -> None:
    text = (
        HEADER + "IBM,2024-06-30,2024-07-24,revenues,15770000000\nIBM,2024-06-30,2024-07-24T16:05:00,cash,1\n"
    )
    parsed = read(tmp_path, FACTS, text + "IBM,2024-06-30,2024-07-24 20:06:00Z,debt,2\n")
    end = datetime(2024, 7, 1, 3, 59, 59, tzinfo=UTC)
    columns = ["source", "field", "ts", "value", "known_at", "line"]
    assert parsed.rows["raw_facts"].sort("line").select(columns).rows() == [
        ("facts_feed.mine", "revenues", end, 15.77e9, datetime(2024, 7, 25, 3, 59, 59, tzinfo=UTC), 2),
        ("facts_feed.mine", "cash", end, 1.0, datetime(2024, 7, 24, 20, 5, tzinfo=UTC), 3),
        ("facts_feed.mine", "debt", end, 2.0, datetime(2024, 7, 24, 20, 6, tzinfo=UTC), 4),
    ]


def test_a_feed_is_known_when_it_arrives_and_keeps_the_order_of_its_revisions(tmp_path: Path) -> None:
    text = HEADER + "IBM,2024-06-30,2024-08-01,cash,2\nIBM,2024-06-30,2024-07-24,cash,1\n"
    rows = read(tmp_path, FACTS, text, history=False).rows["raw_facts"].sort("known_at")
    assert rows.select("value", "known_at").rows() == [(1.0, ARRIVED), (2.0, ARRIVED.replace(microsecond=1))]


def test_without_a_date_of_publication_a_lag_is_stated(tmp_path: Path) -> None:
    mapping = "shape: events\ncolumns: {symbol: S, ts: When}\nconstants: {kind: strike}\nlag_days: 1.5\n"
    rows = read(tmp_path, mapping, "S,When\nIBM,2024-06-30 12:00\n").rows["raw_events"]
    assert rows.select("kind", "ts", "known_at", "value", "detail").rows() == [
        ("strike", datetime(2024, 6, 30, 12, tzinfo=UTC), datetime(2024, 7, 2, tzinfo=UTC), None, "")
    ]


def test_the_law_says_how_late_a_form_may_be(tmp_path: Path) -> None:
    columns = "{symbol: S, ts: Period, field: Item, value: Amount, form: Form}"
    mapping = f"shape: facts\ncolumns: {columns}\nconstants: {{period: Q, unit: USD}}\nlag_days: by_form\n"
    header = "S,Period,Item,Amount,Form\n"
    parsed = read(tmp_path, mapping, header + "IBM,2024-06-30,cash,1,10-Q\nIBM,someday,cash,1,10-Q\n")
    # 45 days and 5 more, to the last second of the day in New York: never the period's end.
    known = datetime(2024, 8, 20, 3, 59, 59, tzinfo=UTC)
    assert parsed.rows["raw_facts"].select("form", "known_at").rows() == [("10-Q", known)]
    assert rules(parsed) == {"unparsable_time": 1}
    with pytest.raises(RejectedFileError, match="no_publication_lag: no publication lag for form 20-F"):
        read(tmp_path, mapping, header + "IBM,2024-06-30,cash,1,20-F\n")


def test_texts_have_an_id_by_content(tmp_path: Path) -> None:
    mapping = "shape: texts\ncolumns: {symbol: S, ts: When, text: News}\nlag_days: 0\n"
    rows = read(tmp_path, mapping, 'S,When,News\nIBM,2024-06-30 12:00,"up, again"\n').rows["raw_texts"]
    assert rows.select("text", "text_id").rows() == [("up, again", sha256(b"up, again").hexdigest()[:16])]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (",2024-06-30,2024-07-24,cash,1", "missing_value"),
        ("IBM,2024-06-30,2024-07-24,cash,", "missing_value"),
        ("IBM,30.6.2024,2024-07-24,cash,1", "unparsable_time"),
        ("IBM,2024-06-30,,cash,1", "unparsable_time"),
        # This half hour happened twice in New York.
        ("IBM,2024-06-30,2024-11-03 01:30,cash,1", "unparsable_time"),
        ('IBM,2024-06-30,2024-07-24,cash,"1,5"', "unparsable_number"),
        ("IBM,2024-06-30,2024-07-24,cash,inf", "unparsable_number"),
        ("IBM,2024-06-30,2024-06-29,cash,1", "known_too_early"),
        ("IBM,2024-06-30,2026-09-02,cash,1", "after_arrival"),
        ("OK,2024-06-30,2024-07-24,cash,1", "duplicate_row"),
    ],
)
def test_what_cannot_be_believed_is_held_back(tmp_path: Path, line: str, rule: str) -> None:
    parsed = read(tmp_path, FACTS, HEADER + f"OK,2024-06-30,2024-07-24,cash,1\n{line}\n")
    assert rules(parsed) == {rule: 1}
    assert parsed.rejected["line"].to_list() == [3]
    assert parsed.rows["raw_facts"]["symbol"].to_list() == ["OK"]


def test_rows_that_contradict_each_other_are_all_held_back(tmp_path: Path) -> None:
    text = HEADER + "IBM,2024-06-30,2024-07-24,cash,1\nIBM,2024-06-30,2024-07-24,cash,2\n"
    assert rules(read(tmp_path, FACTS, text)) == {"conflicting_rows": 2}


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("shape: facts\ncolumns: {symbol: S, ts: T}\nlag_days: 1\n", "facts need field, period, unit, value"),
        ("shape: texts\ncolumns: {symbol: S, ts: T, text: X}\n", "give known_at as a column, or lag_days"),
        ("shape: texts\ncolumns: {symbol: S, ts: T, text: X, kind: K}\nlag_days: 0\n", "texts have no kind"),
        ("shape: texts\ncolumns: {symbol: S, ts: T, text: X}\nlag_days: by_form\n", "by_form needs"),
        ("shape: bars\n", "mapping.yaml line 1: shape"),
        (FACTS + "lag: 3\n", "line 5: lag Extra inputs"),
        (FACTS.replace("America", "Amerika"), "line 4: timezone 'Amerika/New_York' is no IANA"),
    ],
)
def test_a_wrong_mapping_keeps_the_feed_out_and_names_its_line(
    tmp_path: Path, mapping: str, said: str
) -> None:
    with pytest.raises(RejectedFileError, match="wrong_mapping") as error:
        read(tmp_path, mapping, HEADER)
    assert said in str(error.value)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RejectedFileError, match="it has no Amount, Item"):
        read(tmp_path, FACTS, "Ticker,Period,Published\nIBM,2024-06-30,2024-07-24\n")
