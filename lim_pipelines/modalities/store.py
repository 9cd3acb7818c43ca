"""Vectors on disk (LanceDB): what is there is not encoded again, and every read says as of when.

What does not belong here: making vectors (`embed.py`), what neighbours mean (`search.py`).

A LanceDB table holds one kind of item from one encoder with one digest, so all of its vectors are comparable.
Rows are laid down in atomic commits, keyed: LanceDB counts `key` as the primary key of concurrent merges, so
of two writers of one item the later one finds it there (without that, both rows stay). A process that is
killed leaves the commits it made, and whoever goes on encodes the rest.
"""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from lim_pipelines.lake import LATEST, AsOf
from lim_pipelines.modalities.base import Encoder, Floats, MissingExtraError
from lim_pipelines.schemas import UTC_TIME

if TYPE_CHECKING:
    import pyarrow as pa

CODE_VERSION = "1"
"""Of the way from lake rows to items. Raise it when the same rows would make other items."""

_COMMON = {
    "key": pl.String(),
    "content": pl.String(),
    "source": pl.String(),
    "known_at": UTC_TIME,
}
_PROVENANCE = {"encoder": pl.String(), "digest": pl.String(), "code_version": pl.String()}


@dataclass(frozen=True)
class Kind:
    """A kind of item.

    Every row has `key` (which item), `content` (digest of what was encoded), `source`, `known_at` (when the
    item was first known), and how it was made: `encoder`, its `digest`, `code_version`.

    Parameters
    ----------
    name
        First part of its tables' names.
    columns
        Columns of its own.
    """

    name: str
    columns: dict[str, pl.DataType]

    @property
    def rows(self) -> pl.Schema:
        """Columns that a writer gives, beside the vectors."""
        return pl.Schema({**_COMMON, **self.columns})


TEXTS = Kind("texts", {"text": pl.String()})
"""Texts; key and content are the lake's `text_id`."""

NODES = Kind("nodes", {"node": pl.String(), "cutoff": pl.Date(), "auc": pl.Float64()})
"""Entities in a graph as of a cutoff; `auc` of predicting links that its training did not see."""

WINDOWS = Kind(
    "windows", {"instrument_id": pl.String(), "freq": pl.String(), "start": UTC_TIME, "end": UTC_TIME}
)
"""Stretches of bars, as they were known when the last one was."""


class Vectors:
    """Vectors below one folder.

    Parameters
    ----------
    path
        The folder; made when something is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def uri(self, kind: Kind, encoder: Encoder[Any]) -> Path:
        """Where the table of a kind and an encoder lies."""
        return self.path / f"{_name(kind, encoder)}.lance"

    def stored(self, kind: Kind, encoder: Encoder[Any]) -> pl.DataFrame:
        """List what is there, without vectors: columns key, content, known_at."""
        names = ["key", "content", "known_at"]
        table = self._open(kind, encoder)
        if table is None:
            return pl.DataFrame(schema={name: _COMMON[name] for name in names})
        return _frame(table.search().select(names).limit(None).to_arrow())

    def read(self, kind: Kind, encoder: Encoder[Any], *, as_of: AsOf, where: str = "") -> pl.DataFrame:
        """Vectors as known at a moment.

        Parameters
        ----------
        kind, encoder
            Which table.
        as_of
            Moment, UTC, or `LATEST`: items known at or before it.
        where
            SQL filter on the kind's columns; empty for all.

        Returns
        -------
        pl.DataFrame
            The kind's columns, provenance, and `vector`, an array of d numbers; sorted by key.
        """
        table = self._open(kind, encoder)
        if table is None:
            return pl.DataFrame(schema=_schema(kind, encoder.width))
        query = table.search().limit(None)
        if condition := _known(as_of, where):
            query = query.where(condition)
        return _frame(query.to_arrow()).sort("key")

    def nearest(
        self, kind: Kind, encoder: Encoder[Any], queries: Floats, *, as_of: AsOf, k: int, where: str = ""
    ) -> pl.DataFrame:
        """Nearest items known at a moment, by cosine, over all of them: nothing is approximated.

        Parameters
        ----------
        kind, encoder
            Which table.
        queries
            (n, d) vectors.
        as_of, where
            As for `read`; they filter before the search, so k items come back if there are k.
        k
            Items a query.

        Returns
        -------
        pl.DataFrame
            Columns of `read` but the vector, `query` (row of `queries`) and `similarity` (cosine, -1 to 1);
            sorted by query, then nearest first, equals by key.
        """
        columns = [name for name in _schema(kind, encoder.width) if name != "vector"]
        schema = pl.Schema({"query": pl.UInt32(), "similarity": pl.Float64(), **_schema(kind, encoder.width)})
        table = self._open(kind, encoder)
        if table is None or not len(queries):
            return pl.DataFrame(schema=schema).drop("vector")
        found = []
        for i, query in enumerate(queries):
            search = table.search(query).distance_type("cosine").select([*columns, "_distance"]).limit(k)
            if condition := _known(as_of, where):
                search = search.where(condition, prefilter=True)
            found.append(
                _frame(search.to_arrow()).select(
                    pl.lit(i, pl.UInt32).alias("query"),
                    (1 - pl.col("_distance").cast(pl.Float64)).alias("similarity"),
                    *columns,
                )
            )
        return pl.concat(found).sort("query", "similarity", "key", descending=[False, True, False])

    def write(self, kind: Kind, encoder: Encoder[Any], rows: pl.DataFrame, vectors: Floats) -> None:
        """Lay down items in one atomic commit; an item that is there already is replaced.

        Parameters
        ----------
        kind, encoder
            Which table.
        rows
            Columns of `kind.rows`, a row an item, keys distinct.
        vectors
            (n, d) their vectors.

        Raises
        ------
        ValueError
            Rows and vectors do not fit the table.
        """
        content = _content(kind, encoder, rows, vectors)
        if content.num_rows:
            self._merge(kind, encoder).execute(content)

    def replace(
        self, kind: Kind, encoder: Encoder[Any], rows: pl.DataFrame, vectors: Floats, where: str
    ) -> None:
        """Make items the only ones of a part of a table, in one atomic commit.

        Parameters
        ----------
        kind, encoder, rows, vectors
            As for `write`.
        where
            SQL filter that names the part; items in it that are not in `rows` go.
        """
        content = _content(kind, encoder, rows, vectors)
        if content.num_rows or self._open(kind, encoder) is not None:
            self._merge(kind, encoder).when_not_matched_by_source_delete(where).execute(content)

    def compact(self, kind: Kind, encoder: Encoder[Any]) -> None:
        """Join the small files of many commits, so that searches stay quick."""
        table = self._open(kind, encoder)
        if table is not None:
            table.optimize()

    def _merge(self, kind: Kind, encoder: Encoder[Any]) -> Any:
        table = self._open(kind, encoder)
        if table is None:
            table = self._create(kind, encoder)
        return table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all()

    def _create(self, kind: Kind, encoder: Encoder[Any]) -> Any:
        """Make a table, one process at a time: of two at once the later one would overwrite the other's."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "create.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, or the process dies
            table = self._open(kind, encoder)
            if table is None:
                schema = _arrow_schema(kind, encoder.width)
                table = _connect(self.path).create_table(_name(kind, encoder), schema=schema, exist_ok=True)
        return table

    def _open(self, kind: Kind, encoder: Encoder[Any]) -> Any:
        """Open a table at its newest version; None, and nothing imported, if nothing was ever written."""
        if not self.uri(kind, encoder).is_dir():
            return None
        try:
            return _connect(self.path).open_table(_name(kind, encoder))
        except ValueError:  # the folder of a table whose first commit another process has not finished
            return None


def _connect(path: Path) -> Any:
    try:
        import lancedb
    except ImportError as missing:
        raise MissingExtraError("lancedb", "stores") from missing
    return lancedb.connect(path)


def _name(kind: Kind, encoder: Encoder[Any]) -> str:
    return f"{kind.name}_{encoder.name}_{encoder.digest}"


def _schema(kind: Kind, width: int) -> pl.Schema:
    return pl.Schema({**kind.rows, **_PROVENANCE, "vector": pl.Array(pl.Float32, width)})


def _arrow_schema(kind: Kind, width: int) -> pa.Schema:
    import pyarrow as pa

    types = {pl.String(): pa.string(), pl.Date(): pa.date32(), pl.Float64(): pa.float64()}
    fields = [
        pa.field(name, pa.timestamp("us", "UTC") if dtype == UTC_TIME else types[dtype])
        for name, dtype in {**kind.rows, **_PROVENANCE}.items()
    ]
    key = {"lance-schema:unenforced-primary-key": "true"}
    fields[0] = pa.field("key", pa.string(), nullable=False, metadata=key)
    return pa.schema([*fields, pa.field("vector", pa.list_(pa.float32(), width))])


def _content(kind: Kind, encoder: Encoder[Any], rows: pl.DataFrame, vectors: Floats) -> pa.Table:
    if rows.schema != kind.rows or vectors.shape != (rows.height, encoder.width):
        raise ValueError(
            f"table {_name(kind, encoder)}: {rows.height} rows {dict(rows.schema)} with vectors"
            f" {vectors.shape} do not fit; it takes {dict(kind.rows)} and {encoder.width} numbers a row"
        )
    if rows["key"].n_unique() < rows.height:
        # LanceDB's merge would lay down both.
        raise ValueError(f"table {_name(kind, encoder)}: two rows have one key; give each item once")
    made = rows.with_columns(
        pl.lit(encoder.name).alias("encoder"),
        pl.lit(encoder.digest).alias("digest"),
        pl.lit(CODE_VERSION).alias("code_version"),
        pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, encoder.width)),
    )
    return made.to_arrow().cast(_arrow_schema(kind, encoder.width))


def _known(as_of: AsOf, where: str) -> str:
    conditions = [where] if where else []
    if as_of is not LATEST:
        conditions.append(f"known_at <= {sql_moment(as_of)}")
    return " AND ".join(f"({condition})" for condition in conditions)


def sql_moment(moment: datetime) -> str:
    """Return a moment as LanceDB's SQL writes it, to the microsecond."""
    return f"timestamp '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"


def _frame(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(table)
