"""The files that pysystemtrade ships, in its own layout, in a zip of it, or collected in Parquet tables.

    multiple_prices_csv/<INSTRUMENT>.csv    multiple_prices.parquet   quotes of three contracts
    roll_calendars_csv/<INSTRUMENT>.csv     roll_calendars.parquet    rolls
    fx_prices_csv/<PAIR>.csv                fx_spot.parquet           FX rates
    adjusted_prices_csv/<INSTRUMENT>.csv    adjusted_prices.parquet   never read
    csvconfig/instrumentconfig.csv                                    point values and currencies

Adjusted prices are not read because their levels look ahead: they were shifted by all rolls up to 2022,
and go negative for it. The series is made anew from contracts and rolls (`align/continuous.py`), which is
point in time.

What does not belong here: what the tables mean (`quotes.py`, `rolls.py`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.sources.archives import Stream
from lim_pipelines.sources.base import RejectedFileError, SourceFile
from lim_pipelines.sources.landed import entries, read_file

KINDS = ("multiple_prices", "roll_calendars", "fx_prices", "adjusted_prices")
_PARQUET = {
    "multiple_prices.parquet": "multiple_prices",
    "roll_calendars.parquet": "roll_calendars",
    "fx_spot.parquet": "fx_prices",
    "adjusted_prices.parquet": "adjusted_prices",
}
CONFIG = "csvconfig/instrumentconfig.csv"
_RENAMED = {"datetime": "ts", "date_time": "ts", "pair": "instrument"}
MAX_MEMBER_BYTES = 64 * 2**20


def kind_of(path: str) -> str | None:
    """Kind of table a path is one of, or `zip`; None where it is none."""
    where = PurePosixPath(path)
    if where.suffix == ".zip":
        return "zip"
    if where.name in _PARQUET:
        return _PARQUET[where.name]
    kind = where.parent.name.removesuffix("_csv")
    return kind if where.suffix == ".csv" and kind in KINDS and where.parent.name.endswith("_csv") else None


def tables(file: SourceFile, landing: Path, kind: str) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Tables of one kind in a file, one an instrument.

    Yields
    ------
    tuple
        Member (empty outside a zip), instrument or pair, and the frame: `_line` and the vendor's columns in
        lower case (the time is `ts`), text or typed.

    Raises
    ------
    RejectedFileError
        wrong_columns, damaged_parquet, too_large, or a rule of `landed.py`.
    """
    found = kind_of(file.path)
    if found == "zip":
        for member, stream in entries(landing, file.path):
            if kind_of(f"/{member}") == kind:
                yield member, PurePosixPath(member).stem, _csv(_content(stream, file.path), file.path)
    elif found == kind and file.path.endswith(".csv"):
        yield "", PurePosixPath(file.path).stem, _csv(read_file(landing, file.path), file.path)
    elif found == kind:
        yield from _parquet(read_file(landing, file.path), file.path)


def config(file: SourceFile, landing: Path) -> dict[str, dict[str, str]]:
    """Lines of instrumentconfig.csv by instrument: from the zip itself, else from the nearest folder above.

    Raises
    ------
    RejectedFileError
        missing_config: multipliers cannot be guessed.
    """
    if kind_of(file.path) == "zip":
        for member, stream in entries(landing, file.path):
            if member.endswith(CONFIG):
                return _config(_content(stream, file.path), file.path)
    for folder in PurePosixPath(file.path).parents:
        path = str(folder / CONFIG)
        if len(folder.parts) and (landing / path).is_file():
            return _config(read_file(landing, path), path)
    raise RejectedFileError(
        file.path,
        "missing_config",
        f"no {CONFIG} beside or above it",
        "drop the vendor's csvconfig folder, too",
    )


def _config(content: bytes, path: str) -> dict[str, dict[str, str]]:
    frame = _read_csv(content, path)
    needed = {"Instrument", "Pointsize", "Currency", "Description"}
    if missing := sorted(needed - set(frame.columns)):
        raise RejectedFileError(path, "wrong_columns", f"missing {missing}", "drop the vendor's own file")
    return {row["Instrument"]: row for row in frame.iter_rows(named=True)}


def _content(stream: Stream, path: str) -> bytes:
    content = stream.read(MAX_MEMBER_BYTES + 1)
    if len(content) > MAX_MEMBER_BYTES:
        raise RejectedFileError(path, "too_large", "a member is beyond the limit", "split it by instrument")
    return content


def _read_csv(content: bytes, path: str) -> pl.DataFrame:
    try:
        return pl.read_csv(content, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).split("\n")[0][:200]
        raise RejectedFileError(path, "wrong_columns", reason, "drop the vendor's own file") from error


def _csv(content: bytes, path: str) -> pl.DataFrame:
    return _named(_read_csv(content, path).with_row_index("_line", offset=2))


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    lower = {column: column.lower() for column in frame.columns}
    return frame.rename({column: _RENAMED.get(name, name) for column, name in lower.items()})


def _parquet(content: bytes, path: str) -> Iterator[tuple[str, str, pl.DataFrame]]:
    try:
        frame = _named(pl.read_parquet(io.BytesIO(content)).with_row_index("_line", offset=1))
    except pl.exceptions.PolarsError as error:
        reason = str(error).split("\n")[0][:200]
        raise RejectedFileError(path, "damaged_parquet", reason, "drop the complete file again") from error
    if "instrument" not in frame.columns:
        raise RejectedFileError(
            path, "wrong_columns", "missing instrument", "drop the collection's own table"
        )
    for (instrument,), part in frame.group_by("instrument", maintain_order=True):
        yield "", str(instrument), part
