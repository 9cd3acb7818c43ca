"""Books of a cross-section: what YAML says of objectives, risk, limits and costs is what is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from strategy_world import alone, market, session_days, spec

from lim_pipelines.entities.known import FOREVER
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.finetune.labels import daily_returns
from lim_pipelines.portfolio.books import OptimisedBooks
from lim_pipelines.portfolio.known_market import KnownMarket
from lim_pipelines.portfolio.objectives import benchmark
from lim_pipelines.portfolio.question import OptimiserError
from lim_pipelines.schemas import ENTITY_LINKS, LISTINGS
from lim_pipelines.strategies.base import Decision, Known
from lim_pipelines.strategies.execution import Execution
from lim_pipelines.strategies.industries import NO_LINKS, industries_at
from lim_pipelines.strategies.portfolios import MarkowitzPortfolio, Optimised

LAST = date(2018, 6, 1)
DAYS = session_days("XSIM", date(2017, 10, 2), LAST)
NAMES = tuple(f"XSIM:SIM{i:02d}" for i in range(1, 13))
FORECASTS = dict(zip(NAMES, np.linspace(0.03, -0.03, 12).tolist(), strict=True))
VOLUME = {name: 1e4 * i for i, name in enumerate(NAMES)}


def known(until: date = LAST, forecasts: dict[str, float] = FORECASTS, **changes: Any) -> Known:
    """A decision of one book on `until`; of the first instrument no volume is known."""
    bars = market(start=DAYS[0], end=until, names=NAMES)
    volume = pl.col("instrument_id").replace_strict(VOLUME, return_dtype=pl.Float64)
    bars = bars.with_columns(volume=pl.when(volume > 0).then(volume))
    rows = pl.DataFrame({"instrument_id": list(forecasts), "forecast": list(forecasts.values())})
    rows = rows.with_columns(
        exchange=pl.lit("XSIM"),
        arm=pl.lit("head"),
        seed=pl.lit(1, dtype=pl.Int64),
        volatility=pl.lit(0.01),
        forecast_scale=pl.lit(0.02),
        position=pl.lit(None, dtype=pl.Float64),
    )
    at = datetime(until.year, until.month, until.day, 23, tzinfo=UTC)
    return alone(Decision(until, at, ("XSIM",)), bars.filter(pl.col("date") <= until), rows)


def weights(
    portfolio: dict[str, Any],
    about: Known | None = None,
    execution: Execution | None = None,
    costs: Costs | None = None,
) -> np.ndarray:
    settings = MarkowitzPortfolio.model_validate({"max_position": 0.5, "risk_sessions": 60} | portfolio)
    books = OptimisedBooks(settings, 5, costs or Costs(), execution or Execution())
    return books.rebalance(about or known()).sort("instrument_id")["weight"].to_numpy()


def in_two(about: Known) -> Known:
    """The first five instruments are in one industry, the next five in another, the last two in none."""
    industries = pl.DataFrame({"instrument_id": NAMES[:10], "industry": [*("a",) * 5, *("b",) * 5]})
    return Known(about.decision, about.bars, about.forecasts, about.inputs, industries)


@pytest.mark.parametrize("model", ["ledoit_wolf", "sample", "pca", "fundamental"])
@pytest.mark.parametrize(
    "portfolio",
    [
        {},
        {"objective": "minimum_variance", "net": [1, 1]},
        {"objective": "risk_parity", "net": [1, 1]},
        {"objective": "risk_parity", "net": [-0.2, 0.2]},
        {"objective": "benchmark_relative", "net": [1, 1]},
    ],
    ids=["mean_variance", "minimum_variance", "risk_parity", "risk_parity_both_sides", "benchmark_relative"],
)
def test_every_objective_with_every_risk_model_keeps_to_its_limits(
    model: str, portfolio: dict[str, Any]
) -> None:
    held = weights(portfolio | {"risk_model": model, "risk_factors": 2}, in_two(known()))
    low, high = portfolio.get("net", (0.0, 0.0))
    assert low - 1e-8 <= held.sum() <= high + 1e-8
    assert np.abs(held).sum() <= 1 + 1e-8
    assert np.abs(held).max() <= 0.5 + 1e-8
    assert np.abs(held).max() > 0.01
    if low == 1:
        assert held.min() >= -1e-8


def test_risk_parity_takes_the_sides_of_the_forecasts() -> None:
    free = {"objective": "risk_parity", "net": [-1, 1], "weighs": [], "risk_aversion": 1000.0}
    held = weights(free)
    assert (np.sign(held) == np.sign(list(FORECASTS.values()))).all()
    assert np.abs(held).sum() == pytest.approx(1.0, abs=1e-4)


def test_a_benchmark_is_held_where_nothing_is_forecast() -> None:
    nothing = known(forecasts=dict.fromkeys(NAMES[:5], 0.0))
    about = nothing.forecasts.select("exchange", "instrument_id")
    value = KnownMarket.of(about, nothing.bars, daily_returns(nothing.bars), nothing.listings).value[-60:]
    settings = {"objective": "benchmark_relative", "net": [1, 1], "weighs": []}
    assert weights(settings, nothing) == pytest.approx([0.2] * 5 + [0.0] * 7, abs=1e-6)
    by_value = weights(settings | {"benchmark": "traded_value"}, nothing)
    assert by_value[:5] == pytest.approx(np.nansum(value, axis=0) / np.nansum(value), abs=1e-5)


def test_no_industry_weighs_more_than_it_may() -> None:
    free, limited = weights({}, in_two(known())), weights({"max_sector": 0.05}, in_two(known()))
    assert abs(free[:5].sum()) > 0.2
    assert abs(limited[:5].sum()) <= 0.05 + 1e-8
    assert abs(limited[5:10].sum()) <= 0.05 + 1e-8


def test_positions_are_no_larger_than_what_is_traded() -> None:
    """Of shares at about 100, 10,000 to 110,000 are traded a session: a million to eleven."""
    execution = Execution(capital=1e8)
    held = weights({"max_adv": 2.0}, execution=execution)
    about = known()
    returns = daily_returns(about.bars)
    listed = about.forecasts.select("exchange", "instrument_id")
    value = KnownMarket.of(listed, about.bars, returns, about.listings).daily_value()
    assert (np.abs(held[1:]) <= 2.0 * value[1:] / 1e8 + 1e-8).all()
    assert held[0] == pytest.approx(0.0, abs=1e-8), "nobody is known to trade it"
    assert np.abs(weights({}, execution=execution)[0]) > 0.4


def test_impact_and_borrow_are_weighed_where_they_are_asked_for() -> None:
    deep = Execution(impact=1.0, capital=1e9)
    assert weights({"weighs": ["trade"]}, execution=deep) == pytest.approx(weights({}), abs=1e-12)
    less = weights({"weighs": ["trade", "impact"]}, execution=deep)
    assert np.abs(less).sum() < 0.8 * np.abs(weights({})).sum()
    assert abs(less[0]) < abs(less[-1]), "of whom nobody knows the impact is taken to have the largest"
    dear = Costs(borrow_bps_per_year=10_000)
    shorts = [
        np.minimum(weights({"weighs": one, "risk_aversion": 300.0}, costs=dear), 0).sum()
        for one in (["trade"], ["trade", "borrow"])
    ]
    assert shorts[1] > 0.5 * shorts[0]


def test_only_what_is_held_is_traded_slowly() -> None:
    settings = MarkowitzPortfolio(max_position=0.5, risk_sessions=60, max_turnover=0.1)
    books = OptimisedBooks(settings, 5, Costs(), Execution())
    first = books.rebalance(known(DAYS[-8])).sort("instrument_id")["weight"].to_numpy()
    assert np.abs(first).sum() > 0.9, "the first book is bought at once"
    turned = known(forecasts={name: -value for name, value in FORECASTS.items()})
    held = books._drifted(("head", 1), turned, daily_returns(turned.bars))
    second = books.rebalance(turned).sort("instrument_id")["weight"].to_numpy()
    assert np.abs(second - [held[name] for name in NAMES]).sum() == pytest.approx(0.1, abs=1e-6)


def test_limits_that_clash_name_the_book_and_the_day() -> None:
    with pytest.raises(OptimiserError, match=r"book head, seed 1, 2018-06-01: .*net at least 1 .* 0.6"):
        weights({"net": [1, 1], "max_position": 0.05})


def listed(about: Known, **says: Any) -> Known:
    """All instruments are listed, and their listings say this."""
    rows = pl.DataFrame({"instrument_id": NAMES, "symbol": NAMES}).with_columns(
        **{name: pl.lit(value) for name, value in ({"currency": "USD"} | says).items()},
        **{name: pl.lit("test") for name in ("source", "name", "file")},
        exchange=pl.lit("XSIM"),
        asset_class=pl.lit("future"),
        known_at=pl.lit(about.decision.decided_at),
    )
    return replace(about, listings=LISTINGS.conform(rows))


@pytest.mark.parametrize("portfolio", [{"max_adv": 2.0}, {"weighs": ["trade", "impact"]}], ids=str)
def test_a_lot_of_fifty_is_fifty_times_the_value(portfolio: dict[str, Any]) -> None:
    def held(about: Known, capital: float) -> np.ndarray:
        return weights(portfolio, about, Execution(capital=capital, impact=1.0))

    one = held(known(), 1e8)
    assert held(listed(known(), multiplier=50.0), 50e8) == pytest.approx(one, abs=1e-6)
    assert np.abs(held(known(), 50e8) - one).max() > 0.05


def test_capital_and_values_are_compared_in_one_currency_only() -> None:
    euro = Execution(currency="EUR")
    with pytest.raises(OptimiserError, match=r"EUR .* USD \(XSIM.*execution.currency"):
        weights({"max_adv": 1.0}, execution=euro)
    weights({}, execution=euro)
    weights({"max_adv": 1.0}, listed(known(), currency="EUR"), euro)
    with pytest.raises(OptimiserError, match=r"USD .* EUR \(XSIM"):
        weights({"max_adv": 1.0}, listed(known(), currency="EUR"))


def test_a_benchmark_by_traded_value_is_of_one_currency_only() -> None:
    settings = Optimised(objective="benchmark_relative", benchmark="traded_value", net=(1, 1))
    traded = np.tile([1.0, 3.0], (5, 1))
    alike = KnownMarket(["a", "b"], ["XNAS", "XNYS"], ["USD", "USD"], traded, traded)
    assert benchmark(settings, alike) == pytest.approx([0.25, 0.75])
    with pytest.raises(OptimiserError, match=r"JPY, USD.*benchmark: equal"):
        benchmark(settings, replace(alike, currencies=["JPY", "USD"]))


@pytest.mark.parametrize(
    ("portfolio", "remedy"),
    [
        ({"objective": "minimum_variance"}, r"holds nothing.*\[1, 1\]"),
        ({"objective": "benchmark_relative"}, r"write net: \[1, 1\]"),
        ({"net": [0.5, -0.5]}, "smallest and largest"),
        ({"net": [2, 3]}, "within gross"),
    ],
)
def test_settings_that_make_no_sense_are_refused(portfolio: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        spec(portfolio=portfolio)


def test_who_reads_industries_says_so() -> None:
    assert not spec().reads_industries
    assert spec(portfolio={"max_sector": 0.1}).reads_industries
    assert spec(portfolio={"risk_model": "fundamental"}).reads_industries
    assert not spec("directional").reads_industries
    assert Optimised(net=(1, 1)).long_only
    assert not Optimised().long_only


def links(*rows: tuple[str, str, date]) -> pl.DataFrame:
    """Issuers of the instruments' own names, in industries known from a day on."""
    return ENTITY_LINKS.conform(
        pl.DataFrame(
            [
                {
                    **{"relation": "in_industry", "child": f"issuer:{name}", "parent": parent},
                    **{"first": date(1900, 1, 1), "last": FOREVER, "score": 1.0, "method": "vendor"},
                    **{"source": "test", "known_at": datetime(day.year, day.month, day.day, tzinfo=UTC)},
                }
                for name, parent, day in rows
            ]
        )
    )


def test_industries_are_of_one_scheme_and_as_known_then() -> None:
    early, late = date(2018, 1, 1), date(2018, 7, 1)
    told = links(
        (NAMES[0], "industry:coarse/x", early),
        (NAMES[1], "industry:coarse/x", early),
        (NAMES[0], "industry:fine/p", early),
        (NAMES[1], "industry:fine/q", early),
        (NAMES[2], "industry:fine/q", late),
        (NAMES[3], "industry:fine/q", late),
    )
    names = pl.Series(NAMES)
    before = industries_at(told, names, LAST, datetime(2018, 6, 1, tzinfo=UTC))
    assert before.rows() == [(NAMES[0], "industry:coarse/x"), (NAMES[1], "industry:coarse/x")]
    after = industries_at(told, names, LAST, datetime(2018, 8, 1, tzinfo=UTC))
    assert after["industry"].to_list() == ["industry:fine/p", *["industry:fine/q"] * 3]
    assert industries_at(NO_LINKS, names, LAST, datetime(2018, 8, 1, tzinfo=UTC)).is_empty()


def test_the_pages_examples_are_read() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "portfolio.md"
    blocks = page.read_text().split("```yaml")[1:]
    assert len(blocks) == 3
    for block in blocks:
        spec(**yaml.safe_load(block.split("```")[0]))
