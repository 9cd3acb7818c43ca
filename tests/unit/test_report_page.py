from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from html.parser import HTMLParser

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


def page(one: StrategySpec, judged: Sequence[Event] = ()) -> str:
    daily, scores, targets, positions = world(one)
    return render(one, VERDICT, daily, scores, targets, positions, {}, [("lake", "version <7>")], judged)


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
