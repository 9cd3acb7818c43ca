"""One action for stale results: materialise `redo`, and the sensor has them made again.

What does not belong here: what is stale and in which order it is made again (`lim_pipelines/stale`), the
newest results, which policies make again without being asked.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from assets.catalogue import table_asset, table_metadata, written
from assets.requests import CAUSE, TAG, Tries, at_work, run_key, tries
from assets.results import BOARDS
from assets.stale_results import GROUP, results_of
from lim_pipelines import clock
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import REDO_REQUESTS
from lim_pipelines.stale import stale
from lim_pipelines.stale.redo import Run, UnknownResultError, needed, next_runs
from lim_pipelines.strategies.spec import StrategySpec
from resources.home import Home


class Redo(dg.Config):
    """Which stale results are made again."""

    result: str = Field(
        default="all",
        description="all, or an asset such as xsim_long_short_targets: what is stale of it, and of what it is"
        " made from",
    )
    since: str = Field(default="", description="first cutoff, such as 2018-10-01; empty: all")


def build_redo(specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]) -> dg.AssetsDefinition:
    """Make the asset that records what people want to be made again."""

    @table_asset(
        REDO_REQUESTS,
        GROUP,
        name="redo",
        description="Has stale results made again: materialise it with what (all, or an asset) and from"
        " which cutoff on; redo_sensor asks for the runs, parents before children, oldest cutoffs first.",
    )
    def redo(context: dg.AssetExecutionContext, home: Home, config: Redo) -> dg.MaterializeResult[Any]:
        try:
            names = needed(config.result, specs)
            since = date.fromisoformat(config.since) if config.since else None
        except UnknownResultError as error:
            raise dg.Failure(str(error)) from error
        except ValueError as error:
            raise dg.Failure(f"since: {error}; write a date such as 2018-10-01, or nothing") from error
        lake = home.lake()
        found = stale(lake, home.models, specs, configs)
        asked = found.filter(pl.col("result").is_in(names))
        if since is not None:
            asked = asked.filter((pl.col("partition") == "") | (pl.col("partition") >= since.isoformat()))
        rows = pl.DataFrame(
            [(context.run_id, config.result, since, clock.now())], schema=REDO_REQUESTS.schema, orient="row"
        )
        commit = lake.write(REDO_REQUESTS, rows, rows.select("request"))
        return written(
            lake,
            REDO_REQUESTS,
            commit,
            rows.select("request"),
            {
                "results": results_of(asked).height,
                "made_again": table_metadata(asked.select("result", "partition", "why"), rows=60),
                "next": "redo_sensor asks for the runs, where it is switched on; until then nothing happens",
            },
        )

    return redo


def build_redo_sensor(
    specs: Sequence[StrategySpec], configs: Sequence[FoundationConfig]
) -> dg.SensorDefinition:
    """Make the sensor that turns requests into runs.

    A sensor and no backfill: which partitions must follow is known only when their parents are made, as what
    comes out as it was has no followers. One request after the other, and of each at most one run a family,
    so that a correction of ten years ago leaves room for tonight's training. It never asks for what is not
    stale, and never again for what has been made: what became stale since is listed, and asked for anew.
    """

    @dg.sensor(
        name="redo_sensor",
        minimum_interval_seconds=30,
        target=dg.AssetSelection.groups("foundation")
        | dg.AssetSelection.key_substring("_model")
        | dg.AssetSelection.key_substring("_targets")
        | dg.AssetSelection.key_substring("_backtest")
        | dg.AssetSelection.assets(*BOARDS),
        description="What people asked `redo` for: asks for the runs, parents before children, oldest cutoffs"
        " first, one a family at a time. A failed run is asked for again.",
    )
    def redo_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
        lake, memory = home.lake(), json.loads(context.cursor or "{}")
        version = lake.version(REDO_REQUESTS)
        waiting = [*memory.get("waiting", []), *_fresh(lake, memory.get("seen", -1), version)]
        said = "nobody has asked for anything to be made again; stale_results lists what is stale"
        requests: list[dg.RunRequest] = []
        # Only ticks that someone waits for compare results.
        found = stale(lake, home.models, specs, configs) if waiting else pl.DataFrame()
        while waiting:
            runs = list(_runs(context.instance, found, specs, _asked(lake, waiting[0])))
            requests = [run for run in runs if run is not None]
            if runs:
                said = f"request {waiting[0][:8]}: its runs are at work, or rest before they are tried again"
                break
            said = f"request {waiting.pop(0)[:8]} is done"
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else said,
            cursor=json.dumps({"seen": version, "waiting": waiting}),
        )

    return redo_sensor


def _fresh(lake: Lake, seen: int, version: int) -> list[str]:
    """Return requests that were recorded since the last look, earliest first."""
    if version <= seen:
        return []
    news = lake.changed_since(REDO_REQUESTS, seen)
    rows = lake.read(REDO_REQUESTS, as_of=LATEST).collect().join(news, on="request", how="semi")
    return rows.sort("asked_at")["request"].to_list()


def _asked(lake: Lake, request: str) -> dict[str, Any]:
    """Return the row of `REDO_REQUESTS` of a request."""
    [row] = lake.read(REDO_REQUESTS, as_of=LATEST, where=pl.col("request") == request).collect().to_dicts()
    return row


def _runs(
    instance: dg.DagsterInstance, found: pl.DataFrame, specs: Sequence[StrategySpec], asked: dict[str, Any]
) -> Iterator[dg.RunRequest | None]:
    """Go through the runs that a request is at now: what to ask for, None for one that works or rests."""

    def of(run: Run) -> tuple[str, Tries]:
        key = f"redo:{asked['request'][:8]}:{run.key}"
        return key, tries(instance, key)

    working = at_work(instance)
    # What was made, and is stale again or still, is a matter for the next request.
    for run in next_runs(found, specs, asked["result"], asked["since"], lambda run: of(run)[1].succeeded):
        key, past = of(run)
        # What a policy has asked for, too: it may be fresh when that has ended.
        if not past.due or not working.isdisjoint(run.assets):
            yield None
            continue
        why = found.filter(pl.col("result") == run.assets[0])["why"][0]
        tags = {TAG: key, CAUSE: f"redo {asked['result']}: {why}"[:200]}
        if run.first is not None:
            tags["dagster/asset_partition_range_start"] = str(run.first)
            tags["dagster/asset_partition_range_end"] = str(run.last)
        yield dg.RunRequest(
            run_key=run_key(key, past.runs),
            asset_selection=[dg.AssetKey(name) for name in run.assets],
            tags=tags,
        )
