"""What embedding texts costs, store and all, against the bare encoder on the same texts in the same run.

    python -m benchmarks.text_embedding [texts] [tweets.parquet]

Ours gives every text the same bits in any company, finds out what is stored, and lays vectors
down in LanceDB; the bare one is `SentenceTransformer.encode`, 32 texts a batch. The two take turns, a
share of the texts each time; medians of the ratios, so that a busy machine slows both. Then the same texts
again, all stored. Without a file of tweets (a column text_tokens) texts are simulated, as long as tweets are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from lim_pipelines.modalities import MiniLM
from lim_pipelines.modalities.embed import embed_texts
from lim_pipelines.modalities.store import Vectors
from lim_pipelines.modalities.text import load_model

TURNS = 3


def simulated(count: int) -> list[str]:
    """Texts of random words, about as many as a tweet has."""
    rng = np.random.default_rng(0)
    words = [
        "the",
        "stock",
        "oil",
        "bank",
        "rate",
        "profit",
        "loss",
        "buys",
        "sells",
        "falls",
        "chip",
        "deal",
    ]
    sizes = np.maximum(rng.normal(22, 7, count).astype(int), 3)
    return [f"{i} " + " ".join(rng.choice(words, size)) for i, size in enumerate(sizes)]


def rows_of(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"text_id": texts, "text": texts}).with_columns(
        pl.lit("benchmark").alias("source"),
        pl.lit(datetime(2020, 1, 1, tzinfo=UTC)).dt.cast_time_unit("us").alias("known_at"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=int, nargs="?", default=3072)
    parser.add_argument("tweets", type=Path, nargs="?", help="Parquet file; without it texts are simulated")
    dials = parser.parse_args()
    if dials.tweets is not None:
        tokens = pl.read_parquet(dials.tweets)["text_tokens"]
        texts = tokens.unique(maintain_order=True).head(dials.texts).to_list()
    else:
        texts = simulated(dials.texts)
    bare, ours = load_model(), MiniLM()
    bare.encode(texts[:64])
    ratios, rates, alone = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        store = Vectors(Path(folder))
        share = len(texts) // TURNS
        for turn in range(TURNS):
            part = texts[turn * share : (turn + 1) * share]
            start = time.perf_counter()
            bare.encode(part, batch_size=32)
            middle = time.perf_counter()
            done = embed_texts(store, ours, rows_of(part))
            assert done.new == len(part)
            seconds = time.perf_counter() - middle
            ratios.append(seconds / (middle - start))
            rates.append(len(part) / seconds)
            alone.append(len(part) / (middle - start))
        start = time.perf_counter()
        again = embed_texts(store, ours, rows_of(texts[: share * TURNS]))
        cached = time.perf_counter() - start
        assert again.new == 0
    print(f"{share * TURNS} texts: bare {median(alone):.0f}/s, ours with writes {median(rates):.0f}/s")
    turns = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"time of ours over bare: {median(ratios):.2f} (goal 1.1; turns {turns})")
    whole = share * TURNS / median(rates)
    print(f"again, all stored: {cached * 1e3:.0f} ms, {cached / whole:.2%} of encoding them")


if __name__ == "__main__":
    main()
