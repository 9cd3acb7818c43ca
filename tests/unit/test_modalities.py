"""Encoders: one contract for all; a row depends on its own item alone, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lim_pipelines.modalities import ENCODERS, MiniLM, NodeEncoder, Vader, WindowEncoder
from lim_pipelines.modalities.embed import known_edges
from lim_pipelines.modalities.graph import edges_digest, learn
from lim_pipelines.modalities.text import ROWS
from lim_pipelines.schemas import ENTITY_LINKS, VALIDATED_RELATIONS

TEXTS = ["$AAPL beats estimates, great quarter :)", "oil falls", "", "a bad, bad day for banks " * 9, "flat"]


def planted(size: int = 40, seed: int = 1) -> pl.DataFrame:
    """Edges within two communities, and few between them."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, size, 1500), rng.integers(0, size, 1500)
    side = rng.integers(0, 2, 1500)
    across = rng.random(1500) < 0.05
    head = [f"n{s}_{i}" for s, i in zip(side, a, strict=True)]
    tail = [f"n{s ^ c}_{i}" for s, c, i in zip(side, across, b, strict=True)]
    return (
        pl.DataFrame({"head": head, "relation": "knows", "tail": tail})
        .group_by("head", "relation", "tail")
        .agg(pl.len().cast(pl.Float64).alias("weight"))
    )


@pytest.fixture(scope="module")
def nodes() -> NodeEncoder:
    return learn(planted()).encoder


def _made(name: str, nodes: NodeEncoder) -> tuple[Any, Any]:
    """An encoder and a batch for it."""
    rng = np.random.default_rng(3)
    return {
        "minilm": (MiniLM(), TEXTS),
        "vader": (Vader(), TEXTS),
        "distmult": (nodes, [*nodes.nodes[:4], "nobody"]),
        "window": (WindowEncoder(8, ("path", "volume")), rng.standard_normal((5, 8, 2))),
    }[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_keeps_the_contract(name: str, nodes: NodeEncoder) -> None:
    encoder, batch = _made(name, nodes)
    rows = encoder.encode(batch)
    assert rows.shape == (5, encoder.width)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert (encoder.encode(batch) == rows).all()
    assert encoder.encode(batch[:0]).shape == (0, encoder.width)
    assert encoder.name == name
    assert len(encoder.digest) == 16
    assert len(np.unique(rows, axis=0)) > 1
    # Alone, and in another order: no bit differs.
    for i in range(5):
        assert (encoder.encode(batch[i : i + 1])[0] == rows[i]).all()
    assert (encoder.encode(batch[::-1])[::-1] == rows).all()


def test_a_text_has_the_same_bits_in_any_company() -> None:
    words = ["apple", "oil", "bank", "war", "growth", "loss", "chip", "rate", "bond", "gold"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(3 * ROWS)]
    together = MiniLM().encode(texts)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    some = np.flatnonzero(rng.random(len(texts)) < 0.3)
    assert (MiniLM().encode([texts[i] for i in some]) == together[some]).all()


def test_meanings_are_near_and_sentiment_has_a_sign() -> None:
    oil, crude, cat = MiniLM().encode(["oil prices fall", "crude gets cheaper", "my cat likes milk"])
    assert oil @ crude > oil @ cat + 0.2
    good, bad = Vader().encode(["a great, wonderful result", "a terrible, awful loss"])
    assert good[0] > 0.5
    assert bad[0] < -0.5


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), n=st.integers(1, 20), at=st.integers(0, 19))
@settings(max_examples=50)
def test_windows_are_on_their_own_scale_alone(scale: float, shift: float, n: int, at: int) -> None:
    encoder = WindowEncoder(16, ("x", "y"))
    values = np.random.default_rng(n).standard_normal((n, 16, 2))
    rows = encoder.encode(values)
    assert np.allclose(encoder.encode(values * scale + shift), rows, atol=1e-4)
    other = values * 7
    other[at % n] = values[at % n]
    assert (encoder.encode(other)[at % n] == rows[at % n]).all()


def test_windows_bear_gaps_and_stillness() -> None:
    encoder = WindowEncoder(4, ("x",))
    rows = encoder.encode(np.array([[[0.1], [0.1], [0.1], [0.1]], [[1.0], [np.nan], [2.0], [3.0]]]))
    assert (rows[0] == 0).all()
    assert rows[1, 1] == 0
    assert np.linalg.norm(rows[1]) == pytest.approx(1)


def test_planted_links_are_predicted_and_random_ones_are_not() -> None:
    learnt = learn(planted())
    assert learnt.held_out > 20
    assert learnt.auc > 0.65
    assert learnt.losses[-1] < learnt.losses[0]
    rng = np.random.default_rng(0)
    edges = planted()
    noise = edges.with_columns(pl.Series("tail", rng.permutation(edges["head"].to_numpy())))
    assert learn(noise.unique(["head", "relation", "tail"])).auc < 0.62


def test_nodes_do_not_depend_on_the_order_of_edges_and_hardly_on_one_more() -> None:
    edges = planted()
    first = learn(edges).encoder
    again = learn(edges.sample(fraction=1, shuffle=True, seed=2)).encoder
    assert first.nodes == again.nodes
    assert (first.vectors == again.vectors).all()
    assert edges_digest(edges) == edges_digest(edges.reverse())
    more = pl.DataFrame({"head": ["a new one"], "relation": ["knows"], "tail": ["n0_1"], "weight": [1.0]})
    later = learn(pl.concat([edges, more]))
    then, now = first.encode(first.nodes), later.encoder.encode(first.nodes)
    cosine = (then * now).sum(1) / np.linalg.norm(then, axis=1) / np.linalg.norm(now, axis=1)
    assert np.median(cosine) > 0.9
    assert edges_digest(pl.concat([edges, more])) != edges_digest(edges)


def _relation(head: str, tail: str, known: datetime) -> dict[str, Any]:
    return {
        "source": "s", "subject_id": head, "object_id": tail, "year": 2019, "relation": "r", "ts": known,
        "weight": 1.0, "file": "f", "line": 1, "known_at": known,
    }  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 28)), max_size=20))
@settings(max_examples=50)
def test_edges_of_a_cutoff_are_what_was_known_then(told: list[tuple[int, int, int]]) -> None:
    rows = [_relation(f"h{a}", f"t{b}", datetime(2019, 1, day, tzinfo=UTC)) for a, b, day in told]
    relations = pl.DataFrame(rows, schema=VALIDATED_RELATIONS.schema)
    cutoff = date(2019, 1, 15)
    before = relations.filter(pl.col("known_at") <= datetime(2019, 1, 15, tzinfo=UTC))
    links = ENTITY_LINKS.empty()
    assert known_edges(relations, links, cutoff).equals(known_edges(before, links, cutoff))


def test_links_count_only_while_they_hold_and_once_known() -> None:
    def link(child: str, first: date, last: date | None, known: int) -> dict[str, Any]:
        return {
            "relation": "in_industry", "child": child, "parent": "industry:A", "first": first, "last": last,
            "score": 1.0, "method": "vendor", "source": "s", "known_at": datetime(known, 1, 1, tzinfo=UTC),
        }  # fmt: skip

    links = pl.DataFrame(
        [
            link("holds", date(2000, 1, 1), None, 2018),
            link("over", date(2000, 1, 1), date(2018, 12, 1), 2018),
            link("to come", date(2020, 1, 1), None, 2018),
            link("not known", date(2000, 1, 1), None, 2020),
        ],
        schema=ENTITY_LINKS.schema,
    )
    found: Callable[[date], list[str]] = lambda day: known_edges(  # noqa: E731
        VALIDATED_RELATIONS.empty(), links, day
    )["head"].to_list()
    assert found(date(2019, 1, 1)) == ["holds"]
    assert found(date(2020, 1, 1)) == ["holds", "not known", "to come"]
