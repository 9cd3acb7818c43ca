"""The universality test of a home: families and strategies asked, table and page written.

What does not belong here: asking (`families.py`, `heads.py`), the page (`reports/universality.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.finetune.store import one_thread
from lim_pipelines.lake import Commit, Lake, scope_of
from lim_pipelines.reports import universality as report
from lim_pipelines.reports.page import there
from lim_pipelines.schemas import UNIVERSALITY
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.universality import heads
from lim_pipelines.universality.families import AS_IT_IS, FEW, PAIRS, Asked, answers, cells
from lim_pipelines.universality.seen import SEEN
from lim_pipelines.universality.share import share

PAGE = "universality.html"


def publish(
    lake: Lake,
    models: Path,
    reports: Path,
    families: Mapping[str, bool],
    specs: Sequence[StrategySpec],
    asked: Asked,
) -> tuple[Commit, pl.DataFrame]:
    """Ask all families and strategies, write the table and the page.

    Parameters
    ----------
    lake, models
        Where bars, checkpoints and models lie.
    reports
        Folder of HTML reports.
    families
        Whether each family's world is simulated.
    specs
        All strategies.
    asked
        How much.

    Returns
    -------
    tuple
        What the write of `UNIVERSALITY` did; its rows.
    """
    # Batches are small: handing them from thread to thread takes longer than the arithmetic.
    with one_thread():
        scores = {name: answers(lake, models, name, world, asked) for name, world in families.items()}
        found = {spec.name: heads.ask(lake, models, spec, asked) for spec in specs}
    rows = pl.concat(
        [
            *(cells(name, families[name], one) for name, one in scores.items()),
            *(one.rows for one in found.values()),
        ]
    )
    subjects = sorted({*families, *(spec.name for spec in specs)})
    commit = lake.write(UNIVERSALITY, UNIVERSALITY.conform(rows), scope_of({"subject": subjects}))
    shares = [one for name, own in scores.items() for one in shares_of(name, families[name], own)]
    left_out = [words for one in found.values() for words in one.left_out]
    links = there(reports, report.NEIGHBOURS)
    drawing.write_page(reports / PAGE, report.page(rows, shares, left_out, asked.few, links))
    return commit, rows


def shares_of(family: str, simulated: bool, scores: pl.DataFrame) -> list[report.Counted]:
    """Share of the markets in which a family beats the yardsticks, by shot and target."""
    if scores.is_empty():
        return []
    seen = pl.col("shown") == SEEN
    yardsticks = dict(reversed(PAIRS))
    out = []
    for shot, name, rows in (("full", AS_IT_IS, seen), ("zero", AS_IT_IS, ~seen), ("few", FEW, ~seen)):
        for target, against in reversed(yardsticks.items()):
            counted = share(scores.filter(rows), name, against, target)
            if counted is not None:
                out.append(report.Counted(family, simulated, shot, target, against, *counted))
    return out
