"""Targets, backtests, the leaderboard and effectiveness kept up to what they read: asks for the stale ones.

What does not belong here: which are (`lim_pipelines/stale`), training (`retraining.py`), what is stale of
earlier cutoffs (`redo.py`). Robustness and universality are in no job: each new session would have them made
again, they ask models (minutes, where people want more than the shortest test), and how much they ask is said
in the launchpad, by people. They are listed when they are stale.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import dagster as dg
import polars as pl

from assets.requests import CAUSE, TAG, at_work, run_key, tries
from lim_pipelines import stale
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.stale.missing import never_backtested, never_decided
from lim_pipelines.stale.recorded import EFFECTIVENESS, LEADERBOARD, code_of
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home

decide = dg.define_asset_job("decide", dg.AssetSelection.key_substring("_targets"))
BOARDS = (LEADERBOARD, EFFECTIVENESS)
"""Reports of all strategies; seconds."""

evaluate = dg.define_asset_job(
    "evaluate", dg.AssetSelection.key_substring("_backtest") | dg.AssetSelection.assets(*BOARDS)
)


def build_results_sensor(
    specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> dg.SensorDefinition:
    """Make the sensor that has the newest targets decided again, and backtests made that follow.

    A sensor and not `AutomationCondition.eager()`: that fires for every commit to the bars of any exchange,
    and for none as long as one partition above is missing. A strategy is decided again where rows that it
    reads differ, or other models are in use; an import of another exchange, or the same file again, asks
    for nothing. It never trains and never touches earlier cutoffs; while one of those was decided for other
    settings, the backtest, which would refuse it, waits. What a training that died has left undecided, it
    decides; what a run under way will decide, it leaves to that.
    """

    @dg.sensor(
        name="results_sensor",
        minimum_interval_seconds=60,
        jobs=[decide, evaluate],
        description="Decides the newest cutoff again when what it read is otherwise; backtests, the"
        " leaderboard and effectiveness follow when targets or bars are. A failed run is asked for again.",
    )
    def results_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
        lake = home.lake()
        # Models, too: a training that dies leaves some without a commit. Other settings are nowhere.
        state = [stale.state(lake, home.models), [code_of(spec) for spec in specs]]
        looked = hashlib.sha256(json.dumps(state).encode()).hexdigest()
        if context.cursor == looked:
            return dg.SkipReason("nothing that results are made from has changed since the last look")
        found = stale.stale(lake, home.models, specs, configs)
        missing = {spec.name: never_decided(lake, home.models, spec) for spec in specs}
        working = at_work(context.instance)
        # What others make now, they make with what is there now.
        idle = [spec for spec in specs if f"{spec.name}_targets" not in working]
        coming = [spec.name for spec in specs if spec not in idle or missing[spec.name]]
        evaluating = not working.isdisjoint([*BOARDS, *(f"{spec.name}_backtest" for spec in specs)])
        asks = list(_decisions(found, idle, missing))
        if not evaluating:
            asks += _evaluations(found, specs, never_backtested(lake, specs), coming)
        requests, unfinished = [], len(specs) - len(idle) + evaluating
        for ask, request in asks:
            past = tries(context.instance, ask)
            unfinished += not past.succeeded
            if past.due and not past.succeeded:
                requests.append(request.with_replaced_attrs(run_key=run_key(ask, past.runs)))
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else _why_not(found, specs, unfinished),
            # While a run is at work or rests, the next tick looks again.
            cursor=context.cursor if unfinished else looked,
        )

    return results_sensor


def _decisions(
    found: pl.DataFrame, specs: Sequence[StrategySpec], missing: Mapping[str, Sequence[date]]
) -> Iterator[tuple[str, dg.RunRequest]]:
    """Go through the runs that decide, each with what it is remembered by: again, or what nobody decided."""
    for spec in specs:
        asset = f"{spec.name}_targets"
        causes = [
            (f"{cutoff}:first", f"models of {cutoff} are there and have decided nothing")
            for cutoff in missing[spec.name]
        ]
        cause = stale.cause_of(found, asset)
        for key, words in [*causes, *([cause] if cause else [])]:
            ask = f"{asset}@{key}"
            yield (
                ask,
                dg.RunRequest(
                    job_name=decide.name,
                    partition_key=key.partition(":")[0],
                    asset_selection=[dg.AssetKey(asset)],
                    tags={TAG: ask, CAUSE: words[:200]},
                ),
            )


def _evaluations(
    found: pl.DataFrame, specs: Sequence[StrategySpec], missing: Sequence[str], coming: Sequence[str]
) -> Iterator[tuple[str, dg.RunRequest]]:
    """Find the run that makes backtests and the reports of all again, if there is a cause."""
    causes = {}
    again = [spec.name for spec in specs if stale.cause_of(found, f"{spec.name}_targets") is not None]
    waiting = {*coming, *again}
    for spec in specs:
        cause = stale.cause_of(found, f"{spec.name}_backtest")
        if spec.name in missing:
            cause = (":first", f"{spec.name} has targets and no backtest")
        # Newer targets are coming, or older ones are refused: not before them.
        if cause is not None and (spec.name in waiting or _of_other_settings(found, spec)):
            waiting.add(spec.name)
        elif cause is not None:
            causes[f"{spec.name}_backtest"] = cause
    boards = {name: cause for name in BOARDS if (cause := stale.cause_of(found, name)) is not None}
    if waiting:
        # It reads bars and targets itself: it would be made before what is coming, and again after.
        boards.pop(EFFECTIVENESS, None)
    if causes or boards:
        told = {**causes, **boards}
        content = json.dumps([(name, key) for name, (key, _) in told.items()])
        ask = f"results@{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        yield (
            ask,
            dg.RunRequest(
                job_name=evaluate.name,
                asset_selection=[dg.AssetKey(name) for name in (*causes, *(BOARDS if causes else boards))],
                tags={TAG: ask, CAUSE: "; ".join(words for _, words in told.values())[:200]},
            ),
        )


def _of_other_settings(found: pl.DataFrame, spec: StrategySpec) -> bool:
    """Whether a strategy has targets that a backtest refuses: decided for other settings, or other models."""
    own = stale.listed(found).filter(pl.col("result") == f"{spec.name}_targets")
    return "settings" in own["cause"]


def _why_not(found: pl.DataFrame, specs: Sequence[StrategySpec], unfinished: int) -> str:
    waiting = [spec.name for spec in specs if _of_other_settings(found, spec)]
    if unfinished:
        return f"{unfinished} runs are at work, or rest before they are tried again"
    if waiting:
        return (
            f"backtests of {', '.join(waiting)} wait: targets of earlier cutoffs are of other settings or"
            " models; materialise redo"
        )
    return "what was committed since the last look is read by no newest result"
