"""What every asset carries: owners, kinds, column schema, row counts, data versions, sample rows.

What does not belong here: the assets.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import RANGES
from lim_pipelines.lake import Commit, Lake
from lim_pipelines.schemas import Table

OWNERS = ["team:quant-platform"]
CODE_VERSION = "2"
"""Of the data stages. Raise it when their output changes for the same input."""


def column_schema(table: Table) -> dg.TableSchema:
    """Return a table's columns as the catalogue shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=str(column.dtype),
                description=column.description + (f" [{column.unit}]" if column.unit else ""),
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in table.columns.items()
        ]
    )


def table_asset(
    table: Table,
    group: str,
    *,
    name: str | None = None,
    description: str | None = None,
    code_version: str = CODE_VERSION,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    deps: Sequence[dg.AssetDep | dg.AssetsDefinition | str] = (),
    check_specs: Sequence[dg.AssetCheckSpec] = (),
    retry_policy: dg.RetryPolicy | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorate a function as the asset that writes one lake table.

    Parameters
    ----------
    table
        The table; its columns become the asset's column schema.
    group
        Stage of the lineage.
    name, description
        Of the asset; the function's name and the table's description if absent.
    code_version, partitions_def, deps, check_specs, retry_policy
        As for `dagster.asset`.
    """
    attributes = table_attributes(table, group)
    attributes |= {"description": description or table.description, "code_version": code_version}
    if partitions_def is not None:
        attributes |= {"backfill_policy": RANGES}
    decorated: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        name=name,
        partitions_def=partitions_def,
        deps=deps,
        check_specs=check_specs,
        retry_policy=retry_policy,
        **attributes,
    )
    return decorated


def table_attributes(table: Table, group: str) -> dict[str, Any]:
    """Return what `dagster.asset` and `dagster.AssetSpec` alike say of an asset that writes a lake table."""
    return {
        "description": table.description,
        "group_name": group,
        "owners": OWNERS,
        "kinds": {"polars", "deltalake"},
        "code_version": CODE_VERSION,
        "metadata": {
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": f"lake.{table.name}",
        },
    }


def written(
    lake: Lake, table: Table, commit: Commit, scope: pl.DataFrame, metadata: Mapping[str, Any] | None = None
) -> dg.MaterializeResult[Any]:
    """Return the result of an asset that wrote partitions of a lake table.

    Parameters
    ----------
    lake, table
        Where it was written.
    commit
        What `Lake.write` returned.
    scope
        The partitions written.
    metadata
        More to show.
    """
    return dg.MaterializeResult(
        data_version=dg.DataVersion(commit.fingerprint),
        metadata={
            "dagster/row_count": commit.rows,
            "dagster/uri": lake.uri(table),
            "partitions_written": scope.height,
            "partitions_changed": commit.changed.height,
            "lake_version": commit.version,
            **(metadata or {}),
        },
    )


def held_back(rows_in: int, by_rule: pl.DataFrame) -> dict[str, Any]:
    """Show how many rows a step read, and what it held back.

    Parameters
    ----------
    rows_in
        Rows read.
    by_rule
        One line a rule, with `rows`.
    """
    return {
        "rows_in": rows_in,
        "rows_quarantined": int(by_rule["rows"].sum()),
        "quarantine": table_metadata(by_rule),
    }


def warned(warnings: Mapping[str, int]) -> dict[str, Any]:
    """Show the rows that went on although they look odd, by rule, most first."""
    counts = pl.DataFrame({"rule": list(warnings), "rows": list(warnings.values())})
    found = counts.filter(pl.col("rows") > 0).sort("rows", descending=True, maintain_order=True)
    return {"rows_warned": sum(warnings.values()), "warnings": table_metadata(found)}


def table_metadata(frame: pl.DataFrame, rows: int = 20) -> dg.MetadataValue:
    """Show the first rows of a frame as a table that the UI draws."""
    if not frame.height:
        return dg.MetadataValue.md("_none_")
    head = frame.head(rows)
    lines = ["| " + " | ".join(head.columns) + " |", "|" + " --- |" * head.width]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in head.iter_rows()]
    if frame.height > rows:
        lines.append(f"\n… and {frame.height - rows} more")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def image(content: bytes, title: str, kind: str = "png") -> dg.MetadataValue:
    """Put a plot (`kind` png or svg+xml) inside an asset's metadata."""
    return dg.MetadataValue.md(f"![{title}](data:image/{kind};base64,{base64.b64encode(content).decode()})")
