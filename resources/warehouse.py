"""The warehouse: one DuckDB file for the dbt marts, over views of the lake's Parquet files.

What does not belong here: the marts' SQL (`dbt_project/`). A DuckDB file admits one process at a time, so
whoever writes it runs in the pool `warehouse`, which has one slot.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
from dagster_duckdb import DuckDBResource

from lim_pipelines import marts
from lim_pipelines.lake import Lake
from lim_pipelines.lake.point_in_time import stored_schema
from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import LISTINGS, TABLES, Table
from resources.home import Home


@dataclass(frozen=True)
class Build:
    """What a run of dbt has to make.

    Parameters
    ----------
    full
        Everything anew: nothing was built before, or by other SQL.
    code
        Digest of the SQL.
    versions
        Versions of the lake's tables that it is made of.
    sessions
        Sessions that are made again.
    """

    full: bool
    code: str
    versions: dict[str, int]
    sessions: int


class Warehouse(dg.ConfigurableResource[Any]):
    """The warehouse file of a home.

    Parameters
    ----------
    home
        Where the platform keeps its files.
    """

    home: dg.ResourceDependency[Home]

    @property
    def path(self) -> Path:
        """The DuckDB file."""
        return self.home.path / "warehouse.duckdb"

    @property
    def spill(self) -> Path:
        """Where DuckDB writes what does not fit into memory; it stays only if the process is killed."""
        return self.path.with_name(f"{self.path.name}.tmp")

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for as long as the context lasts."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with DuckDBResource(database=str(self.path)).get_connection() as connection:
            yield connection

    def prepare(self, code: str) -> Build:
        """Make the schema `lake` that the marts read, and say what has changed since they were built.

        A view `lake.<table>` of all revisions of every lake table, with the hidden `superseded_at`; tables
        `lake.listings`, `lake.sessions`, `lake.calendar` and `lake.changed_sessions`. What a killed build
        left beside the file is removed.

        Parameters
        ----------
        code
            Digest of the marts' SQL; rows that other SQL made are all made again.

        Raises
        ------
        ValueError
            The lake is not in a folder.
        """
        lake = self.home.lake()
        if "://" in lake.root:
            raise ValueError(
                f"the marts read Parquet files from a folder, and the lake is at {lake.root}: DuckDB would"
                " need its extension httpfs, which is no part of this project. Copy the lake into a folder"
                " and run the marts there, or leave them out; nothing else reads them"
            )
        # First the versions: what others commit from here on is made now or found changed next time.
        versions = marts.versions(lake)
        days = marts.calendar(lake)
        held = days.filter("held")
        months = days.group_by("exchange", month=pl.col("date").dt.month_start()).len("sessions")
        with self.connect() as connection:
            # What a killed build had written to disk. Whoever holds the file's lock is alone with it.
            shutil.rmtree(self.spill, ignore_errors=True)
            connection.execute("CREATE SCHEMA IF NOT EXISTS lake")
            connection.execute("CREATE TABLE IF NOT EXISTS lake.built (code VARCHAR, versions VARCHAR)")
            built = dict(connection.execute("SELECT code, versions FROM lake.built").fetchall())
            seen = json.loads(built.get(code, "{}"))
            full = set(seen) != set(versions)
            changed = pl.DataFrame(schema=marts.CHANGES) if full else marts.changed_sessions(lake, seen, days)
            for table in TABLES.values():
                if table is not LISTINGS:  # The embedded ones too, below.
                    connection.execute(f"CREATE OR REPLACE VIEW lake.{table.name} AS {_rows(lake, table)}")
            for name, frame in {
                "listings": known_listings(lake),
                "sessions": held.drop("held"),
                "calendar": months,
                "changed_sessions": changed,
            }.items():
                connection.register("registered", frame.to_arrow())
                connection.execute(f"CREATE OR REPLACE TABLE lake.{name} AS FROM registered")
                connection.unregister("registered")
        made = held if full else changed.select("exchange", "date").unique()
        return Build(full, code, versions, made.height)

    def built(self, build: Build) -> None:
        """Remember what the marts are made of, once they are made and tested."""
        with self.connect() as connection:
            connection.execute("DELETE FROM lake.built")
            connection.execute(
                "INSERT INTO lake.built VALUES (?, ?)", [build.code, json.dumps(build.versions)]
            )


def _rows(lake: Lake, table: Table) -> str:
    uris, stored = lake.file_uris(table), stored_schema(table)
    # Folder names only look like values: the files hold all columns.
    if uris:
        return f"SELECT {', '.join(stored)} FROM read_parquet({uris!r}, hive_partitioning = false)"
    empty = duckdb.from_arrow(pl.DataFrame(schema=stored).to_arrow())
    columns = zip(empty.columns, empty.types, strict=True)
    return "SELECT " + ", ".join(f"NULL::{dtype} AS {name}" for name, dtype in columns) + " WHERE false"
