"""Tweets: when they were written, by their own clock; what repeats; that accounts are not kept."""

import io
import json
import zipfile
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from landing_files import copy, drop, read_tables, rules
from shared_data import folder

from lim_pipelines.align.revisions import merge
from lim_pipelines.exchanges import sessions
from lim_pipelines.schemas import RAW_TEXTS
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.stocknet import StocknetTweets

LATE = datetime(2026, 9, 2, tzinfo=UTC)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2014, 1, 6, hour, minute, second, tzinfo=UTC)


def table(*tweets: tuple[str, datetime | None, str, str], zone: str | None = "UTC") -> bytes:
    frame = pl.DataFrame(
        [(ticker, when, date(2014, 1, 7), user, text) for ticker, when, user, text in tweets],
        schema={
            "ticker": pl.String,
            "created_at_utc": pl.Datetime("us", "UTC"),
            "file_date": pl.Date,
            "user_id_str": pl.String,
            "text_tokens": pl.String,
        },
        orient="row",
    ).with_columns(pl.col("created_at_utc").dt.replace_time_zone(None).dt.replace_time_zone(zone))
    packed = io.BytesIO()
    frame.write_parquet(packed)
    return packed.getvalue()


def archive(**members: list[Any]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        for name, tweets in members.items():
            lines = [tweet if isinstance(tweet, str) else json.dumps(tweet) for tweet in tweets]
            zipped.writestr(name.replace("_", "/"), "\n".join(lines) + "\n")
    return packed.getvalue()


def tweet(created: str, text: str, user: str = "17") -> dict[str, Any]:
    return {"text": text.split(" "), "created_at": created, "user_id_str": user}


def test_a_tweet_is_on_the_side_of_the_close_on_which_it_was_written(tmp_path: Path) -> None:
    # All three are filed under the 7th; New York closes at 16:00, 21:00 UTC in January.
    tweets = [
        ("A", at(20, 59), "1", "before"),
        ("A", at(21, 1), "2", "after"),
        ("A", at(22, 30), "3", "late"),
    ]
    drop(tmp_path, "stocknet/tweets.parquet", table(*tweets))
    rows = read_tables(StocknetTweets(), tmp_path).rows["raw_texts"]
    assert (rows["known_at"] == rows["ts"]).all()
    close = sessions("XNYS", date(2014, 1, 6), date(2014, 1, 6))["close"][0]
    known = {row["text"]: row["known_at"] <= close for row in rows.iter_rows(named=True)}
    assert known == {"before": True, "after": False, "late": False}
    assert set(rows["date"]) == {date(2014, 1, 6)}


def test_a_zone_is_read_and_never_guessed(tmp_path: Path) -> None:
    members = {
        "A_2014-01-07": [
            tweet("Mon Jan 06 15:59:00 -0500 2014", "before"),
            tweet("Mon Jan 06 21:01:00 +0000 2014", "after"),
            tweet("Mon Jan 06 21:01:00 2014", "whenever"),
        ]
    }
    drop(tmp_path, "stocknet/raw.zip", archive(**members))
    parsed = read_tables(StocknetTweets(), tmp_path)
    told = dict(parsed.rows["raw_texts"].select("text", "ts").rows())
    assert told == {"before": at(20, 59), "after": at(21, 1)}
    assert rules(parsed) == {"unparsable_time": 1}
    drop(
        tmp_path,
        "stocknet/raw.zip",
        archive(**{"A_2014-01-07": [tweet("Mon Jan 06 21:01:00 +0000 2014", "x")]}),
    )
    drop(tmp_path, "stocknet/tweets.parquet", table(("A", at(21), "1", "x"), zone=None))
    with pytest.raises(RejectedFileError, match="wrong_columns: created_at_utc has no zone"):
        read_tables(StocknetTweets(), tmp_path)


def test_another_zone_of_a_table_is_brought_to_utc(tmp_path: Path) -> None:
    # The same digits, but on New York's clock.
    drop(tmp_path, "stocknet/tweets.parquet", table(("A", at(15, 59), "1", "x"), zone="America/New_York"))
    assert read_tables(StocknetTweets(), tmp_path).rows["raw_texts"]["ts"].to_list() == [at(20, 59)]


def test_a_feed_is_known_when_it_arrives_and_holds_nothing_written_later(tmp_path: Path) -> None:
    content = table(("A", at(9), "1", "early"), ("A", at(12), "1", "later than the file"))
    drop(tmp_path, "stocknet/tweets.parquet", content, history=False, arrived=at(10))
    parsed = read_tables(StocknetTweets(), tmp_path)
    assert parsed.rows["raw_texts"].select("text", "ts", "known_at").rows() == [("early", at(9), at(10))]
    assert rules(parsed) == {"after_arrival": 1}


def test_repeated_tweets_are_one_row_a_ticker(tmp_path: Path) -> None:
    tweets = [
        ("A", at(9), "1", "buy $ a $ b"),
        ("B", at(9), "1", "buy $ a $ b"),
        ("A", at(9), "1", "buy $ a $ b"),
        ("A", at(9), "2", "buy $ a $ b"),
        ("A", at(9, 0, 1), "2", "buy $ a $ b"),
        ("A", at(9), "2", " "),
    ]
    drop(tmp_path, "stocknet/tweets.parquet", table(*tweets))
    parsed = read_tables(StocknetTweets(), tmp_path)
    assert parsed.rows["raw_texts"].select("symbol", "line").sort("line").rows() == [
        ("A", 1),
        ("B", 2),
        ("A", 5),
    ]
    held = dict(parsed.rejected.select("line", "rule").rows())
    assert held == {3: "duplicate_tweet", 4: "repeated_text", 6: "missing_value"}
    assert set(parsed.rows["raw_texts"]["text_id"]) == {sha256(b"buy $ a $ b").hexdigest()[:16]}


def test_both_layouts_give_the_same_rows_and_no_row_twice(tmp_path: Path) -> None:
    drop(tmp_path, "stocknet/tweets.parquet", table(("A", at(9), "1", "up we go"), ("B", at(9), "1", "no")))
    tweets = [tweet("Mon Jan 06 09:00:00 +0000 2014", "up we go", "1")]
    drop(tmp_path, "stocknet/raw.zip", archive(**{"A_2014-01-06": tweets}))
    source = StocknetTweets()
    held = RAW_TEXTS.empty()
    for file in source.files(tmp_path):
        (block,) = source.read(file, tmp_path)
        held = merge(held, block.rows["raw_texts"], LATE, RAW_TEXTS)
    assert held.select("symbol", "text").sort("symbol").rows() == [("A", "up we go"), ("B", "no")]


def test_accounts_are_kept_nowhere(tmp_path: Path) -> None:
    account = "1938270918"
    drop(
        tmp_path,
        "stocknet/tweets.parquet",
        table(*[("A", at(9), account, "x")] * 2, ("A", None, account, "y")),
    )
    lines = [tweet("soon", "z", account), f'{{"user_id_str": "{account}"', tweet("soon", "z", account)]
    drop(tmp_path, "stocknet/raw.zip", archive(**{"A_2014-01-06": lines}))
    parsed = read_tables(StocknetTweets(), tmp_path)
    assert rules(parsed) == {"duplicate_tweet": 1, "unparsable_json": 1, "unparsable_time": 3}
    assert account not in parsed.rejected.write_csv() + parsed.rows["raw_texts"].write_csv()


def test_a_member_outside_a_tickers_folder_is_refused(tmp_path: Path) -> None:
    drop(tmp_path, "stocknet/raw.zip", archive(loose=[tweet("Mon Jan 06 09:00:00 +0000 2014", "x")]))
    with pytest.raises(RejectedFileError, match="archive_members"):
        read_tables(StocknetTweets(), tmp_path)


def test_the_vendors_tweets(tmp_path: Path) -> None:
    copy(tmp_path, "stocknet", folder("tweets_stocknet"))
    source = StocknetTweets()
    whole, sample = source.files(tmp_path)
    (tweets,) = source.read(whole, tmp_path)
    rows = tweets.rows["raw_texts"]
    assert rules(tweets) == {"duplicate_tweet": 35, "repeated_text": 216}
    assert rows.height + 35 + 216 == 55_355
    assert (rows["ts"].min(), rows["ts"].max()) == (
        datetime(2013, 12, 31, 23, 10, 8, tzinfo=UTC),
        datetime(2015, 9, 30, 21, 42, 26, tzinfo=UTC),
    )
    (raw,) = source.read(sample, tmp_path)
    assert raw.rows["raw_texts"].height + raw.rejected.height == 1_871
    assert rules(raw) == {"duplicate_tweet": 1, "repeated_text": 1}
    # All of the sample is in the table.
    assert merge(rows, raw.rows["raw_texts"], LATE, RAW_TEXTS).height == rows.height
    first = rows.filter((pl.col("symbol") == "AAPL") & (pl.col("line") == 1)).row(0, named=True)
    assert first["ts"] == datetime(2014, 1, 1, 3, 59, 3, tzinfo=UTC)
    assert first["text"].startswith("rt AT_USER summary of yesterday's webcast")
