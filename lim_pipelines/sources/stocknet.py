"""Tweets of StockNet: `landing/stocknet/.../tweets.parquet`, or the files as shipped, packed in a .zip.

What does not belong here: the companies (`stocknet_companies.py`), prices (as of 2017, not read), what a
tweet says (`modalities/`).

The table has ticker, created_at_utc, file_date, user_id_str and text_tokens. The zip holds
`<TICKER>/<YYYY-MM-DD>` members of JSON lines, one tweet each: text (a list of tokens, joined here with
spaces), created_at (with its offset from UTC), user_id_str. Both give the same rows.

A tweet is public the moment it is written: `ts` and, in declared history, `known_at` are its creation in UTC,
without a lag. The vendor files tweets under days that begin one to two hours before those of UTC; neither
`file_date` nor a member's name is ever a time here.

A tweet under several tickers is a row for each. The same text by the same account in the same second is one
tweet (`duplicate_tweet`); by several accounts it is one text (`repeated_text`): rows are texts, and who wrote
them is not kept, here or in the quarantine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import polars as pl

from lim_pipelines.schemas import RAW_TEXTS, UTC_TIME
from lim_pipelines.sources.base import ParsedTables, RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import entries, whole
from lim_pipelines.sources.quarantine import refused
from lim_pipelines.sources.table_files import whole_table

TABLE = "tweets.parquet"
PACKED = ".zip"
CREATED = "%a %b %d %H:%M:%S %z %Y"
ID_DIGITS = 16
_SCHEMA = {
    **{"file": pl.String, "line": pl.Int64, "symbol": pl.String},
    **{"created": pl.String, "user": pl.String, "text": pl.String},
}
_REASONS = MappingProxyType(
    {
        "unparsable_json": "the line is no JSON object with text, created_at and user_id_str; drop the"
        " file as the vendor ships it",
        "missing_value": "ticker or text is empty; remove the line",
        "unparsable_time": "the creation time is no time with an offset from UTC; correct it in the file",
        "after_arrival": "it was written after the file arrived; check the creation time and its zone",
        "duplicate_tweet": "the same account wrote the same text in the same second; nothing to do",
        "repeated_text": "another account wrote the same text in the same second; nothing to do",
    }
)


class StocknetTweets:
    """Tweets about companies."""

    name = "stocknet"
    tables = frozenset({"raw_texts"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the table of tweets and the archives."""
        return [
            file
            for file in vendor_files(landing, self.name)
            if PurePosixPath(file.path).name == TABLE or file.path.endswith(PACKED)
        ]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse one file.

        Raises
        ------
        RejectedFileError
            wrong_columns, archive_members, encoding, or a rule of `whole_table` or of `landed.py`.
        """
        tweets = _packed(file, landing) if file.path.endswith(PACKED) else _table(file, landing)
        judged = _judged(tweets, file)
        good = judged.filter(pl.col("rule").is_null())
        ids = [hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS] for text in good["text"]]
        rows = good.with_columns(pl.Series("text_id", ids, pl.String), date=pl.col("ts").dt.date())
        held = refused(judged, _REASONS, ["symbol", "created", "text"])
        yield ParsedTables({"raw_texts": RAW_TEXTS.conform(rows)}, held)


def _judged(tweets: pl.DataFrame, file: SourceFile) -> pl.DataFrame:
    """Add `rule` and what the tables want to rows of `_SCHEMA` with a time, or null, in `ts`."""
    arrived = pl.lit(file.arrived_at, UTC_TIME)
    empty = pl.any_horizontal(
        pl.col(name).fill_null("").str.strip_chars() == "" for name in ("symbol", "text")
    )
    tests = {
        "unparsable_json": pl.col("line").is_not_null()
        & pl.col("created").is_null()
        & pl.col("text").is_null(),
        "missing_value": empty,
        "unparsable_time": pl.col("ts").is_null(),
        "after_arrival": pl.col("ts") > arrived,
    }
    tweets = tweets.with_columns(
        rule=pl.coalesce(pl.when(failed).then(pl.lit(rule)) for rule, failed in tests.items())
    )
    texts = ["symbol", "ts", "text"]
    for rule, key in (("duplicate_tweet", [*texts, "user"]), ("repeated_text", texts)):
        good = pl.col("rule").is_null()
        again = good & (pl.int_range(pl.len()).over([*key, "rule"]) > 0)
        tweets = tweets.with_columns(rule=pl.when(again).then(pl.lit(rule)).otherwise("rule"))
    known_at = pl.col("ts") if file.history else pl.max_horizontal("ts", arrived)
    return tweets.with_columns(
        source=pl.lit(file.source),
        date=pl.col("ts").fill_null(arrived).dt.date(),
        known_at=known_at.fill_null(arrived),
    )


def _table(file: SourceFile, landing: Path) -> pl.DataFrame:
    texts = dict.fromkeys(("ticker", "user_id_str", "text_tokens"), (pl.String,))
    table = whole_table(file, landing, {"created_at_utc": (pl.Datetime,), **texts})
    zone = table.schema["created_at_utc"].time_zone  # type: ignore[attr-defined]
    if zone is None:
        raise RejectedFileError(
            file.path, "wrong_columns", "created_at_utc has no zone", "write it as a time in UTC"
        )
    ts = pl.col("created_at_utc").dt.convert_time_zone("UTC").cast(UTC_TIME)
    return table.select(
        "line",
        file=pl.lit(file.path),
        symbol="ticker",
        created=pl.col("created_at_utc").cast(pl.String),
        user="user_id_str",
        text="text_tokens",
        ts=ts,
    )


def _packed(file: SourceFile, landing: Path) -> pl.DataFrame:
    rows = []
    for name, stream in entries(landing, file.path):
        symbol = PurePosixPath(name).parent.name
        if not symbol:
            raise RejectedFileError(
                file.path,
                "archive_members",
                f"{name} lies in no ticker's folder",
                "pack <TICKER>/<day> files",
            )
        try:
            lines = whole(stream, file.path).decode().split("\n")
        except UnicodeDecodeError as error:
            raise RejectedFileError(
                file.path, "encoding", f"{name} is not UTF-8", "drop it as the vendor ships it"
            ) from error
        table = f"{file.path}#{name}"
        rows += [(table, at, symbol, *_tweet(line)) for at, line in enumerate(lines, 1) if line.strip()]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    return frame.with_columns(ts=pl.col("created").str.to_datetime(CREATED, strict=False, time_unit="us"))


def _tweet(line: str) -> tuple[str | None, str | None, str | None]:
    """Creation, account and text of a line of JSON; nothing of one that is not as the vendor ships it."""
    try:
        tweet = json.loads(line)
        created, user, tokens = tweet["created_at"], tweet["user_id_str"], tweet["text"]
        return str(created), str(user), " ".join(tokens)
    except (ValueError, KeyError, TypeError):
        return None, None, None
