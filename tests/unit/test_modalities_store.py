"""Vectors on disk: encoded once, known as of, safe with several writers and when killed half-way."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import bar, frame

from lim_pipelines.lake import LATEST, midnight
from lim_pipelines.modalities import NodeEncoder, Vader
from lim_pipelines.modalities import embed as embedding
from lim_pipelines.modalities.base import Floats, MissingExtraError
from lim_pipelines.modalities.embed import embed_nodes, embed_texts, embed_windows
from lim_pipelines.modalities.search import look_alikes, nearest_texts, nodes_known, texts_like
from lim_pipelines.modalities.store import NODES, TEXTS, WINDOWS, Vectors
from lim_pipelines.modalities.windows import BAR_WINDOWS, LENGTH, market_windows
from lim_pipelines.schemas import UTC_TIME

EDGES = {"head": pl.String, "relation": pl.String, "tail": pl.String, "weight": pl.Float64}
START = datetime(2020, 1, 1, tzinfo=UTC)


class Letters:
    """Counts letters: an encoder that takes no time, and says how many texts it was given."""

    name, width, digest = "letters", 26, "0123456789abcdef"

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, batch: Sequence[str]) -> Floats:
        self.encoded += len(batch)
        rows = [[1 + text.count(chr(97 + i)) for i in range(26)] for text in batch]
        return np.asarray(rows, dtype=np.float32).reshape(-1, 26)


def texts(*rows: tuple[str, int]) -> pl.DataFrame:
    """Texts, each known so many microseconds after `START`."""
    return pl.DataFrame(
        [
            {"text_id": text, "text": text, "source": "s", "known_at": START + timedelta(microseconds=known)}
            for text, known in rows
        ],
        schema={"text_id": pl.String, "text": pl.String, "source": pl.String, "known_at": UTC_TIME},
    )


def test_what_is_there_is_not_encoded_again(tmp_path: Path) -> None:
    store, encoder = Vectors(tmp_path), Letters()
    done = embed_texts(store, encoder, texts(("abc", 5), ("abd", 1), ("abc", 3)))
    assert (done.new, done.cached, encoder.encoded) == (2, 0, 2)
    read = store.read(TEXTS, encoder, as_of=LATEST)
    # First known counts, from whoever said it.
    assert read["known_at"].to_list() == [START + timedelta(microseconds=us) for us in (3, 1)]
    assert read["digest"].unique().to_list() == [encoder.digest]
    files = sorted(tmp_path.rglob("*.lance"))
    done = embed_texts(store, encoder, texts(("abc", 3), ("abd", 1)))
    assert (done.new, done.cached, encoder.encoded) == (0, 2, 2)
    assert sorted(tmp_path.rglob("*.lance")) == files
    # History declared later: known earlier, and still not encoded again.
    embed_texts(store, encoder, texts(("abc", 0), ("abd", 1)))
    assert encoder.encoded == 2
    again = store.read(TEXTS, encoder, as_of=START)
    assert again["key"].to_list() == ["abc"]
    assert (again["vector"].to_numpy() == read["vector"].to_numpy()[:1]).all()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Vectors, pl.DataFrame]:
    rng = np.random.default_rng(0)
    words = {"".join(rng.choice(list("abcdef"), 6)) for _ in range(60)}
    rows = texts(*((word, int(rng.integers(0, 20))) for word in sorted(words)))
    store = Vectors(tmp_path_factory.mktemp("vectors"))
    embed_texts(store, Letters(), rows)
    return store, rows


@given(at=st.integers(-1, 20), k=st.integers(1, 70), word=st.text("abcdef", min_size=1, max_size=6))
@settings(max_examples=30)
def test_search_finds_the_nearest_of_what_was_known(
    many: tuple[Vectors, pl.DataFrame], at: int, k: int, word: str
) -> None:
    store, rows = many
    as_of = START + timedelta(microseconds=at)
    found = nearest_texts(store, Letters(), [word], as_of=as_of, k=k)
    known = rows.filter(pl.col("known_at") <= as_of)
    assert set(found["text"]) <= set(known["text"])
    assert found.height == min(k, known.height)
    query, all_of = Letters().encode([word])[0], Letters().encode(known["text"].to_list())
    cosine = all_of @ query / np.linalg.norm(all_of, axis=1) / np.linalg.norm(query)
    assert np.allclose(found["similarity"], np.sort(cosine)[::-1][:k], atol=1e-5)


def test_a_text_is_not_like_itself(many: tuple[Vectors, pl.DataFrame]) -> None:
    store, rows = many
    found = texts_like(store, Letters(), rows["text_id"][0], as_of=LATEST, k=3)
    assert found.height == 3
    assert rows["text_id"][0] not in found["text_id"]
    assert not texts_like(store, Letters(), rows["text_id"][0], as_of=datetime(2019, 1, 1, tzinfo=UTC)).height


def test_an_empty_store_answers_and_imports_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from lim_pipelines.lake import LATEST\n"
        "from lim_pipelines.modalities import NodeEncoder, Vader\n"
        "from lim_pipelines.modalities.search import nearest_texts, nodes_known, look_alikes\n"
        "from lim_pipelines.modalities.store import Vectors; from datetime import date\n"
        f"store = Vectors(Path({str(tmp_path / 'none')!r}))\n"
        "assert not nodes_known(store, as_of=LATEST).height\n"
        "assert not look_alikes(store, 'A', date(2020, 1, 1), as_of=LATEST).height\n"
        "assert not nearest_texts(store, Vader(), ['a'], as_of=LATEST).height\n"
        "print([m for m in ('torch', 'lancedb', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "none").exists()


def test_without_lancedb_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lim-pipelines\[stores\]'"):
        embed_texts(Vectors(tmp_path), Letters(), texts(("a", 0)))


def test_rows_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    rows = texts(("a", 0)).select(
        pl.col("text_id").alias("key"), pl.col("text_id").alias("content"), "source", "known_at", "text"
    )
    with pytest.raises(ValueError, match="26 numbers a row"):
        Vectors(tmp_path).write(TEXTS, Letters(), rows, np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="two rows have one key"):
        Vectors(tmp_path).write(TEXTS, Letters(), pl.concat([rows, rows]), np.zeros((2, 26), np.float32))


def _write_some(path: Path, start: int, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    embedding.PIECE = 20  # type: ignore[misc]
    embed_texts(Vectors(path), Letters(), texts(*((f"text {i}", i) for i in range(start, start + 80))))


def test_several_writers_lay_every_text_down_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    writers = [context.Process(target=_write_some, args=(tmp_path, start, barrier)) for start in (0, 40)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    keys = Vectors(tmp_path).stored(TEXTS, Letters())["key"]
    assert keys.len() == keys.n_unique() == 120


class Dies(Letters):
    """Dies like a killed process, in the second piece."""

    def encode(self, batch: Sequence[str]) -> Floats:
        if self.encoded:
            os._exit(9)
        return super().encode(batch)


def _die(path: Path, rows: pl.DataFrame) -> None:
    embedding.PIECE = 3  # type: ignore[misc]
    embed_texts(Vectors(path), Dies(), rows)


def test_who_is_killed_half_way_loses_one_piece(tmp_path: Path) -> None:
    rows = texts(*((f"text {i}", i) for i in range(10)))
    killed = multiprocessing.get_context("spawn").Process(target=_die, args=(tmp_path, rows))
    killed.start()
    killed.join()
    assert killed.exitcode == 9
    encoder = Letters()
    done = embed_texts(Vectors(tmp_path), encoder, rows)
    assert (done.new, done.cached, encoder.encoded) == (7, 3, 7)
    assert Vectors(tmp_path).stored(TEXTS, encoder)["key"].n_unique() == 10


def _edges(*pairs: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"head": [p[0] for p in pairs], "relation": "r", "tail": [p[1] for p in pairs], "weight": 1.0}
    )


def test_nodes_of_a_cutoff_are_learnt_once_and_replaced_whole(tmp_path: Path) -> None:
    store, january, february = Vectors(tmp_path), date(2020, 1, 1), date(2020, 2, 1)
    assert embed_nodes(store, _edges(), january) is None
    assert embed_nodes(store, _edges("ab", "bc"), january) is not None
    assert embed_nodes(store, _edges("bc", "ab"), january) is None
    assert embed_nodes(store, _edges("ab", "bd"), february) is not None
    assert nodes_known(store, as_of=midnight(january))["node"].to_list() == ["a", "b", "c"]
    assert nodes_known(store, as_of=LATEST)["node"].to_list() == ["a", "b", "d"]
    assert not nodes_known(store, as_of=midnight(january) - timedelta(microseconds=1)).height
    before = store.read(NODES, NodeEncoder(), as_of=LATEST, where="cutoff = date '2020-02-01'")
    # Other relations came for January: its nodes change, wholly; February's stay.
    assert embed_nodes(store, _edges("xy"), january) is not None
    assert nodes_known(store, as_of=midnight(january))["node"].to_list() == ["x", "y"]
    assert store.read(NODES, NodeEncoder(), as_of=LATEST, where="cutoff = date '2020-02-01'").equals(before)
    assert embed_nodes(store, _edges(), january) is not None
    assert not nodes_known(store, as_of=midnight(january)).height


def market(n: int, name: str, seed: int) -> list[dict[str, object]]:
    steps = np.random.default_rng(seed).standard_normal(n) * 0.01
    return [
        bar(
            date(2019, 1, 1) + timedelta(i),
            close=float(close),
            instrument_id=f"XNAS:{name}",
            volume=100.0 + i,
        )
        for i, close in enumerate((100 * np.exp(np.cumsum(steps))).tolist())
    ]


def test_look_alikes_are_found_and_never_the_stretch_itself(tmp_path: Path) -> None:
    store, twin = Vectors(tmp_path), market(150, "A", 1)
    rows = [*twin, *({**row, "instrument_id": "XNAS:TWIN", "close": 3 * row["close"]} for row in twin)]  # type: ignore[operator]
    done = embed_windows(store, frame(*rows, *market(150, "B", 2)))
    assert done.new > 40
    assert embed_windows(store, frame(*rows, *market(150, "B", 2))).new == 0
    found = look_alikes(store, "XNAS:A", date(2019, 5, 1), as_of=LATEST, k=4)
    assert found["instrument_id"].to_list()[:2] == ["XNAS:A", "XNAS:TWIN"]
    assert found["similarity"][1] == pytest.approx(1, abs=1e-5)
    asked, rest = found[0], found[1:]
    own = rest.filter(pl.col("instrument_id") == "XNAS:A")
    assert not own.filter((pl.col("start") <= asked["end"][0]) & (pl.col("end") >= asked["start"][0])).height
    for one in rest.partition_by("instrument_id"):
        spans = one.sort("start")
        assert (spans["start"].shift(-1) > spans["end"]).drop_nulls().all()
    as_of = datetime(2019, 4, 1, tzinfo=UTC)
    assert look_alikes(store, "XNAS:A", date(2019, 5, 1), as_of=as_of, k=4)["known_at"].max() <= as_of  # type: ignore[operator]


@given(
    late=st.lists(st.tuples(st.integers(0, 79), st.integers(0, 100), st.booleans()), min_size=1, max_size=6),
    at=st.integers(30, 80),
)
@settings(max_examples=25)
def test_what_comes_later_changes_no_window_known_before(late: list[tuple[int, int, bool]], at: int) -> None:
    """Corrections and withdrawals after a moment change no bit of a window known by then."""
    rows = market(80, "A", 5)
    for day, delay, withdrawn in late:
        known = rows[day]["known_at"] + timedelta(days=delay, hours=1)  # type: ignore[operator]
        rows.append({**rows[day], "close": 77.0, "known_at": known, "withdrawn": withdrawn})
    bars = frame(*rows).unique(["ts", "known_at"], keep="first").sort("ts")
    moment = midnight(date(2019, 1, 1) + timedelta(at))

    def known(of: pl.DataFrame) -> tuple[pl.DataFrame, bytes]:
        for found, numbers in market_windows(of):
            seen = (found["known_at"] <= moment).to_numpy()
            return found.filter(seen), BAR_WINDOWS.encode(numbers[seen]).tobytes()
        return WINDOWS.rows.to_frame(), b""

    whole, then = known(bars), known(bars.filter(pl.col("known_at") <= moment))
    assert whole[0].equals(then[0])
    assert whole[1] == then[1]


def test_a_window_is_what_was_known_when_its_last_bar_was() -> None:
    told = market(LENGTH + 10, "A", 5)
    right = {**told[20], "close": 50.0, "known_at": told[-1]["known_at"]}
    rows, numbers = next(iter(market_windows(frame(*told, right))))
    _, as_told = next(iter(market_windows(frame(*told))))
    _, as_right = next(
        iter(market_windows(frame(*(right if i == 20 else row for i, row in enumerate(told)))))
    )
    assert rows.height == 1  # one Wednesday has enough bars before it
    assert (numbers == as_told).all()
    assert rows["known_at"][0] < right["known_at"]  # type: ignore[operator]
    # The right bar alone, come too late: the window does without it, and reaches one bar further back.
    assert not (as_right == as_told).all()


def test_vader_is_stored_beside_other_encoders(tmp_path: Path) -> None:
    store = Vectors(tmp_path)
    for encoder in (Vader(), Letters()):
        embed_texts(store, encoder, texts(("a good day", 0)))
    assert store.read(TEXTS, Vader(), as_of=LATEST)["vector"].to_numpy().shape == (1, 4)
    assert store.read(TEXTS, Letters(), as_of=LATEST)["vector"].to_numpy().shape == (1, 26)
