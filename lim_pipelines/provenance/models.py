"""From models to their parents and to the rows that they learned from.

What does not belong here: results (`trace.py`), rows further up (`rows.py`), training again
(`verify_models.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from lim_pipelines.finetune import store
from lim_pipelines.finetune.features import MissingInputsError
from lim_pipelines.finetune.plan import CODE_VERSION as FIT_VERSION
from lim_pipelines.finetune.plan import read_inputs
from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import CODE_VERSION as FOUNDATION_VERSION
from lim_pipelines.foundation.data import NoBarsError, read_bars, series_of
from lim_pipelines.foundation.store import digest_of
from lim_pipelines.lake import Lake, fingerprint
from lim_pipelines.provenance.rows import RowTracer, Slice
from lim_pipelines.provenance.subject import Models
from lim_pipelines.provenance.tree import Branch, Node, branch
from lim_pipelines.schemas import TABLES

SHOWN_PARENTS = 2
"""Checkpoints further back in a chain are counted."""


class ModelTracer:
    """Follows checkpoints up.

    Parameters
    ----------
    lake
        The lake.
    models
        Folder of checkpoints and strategy models.
    rows
        Follows the rows.
    """

    def __init__(self, lake: Lake, models: Path, rows: RowTracer) -> None:
        self.lake = lake
        self.models = models
        self.rows = rows

    def node(self, subject: Models) -> Node:
        """Describe a checkpoint of either kind.

        Raises
        ------
        CheckpointError
            Its `meta.json` is readable as neither kind.
        """
        try:
            return self.strategy(subject.folder)
        except store.ModelError:
            return self.foundation(subject.folder)

    def strategy(self, folder: Path) -> Node:
        """Describe a strategy's models of one cutoff.

        Raises
        ------
        ModelError
            The folder holds no such models.
        """
        meta = store.read_meta(folder)
        spec = meta.spec
        facts = {
            **_of_folder(folder, meta.input_digest),
            "arms": [f"{arm.arm} (seed {arm.seed})" for arm in meta.arms],
            "seeds": list(spec.seeds),
            "windows": meta.windows,
            **_how(meta),
        }
        parent = store.parent_folder(folder, meta)
        reads = _Reads(
            lambda: [(rows, fingerprint(rows)) for rows in read_inputs(self.lake, spec, meta.cutoff)]
        )
        return Node(
            f"models of {spec.name} at {meta.cutoff}",
            facts,
            _damage(folder, meta) or _other_code(meta.code_version, FIT_VERSION),
            (
                branch("parents", [self._parent(parent, meta.parent)]),
                branch("tables", [self._read(one, reads.of(i)) for i, one in enumerate(meta.data)]),
            ),
            identity=str(folder),
        )

    def foundation(self, folder: Path, alone: bool = False) -> Node:
        """Describe a foundation checkpoint, and the chain of those that it went on from.

        Parameters
        ----------
        folder
            Its folder.
        alone
            Without that chain.

        Raises
        ------
        CheckpointError
            The folder holds no checkpoint.
        """
        meta = checkpoint.read_meta(folder)
        facts = {
            **_of_folder(folder, meta.input_digest),
            "seed": meta.seed,
            "steps": meta.steps,
            "windows": meta.windows,
            "skill": meta.metrics.get("skill", "not measured"),
            **_how(meta),
        }
        reads = _Reads(lambda: [self._bars(meta)])
        tables = Branch(
            "tables read", [meta.data.table], lambda _: self._read(meta.data, reads.of(0)), 0 if alone else 1
        )
        branches = [tables]
        chain = [] if alone else self._chain(folder, meta)
        if chain:
            made = {str(day): path for day, path in chain}
            branches.insert(
                0,
                Branch(
                    "earlier checkpoints of the chain",
                    list(made),
                    lambda day: self._ancestor(made[day]),
                    SHOWN_PARENTS,
                ),
            )
        return Node(
            f"{meta.config.name} at {meta.cutoff}",
            facts,
            _damage(folder, meta) or _other_code(meta.code_version, FOUNDATION_VERSION),
            tuple(branches),
            identity=f"{folder}",
        )

    def _bars(self, meta: checkpoint.Meta) -> tuple[pl.DataFrame, str]:
        bars = read_bars(self.lake, meta.config, meta.cutoff)
        return bars.frame, digest_of(series_of(bars))

    def _parent(self, folder: Path, digest: str) -> Node:
        if not (folder / checkpoint.META).is_file():
            return Node(f"foundation checkpoint {digest}", {"folder": str(folder)}, "its folder is gone")
        return self.foundation(folder)

    def _ancestor(self, folder: Path) -> Node:
        if not (folder / checkpoint.META).is_file():
            return Node(f"foundation checkpoint {folder.name}", {"folder": str(folder)}, "its folder is gone")
        return self.foundation(folder, alone=True)

    def _chain(self, folder: Path, meta: checkpoint.Meta) -> list[tuple[date, Path]]:
        """Cutoffs and folders of the checkpoints before one, newest first; ends where a folder is gone."""
        found: list[tuple[date, Path]] = []
        while meta.parent is not None and meta.parent_cutoff is not None:
            folder = checkpoint.folder_of(
                folder.parents[2], meta.config.name, meta.parent_cutoff, meta.parent
            )
            found.append((meta.parent_cutoff, folder))
            if not (folder / checkpoint.META).is_file():
                break
            meta = checkpoint.read_meta(folder)
        return found

    def _read(self, read: checkpoint.TableRead, today: Callable[[], tuple[pl.DataFrame, str] | str]) -> Node:
        """Describe what was read of a table, whether the lake gives it still, and where that comes from."""
        facts: dict[str, Any] = {
            "version": read.lake_version,
            "as of": read.as_of,
            "fingerprint": read.fingerprint,
            "rows read": read.rows,
        }
        title = f"{read.table} as it was read"
        if read.table not in TABLES:
            return Node(title, facts, "no such table")
        found = today()
        if isinstance(found, str):
            return Node(title, facts, f"cannot be read now: {found}")
        frame, content = found
        if content == read.fingerprint:
            facts["the lake gives today"] = "the same rows, by their fingerprint"
            warning = ""
        else:
            facts["the lake gives today"] = f"{frame.height} rows, fingerprint {content}"
            warning = "the lake no longer gives these rows: they were corrected or made again since"
        if not frame.height:
            return Node(title, facts, warning)
        table, moment = TABLES[read.table], datetime.fromisoformat(read.as_of)
        identity = f"{read.table} {read.as_of} {read.fingerprint}"
        rows = frame.lazy() if set(table.columns) <= set(frame.columns) else self._stored(read, frame)
        node = self.rows.node(Slice(table, rows, moment, facts), title, identity)
        return Node(node.what, node.facts, warning or node.warning, node.branches, identity)

    def _stored(self, read: checkpoint.TableRead, frame: pl.DataFrame) -> pl.LazyFrame:
        """Rows of model inputs behind the features that were picked out of them."""
        table, on = TABLES[read.table], ["exchange", "date", "instrument_id"]
        span = pl.col("date").is_between(pl.lit(frame["date"].min()), pl.lit(frame["date"].max()))
        return self.lake.revisions(table, span).join(frame.lazy().select(on).unique(), on=on, how="semi")


class _Reads:
    """What a model reads, read once, when it is asked for."""

    def __init__(self, read: Callable[[], Sequence[tuple[pl.DataFrame, str]]]) -> None:
        self._read = read
        self._found: Sequence[tuple[pl.DataFrame, str]] | str | None = None

    def of(self, place: int) -> Callable[[], tuple[pl.DataFrame, str] | str]:
        """Return a way to one of the frames and its content hash; or the reason why they cannot be read."""
        return lambda: self._get(place)

    def _get(self, place: int) -> tuple[pl.DataFrame, str] | str:
        if self._found is None:
            try:
                self._found = self._read()
            except (NoBarsError, MissingInputsError) as error:
                self._found = str(error)
        return self._found if isinstance(self._found, str) else self._found[place]


def _of_folder(folder: Path, digest: str) -> dict[str, Any]:
    weights = folder / checkpoint.WEIGHTS
    return {
        "folder": str(folder),
        "input digest": digest,
        "weights": f"sha256 {checkpoint.sha256_of_weights(folder)}, {weights.stat().st_size:,} bytes"
        if weights.is_file()
        else "gone",
    }


def _how(meta: checkpoint.Meta | store.ModelMeta) -> dict[str, Any]:
    return {
        "code version": meta.code_version,
        "torch": meta.torch_version,
        "hardware": meta.hardware,
        "created": f"{meta.created_at}, in {meta.wall_seconds:.1f} s",
    }


def _damage(folder: Path, meta: checkpoint.Meta | store.ModelMeta) -> str:
    if not (folder / checkpoint.WEIGHTS).is_file():
        return f"{checkpoint.WEIGHTS} is gone; remove the folder and materialise the cutoff again"
    if not meta.input_digest.startswith(folder.name):
        return (
            f"the folder is named {folder.name}, its meta.json says {meta.input_digest}: not one training's"
        )
    changed = checkpoint.altered(folder, meta.weights_sha256)
    return f"{changed}; remove the folder and materialise the cutoff again" if changed else ""


def _other_code(then: str, now: str) -> str:
    return "" if then == now else f"made by code version {then}; today's is {now}"
