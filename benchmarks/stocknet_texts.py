"""StockNet's tweets as text features: what was known when each session's decision could be taken.

    python -m benchmarks.stocknet_texts HOME TWEETS

What does not belong here: prices (`us_shares.py`), models (`stocknet.py`). Tweets are read by the platform's
own source, encoded by its own encoders, and kept in its own store, so that a second run encodes nothing.

Of each company at most a few tweets count between one decision and the next: the first ones after a decision,
so that no later tweet changes which count.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from tqdm import tqdm

from benchmarks.quality_home import DATA
from lim_pipelines.exchanges import get_exchange, sessions
from lim_pipelines.inputs.texts import WINDOW
from lim_pipelines.lake import LATEST
from lim_pipelines.modalities import MiniLM, Vader
from lim_pipelines.modalities.embed import PIECE, embed_texts
from lim_pipelines.modalities.store import TEXTS, Vectors
from lim_pipelines.sources.stocknet import StocknetTweets

MIC = "XNYS"
FIRST, LAST = date(2014, 1, 2), date(2015, 9, 30)
FEATURES = ("text_embedding", "text_sentiment", "text_count")


def decisions() -> pl.DataFrame:
    """Columns date, decided_at: every session of the tweets' time."""
    lag = get_exchange(MIC).decision_lag
    return sessions(MIC, FIRST, LAST).select("date", decided_at=pl.col("close") + lag).sort("date")


def tweets(home: Path, most: int) -> pl.DataFrame:
    """Read the tweets that count: rows of `RAW_TEXTS`, with the first decision that knows each."""
    landing = home / "landing"
    if not (landing / "stocknet").exists():
        (landing / "stocknet" / "history").mkdir(parents=True)
        shutil.copy(DATA / "tweets_stocknet" / "tweets.parquet", landing / "stocknet" / "history")
    source = StocknetTweets()
    parts = [part for file in source.files(landing) for part in source.read(file, landing)]
    rows = pl.concat(part.rows["raw_texts"] for part in parts).sort("known_at", "symbol", "text_id")
    told = rows.join_asof(
        decisions(), left_on="known_at", right_on="decided_at", strategy="forward", coalesce=False
    ).drop_nulls("decided_at")
    # Retweets say the same again: a text counts once a company and session.
    told = told.unique(["symbol", "decided_at", "text_id"], keep="first", maintain_order=True)
    return told.filter(pl.int_range(pl.len()).over("symbol", "decided_at") < most)


def encode(home: Path, rows: pl.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Embedding (n, 384) and compound sentiment (n,) of some tweets, in their order."""
    store = Vectors(home / "vectors")
    texts = rows.select("text_id", "text", "source", "known_at")
    found = []
    for encoder in (MiniLM(), Vader()):
        with tqdm(total=texts["text_id"].n_unique(), desc=encoder.name, file=sys.stderr) as bar:
            embed_texts(store, encoder, texts, lambda n, bar=bar: bar.update(n))  # type: ignore[misc]  # no type for a default
        keys = rows.select(key="text_id")
        kept = pl.concat(
            store.read(TEXTS, encoder, as_of=LATEST, where=f"key IN ({_quoted(part)})")
            for part in keys.unique().sort("key").iter_slices(PIECE)
        )
        at = keys.join(kept.with_row_index("at").select("key", "at"), on="key", how="left")["at"]
        found.append(np.asarray(kept["vector"].to_numpy(), dtype=np.float64)[at.to_numpy()])
    return found[0], found[1][:, 0]


def _quoted(keys: pl.DataFrame) -> str:
    return ", ".join(f"'{key}'" for key in keys["key"])


def features(home: Path, most: int, window: timedelta = WINDOW) -> pl.DataFrame:
    """Text features by decision: exchange, date, instrument_id and 386 columns, as in `model_inputs`.

    A company without a tweet in the window has no row.
    """
    rows = tweets(home, most)
    meaning, mood = encode(home, rows)
    days = decisions()
    at = days["decided_at"]
    out = []
    for (symbol,), part in rows.with_row_index("at").group_by("symbol", maintain_order=True):
        place, ts = part["at"].to_numpy(), part["ts"]
        known = part["known_at"].search_sorted(at, side="right").to_numpy()
        old = ts.search_sorted(at - window, side="right").to_numpy()
        for day, first, end in zip(days["date"], old, known, strict=True):
            if end > first:
                own = place[first:end]
                values = [*meaning[own].mean(axis=0), mood[own].mean(), float(len(own))]
                out.append((MIC, day, f"{MIC}:{symbol}@2017", *values))
    names = [*(f"text_embedding.{i}" for i in range(MiniLM.width)), *FEATURES[1:]]
    schema = {"exchange": pl.String, "date": pl.Date, "instrument_id": pl.String}
    return pl.DataFrame(out, schema=schema | dict.fromkeys(names, pl.Float64), orient="row")


def main() -> None:
    """Encode what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("home", type=Path)
    parser.add_argument("tweets", type=int, help="most of a company between two decisions")
    dials = parser.parse_args()
    print(features(dials.home, dials.tweets).shape)


if __name__ == "__main__":
    main()
