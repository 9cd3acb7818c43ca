"""The warehouse: one DuckDB file for the dbt marts, over views of the lake's Parquet files.

What does not belong here: the marts' SQL (`dbt_project/`). A DuckDB file admits one process at a time, so
whoever writes it runs in the pool `warehouse`, which has one slot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from lim_pipelines.reference import known_listings
from lim_pipelines.schemas import LISTINGS, TABLES
from resources.home import Home


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

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file for as long as the context lasts."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with DuckDBResource(database=str(self.path)).get_connection() as connection:
            yield connection

    def expose_lake(self) -> None:
        """Make `lake.listings`, and a view `lake.<table>` of all revisions of every lake table.

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
        with self.connect() as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS lake")
            for table in TABLES.values():
                if table is LISTINGS:  # The embedded ones too, below.
                    continue
                uris = lake.file_uris(table)
                # Folder names only look like values: the files hold all columns.
                rows = (
                    f"SELECT {', '.join(table.columns)}"
                    f" FROM read_parquet({uris!r}, hive_partitioning = false)"
                    if uris
                    else f"SELECT * FROM ({_empty_select(table.name)}) WHERE false"
                )
                connection.execute(f"CREATE OR REPLACE VIEW lake.{table.name} AS {rows}")
            connection.register("registered_listings", known_listings(lake).to_arrow())
            connection.execute("CREATE OR REPLACE TABLE lake.listings AS FROM registered_listings")
            connection.unregister("registered_listings")


def _empty_select(table_name: str) -> str:
    columns = duckdb.from_arrow(TABLES[table_name].empty().to_arrow())
    return "SELECT " + ", ".join(
        f"NULL::{dtype} AS {name}" for name, dtype in zip(columns.columns, columns.types, strict=True)
    )
