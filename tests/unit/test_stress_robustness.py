"""Robustness end to end: no change changes no bit, late data are the session before's, no trials, a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import torch
from strategy_world import CUTOFF, PERIOD_END, macro, market, put_checkpoint, put_lake, spec

from lim_pipelines import walkforward
from lim_pipelines.backtest.facts import read_facts
from lim_pipelines.backtest.metrics import pooled
from lim_pipelines.finetune import train
from lim_pipelines.lake import LATEST, Lake, Past, midnight, scope_of
from lim_pipelines.lake.past import ReadOnlyError
from lim_pipelines.portfolio.complete import MissingTargetsError
from lim_pipelines.portfolio.question import OptimiserError
from lim_pipelines.schemas import BACKTEST_DAILY, MODEL_INPUTS, ROBUSTNESS, TARGETS, TRIALS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.stress.again import Again, World, waiting, worlds
from lim_pipelines.stress.costed import Variant, changed
from lim_pipelines.stress.late import later
from lim_pipelines.stress.perturb import moved, thinned
from lim_pipelines.stress.perturbed import Perturbed
from lim_pipelines.stress.robustness import NoBacktestError, publish
from lim_pipelines.stress.runs import Market, of_costs
from lim_pipelines.stress.scenarios import DATA, Scenario

torch.set_num_threads(1)
NONE = Scenario("none", DATA, "Nothing is otherwise.")


@dataclass(frozen=True)
class Home:
    """A strategy with its models of `CUTOFF`, its targets and its lake."""

    spec: StrategySpec
    lake: Lake
    models: Path
    reports: Path

    @property
    def stored(self) -> pl.DataFrame:
        return self.lake.read(TARGETS, as_of=LATEST).sort(TARGETS.row_key).collect()

    @property
    def bars(self) -> pl.DataFrame:
        return self.lake.read(VALIDATED_BARS, as_of=LATEST).sort(VALIDATED_BARS.key).collect()

    @property
    def again(self) -> Again:
        return Again(self.lake, self.models, self.spec, [CUTOFF], seeds=1)

    @property
    def own(self) -> pl.DataFrame:
        """Stored targets of the books that decide again."""
        return self.stored.filter((pl.col("arm") == self.spec.method) & (pl.col("seed") == 1))


@pytest.fixture(scope="module", params=["directional", "cross_sectional"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    one = spec(request.param)
    names = ("XNYM:WTI",) if request.param == "directional" else None
    root = tmp_path_factory.mktemp(request.param)
    lake = put_lake(root / "lake", market(seed=1, names=names) if names else market(), macro())
    put_checkpoint(root / "models", one.foundation, CUTOFF)
    job = {"lake": lake.root, "models": str(root / "models"), "strategy": one.model_dump(mode="json")}
    train.train(job | {"cutoffs": [CUTOFF.isoformat()]})
    found = Home(one, lake, root / "models", root / "reports")
    rows = walkforward.decide(lake, found.models, one, [CUTOFF])
    lake.write(TARGETS, rows, scope_of({"strategy": [one.name], "cutoff": [CUTOFF]}))
    return found


def test_a_change_of_size_zero_changes_no_bit_of_the_targets(home: Home) -> None:
    nothing = {
        VALIDATED_BARS.name: lambda bars: later(thinned(moved(bars, 0.0, home.spec.costs), 0.0), 0),
        MODEL_INPUTS.name: lambda rows: later(rows, 0),
    }
    rows = home.again.of_world(World(NONE, nothing)).sort(TARGETS.row_key)
    assert rows.height
    assert rows.equals(home.own)


def test_worse_data_change_targets_and_repeat(home: Home) -> None:
    noise, missing, _ = worlds(home.spec)
    for world in (noise, missing):
        rows = home.again.of_world(world).sort(TARGETS.row_key)
        assert rows.height
        assert not rows.equals(home.own), world.scenario.name
        assert rows["decided_at"].is_between(midnight(CUTOFF), midnight(PERIOD_END)).all()
    assert rows.equals(home.again.of_world(missing).sort(TARGETS.row_key))


def test_late_data_decide_as_the_session_before_should_have(home: Home) -> None:
    late = next(world for world in worlds(home.spec) if world.late)
    rows = home.again.of_world(late)
    assert rows.height
    if home.spec.task == "directional":
        both = home.own.join(rows, on=["seed", "date", "instrument_id"], suffix="_late")
        assert both.height >= rows.height - 1
        assert (both["weight"] == both["weight_late"]).all()
        assert (both["decided_at_late"] > both["decided_at"]).all()
    # A fill one session later than usual lies behind the decision, the usual one would not.
    delay = home.spec.execution.delay
    assert waiting(home.spec, late).execution.delay == delay + 1
    closes = home.bars.select("instrument_id", "date", "ts").sort("instrument_id", "date")
    for wait, possible in ((delay + 1, True), (delay, False)):
        fills = closes.with_columns(fill=pl.col("ts").shift(-wait).over("instrument_id"))
        filled = rows.join(fills, on=["instrument_id", "date"]).drop_nulls("fill")
        assert filled.height
        assert ((filled["fill"] > filled["decided_at"]) == possible).all()


def test_several_portfolios_are_decided_as_each_alone(home: Home) -> None:
    name, values = {
        "directional": ("vol_target", (0.1, 0.05)),
        "cross_sectional": ("rebalance_every", (5, 2)),
    }[home.spec.task]
    variants = [Variant(NONE, changed(home.spec, {"portfolio": {name: value}})) for value in values]
    together = home.again.of_settings(variants)
    for variant, rows in zip(variants, together, strict=True):
        alone = walkforward.decide(home.lake, home.models, variant.spec, [CUTOFF])
        own = alone.filter((pl.col("arm") == home.spec.method) & (pl.col("seed") == 1)).sort(TARGETS.row_key)
        assert rows.sort(TARGETS.row_key).equals(own)
    assert together[0].height != together[1].height or not together[0].equals(together[1])
    assert home.again.of_settings([]) == []


@pytest.mark.parametrize("home", ["cross_sectional"], indirect=True)
def test_settings_without_a_solution_are_left_out_and_the_others_stay(home: Home) -> None:
    long = {"net": [1.0, 1.0], "max_position": 0.2}
    one = changed(home.spec, {"portfolio": long})
    less = changed(one, {"portfolio": {"max_position": 0.1}})
    found = Again(home.lake, home.models, one, [CUTOFF], 1).of_settings(
        [Variant(NONE, less), Variant(NONE, one)]
    )
    assert isinstance(found[0], OptimiserError)
    assert isinstance(found[1], pl.DataFrame)
    assert found[1].height


@pytest.mark.parametrize("home", ["directional"], indirect=True)
def test_targets_of_other_models_are_not_compared_with_what_these_decide(home: Home) -> None:
    home.again.refuse_others(home.own)
    with pytest.raises(MissingTargetsError, match="decided by other models than the current ones"):
        home.again.refuse_others(home.own.with_columns(model_digest=pl.lit("other")))


@pytest.mark.parametrize("home", ["directional"], indirect=True)
def test_fills_that_the_engine_refuses_are_left_out_with_its_reason(home: Home) -> None:
    facts = read_facts(home.lake, home.bars, home.spec.execution.currency)
    there = Market(home.spec, home.own, home.bars, PERIOD_END - timedelta(days=1), facts)
    soon = Variant(NONE, changed(home.spec, {"execution": {"fill": "open"}}))
    runs, left = of_costs(there, [soon])
    assert runs == []
    assert "open before the decision" in left[0].why


def test_a_worse_lake_shows_nothing_before_the_lake_and_cannot_be_written(home: Home) -> None:
    rows = later(home.lake.revisions(VALIDATED_BARS).collect(), 1)
    worse = Perturbed(home.lake, midnight(PERIOD_END), {VALIDATED_BARS.name: rows})
    for day in range(1, 28, 3):
        moment = midnight(date(2018, 6, day)) + timedelta(hours=22)
        for lake in (worse, Past(worse, moment)):
            shown = lake.read(VALIDATED_BARS, as_of=moment).collect()
            plain = home.lake.read(VALIDATED_BARS, as_of=moment).collect()
            assert 0 < shown.height < plain.height
            assert shown.join(plain, on=VALIDATED_BARS.key, how="anti").is_empty()
    with pytest.raises(ReadOnlyError):
        worse.write(VALIDATED_BARS, rows, scope_of({"exchange": ["XSIM"], "date": [CUTOFF]}))
    inputs = worse.revisions(MODEL_INPUTS).collect().height
    assert (
        inputs
        == home.lake.revisions(MODEL_INPUTS)
        .filter(pl.col("known_at") <= midnight(PERIOD_END))
        .collect()
        .height
    )


def test_a_strategy_without_a_backtest_is_refused_by_name(home: Home, tmp_path: Path) -> None:
    with pytest.raises(NoBacktestError, match="materialise small_backtest first"):
        publish(Lake(tmp_path / "empty"), home.models, home.reports, home.spec, cutoffs=1, seeds=1)


def test_robustness_writes_a_table_and_a_page_and_no_trial(home: Home) -> None:
    walkforward.backtest(home.lake, home.models, home.reports, home.spec)
    trials = home.lake.read(TRIALS, as_of=LATEST).collect()
    facts = read_facts(home.lake, home.bars, home.spec.execution.currency)
    own = home.stored.filter(pl.col("arm") == home.spec.method)
    there = Market(home.spec, own, home.bars, PERIOD_END - timedelta(days=1), facts)
    # Nothing changed is the record that the backtest stored.
    (same,), _ = of_costs(there, [Variant(NONE, home.spec)])
    daily = home.lake.read(BACKTEST_DAILY, as_of=LATEST).sort(BACKTEST_DAILY.key).collect()
    assert same.record.equals(same.plain)
    assert same.plain["net_return"].to_numpy() == pytest.approx(
        pooled(daily, home.spec.method)["net_return"].to_numpy(), abs=1e-12
    )
    found = publish(home.lake, home.models, home.reports, home.spec, cutoffs=3, seeds=1)
    assert home.lake.read(TRIALS, as_of=LATEST).collect().equals(trials)
    rows = home.lake.read(ROBUSTNESS, as_of=LATEST).collect()
    assert rows["strategy"].unique().to_list() == ["small"]
    assert set(rows["family"]) >= {
        "costs and fills",
        "worse data",
        "portfolio settings",
        "resampled histories",
    }
    assert rows["arm"].unique().to_list() == [home.spec.method]
    paired = rows.filter(pl.col("family").is_in(["costs and fills", "worse data", "portfolio settings"]))
    gap = paired["net_sharpe"] - paired["plain_sharpe"] - paired["difference"]
    assert gap.drop_nulls().abs().max() < 1e-9
    costs = paired.filter(pl.col("scenario").str.starts_with("costs")).sort("scenario")
    assert costs["difference"].to_list() == sorted(costs["difference"], reverse=True)
    assert costs["difference"].max() < 0
    html = found.page.read_text(encoding="utf-8")
    assert found.page.name == "robustness-small.html"
    assert found.verdict in html.replace("&#39;", "'")
    assert all(name in html for name in rows["scenario"].unique())
    assert 'href="small.html"' in html
    assert ("SIMULATED DATA" in html) == home.spec.simulated
    assert "none is entered in the trial ledger" in html
    assert found.png.startswith(b"\x89PNG")
    again = publish(home.lake, home.models, home.reports, home.spec, cutoffs=3, seeds=1)
    assert again.commit.changed.is_empty()
    assert again.page.read_text(encoding="utf-8") == html
