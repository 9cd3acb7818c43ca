"""Run the whole lineage on the embedded data, through Dagster, in this process: `make demo`.

Range runs against the persistent instance in $DAGSTER_HOME, so that `make ui` shows all of them. What is
already materialized is not run again, and a demo that was killed goes on where it stopped: every step is
idempotent. What does not belong here: anything a user of the UI would miss.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from tqdm import tqdm

from assets.marts import NAMES as MARTS
from assets.partitions import FIRST_SESSION, exchanges
from lim_pipelines import standings
from lim_pipelines.backtest.summary import summary
from lim_pipelines.definitions import defs, load_strategies
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import SCORES
from resources.home import Home

LAST_SESSION = date(2018, 12, 31)
"""The embedded indices end here."""

EXCHANGES = ("XNAS", "XNYM", "XNYS", "XSIM")
"""Those of the embedded data."""

FIRST_CUTOFF, LAST_CUTOFF = "2018-01-01", "2018-12-01"
QUOTES = ("raw_quotes", "aligned_bars", "validated_bars", "resampled_bars")
SHAPES = ("facts", "events", "texts", "relations")
ALTERNATIVE = (
    "alternative_files",
    *(f"raw_{shape}" for shape in (*SHAPES, "claims")),
    *("entities", "entity_links", "link_reviews"),
    *(f"aligned_{shape}" for shape in SHAPES),
    *(f"validated_{shape}" for shape in SHAPES),
)
STRATEGIES = ("wti_transfer", "xsim_long_short")
"""Those that the demo runs, one on real data and one on the simulated exchange.

Not all that are loaded: a user's own may need data that the demo does not have.
"""

DEMO_TAG = {"lim/demo": "true"}
NOT_SHOWN = {
    "releases": "what a person let through: there is nobody to ask",
    "look_ahead_audit": "trains everything again: minutes, once a week",
    "history_paths": "the linear control on every path of folds: a study for readers of the report",
    "freshness": "which sessions are due today: the demo's end in 2018",
    "stale_results": "what a correction has made stale: nothing was corrected",
    "redo": "a request of a person",
    "retraining_plan": "what tomorrow would train; sensors are off",
}
"""Assets that the demo leaves to people and schedules, and why."""


@dataclass(frozen=True)
class Stage:
    """One range run.

    Parameters
    ----------
    title
        What the progress bar says.
    assets
        Names of the assets that run.
    start, end
        First and last partition key; empty for assets without partitions.
    """

    title: str
    assets: tuple[str, ...]
    start: str = ""
    end: str = ""


def stages(mics: Sequence[str]) -> list[Stage]:
    """List the lineage, in order; `mics` are the exchanges in the order of their partitions."""
    first, last = f"{FIRST_SESSION}|{mics[0]}", f"{LAST_SESSION}|{mics[-1]}"
    cutoffs = (FIRST_CUTOFF, LAST_CUTOFF)
    return [
        Stage("macro series", ("raw_macro", "aligned_macro", "validated_macro")),
        Stage("archive: history to 2018-09", ("archive",), mics[0], mics[-1]),
        Stage("quotes: 92 days x 4 exchanges", QUOTES, first, last),
        Stage("actions, rolls, members", ("corporate_actions", "futures_rolls", "index_members")),
        Stage("continuous futures", ("continuous_futures",)),
        Stage("landing folder", ("landing_files",)),
        Stage("alternative data", ALTERNATIVE),
        Stage("texts, market windows", ("text_embeddings", "market_windows")),
        Stage("graph of companies", ("graph_embeddings",), *cutoffs),
        Stage("model inputs: history", ("archive_inputs",), mics[0], mics[-1]),
        Stage("model inputs: 92 days x 4 exchanges", ("model_inputs",), first, last),
        Stage("panorama", ("coverage", "instrument_timelines", "source_staleness")),
        Stage("Data Docs", ("data_docs",)),
        Stage("drift", ("drift_report",)),
        Stage("SQL marts", MARTS),
        Stage("window store", ("window_store",), *cutoffs),
        Stage("foundation: real", ("foundation_checkpoint",), *cutoffs),
        Stage("foundation: simulated", ("xsim_foundation_checkpoint",), *cutoffs),
        Stage("champions", ("foundation_champion",)),
        *(
            Stage(f"{name}: models, targets", (f"{name}_model", f"{name}_targets"), *cutoffs)
            for name in STRATEGIES
        ),
        *(Stage(f"{name}: backtest", (f"{name}_backtest",)) for name in STRATEGIES),
        *(Stage(f"{name}: robustness", (f"{name}_robustness",)) for name in STRATEGIES),
        Stage("effectiveness", ("effectiveness",)),
        Stage("universality", ("universality",)),
        Stage("leaderboard", ("leaderboard",)),
        Stage("housekeeping of the lake", ("lake_maintenance",)),
    ]


def keys_of(
    instance: DagsterInstance, partitions: dg.PartitionsDefinition[str], stage: Stage
) -> Sequence[str]:
    """Keys of the partitions of a stage."""
    # Of the definitions only that of two dimensions takes the instance as an argument.
    with dg.partition_loading_context(dynamic_partitions_store=instance):
        return partitions.get_partition_keys_in_range(dg.PartitionKeyRange(stage.start, stage.end))


def is_done(instance: DagsterInstance, stage: Stage) -> bool:
    """Whether every partition of the stage is materialized by the present code."""
    graph = defs.resolve_asset_graph()
    for name in stage.assets:
        key, node = dg.AssetKey(name), graph.get(dg.AssetKey(name))
        event = instance.get_latest_materialization_event(key)
        materialization = event.asset_materialization if event else None
        if (
            materialization is None
            or (materialization.tags or {}).get("dagster/code_version") != node.code_version
        ):
            return False
        if node.partitions_def is not None:
            wanted = set(keys_of(instance, node.partitions_def, stage))
            if wanted - set(instance.get_materialized_partitions(key)):
                return False
    return True


def bury_the_dead(instance: DagsterInstance) -> None:
    """Mark runs of an earlier demo that was killed as failed; nothing works on them any more."""
    unfinished = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED]
    for run in instance.get_runs(RunsFilter(statuses=unfinished, tags=DEMO_TAG)):
        instance.report_run_failed(
            run, "The demo was stopped before this run ended; `make demo` goes on from there."
        )


def run_stage(instance: DagsterInstance, stage: Stage) -> None:
    """Run a stage as one Dagster run over its whole range of partitions."""
    keys = [dg.AssetKey(name) for name in stage.assets]
    job = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=set(keys), asset_check_selection=checks_of(keys)
    )
    tags = dict(DEMO_TAG)
    if stage.start:
        tags |= {
            "dagster/asset_partition_range_start": stage.start,
            "dagster/asset_partition_range_end": stage.end,
        }
    quiet = {"loggers": {"console": {"config": {"log_level": "WARNING"}}}}
    # dbt prints a line a test; a run from the UI keeps them in its log.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        result = job.execute_in_process(instance=instance, tags=tags, run_config=quiet)
    if not result.success:
        raise SystemExit(f"{stage.title}: run {result.run_id} failed; `make ui` shows why")


def checks_of(keys: list[dg.AssetKey]) -> set[dg.AssetCheckKey]:
    """All asset checks of some assets."""
    graph = defs.resolve_asset_graph()
    return {check for key in keys for check in graph.get_check_keys_for_assets({key})}


def main() -> None:
    """Run what is not done yet, then print the results."""
    warnings.filterwarnings("ignore")
    logging.getLogger("dagster").setLevel(logging.WARNING)
    home = Home()
    began = time.monotonic()
    with DagsterInstance.get() as instance:
        bury_the_dead(instance)
        instance.add_dynamic_partitions(exchanges.name or "", list(EXCHANGES))
        mics = [mic for mic in instance.get_dynamic_partitions(exchanges.name or "") if mic in EXCHANGES]
        bar = tqdm(stages(mics), unit="stage", disable=None)
        ran = False
        for stage in bar:
            bar.set_description(f"{stage.title:32.32}")
            # What follows a stage that ran has to look again; it finds at once what has not changed.
            if not ran and is_done(instance, stage):
                continue
            ran = True
            start = time.monotonic()
            run_stage(instance, stage)
            tqdm.write(f"  {stage.title:32} {time.monotonic() - start:6.1f} s", file=sys.stdout)
    print(f"\nlineage complete in {time.monotonic() - began:.0f} s\n")
    print_results(home)


COLUMNS = (
    ("arm", "{arm}"),
    ("seeds", "{seeds:.0f}"),
    ("net Sharpe", "{sharpe:.2f}"),
    ("(lowest, highest)", "({sharpe_min:.2f}, {sharpe_max:.2f})"),
    ("gross Sharpe", "{gross_sharpe:.2f}"),
    ("CAGR", "{cagr:.1%}"),
    ("max drawdown", "{max_drawdown:.1%}"),
    ("turnover", "{turnover_per_year:.1f}"),
    ("rank IC", "{rank_ic:.3f}"),
)
"""Columns of the printed table, and how a row of `backtest.summary` fills them."""


def print_line(cells: list[str]) -> None:
    """Print one line of the table."""
    print(
        "  "
        + "  ".join(f"{cell:>{max(11, len(name))}}" for cell, (name, _) in zip(cells, COLUMNS, strict=True))
    )


def print_results(home: Home) -> None:
    """Print the short table: one line an arm, net of costs with gross beside, and the verdicts."""
    lake = home.lake()
    scores = lake.read(SCORES, as_of=LATEST).collect()
    board = standings.leaderboard(lake, load_strategies()[1])
    if not board.height:
        raise SystemExit(f"no results in {home.path}; `make clean`, then `make demo`")
    for row in board.iter_rows(named=True):
        print(f"{row['strategy']} · {row['section']} · {row['days']} sessions out of sample")
        own = scores.filter(pl.col("strategy") == row["strategy"])
        arms = [row["arm"], *sorted(set(own["arm"]) - {row["arm"]})]
        print_line([name for name, _ in COLUMNS])
        for arm in summary(own, arms).fill_null(math.nan).iter_rows(named=True):
            print_line([form.format(**arm) for _, form in COLUMNS])
        print(f"  {row['verdict']}\n")
    for report in sorted(home.reports.glob("*.html")):
        print(f"report: {os.path.relpath(report)}")
    print("the lineage in the Dagster UI: make ui")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # duckdb's binding prints pages of leak warnings while the interpreter is taken apart; all is written.
    os._exit(0)
