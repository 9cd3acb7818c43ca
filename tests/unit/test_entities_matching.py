"""Names: what is left of spelling and legal forms, how alike, and whom a name means when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.entities import names as spelling
from lim_pipelines.entities.decided import DECISIONS
from lim_pipelines.entities.likeness import alike
from lim_pipelines.entities.matching import AUTOMATIC, MARGIN, NAMES, match_names

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = datetime(2018, 1, 15, 5, tzinfo=UTC)


def key(name: str) -> str:
    return str(pl.DataFrame({"n": [name]}).select(spelling.key(pl.col("n"))).item())


def names(*rows: tuple[str, str] | tuple[str, str, datetime]) -> pl.DataFrame:
    return pl.DataFrame([(*(*r, EPOCH)[:3], None) for r in rows], schema=NAMES, orient="row")


def mentions(*rows: str | tuple[str, datetime]) -> pl.DataFrame:
    made = [(row, T) if isinstance(row, str) else row for row in rows]
    return pl.DataFrame({"source": "findkg", "name": [n for n, _ in made], "known_at": [k for _, k in made]})


def decisions(*rows: tuple[str, str, str, datetime]) -> pl.DataFrame:
    made = [("findkg", name, target, what, "anna", known) for name, target, what, known in rows]
    return pl.DataFrame(made, schema=DECISIONS, orient="row")


def linked(found: pl.DataFrame) -> dict[str, str]:
    return dict(found.select("name", "entity_id").rows())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Apple Inc.", "Apple"),
        ("Wells Fargo Co.", "Wells Fargo & Company"),
        ("Brink&#39;s Company (The)", "Brink’s Co."),
        ("A. O. Smith", "Smith (A.O.) Corporation"),
        ("The Procter & Gamble", "Procter and Gamble Company (The)"),
        ("Alphabet Inc. (Class C)", "Alphabet"),
        ("L'Oréal S.A.", "LOREAL"),
        ("U.S. Bancorp", "US Bancorp"),
        ("Brown–Forman", "Brown-Forman Corporation"),
    ],
)
def test_the_same_name_in_two_spellings(one: str, other: str) -> None:
    assert key(one) == key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("Fund II", "Fund III"), ("News Corp", "Newell Corp"), ("Smith (A.O.)", "Smith Inc"), ("Inc.", "Corp.")],
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert key(one) != key(other)


def score(mentioned: str, known: str) -> float:
    found = alike(pl.Series([mentioned]), pl.Series([known]))["score"]
    return float(found[0]) if len(found) else 0.0


def test_scores_say_what_is_sure() -> None:
    assert score("Wells Fargo Co.", "Wells Fargo & Company") == 1
    assert score("KKR & Co.", "KKR & Co. L.P.") == 1
    assert score("Goldman Sachs", "Goldman Sachs Group") == pytest.approx(0.95)
    assert score("Target Corp.", "Target Corporation") == 1
    # Plain words, other legal forms, other numbers: never by itself.
    for mentioned, known in (
        ("Target", "Target Corporation"),
        ("New York", "New York & Company"),
        ("Renewable energy", "Renewable Energy"),
        ("BHP Billiton plc", "BHP Billiton Limited"),
        ("Global Fund II", "Global Fund III"),
        ("SBA Communications", "Saga Communications"),
    ):
        assert score(mentioned, known) < AUTOMATIC - MARGIN + 1e-9, (mentioned, known)
    assert score("Inflation", "Information Services Group") == 0


def test_a_name_that_is_like_one_entity_only_is_linked() -> None:
    known = names(
        ("issuer:XNYS:WFC", "Wells Fargo & Company"), ("issuer:XNYS:BAC", "Bank of America Corporation")
    )
    found = match_names(mentions("Wells Fargo Co.", "Inflation"), known, decisions())
    assert found.matched.select("name", "entity_id", "score", "method", "known_at").rows() == [
        ("Wells Fargo Co.", "issuer:XNYS:WFC", 1.0, "name", T)
    ]
    assert found.review.is_empty()


def test_two_companies_of_one_name_are_nobodys() -> None:
    known = names(("issuer:XNYS:FBP", "First BanCorp."), ("issuer:XNAS:FBNC", "First Bancorp"))
    found = match_names(mentions("First Bancorp", "First Bancorp"), known, decisions())
    assert found.matched.is_empty()
    assert found.review.select("name", "candidate", "rows", "state").rows() == [
        ("First Bancorp", "issuer:XNAS:FBNC", 2, "pending"),
        ("First Bancorp", "issuer:XNYS:FBP", 2, "pending"),
    ]


def test_one_close_behind_is_as_good_as_a_tie() -> None:
    known = names(("issuer:A", "Credit Suisse AG"), ("issuer:B", "Credit Suisse Group"))
    assert match_names(mentions("Credit Suisse"), known, decisions()).matched.is_empty()
    assert linked(match_names(mentions("Credit Suisse"), known[:1], decisions()).matched) == {
        "Credit Suisse": "issuer:A"
    }


def test_a_name_is_linked_from_the_moment_it_is_known() -> None:
    later = T + timedelta(days=30)
    known = names(("issuer:META", "Meta Platforms", later))
    found = match_names(mentions("Meta Platforms Inc."), known, decisions())
    assert found.matched["known_at"].to_list() == [later]


def test_what_was_certain_once_stays_what_it_was() -> None:
    known = names(("issuer:A", "Acme Foods", EPOCH), ("issuer:B", "Acme Foods", T + timedelta(days=1)))
    asked = mentions("Acme Foods Inc.", ("Acme Foods Inc.", T + timedelta(days=2)))
    found = match_names(asked, known, decisions())
    assert found.matched.select("entity_id", "known_at").rows() == [("issuer:A", T)]
    assert found.review["rows"].to_list() == [1, 1]


def test_a_decision_beats_likeness_and_a_rejection_takes_a_candidate_away() -> None:
    known = names(("issuer:FBP", "First Bancorp"), ("issuer:FBNC", "First Bancorp"))
    yes = decisions(("First Bancorp", "issuer:FBNC", "accepted", T + timedelta(days=3)))
    found = match_names(mentions("First Bancorp"), known, yes).matched
    assert found.select("entity_id", "method", "known_at").rows() == [
        ("issuer:FBNC", "person", T + timedelta(days=3))
    ]
    no = decisions(("First Bancorp", "issuer:FBP", "rejected", T + timedelta(days=3)))
    found = match_names(mentions("First Bancorp"), known, no).matched
    assert found.select("entity_id", "method", "known_at").rows() == [
        ("issuer:FBNC", "name", T + timedelta(days=3))
    ]
    word = decisions(("Target", "issuer:TGT", "accepted", EPOCH))
    assert linked(match_names(mentions("Target"), known, word).matched) == {"Target": "issuer:TGT"}


moments = st.integers(0, 6).map(lambda n: T + timedelta(days=n))
known_names = st.lists(
    st.tuples(
        st.sampled_from(("issuer:A", "issuer:B", "issuer:C")),
        st.sampled_from(("Acme Foods", "Acme Foods Group", "Acme Food", "Zenith Air Lines")),
        moments,
    ),
    max_size=6,
    unique=True,
)
made_decisions = st.lists(
    st.tuples(
        st.sampled_from(("Acme Foods Inc.", "Zenith Air Lines")),
        st.sampled_from(("issuer:A", "issuer:B")),
        st.sampled_from(("accepted", "rejected")),
        moments,
    ),
    max_size=3,
    unique_by=lambda r: (r[0], r[1], r[3]),
)
asked_names = st.lists(
    st.tuples(st.sampled_from(("Acme Foods Inc.", "Zenith Air Lines", "Acme")), moments),
    min_size=1,
    max_size=5,
)


@given(known_names, made_decisions, asked_names, moments)
@settings(max_examples=40)
def test_no_future_what_is_known_later_changes_nothing_before(
    known: list[tuple[str, str, datetime]],
    decided: list[tuple[str, str, str, datetime]],
    asked: list[tuple[str, datetime]],
    t: datetime,
) -> None:
    past = pl.col("known_at") <= t
    rows, table, people = mentions(*asked).with_row_index("n"), names(*known), decisions(*decided)
    full = match_names(rows, table, people).matched.filter(past)
    cut = match_names(rows.filter(past), table.filter(past), people.filter(past)).matched
    assert full.equals(cut)


@given(known_names, asked_names)
@settings(max_examples=40)
def test_a_name_is_never_linked_where_two_entities_are_close(
    known: list[tuple[str, str, datetime]], asked: list[tuple[str, datetime]]
) -> None:
    found = match_names(mentions(*asked), names(*known), decisions()).matched
    for name, entity, moment in found.select("name", "entity_id", "known_at").rows():
        scores: dict[str, float] = {}
        for other, alias, since in known:
            if since <= moment:
                scores[other] = max(scores.get(other, 0.0), score(name, alias))
        others = max((s for e, s in scores.items() if e != entity), default=0.0)
        assert scores[entity] >= AUTOMATIC
        assert scores[entity] - others >= MARGIN - 1e-9
