"""Strategies from YAML: one component makes a strategy's models, targets and backtest.

What does not belong here: what a strategy may say (`lim_pipelines/strategies/spec.py`), training
(`lim_pipelines/finetune`), positions (`lim_pipelines/portfolio`), backtests (`lim_pipelines/backtest`). A
new strategy is `dg scaffold defs` and ten lines of YAML.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import dagster as dg
from pydantic import BaseModel

from assets.audits_models import build_strategy_audits
from assets.catalogue import OWNERS, column_schema, image, table_asset, table_metadata, written
from assets.partitions import BARS, INPUTS, RANGES, cutoff_dates, cutoffs, whole
from assets.robustness import build_robustness
from assets.training import MODEL_SCHEMA, trained
from lim_pipelines import stale, walkforward
from lim_pipelines.finetune.plan import CODE_VERSION as FIT_VERSION
from lim_pipelines.lake import scope_of
from lim_pipelines.places import Places
from lim_pipelines.schemas import BACKTEST_DAILY, TARGETS
from lim_pipelines.strategies.check import check
from lim_pipelines.strategies.document import SpecError
from lim_pipelines.strategies.spec import StrategySpec
from lim_pipelines.strategies.template import SHORTEST, template
from lim_pipelines.walkforward import CODE_VERSION as RESULTS_VERSION
from resources.home import Home
from resources.trainer import Trainer

DEFS = Path(walkforward.__file__).parent / "defs"
"""Folder of the strategies' YAML."""


class CheckedSpec(StrategySpec):
    """A strategy's YAML, whose JSON schema is given out only where all strategies are right.

    `dg check yaml` knows JSON schema only, and of all files of one component type it looks at the last one
    only. So what it asks for, the schema, checks all of them, and by all rules: those over several fields and
    those of the data that LIM_HOME holds, too.
    """

    @classmethod
    def model_json_schema(cls, *args: Any, **settings: Any) -> dict[str, Any]:
        """Return the schema.

        Raises
        ------
        click.ClickException
            A strategy is wrong, or asks of the data what they cannot give; all of them are named.
        """
        found = check(DEFS, Places.find().lake())
        if found.wrong or found.unfit:
            raise click.ClickException("\n".join(["strategies:", *found.wrong, *found.unfit]))
        return super().model_json_schema(*args, **settings)


class Beginning(BaseModel):
    """What `dg scaffold defs` may be told of a new strategy.

    Parameters
    ----------
    example
        Folder below `lim_pipelines/examples` that it begins as.
    """

    example: str = SHORTEST


class StrategyScaffolder(dg.Scaffolder[Beginning]):
    """Writes the YAML of a new strategy.

    `dg scaffold defs assets.strategies.StrategyComponent <name> [--example <name>]`.
    """

    @classmethod
    def get_scaffold_params(cls) -> type[Beginning]:
        """Return what may be told."""
        return Beginning

    def scaffold(self, request: dg.ScaffoldRequest[Beginning]) -> None:
        """Write it."""
        try:
            text = template(request.target_path.name, request.params.example)
        except SpecError as error:
            request.target_path.rmdir()
            raise click.ClickException(str(error)) from error
        (request.target_path / "defs.yaml").write_text(text, encoding="utf-8")


@dg.scaffold_with(StrategyScaffolder)
@dataclass
class StrategyComponent(dg.Component):
    """A strategy: fine-tuned models, target weights, a backtest and its report.

    Parameters
    ----------
    spec
        What the YAML's `attributes` say.
    """

    spec: StrategySpec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """Return the schema of the YAML's attributes; editors and `dg check yaml` use it."""
        return CheckedSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> "StrategyComponent":
        """Make the component from its checked attributes."""
        if not isinstance(attributes, StrategySpec):
            raise TypeError(
                f"{context.path}: a strategy needs `attributes:`; copy lim_pipelines/defs/wti_transfer"
            )
        return cls(StrategySpec.model_validate(attributes.model_dump()))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Assets of the strategy, and the checks that nothing of them looks ahead."""
        return dg.Definitions(
            assets=[
                build_model(self.spec),
                build_targets(self.spec),
                build_backtest(self.spec),
                build_robustness(self.spec, _read_by(self.spec)),
            ],
            asset_checks=build_strategy_audits(self.spec),
        )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read_by(spec: StrategySpec) -> list[dg.AssetDep]:
    """Name what models and decisions of a strategy read of the lake."""
    return [*BARS, *(INPUTS if spec.features else ())]


def build_model(spec: StrategySpec) -> dg.AssetsDefinition:
    """Make the asset of a strategy's fine-tuned models, all arms and seeds."""

    @dg.asset(
        name=f"{spec.name}_model",
        partitions_def=cutoffs,
        backfill_policy=RANGES,
        deps=[spec.foundation, *_read_by(spec)],
        description=f"Models of {spec.name} at each cutoff: {spec.method} from {spec.foundation}, beside "
        f"{', '.join(spec.controls) or 'no controls'}.",
        group_name=spec.name,
        owners=OWNERS,
        kinds={"pytorch"},
        code_version=f"{FIT_VERSION}-{_short(spec.model_config_json())}",
        pool="training",
        metadata={
            "dagster/column_schema": MODEL_SCHEMA,
            "spec": dg.MetadataValue.json(spec.model_dump(mode="json")),
        },
    )
    def model(context: dg.AssetExecutionContext, home: Home, trainer: Trainer) -> dg.MaterializeResult[Any]:
        lake = home.lake()
        before = stale.versions(lake)
        results = trainer.run(
            context,
            "lim_pipelines.finetune.train",
            {
                "lake": lake.root,
                "models": str(home.models),
                "strategy": spec.model_dump(mode="json"),
                "cutoffs": [cutoff.isoformat() for cutoff in cutoff_dates(context)],
            },
        )
        stale.record_trained(lake, spec, results, before)
        return trained(home.models / spec.name, results, None)

    return model


def build_targets(spec: StrategySpec) -> dg.AssetsDefinition:
    """Make the asset of a strategy's target weights."""

    @table_asset(
        TARGETS,
        spec.name,
        name=f"{spec.name}_targets",
        description=f"Target weights of {spec.name} for the sessions from each cutoff to the next, every arm"
        " and seed.",
        code_version=f"{RESULTS_VERSION}-{spec.digest()[:12]}",
        partitions_def=cutoffs,
        deps=[f"{spec.name}_model", *_read_by(spec), *(["entity_links"] if spec.reads_industries else [])],
    )
    def targets(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[Any]:
        lake, days = home.lake(), cutoff_dates(context)
        scope = scope_of({"strategy": [spec.name], "cutoff": days})
        before = stale.versions(lake)
        rows = walkforward.decide(lake, home.models, spec, days)
        commit = lake.write(TARGETS, rows, scope)
        stale.record_targets(lake, home.models, spec, days, rows, before)
        return written(lake, TARGETS, commit, scope, {"sample": table_metadata(rows.tail(10))})

    return targets


def build_backtest(spec: StrategySpec) -> dg.AssetsDefinition:
    """Make the asset of a strategy's stitched out-of-sample backtest and report."""

    @dg.asset(
        name=f"{spec.name}_backtest",
        deps=[*whole(f"{spec.name}_targets"), *BARS],
        group_name=spec.name,
        owners=OWNERS,
        kinds={"polars", "html"},
        code_version=f"{RESULTS_VERSION}-{spec.digest()[:12]}",
        description=f"Walk-forward backtest of {spec.name}: the out-of-sample pieces of all cutoffs, net of"
        " costs, gross beside; with a self-contained HTML report.",
        metadata={"dagster/column_schema": column_schema(BACKTEST_DAILY)},
    )
    def backtest(home: Home) -> dg.MaterializeResult[Any]:
        lake = home.lake()
        before = stale.versions(lake)
        result = walkforward.backtest(lake, home.models, home.reports, spec)
        stale.record_backtest(lake, spec, before)
        scope = scope_of({"strategy": [spec.name]})
        return written(
            lake,
            BACKTEST_DAILY,
            result.commit,
            scope,
            {
                "verdict": result.verdict,
                "report": dg.MetadataValue.path(result.report),
                "results": table_metadata(result.summary, rows=40),
                "equity": image(result.equity_png, "equity curve, net and gross"),
                **({"modalities": table_metadata(result.modalities)} if result.modalities.height else {}),
            },
        )

    return backtest
