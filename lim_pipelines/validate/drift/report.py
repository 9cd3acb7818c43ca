"""The report: every variable of every exchange and asset class, compared, and judged as one family.

What does not belong here: when it is made (`assets/drift.py`), the plot (`plot.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import DRIFT_RESULTS
from lim_pipelines.simulate.processes import Floats
from lim_pipelines.validate.drift.distances import (
    MMD_ROWS,
    TIED_ROWS,
    ranked,
    scalar_distances,
    vector_distances,
)
from lim_pipelines.validate.drift.family import judge
from lim_pipelines.validate.drift.inputs import WatchedBlock, read_inputs
from lim_pipelines.validate.drift.observations import (
    VARIABLES,
    newest_sessions,
    read_bars,
    standardised,
    variables_of,
)
from lim_pipelines.validate.drift.windows import (
    MOST_STRETCHES,
    RECENT_SESSIONS,
    Stretches,
    Windows,
    windows_of,
)

JOINT = "+"
"""Between the names of variables that are compared jointly."""

_LEVELS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Comparison:
    """One variable, or several jointly, under one test.

    Parameters
    ----------
    exchange, asset_class, variable, test
        As in `DRIFT_RESULTS`.
    windows
        What was compared with what.
    distances
        Distance of each stretch from the reference, the recent one last.
    reference_rows, recent_rows
        Rows in the two windows.
    shapes
        Percentiles of reference and recent values, shape (2, 101); empty where there is not one value a row.
    """

    exchange: str
    asset_class: str
    variable: str
    test: str
    windows: Windows
    distances: Floats
    reference_rows: int
    recent_rows: int
    shapes: Floats


@dataclass(frozen=True)
class Report:
    """What was found.

    Parameters
    ----------
    results
        `DRIFT_RESULTS`, with a column p_value, the most drifted first.
    shapes
        (exchange, asset class, variable) -> percentiles of reference and recent values.
    """

    results: pl.DataFrame
    shapes: dict[tuple[str, str, str], Floats]


def measure(lake: Lake, blocks: Sequence[WatchedBlock] = ()) -> Report:
    """Compare the newest sessions of every exchange with those before.

    Parameters
    ----------
    lake
        Validated bars and model inputs; the two windows are read, an exchange after the other.
    blocks
        Blocks of model inputs to watch.

    Returns
    -------
    Report
        Without rows where there are not sessions enough.
    """
    found: list[Comparison] = []
    for exchange, newest in newest_sessions(lake).items():
        bars = variables_of(read_bars(lake, exchange, newest))
        found += compare_bars(exchange, bars)
        classes = dict(bars.select("instrument_id", "asset_class").unique().sort("instrument_id").iter_rows())
        for block in blocks:
            rows = read_inputs(lake, exchange, block, newest, classes)
            found += _compare_block(exchange, block, rows)
    return judged(found)


def judged(found: Sequence[Comparison]) -> Report:
    """Judge comparisons as one family, and lay the verdicts out as a table."""
    verdicts = judge([(c.test, c.distances) for c in found])
    rows = [
        (
            *(c.exchange, c.asset_class, c.variable, c.test),
            *(v.statistic, v.threshold, v.drifted),
            *(*c.windows.reference, *c.windows.recent, c.reference_rows, c.recent_rows, v.p_value),
        )
        for c, v in zip(found, verdicts, strict=True)
        if v is not None
    ]
    schema = {**DRIFT_RESULTS.schema, "p_value": pl.Float64()}
    results = pl.DataFrame(rows, schema=schema, orient="row")
    ratio = pl.col("statistic") / pl.col("threshold")
    results = results.sort(ratio, *DRIFT_RESULTS.key, descending=[True, False, False, False, False])
    shapes = {(c.exchange, c.asset_class, c.variable): c.shapes for c in found if c.shapes.size}
    return Report(results, shapes)


def compare_bars(
    exchange: str, variables: pl.DataFrame, length: int = RECENT_SESSIONS, stretches: int = MOST_STRETCHES
) -> Iterator[Comparison]:
    """Compare return, volume, spread, and how the three of a bar are tied, by asset class.

    Parameters
    ----------
    exchange
        Market identifier.
    variables
        As `variables_of` gives them.
    length, stretches
        Sessions in a stretch, and stretches of the reference, at most.
    """
    for part in variables.partition_by("asset_class", maintain_order=True):
        windows = windows_of(part["date"], length, stretches)
        if windows is None:
            continue
        rows = standardised(windows.number(part), windows.stretches)
        place = (exchange, part["asset_class"][0])
        there = [name for name in VARIABLES if rows[name].count()]
        for name in there:
            known = rows.select("stretch", name).drop_nulls()
            values, stretch = known[name].to_numpy(), known["stretch"].to_numpy()
            yield from _scalar(*place, name, windows, values, stretch)
            yield _vector(*place, name, windows, values[:, None], stretch)
        if len(there) > 1:
            known = rows.select("stretch", *there).drop_nulls()
            values, stretch = known.select(there).to_numpy(), known["stretch"].to_numpy()
            ranks = ranked(values, stretch)
            yield _vector(*place, JOINT.join(there), windows, ranks, stretch, TIED_ROWS)


def _compare_block(exchange: str, block: WatchedBlock, rows: pl.DataFrame) -> Iterator[Comparison]:
    """Compare each single feature, each vector, and the block's single features jointly."""
    for part in rows.partition_by("asset_class", maintain_order=True):
        windows = windows_of(part["date"])
        if windows is None:
            continue
        numbered = windows.number(part)
        stretch = numbered["stretch"].to_numpy()
        values = numbered["values"].list.to_array(block.width).to_numpy()
        place = (exchange, part["asset_class"][0])
        single = [at.start for at in block.features.values() if len(at) == 1]
        for feature, at in block.features.items():
            name = f"{block.name}.{feature}"
            if len(at) == 1:
                yield from _scalar(*place, name, windows, values[:, at.start], stretch)
            else:
                yield _vector(*place, name, windows, values[:, at.start : at.stop], stretch)
        if single:
            scaled = _scaled(values[:, single], stretch, windows.stretches)
            yield _vector(*place, block.name, windows, scaled, stretch)


def _scaled(values: Floats, stretch: Stretches, stretches: int) -> Floats:
    """Put features on one scale by the reference; those that are constant or unknown there are left out."""
    past = stretch < stretches
    known = np.isfinite(values[past])
    varied = [
        i for i in range(values.shape[1]) if known[:, i].any() and np.ptp(values[past][known[:, i], i]) > 0
    ]
    kept = values[:, varied]
    if not varied:
        return kept
    scaled: Floats = (kept - np.nanmean(kept[past], axis=0)) / np.nanstd(kept[past], axis=0)
    return scaled


def _scalar(
    exchange: str, kind: str, name: str, windows: Windows, values: Floats, stretch: Stretches
) -> Iterator[Comparison]:
    past = stretch < windows.stretches
    sides = [side[np.isfinite(side)] for side in (values[past], values[~past])]
    if not any(side.size for side in sides):
        return
    enough = all(side.size for side in sides)
    shapes = np.stack([np.quantile(side, _LEVELS) for side in sides]) if enough else np.empty((0, 0))
    counts = (int(past.sum()), int((~past).sum()))
    for test, distances in scalar_distances(values, stretch, windows.stretches).items():
        yield Comparison(exchange, kind, name, test, windows, distances, *counts, shapes)


def _vector(
    exchange: str,
    kind: str,
    name: str,
    windows: Windows,
    values: Floats,
    stretch: Stretches,
    most: int = MMD_ROWS,
) -> Comparison:
    whole = np.isfinite(values).all(axis=1) if values.shape[1] else np.zeros(len(values), dtype=bool)
    rows, of = values[whole], stretch[whole]
    distances = vector_distances(rows, of, windows.stretches, most)
    past = int((of < windows.stretches).sum())
    counts = (past, len(of) - past)
    return Comparison(exchange, kind, name, "mmd", windows, distances, *counts, np.empty((0, 0)))
