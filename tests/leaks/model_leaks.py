"""Leaks in training, decisions and backtests: how each is planted. What audits them is in the tests.

Each plants its leak in the code (or in the stored rows), runs the steps it touches on a copy of the world,
and returns what the audit says while the leak is still in the code.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from model_world import EARLY, END, FAMILIES, FOLLOWERS, LATE, OIL, SHARES, SPREADS, ModelWorld

from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.backtest import engine
from lim_pipelines.finetune import arms, champions, promotion, samples
from lim_pipelines.finetune import plan as finetune_plan
from lim_pipelines.finetune import train as finetune_train
from lim_pipelines.finetune.methods import new_head
from lim_pipelines.finetune.scaling import Scaling
from lim_pipelines.finetune.split import Split
from lim_pipelines.foundation import checkpoint, data, pretrain, windows
from lim_pipelines.foundation import train as foundation_train
from lim_pipelines.foundation.store import updating as window_store
from lim_pipelines.foundation.windows import Span
from lim_pipelines.lake import LATEST, Past, as_of_view, midnight
from lim_pipelines.portfolio import targets as portfolio_targets
from lim_pipelines.schemas import BACKTEST_DAILY, SCORES, TARGETS, VALIDATED_BARS
from lim_pipelines.strategies import base, lead_lag, pairs, task
from lim_pipelines.strategies.registry import TASKS

Patch = pytest.MonkeyPatch
Plant = Callable[[ModelWorld, Patch], list[Verdict]]
FAMILY = FAMILIES[1]


@dataclass(frozen=True)
class Leak:
    """A leak: what it is, where it is planted, which audit must find it, and words of the finding."""

    name: str
    where: str
    audit: str
    says: str
    plant: Plant


def _pretrained(world: ModelWorld) -> list[Verdict]:
    shutil.rmtree(world.models / FAMILY.name)
    shutil.rmtree(world.windows)
    world.pretrain(FAMILY, EARLY)
    return world.audit_checkpoint(FAMILY)


def _fitted(world: ModelWorld) -> list[Verdict]:
    shutil.rmtree(world.models / OIL.name)
    world.fit(OIL, EARLY)
    return world.audit_model(OIL)


def _shuffled_windows(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = pretrain._sampler
    everywhere = Span(-(2**62), 2**62)
    patch.setattr(
        pretrain, "_sampler", lambda windows, config, span, **how: honest(windows, config, everywhere, **how)
    )
    return _pretrained(world)


def _unpurged_windows(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = pretrain._sampler

    def overlapping(windows: Any, config: Any, span: Span, **how: Any) -> Any:
        return honest(windows, config, span._replace(end=span.end + config.horizon * 86_400_000_000), **how)

    patch.setattr(pretrain, "_sampler", overlapping)
    return _pretrained(world)


def _series(patch: Patch, change: Callable[[Any], Any]) -> None:
    """Change the numbers of all series where they are made of bars."""
    honest = data.build_series
    patch.setattr(
        data, "build_series", lambda bars: [replace(one, values=change(one.values)) for one in honest(bars)]
    )


def _scaled_by_the_whole_period(world: ModelWorld, patch: Patch) -> list[Verdict]:
    _series(patch, lambda values: values / np.nanstd(values, axis=0, keepdims=True).astype(values.dtype))
    return _pretrained(world)


def _smoothed_across_the_next_bar(world: ModelWorld, patch: Patch) -> list[Verdict]:
    def smoothed(values: Any) -> Any:
        out = values.copy()
        out[1:-1, 0] = (values[:-2, 0] + values[1:-1, 0] + values[2:, 0]) / 3
        return out

    _series(patch, smoothed)
    return _pretrained(world)


def _without_a_past(patch: Patch) -> None:
    """Hand a fit the whole lake: in the past of its cutoff there is nothing later to be read."""
    patch.setattr(finetune_plan, "Past", lambda lake, moment: lake)


def _bars_beyond_the_cutoff(world: ModelWorld, patch: Patch) -> list[Verdict]:
    for module in (data, window_store):
        patch.setattr(module, "midnight", lambda day: midnight(day) + timedelta(days=20))
    return _pretrained(world)


def _corrected_bars(world: ModelWorld, patch: Patch) -> list[Verdict]:
    class Corrected(Past):
        """Bars up to the moment, as they are known today."""

        def read(self, table: Any, *, as_of: Any, where: Any = None) -> pl.LazyFrame:
            here = where & (pl.col("ts") <= self.moment)
            return self.lake.read(table, as_of=LATEST, where=here).with_columns(known_at=pl.col("ts"))

    patch.setattr(window_store, "Past", Corrected)
    return _pretrained(world)


def _parent_from_the_future(world: ModelWorld, patch: Patch) -> list[Verdict]:
    folder = checkpoint.resolve(world.models, FAMILY.name, LATE)
    assert folder is not None
    later = checkpoint.read_meta(folder)
    patch.setattr(foundation_train.continual, "previous", lambda models, family, cutoff: later)
    world.pretrain(FAMILY, EARLY)
    return world.audit_checkpoint(FAMILY)


def _scaled_with_the_horizon(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = windows.WindowStore.batch

    def scaled(self: windows.WindowStore, picks: Any) -> windows.WindowBatch:
        batch = honest(self, picks)
        whole = np.concatenate([batch.values, batch.future], axis=1)
        spread = np.maximum(np.nanstd(np.nan_to_num(whole), axis=1, keepdims=True), 1e-6)
        return batch._replace(values=batch.values / spread, future=batch.future / spread)

    patch.setattr(windows.WindowStore, "batch", scaled)
    return world.audit_checkpoint(FAMILY)


def _context_with_the_next_bar(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = windows.WindowStore.batch

    def shifted(self: windows.WindowStore, picks: Any) -> windows.WindowBatch:
        batch = honest(self, picks)
        return batch._replace(values=np.concatenate([batch.values[:, 1:], batch.future[:, :1]], axis=1))

    patch.setattr(windows.WindowStore, "batch", shifted)
    return world.audit_model(OIL)


def _split_by(patch: Patch, choose: Callable[[samples.Samples, Split, date], Split]) -> None:
    honest = arms.split
    patch.setattr(arms, "split", lambda spec, s, cutoff: choose(s, honest(spec, s, cutoff), cutoff))


def _shuffled_samples(world: ModelWorld, patch: Patch) -> list[Verdict]:
    def shuffled(_: Any, parts: Split, __: date) -> Split:
        rows = np.random.default_rng(0).permutation(np.union1d(parts.fit, parts.validation))
        cut = len(parts.fit)
        return Split(np.sort(rows[:cut]), np.sort(rows[cut:]), parts.purged_sessions)

    _split_by(patch, shuffled)
    return _fitted(world)


def _unpurged_samples(world: ModelWorld, patch: Patch) -> list[Verdict]:
    def unpurged(_: Any, parts: Split, __: date) -> Split:
        return replace(parts, fit=np.arange(parts.fit[0], parts.validation[0]))

    _split_by(patch, unpurged)
    return _fitted(world)


def _stopped_on_test(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """Early stopping, and ridge's penalty, by the months that are traded: the tail lies behind the cutoff."""

    def on_test(s: samples.Samples, parts: Split, cutoff: date) -> Split:
        known = np.isfinite(s.label)
        test = np.flatnonzero(known & (s.frame["date"] >= cutoff).to_numpy())
        return replace(parts, validation=test)

    _without_a_past(patch)
    honest = finetune_plan.read_inputs
    patch.setattr(finetune_plan, "read_inputs", lambda lake, spec, cutoff: honest(lake, spec, END))
    _split_by(patch, on_test)
    return _fitted(world)


def _stopped_on_what_judges(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """Early stopping by the sessions that judge the new models against those in use."""

    def on_judged(s: samples.Samples, parts: Split, _: date) -> Split:
        judged = s.frame["date"].is_in(list(parts.judged)).to_numpy() & np.isfinite(s.label)
        return replace(parts, validation=np.union1d(parts.validation, np.flatnonzero(judged)))

    _split_by(patch, on_judged)
    return _fitted(world)


def _pairs_that_lasted(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """Samples of the past are made of the pairs that are still pairs at the cutoff."""
    honest = pairs.formations

    def survivors(*given: Any) -> Any:
        chosen = honest(*given)
        return tuple(one.model_copy(update={"pairs": chosen[-1].pairs}) for one in chosen)

    patch.setattr(pairs, "formations", survivors)
    world.fit(SPREADS, EARLY)
    return world.audit_model(SPREADS)


def _leaders_of_later(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """Leaders are screened on bars up to months behind the cutoff; the samples are honest."""
    honest = lead_lag.formation

    def later(spec: Any, known: pl.DataFrame) -> pl.DataFrame:
        rows, _ = finetune_plan.read_inputs(world.lake, spec, END)
        return honest(spec, rows)

    with patch.context() as only_training:
        only_training.setattr(lead_lag, "formation", later)
        world.fit(FOLLOWERS, EARLY)
    return world.audit_model(FOLLOWERS)


def _bars_dated_before_the_cutoff(world: ModelWorld, patch: Patch) -> list[Verdict]:
    _without_a_past(patch)
    honest = finetune_plan.read_inputs

    def corrected(lake: Any, spec: Any, cutoff: date) -> tuple[pl.DataFrame, pl.DataFrame]:
        known, inputs = honest(lake, spec, cutoff)
        here = pl.col("date") < cutoff
        bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=here).join(
            known.lazy().select(VALIDATED_BARS.key), on=VALIDATED_BARS.key, how="semi"
        )
        return bars.sort(VALIDATED_BARS.key).collect(), inputs

    patch.setattr(finetune_plan, "read_inputs", corrected)
    return _fitted(world)


def _scaled_by_everything(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest, seen = task.build_samples, []

    def remembered(*given: Any) -> samples.Samples:
        seen.append(honest(*given))
        return seen[-1]

    class Everything:
        @staticmethod
        def of(values: Any) -> Scaling:
            return Scaling.of(seen[-1].features)

    patch.setattr(task, "build_samples", remembered)
    patch.setattr(new_head, "Scaling", Everything)
    return _fitted(world)


def _filled_at_the_decisions_close(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = samples.with_labels

    def early(returns: pl.DataFrame, horizon: int) -> pl.DataFrame:
        total = pl.col("log_return").rolling_sum(horizon).shift(-horizon).over("instrument_id")
        return honest(returns, horizon).with_columns(label=total)

    patch.setattr(samples, "with_labels", early)
    return world.audit_model(OIL)


def _target_among_the_features(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = samples.with_labels

    def told(returns: pl.DataFrame, horizon: int) -> pl.DataFrame:
        return honest(returns, horizon).with_columns(past_return=pl.col("label").fill_null(0.0))

    patch.setattr(samples, "with_labels", told)
    return world.audit_model(OIL)


def _trend_with_the_next_bar(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = samples.trends

    def ahead(series: Any, picks: Any, volatility: Any) -> Any:
        last = np.array([len(one) - 1 for one in series])[picks[:, 0]]
        return honest(series, np.stack([picks[:, 0], np.minimum(picks[:, 1] + 1, last)], axis=1), volatility)

    patch.setattr(samples, "trends", ahead)
    return world.audit_model(OIL)


def _adjusted_levels(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """Closes adjusted for all splits up to today, read as levels: a low one tells of splits to come."""
    honest = samples.build_series

    def levels(bars: pl.DataFrame) -> Any:
        out = []
        for one in honest(bars):
            own = bars.filter(pl.col("instrument_id") == one.instrument_id).sort("ts")
            behind = own["ex_factor"].reverse().cum_prod().reverse() / own["ex_factor"]
            values = one.values.copy()
            values[:, 0] = np.log((own["close"] * behind).to_numpy())
            out.append(replace(one, values=values))
        return out

    patch.setattr(samples, "build_series", levels)
    return world.audit_model(SHARES, LATE)


def _later_checkpoint(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = checkpoint.resolve

    def latest(root: Any, name: str, cutoff: date) -> Any:
        return honest(root, name, LATE if name == OIL.foundation else cutoff)

    with patch.context() as only_training:
        only_training.setattr(checkpoint, "resolve", latest)
        shutil.rmtree(world.models / OIL.name)
        world.fit(OIL, EARLY)
    return world.audit_model(OIL)


def _models_of_a_later_cutoff(world: ModelWorld, patch: Patch) -> list[Verdict]:
    folder = checkpoint.resolve(world.models, OIL.name, LATE)
    assert folder is not None
    rows = world.lake.read(TARGETS, as_of=LATEST, where=_own(OIL, EARLY)).collect()
    digest = pl.lit(checkpoint.json.loads((folder / "meta.json").read_text())["input_digest"])
    world.put(OIL, rows.with_columns(model_digest=digest), EARLY)
    return world.audit_targets(OIL, EARLY)


def _judged_by_what_came_later(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = promotion._within

    def later(one: finetune_plan.Plan, meta: Any) -> samples.Samples:
        rows = finetune_plan.read_inputs(world.lake, one.spec, END)
        return TASKS[one.spec.task].samples(one.spec, *rows, meta.selection)

    with patch.context() as only_judging:
        only_judging.setattr(finetune_train, "_samples", later)
        only_judging.setattr(promotion, "_within", lambda s, first, last: honest(s, first, END))
        (world.models / SHARES.name / LATE.isoformat() / champions.FILE).unlink()
        world.fit(SHARES, LATE)
    return world.audit_decision(SHARES)


def _own(one: Any, cutoff: date) -> pl.Expr:
    return (pl.col("strategy") == one.name) & (pl.col("cutoff") == cutoff)


def _decided_on_corrections(world: ModelWorld, patch: Patch) -> list[Verdict]:
    patch.setattr(base, "as_of_view", lambda bars, moment, table: as_of_view(bars, LATEST, table))
    world.decide(SHARES, LATE)
    return world.audit_targets(SHARES)


def _universe(patch: Patch, choose: Callable[[pl.DataFrame, Any], pl.DataFrame]) -> None:
    """Let decisions see the bars of chosen instruments only."""
    honest = portfolio_targets.known_at

    def chosen(spec: Any, f: Any, s: Any, decision: Any, bars: Any, *more: Any) -> Any:
        return honest(spec, f, s, decision, choose(bars, decision), *more)

    patch.setattr(portfolio_targets, "known_at", chosen)


def _survivors(world: ModelWorld, patch: Patch) -> list[Verdict]:
    def alive(bars: pl.DataFrame, _: Any) -> pl.DataFrame:
        return bars.filter(pl.col("date").max().over("instrument_id") == pl.col("date").max())

    _universe(patch, alive)
    world.decide(SHARES, LATE)
    return world.audit_targets(SHARES)


def _winners(world: ModelWorld, patch: Patch) -> list[Verdict]:
    def winning(bars: pl.DataFrame, decision: Any) -> pl.DataFrame:
        later = bars.filter(pl.col("date") >= decision.date).sort("ts").group_by("instrument_id")
        gain = later.agg(gain=pl.col("close").last() / pl.col("close").first())
        return bars.join(gain.top_k(4, by="gain"), on="instrument_id", how="semi")

    _universe(patch, winning)
    world.decide(SHARES, LATE)
    return world.audit_targets(SHARES)


def _risk_of_the_whole_sample(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = portfolio_targets.known_at

    def whole(spec: Any, f: Any, s: Any, decision: Any, bars: Any, *more: Any) -> Any:
        known = honest(spec, f, s, decision, bars, *more)
        return replace(known, bars=as_of_view(bars, LATEST, VALIDATED_BARS))

    patch.setattr(portfolio_targets, "known_at", whole)
    world.decide(SHARES, LATE)
    return world.audit_targets(SHARES)


def _inputs_by_date(world: ModelWorld, patch: Patch) -> list[Verdict]:
    """What is published in the night after a session counts as known at its close."""
    from lim_pipelines import walkforward

    honest = walkforward.read_features

    def next_sessions(*given: Any) -> pl.DataFrame:
        rows = honest(*given)
        value = (
            pl.col("vix_level")
            .shift(-1)
            .over("instrument_id", order_by="date")
            .fill_null(pl.col("vix_level"))
        )
        return rows.with_columns(vix_level=value)

    patch.setattr(walkforward, "read_features", next_sessions)
    world.decide(OIL, LATE)
    return world.audit_targets(OIL)


def _decided_before_the_session(world: ModelWorld, patch: Patch) -> list[Verdict]:
    rows = world.lake.read(TARGETS, as_of=LATEST, where=_own(OIL, LATE)).collect()
    world.put(OIL, rows.with_columns(decided_at=pl.col("decided_at") - timedelta(days=2)), LATE)
    return world.audit_targets(OIL)


def _filled_at_its_own_close(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = engine.place

    def same_close(targets: pl.DataFrame, *rest: Any) -> Any:
        return honest(targets.with_columns(pl.col("date") - timedelta(days=1)), *rest)

    patch.setattr(engine, "place", same_close)
    world.backtest(OIL)
    return world.audit_backtest(OIL)


def _decided_after_the_fill(world: ModelWorld, patch: Patch) -> list[Verdict]:
    rows = world.lake.read(TARGETS, as_of=LATEST, where=_own(OIL, LATE)).collect()
    world.put(OIL, rows.with_columns(decided_at=pl.col("decided_at") + timedelta(days=4)), LATE)
    return world.audit_backtest(OIL)


def _sized_by_later_volatility(world: ModelWorld, patch: Patch) -> list[Verdict]:
    honest = engine.place

    def sized(targets: pl.DataFrame, grid: Any, *rest: Any) -> Any:
        spread = np.nanstd(grid.scatter(pl.col("close").log()))
        return honest(targets.with_columns(pl.col("weight") * 0.01 / spread), grid, *rest)

    patch.setattr(engine, "place", sized)
    world.backtest(SHARES)
    return world.audit_backtest(SHARES)


def _scored_on_the_best_days(world: ModelWorld, patch: Patch) -> list[Verdict]:
    own = pl.col("strategy") == SHARES.name
    scores = world.lake.read(SCORES, as_of=LATEST, where=own).collect()
    best = pl.when(pl.col("metric") == "sharpe").then(pl.col("value").abs() + 2).otherwise("value")
    world.lake.write(SCORES, scores.with_columns(value=best), scores.select(SCORES.partition_key).unique())
    return world.audit_backtest(SHARES)


def _result_with_tomorrows_return(world: ModelWorld, patch: Patch) -> list[Verdict]:
    own = pl.col("strategy") == OIL.name
    daily = world.lake.read(BACKTEST_DAILY, as_of=LATEST, where=own).collect()
    books = {"partition_by": ["arm", "seed"], "order_by": "date"}
    told = daily.with_columns(pl.col("net_return").shift(-1).over(**books).fill_null(0.0))
    world.lake.write(BACKTEST_DAILY, told, told.select(BACKTEST_DAILY.partition_key).unique())
    return world.audit_backtest(OIL)


_PRETRAIN, _TRAIN = "foundation/pretrain.py", "foundation/train.py"
_ARMS, _SAMPLES = "finetune/arms.py", "finetune/samples.py"
LEAKS = (
    Leak("split shuffled over overlapping windows", _PRETRAIN, "windows", "held out from", _shuffled_windows),
    Leak("windows without a purge", _PRETRAIN, "windows", "trained on targets until", _unpurged_windows),
    Leak(
        "series scaled by the whole period",
        "foundation/series.py",
        "windows",
        "context changes",
        _scaled_by_the_whole_period,
    ),
    Leak(
        "series smoothed by a centred mean",
        "foundation/series.py",
        "windows",
        "context changes",
        _smoothed_across_the_next_bar,
    ),
    Leak(
        "bars of after the cutoff",
        "foundation/store/updating.py",
        "reads",
        "were known",
        _bars_beyond_the_cutoff,
    ),
    Leak(
        "corrections that came after the cutoff", "foundation/store", "reads", "were known", _corrected_bars
    ),
    Leak("parent from the future", _TRAIN, "windows", "not earlier", _parent_from_the_future),
    Leak(
        "scale of context and horizon",
        "foundation/windows.py",
        "windows",
        "behind it",
        _scaled_with_the_horizon,
    ),
    Leak(
        "next bar in the context", "foundation/windows.py", "windows", "context", _context_with_the_next_bar
    ),
    Leak(
        "split shuffled over overlapping labels",
        _ARMS,
        "windows",
        "not one after the other",
        _shuffled_samples,
    ),
    Leak("labels without a purge", _ARMS, "windows", "reaches", _unpurged_samples),
    Leak("early stopping and penalty on test", _ARMS, "windows", "after the cutoff", _stopped_on_test),
    Leak("early stopping on what judges", _ARMS, "windows", "that judge the models", _stopped_on_what_judges),
    Leak(
        "pairs that lasted",
        "strategies/pairs.py",
        "windows",
        "not those that the bars before it give",
        _pairs_that_lasted,
    ),
    Leak(
        "leaders of later",
        "strategies/lead_lag.py",
        "windows",
        "(leaders) is not what the bars that were known",
        _leaders_of_later,
    ),
    Leak("corrections in a fit", "finetune/plan.py", "reads", "were known", _bars_dated_before_the_cutoff),
    Leak(
        "inputs scaled by everything",
        "finetune/methods/new_head.py",
        "windows",
        "feature_mean",
        _scaled_by_everything,
    ),
    Leak("label from the decision's close", _SAMPLES, "windows", "own close", _filled_at_the_decisions_close),
    Leak("target among the features", _SAMPLES, "windows", "past return", _target_among_the_features),
    Leak("trend with the next bar", _SAMPLES, "windows", "the trend", _trend_with_the_next_bar),
    Leak("adjusted prices as levels", _SAMPLES, "windows", "context", _adjusted_levels),
    Leak("fit from a later checkpoint", "finetune/plan.py", "windows", "no checkpoint of", _later_checkpoint),
    Leak(
        "models judged by what came later",
        "finetune/promotion.py",
        "recompute",
        "known at the cutoff it is",
        _judged_by_what_came_later,
    ),
    Leak(
        "models of a later cutoff decide", "targets", "windows", "none of cutoff", _models_of_a_later_cutoff
    ),
    Leak(
        "corrections in a decision", "strategies/base.py", "recompute", "otherwise", _decided_on_corrections
    ),
    Leak("universe of survivors", "portfolio/targets.py", "recompute", "otherwise", _survivors),
    Leak("universe by the label", "portfolio/targets.py", "recompute", "otherwise", _winners),
    Leak(
        "risk of the whole sample", "portfolio/targets.py", "recompute", "weight", _risk_of_the_whole_sample
    ),
    Leak("inputs by date, not by decision", "walkforward.py", "recompute", "forecast", _inputs_by_date),
    Leak(
        "decided before the session",
        "targets",
        "windows",
        "before their session",
        _decided_before_the_session,
    ),
    Leak(
        "filled at the decision's close",
        "backtest/orders.py",
        "windows",
        "before they can",
        _filled_at_its_own_close,
    ),
    Leak("decided after its fill", "targets", "windows", "at an earlier close", _decided_after_the_fill),
    Leak(
        "sized by later volatility",
        "backtest/engine.py",
        "recompute",
        "without bars",
        _sized_by_later_volatility,
    ),
    Leak("scores of the best days", "scores", "windows", "scores are not", _scored_on_the_best_days),
    Leak(
        "tomorrow's return today", "backtest_daily", "recompute", "net_return", _result_with_tomorrows_return
    ),
)
