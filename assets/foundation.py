"""Foundation checkpoints, one asset a family, one partition a cutoff.

What does not belong here: the model and its training (`lim_pipelines/foundation`), which run in a process
of their own.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.catalogue import OWNERS, image
from assets.partitions import RANGES, cutoff_dates, cutoffs
from assets.training import MODEL_SCHEMA, trained
from lim_pipelines import stale
from lim_pipelines.foundation.config import CODE_VERSION, FOUNDATIONS, FoundationConfig
from lim_pipelines.foundation.metrics_file import METRICS, Line, read_metrics
from lim_pipelines.foundation.plot import training_svg
from resources.home import Home
from resources.trainer import Trainer

# A checkpoint goes on from the previous cutoff's (continual training, paper section 6.2).
FROM_PREVIOUS_CUTOFF = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
)


def build_checkpoint(config: FoundationConfig) -> dg.AssetsDefinition:
    """Make the asset of one family of checkpoints."""

    @dg.asset(
        name=config.name,
        partitions_def=cutoffs,
        backfill_policy=RANGES,
        deps=["window_store", dg.AssetDep(config.name, partition_mapping=FROM_PREVIOUS_CUTOFF)],
        description=f"Foundation checkpoints pretrained on {', '.join(config.exchanges)} at"
        f" {', '.join(config.freqs)}: a patch transformer, {config.context} bars of context to"
        f" {config.horizon} bars of horizon.",
        group_name="foundation",
        owners=OWNERS,
        kinds={"pytorch", "lightning"},
        code_version=CODE_VERSION,
        pool="training",
        metadata={
            "dagster/column_schema": MODEL_SCHEMA,
            "config": dg.MetadataValue.json(config.model_dump(mode="json")),
        },
    )
    def checkpoint(
        context: dg.AssetExecutionContext, home: Home, trainer: Trainer
    ) -> dg.MaterializeResult[Any]:
        lake, folder = home.lake(), home.models / config.name
        before = stale.versions(lake)
        results = trainer.run(
            context,
            "lim_pipelines.foundation.train",
            {
                "lake": lake.root,
                "models": str(home.models),
                "windows": str(home.windows),
                "family": config.name,
                "cutoffs": [cutoff.isoformat() for cutoff in cutoff_dates(context)],
                "config": config.model_dump(mode="json"),
            },
            lambda: _under_way(folder),
        )
        stale.record_trained(lake, config, results, before)
        last = Path(results[-1]["folder"])
        return trained(folder, results, _plot(f"{config.name} {results[-1]['cutoff']}", read_metrics(last)))

    return checkpoint


def _under_way(folder: Path) -> dict[str, Any]:
    """Say what the training that runs now has come to; empty before its first steps."""
    running = sorted(folder.glob(f"*/.work-*/{METRICS}"), key=lambda path: path.stat().st_mtime)
    lines = read_metrics(running[-1].parent) if running else []
    if not lines:
        return {}
    cutoff = running[-1].parent.parent.name
    shown = {name: value for name, value in lines[-1].items() if isinstance(value, int | float)}
    return {"cutoff": cutoff, **shown, "plot": _plot(f"{folder.name} {cutoff}", lines)}


def _plot(title: str, lines: list[Line]) -> dg.MetadataValue:
    return image(training_svg(title, lines).encode(), title, "svg+xml")


ASSETS = [build_checkpoint(config) for config in FOUNDATIONS.values()]
