from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import polars as pl
import pytest
from strategy_world import NAMES, market, spec

from lim_pipelines import drawing
from lim_pipelines.backtest.metrics import performance, pooled
from lim_pipelines.backtest.result import Result
from lim_pipelines.evaluate import leaderboard as board
from lim_pipelines.evaluate.ledger import Ledger, trial_returns, trials
from lim_pipelines.foundation.evidence import Event, Evidence, GroupScore, Named
from lim_pipelines.reports import charts, plots
from lim_pipelines.reports.leaderboard import World
from lim_pipelines.reports.leaderboard import page as leaderboard_page
from lim_pipelines.reports.strategy import Backtested, render
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS
from lim_pipelines.strategies.spec import StrategySpec

DAYS = [date(2018, 1, 2) + timedelta(days=i) for i in range(40)]
VERDICT = "Not distinguishable from luck after 37 trials."


def world(one: StrategySpec) -> Backtested:
    """A backtest of random returns; every instrument is held, every other one short."""
    rng = np.random.default_rng(0)
    daily, scores, positions = [], [], []
    for arm, seed in one.books():
        rows = pl.DataFrame({"date": DAYS, "gross_return": rng.normal(0, 0.01, len(DAYS))}).with_columns(
            strategy=pl.lit(one.name),
            arm=pl.lit(arm),
            seed=pl.lit(seed),
            commission=1e-4,
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
    targets = pl.DataFrame({"date": DAYS}).with_columns(
        cutoff=pl.col("date").dt.truncate("1mo"),
        arm=pl.lit(one.method),
        seed=pl.lit(1, dtype=pl.Int64),
        weight=0.1,
    )
    targets = targets.join(pl.DataFrame({"instrument_id": one.universe.instruments}), how="cross")
    targets = targets.with_columns(forecast=pl.Series(rng.normal(0, 0.01, targets.height)))
    held = pl.DataFrame(
        positions,
        schema={
            **{k: TARGETS.schema[k] for k in ("arm", "seed", "date", "instrument_id")},
            "weight": pl.Float64,
        },
        orient="row",
    )
    pnl = held.select(pl.exclude("weight"), pnl=pl.col("weight") / 1000)
    trades = held.select(
        pl.exclude("weight"),
        quantity=pl.col("weight") * 1000,
        price=pl.lit(100.0),
        value=1e4 + pl.int_range(pl.len()),
        commission=pl.lit(1.5),
        spread=pl.lit(2.5),
        tax=pl.lit(0.0),
        impact=pl.lit(0.25),
        reason=pl.lit("lot"),
    )
    book = pl.concat(daily)
    return Backtested(
        one,
        replace(judged(one, book), verdict=VERDICT),
        Result(book, held, pnl, trades, ()),
        SCORES.conform(
            pl.DataFrame(scores, schema=SCORES.schema, orient="row").with_columns(
                pl.col("value").fill_nan(None)
            )
        ),
        targets,
        market(start=date(2017, 9, 1), end=DAYS[-1], names=tuple(one.universe.instruments)),
        {},
        3.4e6,
        [("lake", "version <7>")],
    )


def ledger_of(one: StrategySpec, daily: pl.DataFrame) -> Ledger:
    return Ledger(trials(one.name, "a" * 64, one.simulated, daily), trial_returns("a" * 64, daily))


def judged(one: StrategySpec, daily: pl.DataFrame) -> board.Judgement:
    return board.judge(one, daily, ledger_of(one, daily))


def page(one: StrategySpec, **changes: Any) -> str:
    return render(replace(world(one), **changes))


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
        if tag == "script":
            # Plotly's own script: what it holds is no markup of the page.
            self.set_cdata_mode("script")
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
    assert checker.loads == ["leaderboard.html"]  # a link, beside it
    tested = page(spec(task), tests={"effectiveness": "effectiveness.html"})
    assert '<a href="effectiveness.html">effectiveness</a>' in tested
    assert html.count("data-chart=") == html.count('type="application/json"') == 7
    assert "version &lt;7&gt;" in html
    assert len(html) < 5_500_000  # 4.8 MB of it is plotly's script


def test_the_verdict_stands_before_every_figure_and_simulated_data_are_labelled() -> None:
    html = page(spec())
    assert 0 < html.index("SIMULATED DATA") < html.index(VERDICT) < html.index("data-chart=")
    assert "SIMULATED" not in page(spec("directional"))


def test_the_same_input_gives_the_same_bytes() -> None:
    assert page(spec()) == page(spec())


def test_the_table_shows_means_and_ranges_over_seeds() -> None:
    html = page(spec())
    assert "0.015" in html  # rank IC of seeds 1 and 2
    assert "0.010 … 0.020" in html
    assert re.findall(r"<td>(2018-0\d-01)</td><td>\d+</td>", html) == ["2018-01-01", "2018-02-01"]  # cutoffs


def test_what_was_chosen_has_a_place_only_where_a_task_chooses() -> None:
    assert "What was chosen" not in page(spec())
    held = spec(portfolio={"selection": 2})
    backtested = world(held)
    bought = backtested.targets.with_columns(instrument_id=pl.lit("XSIM:<1>"), weight=pl.lit(0.5))
    html = render(replace(backtested, targets=bought))
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
        ("macro", "vix_level, credit_spread", "0.90 / 0.40", "0.50", "−0.25 to 1.25", "0.031 / –"),
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
    backtested = world(one)
    full = backtested.result
    others = replace(
        full,
        positions=full.positions.filter(pl.col("arm") != one.method),
        pnl=full.pnl.filter(pl.col("arm") != one.method),
    )
    html = render(replace(backtested, result=others))
    assert html.count("data-chart=") == 3
    assert "head held nothing" in html


def test_the_largest_trades_are_followed_to_the_parts_of_their_cost() -> None:
    html = page(spec())
    own = world(spec()).result.trades.filter(pl.col("arm") == spec().method).sort("value")
    largest, smallest = own.row(-1, named=True), own.row(0, named=True)
    cells = [f"{largest['value']:,.0f}", "1.50", "2.50", "0.00", "0.25", "lot"]
    assert "".join(f"<td>{cell}</td>" for cell in cells) in html
    assert f"{smallest['value']:,.0f}" not in html
    assert f"The 20 largest of {own.height:,} trades" in html


def test_what_has_no_end_and_no_bars_is_named() -> None:
    result = world(spec()).result
    assert "stop before the last session" not in page(spec())
    html = page(spec(), result=replace(result, stale=("XSIM:SIM02", "XSIM:SIM05")))
    assert "Bars of XSIM:SIM02, XSIM:SIM05 stop before the last session" in html


def test_a_capacity_that_nobody_knows_says_why() -> None:
    assert "<span>capacity</span>" in page(spec())
    html = page(spec(), capacity=float("nan"))
    assert "<b>–</b><span>capacity: it traded nothing whose volume is known</span>" in html


def test_positions_of_many_are_summed_and_numbers_agree_with_their_nouns() -> None:
    held = pl.DataFrame({"date": DAYS}).join(pl.DataFrame({"instrument_id": NAMES}), how="cross")
    first = pl.col("instrument_id") == NAMES[0]
    held = held.with_columns(weight=pl.when(first).then(0.1).otherwise(-0.1))
    dates = pl.Series(DAYS)
    drawn = charts.positions(held, dates)["data"]
    assert [one["name"] for one in drawn] == ["long, 1 instrument a day", "short, 5 instruments a day"]
    assert drawn[1]["y"] == [-50.0] * len(DAYS)
    bought = charts.positions(held.filter(first), dates)["data"]
    assert [one["name"] for one in bought] == [NAMES[0]]


def test_plotly_itself_accepts_every_plot() -> None:
    import plotly.graph_objects as go

    html = page(spec()) + board_page()
    found = re.findall(r'<script type="application/json" id="chart-([a-z-]+)">(.*?)</script>', html, re.S)
    assert len(found) == 13
    for name, text in found:
        plot = json.loads(text)
        assert go.Figure(plot).to_plotly_json()["data"], name


def board_page() -> str:
    worlds = {}
    for one in (spec("directional"), spec()):
        book = world(one).result.daily
        records = {one.name: pooled(book, one.method)}
        worlds[one.simulated] = World([judged(one, book)], records, ledger_of(one, book))
    return leaderboard_page(worlds, {"effectiveness": "effectiveness.html"})


def test_the_leaderboard_leads_to_the_reports_and_keeps_simulated_markets_apart() -> None:
    html = board_page()
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert set(checker.loads) == {"small.html", "effectiveness.html"}
    assert html.index(">real data<") < html.index("SIMULATED DATA") < html.index("sharpes-simulated")
    assert "The ledger has 4 trials of this world" in html


def test_metadata_plots_are_small_and_reproducible() -> None:
    one = spec()
    book = world(one).result.daily
    figure = plots.sharpes_figure([judged(one, book)])
    assert drawing.png(figure) == drawing.png(figure)
    equity = drawing.png(plots.equity_figure(book, one.arms))
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
    html = page(spec("directional"), judged=[first, kept])
    assert "Champion and challenger" in html
    for words in (
        "models of 2018-05-01",
        "-20.00% to -4.00%",
        "worse: so it is",
        "60, 2018-03-01 … 2018-05-23",
    ):
        assert words in html
    assert "Champion and challenger" not in page(spec("directional"))
