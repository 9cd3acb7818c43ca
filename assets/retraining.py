"""When models are trained again: the plan as an asset, and the sensor that asks for what is due.

What does not belong here: why something is due (`lim_pipelines/retraining`), training (`foundation.py`,
`strategies.py`).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets import drift, live_skill
from assets.catalogue import CODE_VERSION, OWNERS, table_metadata
from assets.partitions import FIRST_CUTOFF, whole
from assets.requests import CAUSE, TAG, run_key, tries
from assets.spent import spent
from assets.verdicts import newest_verdict
from lim_pipelines import clock
from lim_pipelines.foundation.config import FOUNDATIONS, FoundationConfig
from lim_pipelines.lake import LATEST, Lake, fingerprint
from lim_pipelines.retraining.asked import Ask, Became, Look, Memory, look
from lim_pipelines.retraining.budget import told
from lim_pipelines.retraining.plan import Line, Signs, plan
from lim_pipelines.retraining.policies import Stale
from lim_pipelines.retraining.settings import Retraining, read_settings
from lim_pipelines.schemas import DRIFT_RESULTS
from lim_pipelines.stale import cause_of, current
from lim_pipelines.stale import stale as find_stale
from lim_pipelines.stale import state as stale_state
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.validate.drift.inputs import EVERY_CLASS
from resources.home import Home

PLAN_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn("subject", "String", "family of checkpoints, or strategy"),
        dg.TableColumn("trained", "String", "yes, or why not: not due, waits for the budget, not by itself"),
        dg.TableColumn("why", "String", "the causes, or what is missing, with figures"),
        dg.TableColumn("cutoffs", "String", "first and last cutoff that would be trained"),
        dg.TableColumn("takes", "String", "expected time, by the newest trainings of its kind"),
    ]
)

DRIFT_CHECK = dg.AssetCheckKey(drift.drift_report.key, drift.CHECK)


def build_retraining_sensor(specs: Sequence[StrategySpec]) -> dg.SensorDefinition:
    """Make the sensor of all families and strategies."""
    # The plan of the last look: a look at a lake in which nothing has moved costs next to nothing.
    last: dict[Any, tuple[Retraining, list[Line]]] = {}

    @dg.sensor(
        minimum_interval_seconds=60,
        target=dg.AssetSelection.groups("foundation")
        | dg.AssetSelection.key_substring("_model")
        | dg.AssetSelection.key_substring("_targets"),
        description="Trains the newest cutoff when enough sessions are new or corrected, something drifted"
        " that is learnt from, what was read is corrected, live forecasts have decayed, or a month is over;"
        " within the week's budget of automation.yaml. Never twice for one cause; what failed is asked for"
        " again after a pause.",
    )
    def retraining_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
        """Ask for what is due, and say of everything else why it is not."""
        now = clock.now()
        state = _state(context.instance, home, specs, now)
        if state not in last:
            last.clear()
            last[state] = _plan(context.instance, home, specs, now)
        settings, lines = last[state]
        found = _look(context.instance, home, specs, settings, lines, Memory.read(context.cursor), now)
        return dg.SensorResult(
            run_requests=[_request(context.instance, line, ask) for line, ask in found.asks],
            skip_reason=None if found.asks else _told(found),
            cursor=found.memory.written(),
        )

    return retraining_sensor


def build_retraining_plan(specs: Sequence[StrategySpec]) -> dg.AssetsDefinition:
    """Make the asset that shows what the sensor would do."""

    @dg.asset(
        group_name="automation",
        owners=OWNERS,
        kinds={"polars"},
        code_version=CODE_VERSION,
        metadata={"dagster/column_schema": PLAN_SCHEMA},
        deps=[
            "drift_report",
            *whole(*FOUNDATIONS, *(f"{spec.name}_model" for spec in specs)),
        ],
        description="What will be trained tomorrow, by what is known now: every family and strategy, whether"
        " it is due, why or why not, what it will take, and whether the week's budget allows it.",
    )
    def retraining_plan(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
        tomorrow = clock.now() + timedelta(days=1)
        settings, lines = _plan(context.instance, home, specs, tomorrow)
        # As the sensor would see it that remembers nothing: Dagster's runs are asked all the same.
        found = _look(context.instance, home, specs, settings, lines, Memory(), tomorrow)
        asked = {line.subject for line, _ in found.asks}
        rows = [
            {
                "subject": line.subject,
                "trained": _verdict(line, asked, found),
                "why": found.words[line.subject],
                "cutoffs": f"{line.first} to {line.last}" if line.first < line.last else str(line.last),
                "takes": "unknown" if line.seconds is None else told(line.seconds),
            }
            for line in lines
        ]
        seconds = _spent(context.instance, home, specs, tomorrow)
        hours = settings.budget_hours_a_week
        return dg.MaterializeResult(
            metadata={
                "plan": table_metadata(pl.DataFrame(rows), rows=100),
                "day": tomorrow.date().isoformat(),
                "spent": f"{told(seconds)} of training in the seven days before",
                "budget": "none" if hours is None else f"{hours:g} h in any seven days",
            },
        )

    return retraining_plan


daily_retraining_plan = dg.ScheduleDefinition(
    name="daily_retraining_plan",
    # After the day's data of all exchanges, before tomorrow's trainings.
    cron_schedule="50 23 * * *",
    target=dg.AssetSelection.assets("retraining_plan"),
    description="Shows every evening what would be trained tomorrow, and why.",
)


def _state(instance: dg.DagsterInstance, home: Home, specs: Sequence[StrategySpec], now: datetime) -> Any:
    """Name all that a plan depends on; the hour of the moment stands for the moment."""
    lake = home.lake()
    return (
        str(home.path),
        stale_state(lake, home.models),
        tuple(_drifted(instance, lake).items()),
        tuple(live_skill.decayed(instance, specs).items()),
        read_settings(home.path),
        now.replace(minute=0, second=0, microsecond=0),
    )


def _plan(
    instance: dg.DagsterInstance, home: Home, specs: Sequence[StrategySpec], now: datetime
) -> tuple[Retraining, list[Line]]:
    settings, lake = read_settings(home.path), home.lake()
    signs = Signs(
        _drifted(instance, lake), live_skill.decayed(instance, specs), _stale(lake, home.models, specs)
    )
    return settings, plan(lake, home.models, FOUNDATIONS, specs, settings, signs, now, FIRST_CUTOFF)


def _look(
    instance: dg.DagsterInstance,
    home: Home,
    specs: Sequence[StrategySpec],
    settings: Retraining,
    lines: Sequence[Line],
    memory: Memory,
    now: datetime,
) -> Look:
    @cache
    def became(key: str) -> Became:
        past = tries(instance, key)
        if not past.runs:
            return Became.NOTHING
        if past.working:
            return Became.WORKING
        if past.succeeded:
            return Became.SUCCEEDED
        return Became.FAILED if past.due else Became.RESTING

    hours = settings.budget_hours_a_week
    return look(memory, lines, became, hours, 0.0 if hours is None else _spent(instance, home, specs, now))


def _spent(instance: dg.DagsterInstance, home: Home, specs: Sequence[StrategySpec], now: datetime) -> float:
    return spent(instance, home.models, [*FOUNDATIONS, *(spec.name for spec in specs)], now)


def _request(instance: dg.DagsterInstance, line: Line, ask: Ask) -> dg.RunRequest:
    base = ["window_store", line.family] if line.subject == line.family else []
    below = [f"{name}_{part}" for name in line.strategies for part in ("model", "targets")]
    return dg.RunRequest(
        run_key=run_key(ask.key, tries(instance, ask.key).runs),
        asset_selection=[dg.AssetKey(name) for name in (*base, *below)],
        tags={
            TAG: ask.key,
            # All cutoffs since the last one that is trained: a month that is left out has no decisions.
            "dagster/asset_partition_range_start": line.first.isoformat(),
            "dagster/asset_partition_range_end": line.last.isoformat(),
            CAUSE: line.words[:200],
        },
    )


def _told(found: Look) -> str:
    return "; ".join(f"{subject}: {words}" for subject, words in found.words.items())


def _verdict(line: Line, asked: set[str], found: Look) -> str:
    if line.subject in asked:
        return "yes"
    if line.subject in found.waits:
        return "waits for the budget"
    return "not by itself" if line.causes else "not due"


def _drifted(instance: dg.DagsterInstance, lake: Lake) -> dict[str, str]:
    """Families that learn from what drifted, with a hash of that; none if the newest drift check passed."""
    verdict = newest_verdict(instance, DRIFT_CHECK)
    if verdict is None or verdict.passed:
        return {}
    drifted = (
        lake.read(DRIFT_RESULTS, as_of=LATEST, where=pl.col("drifted")).sort(DRIFT_RESULTS.key).collect()
    )
    # What drifted elsewhere is no cause, and the same report once more is the same cause.
    own = {family: drifted.filter(_read_by(config)) for family, config in FOUNDATIONS.items()}
    return {family: fingerprint(rows)[:16] for family, rows in own.items() if rows.height}


def _stale(lake: Lake, models: Path, specs: Sequence[StrategySpec]) -> dict[str, Stale]:
    """Families and strategies whose newest checkpoint or models would come out otherwise today."""
    stale = find_stale(lake, models, specs, list(FOUNDATIONS.values()))
    newest = {row["result"]: row["partition"] for row in current(stale).iter_rows(named=True)}
    assets = {family: family for family in FOUNDATIONS} | {f"{spec.name}_model": spec.name for spec in specs}
    causes = {asset: cause for asset in assets if (cause := cause_of(stale, asset)) is not None}
    return {
        assets[asset]: Stale(date.fromisoformat(newest[asset]), *cause) for asset, cause in causes.items()
    }


def _read_by(config: FoundationConfig) -> pl.Expr:
    """Rows of `DRIFT_RESULTS` that concern what a family is trained on."""
    classes = [*config.asset_classes, EVERY_CLASS]
    return pl.col("exchange").is_in(config.exchanges) & pl.col("asset_class").is_in(classes)
