"""The composition root: the one place where library, assets and resources meet.

What does not belong here: anything that could be tested without Dagster. Importing this file must stay
quick and must not load torch, lightning, great_expectations, cvxpy, pandas or scipy
(`tests/test_architecture.py`).
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import dagster as dg

# Components and code references are beta and preview in dagster 1.13; the pin is exact, so the warnings say
# nothing.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
# So they are silenced before the modules that use them are imported: hence E402 below.

from assets import (  # noqa: E402
    alternative,
    audits_data,
    audits_models,
    automation,
    backfills,
    champion,
    checks,
    data_docs,
    derived,
    drift,
    embeddings,
    entities,
    evaluation,
    foundation,
    freshness,
    gate_checks,
    history_paths,
    landing,
    leaderboard,
    live_skill,
    macro,
    maintenance,
    marts,
    model_inputs,
    panorama,
    quotes,
    redo,
    reference,
    releases,
    results,
    retraining,
    sentinel,
    stale_results,
    window_store,
)
from assets.strategies import DEFS, StrategyComponent  # noqa: E402
from lim_pipelines.foundation.config import FOUNDATIONS  # noqa: E402
from lim_pipelines.places import Places  # noqa: E402
from lim_pipelines.strategies.check import check  # noqa: E402
from lim_pipelines.strategies.document import SpecError  # noqa: E402
from lim_pipelines.strategies.spec import StrategySpec  # noqa: E402
from resources.home import Home  # noqa: E402
from resources.trainer import Trainer  # noqa: E402
from resources.warehouse import Warehouse  # noqa: E402


def load_strategies() -> tuple[dg.Definitions, list[StrategySpec]]:
    """Build the strategies of `lim_pipelines/defs`, one folder each.

    Not `dg.load_from_defs_folder`: that imports every installed component library (dagster_dbt: 2.5 s).

    Raises
    ------
    SpecError
        A strategy's YAML is wrong. What only the data cannot bear yet is said and no error: it is this code
        location that brings more data.
    """
    found = check(DEFS, None)
    if found.wrong:
        raise SpecError("\n".join(found.wrong))
    try:
        unfit = check(DEFS, Places.find().lake()).unfit
    except Exception as error:  # whatever a store raises: without this code location nobody could mend it
        unfit = (f"strategies were not compared with the lake, which cannot be read: {error}",)
    for words in unfit:
        logging.getLogger(__name__).warning(words)
    tree = dg.ComponentTree.for_project(Path(__file__).parent)
    components = tree.get_all_components(StrategyComponent)
    specs = sorted((component.spec for component in components), key=lambda spec: spec.name)
    return tree.build_defs_at_path(tree.defs_module_path), specs


def build_definitions() -> dg.Definitions:
    """Put everything together."""
    strategies, specs = load_strategies()
    configs = list(FOUNDATIONS.values())
    home = Home()
    python_assets = [
        *quotes.ASSETS,
        *reference.ASSETS,
        *derived.ASSETS,
        *macro.ASSETS,
        *alternative.ASSETS,
        *entities.ASSETS,
        *embeddings.ASSETS,
        *model_inputs.ASSETS,
        maintenance.lake_maintenance,
        window_store.window_store,
        *foundation.ASSETS,
        *freshness.ASSETS,
        *champion.ASSETS,
        *data_docs.ASSETS,
        *drift.ASSETS,
        landing.landing_files,
        marts.marts,
        *panorama.ASSETS,
        evaluation.build_effectiveness(specs),
        evaluation.build_universality(specs),
        leaderboard.build_leaderboard(specs),
        history_paths.build_history_paths(specs),
        *releases.ASSETS,
        stale_results.build_stale_results(specs, configs),
        redo.build_redo(specs, configs),
        retraining.build_retraining_plan(specs),
        audits_data.build_look_ahead_audit(specs),
    ]
    return dg.Definitions.merge(
        strategies,
        dg.Definitions(
            assets=dg.with_source_code_references(python_assets),
            asset_checks=[
                *checks.ASSET_CHECKS,
                *gate_checks.CHECKS,
                *audits_models.CHECKS,
                *audits_data.CHECKS,
                *(live_skill.build_live_skill(spec) for spec in specs),
            ],
            jobs=[*automation.JOBS, *backfills.JOBS],
            sensors=[
                *automation.SENSORS,
                *champion.SENSORS,
                retraining.build_retraining_sensor(specs),
                sentinel.build_sentinel(specs, configs),
                redo.build_redo_sensor(specs, configs),
                results.build_results_sensor(specs, configs),
            ],
            schedules=[
                *automation.SCHEDULES,
                maintenance.weekly_maintenance,
                audits_data.weekly_look_ahead_audit,
            ],
            resources={"home": home, "warehouse": Warehouse(home=home), "trainer": Trainer()},
            # Steps of a run share a process: importing the code location again for each costs more than
            # most steps.
            executor=dg.in_process_executor,
        ),
    )


defs = build_definitions()
