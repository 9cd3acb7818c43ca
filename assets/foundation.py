"""Foundation checkpoints, one asset a family, one partition a cutoff.

What does not belong here: the model and its training (`lim_pipelines/foundation`), which run in a process
of their own.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from assets.catalogue import OWNERS, image
from assets.partitions import BARS, cutoff_dates, cutoffs
from assets.training import MODEL_SCHEMA, trained
from lim_pipelines.foundation.config import CODE_VERSION, FOUNDATIONS, FoundationConfig
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
        deps=[*BARS, dg.AssetDep(config.name, partition_mapping=FROM_PREVIOUS_CUTOFF)],
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
        results = trainer.run(
            context,
            "lim_pipelines.foundation.train",
            {
                "lake": home.lake().root,
                "models": str(home.models),
                "family": config.name,
                "cutoffs": [cutoff.isoformat() for cutoff in cutoff_dates(context)],
                "config": config.model_dump(mode="json"),
            },
        )
        curve = Path(results[-1]["folder"]) / "loss.svg"
        plot = image(curve.read_bytes(), f"training loss, {results[-1]['cutoff']}", "svg+xml")
        return trained(home.models / config.name, results, plot)

    return checkpoint


ASSETS = [build_checkpoint(config) for config in FOUNDATIONS.values()]
