"""Members of the S&P 500 over time: `landing/sp500_members/sp500_ticker_start_end.csv` of fja05680/sp500.

What does not belong here: which instrument a ticker was on a date (listings), the vendor's two other files
(today's members with sectors, and the changes since 2019, which repeat what this one says).

The vendor gives a row for each stay: ticker, start_date, end_date. The end is the day of the change, on
which the name that comes in has its start: the last day as a member is the day before. A renamed firm looks
like one that leaves and one that comes, because tickers are those of the time. Before 2001 the list is short
of about five names, before 1996 there is none.

A change counts as known on the day on which it takes effect: S&P announces it some days before, but the file
does not say when. A file that is dropped is a feed, nothing in it is known before it arrived; below
`history/` it counts as known on its dates. A stay that has ended is two facts, known at different times: that
the name came in, and when it left. So it gives two rows, the second of which revises the first.
"""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.schemas import INDEX_MEMBERS, UTC_TIME
from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file

INDEX_ID = "XNYS:SPX"
FILE = "sp500_ticker_start_end.csv"
COLUMNS = ["ticker", "start_date", "end_date"]


class SP500Members:
    """Stays in the S&P 500."""

    name = "sp500_members"

    def reference(self, landing: Path) -> dict[str, pl.DataFrame]:
        """Read every file of that name; of files that say the same, the first in order of path counts.

        Raises
        ------
        RejectedFileError
            wrong_columns, unparsable_date, or a rule of `landed.py`.
        """
        files = [f for f in vendor_files(landing, self.name) if PurePosixPath(f.path).name == FILE]
        rows = pl.concat([INDEX_MEMBERS.empty(), *(_read(file, landing) for file in files)])
        rows = rows.unique(INDEX_MEMBERS.row_key, keep="first", maintain_order=True)
        return {INDEX_MEMBERS.name: INDEX_MEMBERS.conform(rows)}


def _read(file: SourceFile, landing: Path) -> pl.DataFrame:
    table = pl.read_csv(io.BytesIO(read_file(landing, file.path)), infer_schema=False)
    if table.columns != COLUMNS:
        raise RejectedFileError(
            file.path, "wrong_columns", f"it has {table.columns}", f"the header must be {','.join(COLUMNS)}"
        )
    stays = table.with_row_index("line", offset=2).with_columns(
        first=pl.col("start_date").str.to_date("%Y-%m-%d", strict=False),
        left=pl.col("end_date").str.to_date("%Y-%m-%d", strict=False),
    )
    bad = stays.filter(
        pl.col("first").is_null()
        | pl.col("ticker").is_null()
        | (pl.col("left").is_null() != pl.col("end_date").is_null())
        | (pl.col("left") <= pl.col("first"))
    )
    if bad.height:
        raise RejectedFileError(
            file.path,
            "unparsable_date",
            f"line {bad['line'][0]}: {bad.select(COLUMNS).row(0)}",
            "write ticker, start and a later end as YYYY-MM-DD; no part of a list of members is used",
        )
    came = stays.with_columns(last=pl.lit(None, pl.Date), known_at=_midnight("first"))
    gone = stays.filter(pl.col("left").is_not_null()).with_columns(
        last=pl.col("left").dt.offset_by("-1d"), known_at=_midnight("left")
    )
    if not file.history:
        # Nobody here knew before it arrived: one fact a stay, as the file tells it.
        whole = pl.concat([came.filter(pl.col("left").is_null()), gone])
        rows = whole.with_columns(known_at=pl.max_horizontal("known_at", pl.lit(file.arrived_at, UTC_TIME)))
    else:
        rows = pl.concat([came, gone])
    return rows.select(
        pl.lit(SP500Members.name).alias("source"),
        pl.lit(INDEX_ID).alias("index_id"),
        pl.col("ticker").alias("symbol"),
        "first",
        "last",
        pl.lit(file.path).alias("file"),
        pl.col("line").cast(pl.Int64),
        "known_at",
    )


def _midnight(column: str) -> pl.Expr:
    """Begin of the day in New York."""
    local = pl.col(column).cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    return local.dt.convert_time_zone("UTC").cast(UTC_TIME)
