"""Write the model inputs of sessions, and the numbers their scaling was fitted with.

Period by period, as many sessions as make about `PERIOD_DECISIONS` decisions, each committed before the next
is taken up: memory stays bounded, and a build that dies leaves whole periods behind.

What does not belong here: what the inputs are (the blocks), computing them (`compute.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from lim_pipelines.inputs.blocks import Reads
from lim_pipelines.inputs.compute import Computed, compute
from lim_pipelines.lake import Commit, Lake, scope_of
from lim_pipelines.schemas import INPUT_SCALES, MODEL_INPUTS, ONE_PRICE, UTC_TIME, VALIDATED_BARS

PERIOD_DECISIONS: Final = 100_000
"""Decisions of a period; a block of 384 numbers for each of them is 600 MB, values and scaled."""

_COVERAGE: Final[dict[str, Any]] = {
    "exchange": pl.String,
    "block": pl.String,
    "decisions": pl.Int64,
    "with_value": pl.Int64,
    "newest": UTC_TIME,
    "decided": UTC_TIME,
}


@dataclass
class Built:
    """What a build did.

    Parameters
    ----------
    rows
        Rows of `model_inputs` in the partitions now.
    changed
        Partitions of it that changed.
    version
        Hash of the content of both tables in the partitions; the same facts give the same.
    coverage
        Columns exchange, block, decisions, with_value (rows), newest (`known_at` of the newest fact in them),
        decided (newest decision).
    """

    rows: int = 0
    changed: int = 0
    version: str = ""
    coverage: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_COVERAGE))


def build_inputs(
    lake: Lake, vectors: Path, scope: pl.DataFrame, progress: Callable[[str, date], None] | None = None
) -> Built:
    """Compute the inputs of some sessions, and write `model_inputs` and `input_scales`.

    Parameters
    ----------
    lake
        Lake to read and write.
    vectors
        Folder of the vector store.
    scope
        Columns exchange and date. Dates without a session become empty, exchanges that are simulated too.
    progress
        Called after each period with its exchange and last date.
    """
    reads, built, contents = Reads(lake, vectors), Built(), hashlib.sha256()
    covered = [built.coverage]
    for (mic,), part in scope.sort("exchange", "date").group_by("exchange", maintain_order=True):
        for days in _periods(lake, str(mic), part["date"].unique().sort().to_list()):
            rows, scales, computed = _write(reads, str(mic), days)
            built.rows += rows.rows
            built.changed += rows.changed.height
            contents.update(f"{rows.fingerprint}{scales.fingerprint}".encode())
            covered.append(_coverage(str(mic), computed))
            if progress is not None:
                progress(str(mic), days[-1])
    built.version = contents.hexdigest()
    built.coverage = (
        pl.concat(covered)
        .group_by("exchange", "block")
        .agg(pl.col("decisions", "with_value").sum(), pl.col("newest", "decided").max())
        .sort("exchange", "block")
    )
    return built


def _write(reads: Reads, mic: str, days: list[date]) -> tuple[Commit, Commit, Computed]:
    last: list[Computed] = []

    def content(_: pl.DataFrame) -> pl.DataFrame:
        # Inside the commit: of two builds of a partition the one that read first puts nothing back.
        last[:] = [compute(reads, mic, days)]
        return last[0].rows

    here = scope_of({"exchange": [mic], "date": days})
    rows = reads.lake.update(MODEL_INPUTS, here, content)
    # The scales last: readers take them as the sign that a session is built.
    return rows, reads.lake.write(INPUT_SCALES, last[0].scales, here), last[0]


def _periods(lake: Lake, mic: str, days: list[date]) -> Iterator[list[date]]:
    """Cut dates into stretches of about `PERIOD_DECISIONS` decisions."""
    daily = (pl.col("exchange") == mic) & (pl.col("freq") == "1d") & pl.col("price_type").is_in(ONE_PRICE)
    bars = lake.revisions(VALIDATED_BARS, daily & pl.col("date").is_between(days[0], days[-1]))
    counts = dict(bars.group_by("date").agg(pl.len()).collect().iter_rows())
    period: list[date] = []
    held = 0
    for day in days:
        if period and held + counts.get(day, 0) > PERIOD_DECISIONS:
            yield period
            period, held = [], 0
        period.append(day)
        held += counts.get(day, 0)
    yield period


def _coverage(mic: str, computed: Computed) -> pl.DataFrame:
    with_value = dict(computed.rows.group_by("block").agg(pl.len()).iter_rows())
    newest = dict(computed.rows.group_by("block").agg(pl.col("newest").max()).iter_rows())
    decided = computed.decisions["decided_at"].max()
    built = computed.scales["block"].unique().sort().to_list()
    rows = [
        (mic, name, computed.decisions.height, with_value.get(name, 0), newest.get(name), decided)
        for name in built
    ]
    return pl.DataFrame(rows, schema=_COVERAGE, orient="row")
