"""Real tweets: the nearest documents of a tweet are about the same company far above chance."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from shared_data import folder

from lim_pipelines.modalities import MiniLM
from lim_pipelines.modalities.embed import embed_texts
from lim_pipelines.modalities.search import texts_like
from lim_pipelines.modalities.store import Vectors


@pytest.mark.slow
def test_nearest_tweets_are_about_the_same_company(
    tmp_path: Path,
) -> None:
    tweets = pl.read_parquet(folder("tweets_stocknet") / "tweets.parquet").unique("text_tokens", keep="none")
    tweets = tweets.sort("created_at_utc").gather_every(max(tweets.height // 400, 1)).head(400)
    rows = tweets.select(
        pl.col("text_tokens").alias("text_id"),
        pl.col("text_tokens").alias("text"),
        pl.lit("stocknet").alias("source"),
        pl.col("created_at_utc").cast(pl.Datetime("us", "UTC")).alias("known_at"),
    )
    store, encoder = Vectors(tmp_path), MiniLM()
    embed_texts(store, encoder, rows)
    ticker = dict(tweets.select("text_tokens", "ticker").iter_rows())
    hits = total = 0
    for one in rows.sample(60, seed=0).iter_rows(named=True):
        found = texts_like(store, encoder, one["text_id"], as_of=one["known_at"], k=3)
        assert (found["known_at"] <= one["known_at"]).all()
        hits += sum(ticker[text] == ticker[one["text_id"]] for text in found["text_id"])
        total += found.height
    base = float((tweets["ticker"].value_counts()["count"] / tweets.height).pow(2).sum())
    print(f"same company: {hits / total:.2f} of the 3 nearest, {base:.2f} by chance")
    assert hits / total > 3 * base
