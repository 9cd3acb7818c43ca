from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest
from strategy_world import NAMES, spec

from lim_pipelines import drawing
from lim_pipelines.backtest import plots
from lim_pipelines.backtest.metrics import performance, pooled
from lim_pipelines.backtest.report import Verdict, render
from lim_pipelines.foundation.evidence import Event, Evidence, GroupScore, Named
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS
from lim_pipelines.strategies.spec import StrategySpec

DAYS = [date(2018, 1, 2) + timedelta(days=i) for i in range(40)]
VERDICT = Verdict("Not distinguishable from luck after 37 trials.", 0.4, -0.9, 1.8, 0.52, 37)


def world(one: StrategySpec) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(0)
    daily, scores, positions = [], [], []
    for arm, seed in one.books():
        rows = pl.DataFrame({"date": DAYS, "gross_return": rng.normal(0, 0.01, len(DAYS))}).with_columns(
            strategy=pl.lit(one.name),
            arm=pl.lit(arm),
            seed=pl.lit(seed),
            cost=1e-4,
            net_return=pl.col("gross_return") - 1e-4,
            turnover=0.1,
            gross_exposure=0.5,
            net_exposure=0.1,
        )
        daily.append(BACKTEST_DAILY.conform(rows))
        scores += [
            (one.name, arm, seed, k, v)
            for k, v in (performance(daily[-1]) | {"rank_ic": 0.01 * seed}).items()
        ]
        positions += [
            (arm, seed, day, name, 0.1 if i % 2 else -0.1)
            for day in DAYS
            for i, name in enumerate(one.universe.instruments)
        ]
    targets = pl.DataFrame({"date": DAYS}).with_columns(cutoff=pl.col("date").dt.truncate("1mo"))
    return (
        pl.concat(daily),
        SCORES.conform(
            pl.DataFrame(scores, schema=SCORES.schema, orient="row").with_columns(
                pl.col("value").fill_nan(None)
            )
        ),
        targets,
        pl.DataFrame(
            positions,
            schema={
                **{k: TARGETS.schema[k] for k in ("arm", "seed", "date", "instrument_id")},
                "weight": pl.Float64,
            },
            orient="row",
        ),
    )


def page(one: StrategySpec, judged: Sequence[Event] = (), modalities: Sequence[dict[str, Any]] = ()) -> str:
    daily, scores, targets, positions = world(one)
    where = [("lake", "version <7>")]
    return render(one, VERDICT, daily, scores, targets, positions, {}, where, judged, modalities)


class Checker(HTMLParser):
    """Collects ids, what they refer to, and whether tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.refers: set[str] = set()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name.endswith("href") and value and value.startswith("#"):
                self.refers.add(value[1:])
            self.refers |= set(re.findall(r"url\(#([^)]+)\)", value or ""))
            if name in ("src", "href") and value and not value.startswith("#"):
                self.loads.append(value)
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("task", ["directional", "cross_sectional"])
def test_the_page_is_whole_and_loads_nothing(task: str) -> None:
    html = page(spec(task))
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert len(checker.ids) == len(set(checker.ids))
    assert checker.refers <= set(checker.ids)
    assert checker.loads == []
    assert html.count("<svg") == 3
    assert "version &lt;7&gt;" in html
    assert "#808183" not in html  # plots take the page's ink
    assert len(html) < 400_000


def test_the_verdict_stands_before_every_figure_and_simulated_data_are_labelled() -> None:
    html = page(spec())
    assert 0 < html.index("SIMULATED DATA") < html.index(VERDICT.words) < html.index("<svg")
    assert "SIMULATED" not in page(spec("directional"))


def test_the_same_input_gives_the_same_bytes() -> None:
    assert page(spec()) == page(spec())


def test_the_table_shows_means_and_ranges_over_seeds() -> None:
    html = page(spec())
    assert "0.015" in html  # rank IC of seeds 1 and 2
    assert "0.010 … 0.020" in html
    assert html.count("<td>2018-0") == 2  # cutoffs


def test_what_was_chosen_has_a_place_only_where_a_task_chooses() -> None:
    assert "What was chosen" not in page(spec())
    held = spec(portfolio={"selection": 2})
    daily, scores, targets, positions = world(held)
    bought = targets.with_columns(
        arm=pl.lit("head"), seed=pl.lit(1), instrument_id=pl.lit("XSIM:<1>"), weight=pl.lit(0.5)
    )
    html = render(held, VERDICT, daily, scores, bought, positions, {}, [])
    assert html.index("What was chosen") < html.index("<details open>") < html.index("XSIM:&lt;1&gt;")
    checker = Checker()
    checker.feed(html)
    assert not checker.open


def test_what_each_modality_is_worth_is_a_row_each() -> None:
    worth = {
        **{"modality": "macro", "features": "vix_level, credit_spread", "sharpe": 0.9, "sharpe_without": 0.4},
        **{"gain": 0.5, "low": -0.25, "high": 1.25, "rank_ic": 0.031, "rank_ic_without": math.nan},
    }
    short = worth | {"modality": "texts", "gain": math.nan, "low": math.nan, "high": math.nan}
    html = page(spec("directional"), modalities=[worth, short])
    for cells in (
        ("macro", "vix_level, credit_spread", "0.90 / 0.40", "0.50", "-0.25 to 1.25", "0.031 / –"),
        ("texts", "vix_level, credit_spread", "0.90 / 0.40", "–", "–", "0.031 / –"),
    ):
        row = "".join(rf"<td[^>]*>{re.escape(cell)}</td>" for cell in cells)
        assert re.search(row, html), cells
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert "What each modality is worth" not in page(spec("directional"))


def test_who_held_nothing_has_no_plot_of_positions() -> None:
    one = spec()
    daily, scores, targets, positions = world(one)
    others = positions.filter(pl.col("arm") != one.method)
    html = render(one, VERDICT, daily, scores, targets, others, {}, [])
    assert html.count("<svg") == 2
    assert "head held nothing" in html


def test_labels_of_a_time_axis_are_of_one_size_and_numbers_agree_with_their_nouns() -> None:
    one = spec()
    daily, _, _, positions = world(one)
    axes = plots.drawdown_figure(daily, "head").axes[0]
    assert axes.xaxis.get_offset_text().get_fontsize() == axes.get_xticklabels()[0].get_fontsize()
    dates = pooled(daily, "head")["date"]
    several = positions.with_columns(
        weight=pl.when(pl.col("instrument_id") == NAMES[0]).then(0.1).otherwise(-0.1)
    )
    legend = plots.positions_figure(several, dates, "head").axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["long, 1 instrument a day", "short, 5 instruments a day"]
    bought = several.with_columns(pl.col("weight").abs())
    legend = plots.positions_figure(bought, dates, "head").axes[0].get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 1


def test_metadata_plots_are_small_and_reproducible() -> None:
    one = spec()
    daily, _, _, positions = world(one)
    assert set(positions["instrument_id"]) == set(NAMES)
    figure = plots.positions_figure(positions, pooled(daily, "head")["date"], "head")
    assert drawing.png(figure) == drawing.png(figure)
    equity = drawing.png(plots.equity_figure(daily, one.arms))
    assert equity.startswith(b"\x89PNG")
    assert len(equity) < 100_000


def test_the_page_says_which_model_was_taken_and_why() -> None:
    scores = (
        GroupScore(
            group="XSIM", windows=60, champion=0.02, challenger=-0.1, gain=-0.12, low=-0.2, high=-0.04
        ),
    )
    evidence = Evidence(
        gain=-0.12,
        low=-0.2,
        high=-0.04,
        level=0.95,
        windows=60,
        days=60,
        judged_from="2018-03-01",
        judged_until="2018-05-23",
        groups=scores,
    )
    old, new = (Named(cutoff=date(2018, month, 1), digest="d" * 64) for month in (5, 6))
    first = Event(
        moment="", event="promoted", checkpoint=old, before=None, evidence=None, by="", why="the first"
    )
    kept = Event(
        moment="", event="kept", checkpoint=new, before=old, evidence=evidence, by="", why="worse: so it is"
    )
    html = page(spec("directional"), [first, kept])
    assert "Champion and challenger" in html
    for words in (
        "models of 2018-05-01",
        "-20.00% to -4.00%",
        "worse: so it is",
        "60, 2018-03-01 … 2018-05-23",
    ):
        assert words in html
    assert "Champion and challenger" not in page(spec("directional"))
