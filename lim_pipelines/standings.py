"""Where all strategies stand: judge them against the ledger of their own world, write the leaderboard.

What does not belong here: judging one (`evaluate/leaderboard.py`), the page (`reports/leaderboard.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lim_pipelines import drawing
from lim_pipelines.backtest.metrics import pooled
from lim_pipelines.evaluate import leaderboard as board
from lim_pipelines.evaluate import ledger
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.reports import leaderboard as report
from lim_pipelines.reports.page import there
from lim_pipelines.reports.plots import sharpes_figure
from lim_pipelines.schemas import BACKTEST_DAILY
from lim_pipelines.strategies.spec import StrategySpec

PAGE = "leaderboard.html"
TESTS = ("effectiveness", "universality")
"""Pages of all strategies that the leaderboard leads to where they are there."""


@dataclass(frozen=True)
class Standings:
    """The leaderboard.

    Parameters
    ----------
    table
        As `evaluate.leaderboard.leaderboard`.
    page
        The HTML page.
    png
        Net Sharpe ratios with their intervals, for the asset's metadata; None without a strategy.
    """

    table: pl.DataFrame
    page: Path
    png: bytes | None


def leaderboard(lake: Lake, specs: Sequence[StrategySpec]) -> pl.DataFrame:
    """Judge all strategies that have a backtest, against the trial ledger of their own world.

    Parameters
    ----------
    lake
        Where results lie.
    specs
        All strategies.

    Returns
    -------
    pl.DataFrame
        As `evaluate.leaderboard.leaderboard`.
    """
    return board.leaderboard([one for world in worlds(lake, specs).values() for one in world.judged])


def publish(lake: Lake, reports: Path, specs: Sequence[StrategySpec]) -> Standings:
    """Judge all strategies and write the page.

    Parameters
    ----------
    lake, specs
        As for `leaderboard`.
    reports
        Folder of HTML reports.
    """
    found = worlds(lake, specs)
    judged = [one for world in found.values() for one in world.judged]
    drawing.write_page(reports / PAGE, report.page(found, there(reports, TESTS)))
    picture = drawing.png(sharpes_figure(judged)) if judged else None
    return Standings(board.leaderboard(judged), reports / PAGE, picture)


def worlds(lake: Lake, specs: Sequence[StrategySpec]) -> dict[bool, report.World]:
    """Judge what has a backtest.

    Parameters
    ----------
    lake, specs
        As for `leaderboard`.

    Returns
    -------
    dict
        By whether it is simulated, real first; strategies in the order of the leaderboard.
    """
    found = {}
    for simulated in (False, True):
        trials = ledger.read(lake, simulated)
        judged, records = {}, {}
        for spec in (one for one in specs if one.simulated == simulated):
            own = pl.col("strategy") == spec.name
            daily = lake.read(BACKTEST_DAILY, as_of=LATEST, where=own).sort(BACKTEST_DAILY.key).collect()
            if daily.height:
                judged[spec.name] = board.judge(spec, daily, trials)
                records[spec.name] = pooled(daily, spec.method)
        if judged:
            order = board.leaderboard(list(judged.values()))["strategy"].to_list()
            found[simulated] = report.World([judged[one] for one in order], records, trials)
    return found
