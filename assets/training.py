"""What the training assets share: how a trained cutoff is shown in the run.

What does not belong here: training (`lim_pipelines/foundation`, `lim_pipelines/finetune`).
"""

import hashlib
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import table_metadata


def trained(
    folder: Path, results: list[dict[str, Any]], plot: dg.MetadataValue | None
) -> dg.MaterializeResult[Any]:
    """Return the result of an asset that trained cutoffs.

    Parameters
    ----------
    folder
        Folder of all its cutoffs.
    results
        One entry a cutoff, as the training process reported it: cutoff, digest, reused, seconds, and metrics;
        of a strategy also trained_at, in_use and decision.
    plot
        A plot worth looking at, if there is one.
    """
    rows = [
        {
            "cutoff": result["cutoff"],
            "digest": result["digest"][:16],
            "reused": result["reused"],
            "seconds": result["seconds"],
            **{name: result[name][:16] for name in ("trained_at", "in_use") if name in result},
            **result["metrics"],
            **({"decision": result["decision"]} if "decision" in result else {}),
        }
        for result in results
    ]
    metadata: dict[str, Any] = {
        "dagster/row_count": len(rows),
        "dagster/uri": str(folder),
        "trained": sum(not result["reused"] for result in results),
        "reused": sum(result["reused"] for result in results),
        "cutoffs": table_metadata(pl.DataFrame(rows, infer_schema_length=None), rows=60),
    }
    if plot is not None:
        metadata["plot"] = plot
    # What is in use decides what comes of a strategy's models.
    digests = sorted(result.get("in_use", "") + result["digest"] for result in results)
    version = hashlib.sha256("".join(digests).encode()).hexdigest()
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata=metadata)


MODEL_SCHEMA = dg.TableSchema(
    [
        dg.TableColumn("cutoff", "date", "nothing known after this midnight UTC was used"),
        dg.TableColumn("digest", "string", "hash of everything that went into the training"),
        dg.TableColumn("reused", "bool", "whether the same training had been done before"),
        dg.TableColumn("seconds", "float", "training time"),
    ]
)
"""Columns of the `cutoffs` table in the metadata of a training asset."""
