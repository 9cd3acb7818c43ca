"""Drift: the newest sessions against the years before, as a table, a plot and a check.

What does not belong here: the tests (`lim_pipelines/validate/drift`), what follows (`retraining_sensor`).
"""

import dagster as dg
import polars as pl

from assets.catalogue import image, table_asset, table_metadata, written
from lim_pipelines import drawing
from lim_pipelines.inputs.registry import BLOCKS
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import DRIFT_RESULTS
from lim_pipelines.validate.drift.family import LEVEL
from lim_pipelines.validate.drift.inputs import WatchedBlock
from lim_pipelines.validate.drift.plot import drift_figure
from lim_pipelines.validate.drift.report import Report, measure
from lim_pipelines.validate.drift.windows import FEWEST_STRETCHES, RECENT_SESSIONS
from resources.home import Home

CHECK = "drift"
WATCHED = [
    WatchedBlock(
        block.name,
        {feature.name: block.place(feature.name) for feature in block.features},
        shared=block.about == "session",
    )
    for block in BLOCKS.values()
]
_MOST_NAMED = 5


@table_asset(
    DRIFT_RESULTS,
    "validation",
    name="drift_report",
    deps=["validated_bars", "archive", "model_inputs", "archive_inputs"],
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset="drift_report",
            description="Whether recent returns, volumes, spreads or model inputs look unlike the years"
            f" before; a false alarm in about one report of {1 / LEVEL:.0f}. The retraining sensor listens.",
        )
    ],
)
# Of an asset with checks dagster knows only the bare name of its result.
def drift_report(home: Home) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster takes the bare class only
    """Compare the newest sessions of each exchange with those before, write the table, judge it."""
    lake = home.lake()
    report = measure(lake, WATCHED)
    # Exchanges that can no longer be compared leave no verdict behind.
    before = lake.read(DRIFT_RESULTS, as_of=LATEST).select("exchange").collect()
    scope = pl.concat([before, report.results.select("exchange")]).unique()
    commit = lake.write(DRIFT_RESULTS, report.results, scope)
    found = report.results
    drifted = found.filter("drifted")
    metadata = {
        "tests": found.height,
        "drifted": drifted.height,
        "results": table_metadata(_for_people(found), rows=60),
    }
    if found.height:
        metadata["plot"] = image(drawing.png(drift_figure(report)), "drift")
    done = written(lake, DRIFT_RESULTS, commit, scope, metadata)
    return done._replace(check_results=[_judge(report)])


def _for_people(results: pl.DataFrame) -> pl.DataFrame:
    window = pl.concat_str("recent_first", "recent_last", separator=" to ")
    before = pl.concat_str("reference_first", "reference_last", separator=" to ")
    columns = ("exchange", "asset_class", "variable", "test", "statistic", "threshold", "drifted", "p_value")
    return results.select(*columns, recent=window, reference=before, rows="recent_rows")


def _judge(report: Report) -> dg.AssetCheckResult:
    """Say what drifted, where, since when, how much, and what follows."""
    drifted = report.results.filter("drifted")
    if report.results.is_empty():
        said = (
            f"nothing to compare yet: drift needs {(FEWEST_STRETCHES + 1) * RECENT_SESSIONS} sessions of an"
            " exchange's daily bars"
        )
    elif drifted.is_empty():
        said = f"no drift in {report.results.height} tests"
    else:
        # The worst test of each variable speaks for it.
        worst = drifted.unique(["exchange", "asset_class", "variable"], keep="first", maintain_order=True)
        named = [
            f"{r['variable']} of {r['exchange']} {r['asset_class']} since {r['recent_first']}"
            f" ({r['test']} {r['statistic']:.2g}, alarm above {r['threshold']:.2g})"
            for r in worst.head(_MOST_NAMED).iter_rows(named=True)
        ]
        more = f" and {worst.height - _MOST_NAMED} more" if worst.height > _MOST_NAMED else ""
        said = (
            f"drifted: {'; '.join(named)}{more}. Look at the plot and at the rows first: a vendor's change of"
            " units is no change of the market. If it is the market: `retraining_sensor`, where switched on,"
            " trains the families of these exchanges at the next cutoff"
        )
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=drifted.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"drifted": table_metadata(_for_people(drifted), rows=60)},
    )


ASSETS = [drift_report]
