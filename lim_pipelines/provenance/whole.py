"""Whether the files of a table are there as they were committed, by name and size.

What does not belong here: what is in the files (`doctor_lake.py`), other damage.

polars panics on a file that is shorter than the log says: what is to be read is looked at before.
"""

from __future__ import annotations

import polars as pl
from deltalake.exceptions import DeltaError

from lim_pipelines.lake import Lake, LayoutError
from lim_pipelines.lake.files import sizes
from lim_pipelines.lake.log import Log
from lim_pipelines.schemas import TABLES


class TornError(RuntimeError):
    """A file of the lake is gone, or is not of the size that was committed."""


def sized(log: Log) -> pl.DataFrame:
    """Files of a table's newest version and their sizes.

    Parameters
    ----------
    log
        The table's log.

    Returns
    -------
    pl.DataFrame
        As of `Log.files`, and found: bytes that are there, null where the file is gone.
    """
    files = log.files()
    return files.with_columns(
        found=pl.Series(sizes(log.uri, files["path"].to_list(), log.options), dtype=pl.Int64)
    )


def torn(log: Log, files: pl.DataFrame) -> list[str]:
    """Say of each file that is not as it was committed what is wrong with it.

    Parameters
    ----------
    log
        The table's log.
    files
        As `sized` returns them.
    """
    wrong = files.filter(pl.col("found").ne_missing(pl.col("bytes"))).select("path", "found")
    return [
        f"{log.uri}/{path} {'is gone' if there is None else f'has {there} bytes, not what was committed'}"
        for path, there in wrong.iter_rows()
    ]


def require_whole(lake: Lake) -> None:
    """Look for every file of the lake before anything is read.

    Raises
    ------
    TornError
        Of the first that is not there as it was committed.
    """
    for table in TABLES.values():
        try:
            log = lake.open(table)
        except (LayoutError, DeltaError, OSError, ValueError):
            # Whoever reads this table meets it; others need not.
            continue
        for said in torn(log, sized(log)) if log is not None else []:
            raise TornError(
                f"table {table.name}: {said}; `lim doctor --fast` names all of them, with the remedy"
            )
