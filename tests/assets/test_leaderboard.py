"""The leaderboard as Dagster makes it: the table, a picture, a page."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from inprocess import Lineage, metadata_of

from assets.leaderboard import COLUMNS
from lim_pipelines import standings
from lim_pipelines.definitions import load_strategies
from lim_pipelines.evaluate import ledger
from lim_pipelines.lake import scope_of
from lim_pipelines.schemas import BACKTEST_DAILY


def enter_trials(lineage: Lineage, sessions: int) -> None:
    dice = np.random.default_rng(0)
    days = [date(2018, 1, 1) + timedelta(days=i) for i in range(sessions)]
    for spec in load_strategies()[1]:
        books = [
            pl.DataFrame({"date": days, "net_return": dice.normal(0, 0.01, len(days))}).with_columns(
                strategy=pl.lit(spec.name),
                arm=pl.lit(arm),
                seed=pl.lit(seed),
                gross_return="net_return",
                cost=0.0,
                turnover=0.1,
                gross_exposure=0.5,
                net_exposure=0.0,
            )
            for arm, seed in spec.books()
        ]
        rows = BACKTEST_DAILY.conform(pl.concat(books))
        lineage.lake.write(BACKTEST_DAILY, rows, scope_of({"strategy": [spec.name]}))
        ledger.enter(lineage.lake, spec.name, spec.digest(), spec.simulated, rows)


def test_the_leaderboard_has_a_picture_and_leads_to_its_page(lineage: Lineage) -> None:
    empty = metadata_of(lineage.run("leaderboard"), "leaderboard")
    assert empty["dagster/row_count"] == 0
    assert "sharpe_ratios" not in empty
    assert "No strategy has a backtest yet" in Path(empty["page"]).read_text()
    enter_trials(lineage, 120)
    shown = metadata_of(lineage.run("leaderboard"), "leaderboard")
    assert shown["dagster/row_count"] == len(load_strategies()[1])
    assert shown["sharpe_ratios"].startswith("![net Sharpe ratios")
    table = standings.leaderboard(lineage.lake, load_strategies()[1])
    assert [column.name for column in COLUMNS.columns] == table.columns
    page = Path(shown["page"])
    assert page == lineage.path / "reports" / "leaderboard.html"
    for spec in load_strategies()[1]:
        assert f'href="{spec.name}.html"' in page.read_text()


def test_a_record_that_is_too_short_for_luck_has_a_leaderboard(lineage: Lineage) -> None:
    enter_trials(lineage, 18)
    shown = metadata_of(lineage.run("leaderboard"), "leaderboard")
    assert shown["dagster/row_count"] == len(load_strategies()[1])
    table = standings.leaderboard(lineage.lake, load_strategies()[1])
    assert table["may_be_best"].null_count() == table.height
    assert table.schema["may_be_best"] == pl.Boolean
