"""FinDKG, a knowledge graph of financial news: `landing/findkg/.../quadruples_<split>.parquet`.

What does not belong here: whom the names mean (`entities/`), graphs as numbers (`modalities/`).

The table has week (a Sunday), subject, relation, object, in words that a language model found in the news:
noisy, and no tickers. A week's rows count as known when the week has ended, seven days after its Sunday at
00:00 UTC, which is also their `ts`; never on the Sunday that they are named after. What is said several times
in a week is one row with a weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import polars as pl

from lim_pipelines.schemas import RAW_RELATIONS, UTC_TIME
from lim_pipelines.sources.base import ParsedTables, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.quarantine import refused
from lim_pipelines.sources.table_files import whole_table

TABLES = "quadruples_*.parquet"
_WORDS = ("subject", "relation", "object")
_SUNDAY = 7
_REASONS = MappingProxyType(
    {
        "missing_value": "week, subject, relation or object is empty; remove the row",
        "not_a_sunday": "weeks are named after their Sunday; without it nobody can say when it was known",
        "after_arrival": "its week begins after the file arrived; check the week",
    }
)


class FinDKG:
    """Relations between companies, people, countries, products and concepts, by week."""

    name = "findkg"
    tables = frozenset({"raw_relations"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the tables of quadruples."""
        return [f for f in vendor_files(landing, self.name) if PurePosixPath(f.path).match(TABLES)]

    def read(self, file: SourceFile, landing: Path) -> Iterator[ParsedTables]:
        """Parse one table; rows in = sum of weights + rejected.

        Raises
        ------
        RejectedFileError
            What `whole_table` raises.
        """
        table = whole_table(file, landing, {"week": (pl.Date,), **dict.fromkeys(_WORDS, (pl.String,))})
        arrived = pl.lit(file.arrived_at, UTC_TIME)
        empty = pl.any_horizontal(pl.col(name).fill_null("").str.strip_chars() == "" for name in _WORDS)
        tests = {
            "missing_value": empty | pl.col("week").is_null(),
            "not_a_sunday": pl.col("week").dt.weekday() != _SUNDAY,
            "after_arrival": pl.col("week") > arrived.dt.date(),
        }
        ts = pl.col("week").dt.offset_by("7d").cast(UTC_TIME)
        rows = table.with_columns(
            rule=pl.coalesce(pl.when(failed).then(pl.lit(rule)) for rule, failed in tests.items()),
            source=pl.lit(file.source),
            file=pl.lit(file.path),
            year=ts.dt.year(),
            ts=ts,
            known_at=ts if file.history else pl.max_horizontal(ts, arrived),
        )
        good = rows.filter(pl.col("rule").is_null())
        told = good.group_by(["source", "file", "year", "ts", "known_at", *_WORDS]).agg(
            pl.col("line").min(), weight=pl.len().cast(pl.Float64)
        )
        bad = rows.with_columns(
            symbol="subject",
            date=pl.col("week").fill_null(arrived.dt.date()),
            known_at=pl.col("known_at").fill_null(arrived),
        )
        yield ParsedTables(
            {"raw_relations": RAW_RELATIONS.conform(told)}, refused(bad, _REASONS, ["week", *_WORDS])
        )
