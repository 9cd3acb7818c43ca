"""What a cutoff's models are made of: rows, foundation checkpoint, specification, and the digest of all.

What does not belong here: fitting them (`train.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.finetune.features import read_features
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation import checkpoint
from lim_pipelines.lake import Lake, Past, fingerprint, midnight
from lim_pipelines.schemas import MODEL_INPUTS, ONE_PRICE, VALIDATED_BARS

CODE_VERSION = "finetune-5"
"""Part of every input digest. Raise it when the same inputs would give other weights."""


class MissingCheckpointError(RuntimeError):
    """The foundation checkpoint of a cutoff is not there."""


@dataclass(frozen=True)
class Plan:
    """One cutoff to be trained, with everything that its digest covers.

    Parameters
    ----------
    spec
        What to fit.
    cutoff
        The cutoff.
    lake, models
        Roots.
    parent
        Folder of the foundation checkpoint.
    folder, digest
        Where the models go, and the hash of what goes in.
    data
        Rows read.
    """

    spec: ModelSpec
    cutoff: date
    lake: str
    models: str
    parent: Path
    folder: Path
    digest: str
    data: tuple[checkpoint.TableRead, ...]

    def rows(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Read them again, bars and features, where nothing that became known later exists."""
        return read_inputs(Past(Lake(self.lake), midnight(self.cutoff)), self.spec, self.cutoff)


def read_inputs(lake: Lake, spec: ModelSpec, cutoff: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read daily bars of the universe as known at the cutoff, and the features of decisions before it.

    Raises
    ------
    MissingInputsError
        Sessions with bars have no model inputs.
    """
    moment = midnight(cutoff)
    where = spec.universe.rows() & (pl.col("freq") == spec.frequency) & pl.col("price_type").is_in(ONE_PRICE)
    bars = lake.read(VALIDATED_BARS, as_of=moment, where=where).sort(VALIDATED_BARS.key).collect()
    return bars, read_features(lake, spec, bars, moment)


def plan(lake_root: str, models: str, spec: ModelSpec, cutoff: date) -> Plan:
    """Find out what a cutoff's models are made of, and so where they belong.

    Raises
    ------
    MissingCheckpointError
        The family has no checkpoint of this cutoff.
    MissingInputsError
        Sessions with bars have no model inputs.
    """
    parent = checkpoint.resolve(models, spec.foundation, cutoff)
    if parent is None:
        raise MissingCheckpointError(
            f"strategy {spec.name}, cutoff {cutoff}: {spec.foundation} has no checkpoint of this cutoff in"
            f" {models}; materialise {spec.foundation}, partition {cutoff}, first"
        )
    # Nothing that became known later exists for a training, whatever it asks for.
    lake = Past(Lake(lake_root), midnight(cutoff))
    # Asked before the rows are read: they are of this version or a newer one.
    versions = [(table, lake.version(table)) for table in (VALIDATED_BARS, MODEL_INPUTS)]
    data = tuple(
        checkpoint.TableRead(
            table=table.name,
            lake_version=version,
            as_of=midnight(cutoff).isoformat(),
            fingerprint=fingerprint(rows),
            rows=rows.height,
        )
        for (table, version), rows in zip(versions, read_inputs(lake, spec, cutoff), strict=True)
    )
    digest = input_digest(
        spec, cutoff, checkpoint.read_meta(parent).input_digest, [entry.fingerprint for entry in data]
    )
    folder = checkpoint.folder_of(models, spec.name, cutoff, digest)
    return Plan(spec, cutoff, lake_root, models, parent, folder, digest, data)


def input_digest(spec: ModelSpec, cutoff: date, parent: str, rows: Sequence[str]) -> str:
    """SHA-256 of what a cutoff's models are made of.

    Parameters
    ----------
    spec, cutoff
        What is fitted, and as of when.
    parent
        Input digest of the foundation checkpoint.
    rows
        Content hashes of the bars and the features.
    """
    content = {
        "config": spec.model_config_json(),
        "code": CODE_VERSION,
        "decision_lag": {mic: str(get_exchange(mic).decision_lag) for mic in spec.universe.mics()},
        "cutoff": cutoff.isoformat(),
        "parent": parent,
        "data": list(rows),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
