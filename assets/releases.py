"""Letting through what the gate holds back although it is right: who, why, and the run that publishes it.

What does not belong here: what a release is (`lim_pipelines/validate/releases.py`), applying it
(`lim_pipelines/validate/gate.py`).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from assets.arrivals import import_archive, load_quotes
from assets.catalogue import table_asset, table_metadata, written
from assets.partitions import BARS
from assets.rebuilds import Rebuild, cut, unfinished
from lim_pipelines import clock
from lim_pipelines.align.revisions import merge
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.landing.loads import coalesce
from lim_pipelines.schemas import GATE_RESULTS, RELEASES, VALIDATED_BARS
from lim_pipelines.validate.releases import SINCE, releasable
from lim_pipelines.validate.rules import RULES
from resources.home import Home

_DAILY, _ARCHIVE = ("validated_bars", "resampled_bars", "model_inputs"), ("archive", "archive_inputs")

_CAUSE = "people released what the gate held back"

_WEEKEND = timedelta(days=4)
"""Released sessions no further apart are validated in one run: closed days between them cost little."""


class Release(dg.Config):
    """What is let through, who answers for it, and why."""

    exchange: str = Field(description="market identifier")
    first: str = Field(description="first session, such as 2018-11-20")
    last: str = Field(description="last session, included")
    rule: str = Field(description="the blocking rule that is waived, as the check names it")
    symbol: str = Field(default="", description="instrument id; empty: all that the rule holds there")
    since: str = Field(
        description="arrival: known as it came, which puts history right; release: known from now on"
    )
    released_by: str = Field(description="who answers for it")
    why: str = Field(description="why it is right")


def _days(config: Release) -> tuple[date, date]:
    try:
        first, last = date.fromisoformat(config.first), date.fromisoformat(config.last)
    except ValueError as error:
        raise dg.Failure(f"first and last: {error}; write dates such as 2018-11-20") from error
    if first > last:
        raise dg.Failure(f"first: {first} is after last, {last}; exchange them")
    return first, last


def _refuse_unfit(config: Release) -> None:
    """Refuse what could be no release of anything, and say what to write."""
    names = {rule.name for rule in RULES if (rule.table, rule.severity) == (VALIDATED_BARS.name, "blocking")}
    if config.rule not in names:
        raise dg.Failure(
            f"rule: no blocking rule of bars is named {config.rule!r}; write one of"
            f" {', '.join(sorted(names))}"
        )
    if config.since not in SINCE:
        raise dg.Failure(
            f"since: {config.since!r} is neither; write arrival (known as it came: history is put right) or"
            " release (known from now on: no decision of the past can have used it)"
        )
    for name, text in (("released_by", config.released_by), ("why", config.why)):
        if not text.strip():
            raise dg.Failure(f"{name}: is empty; a release is recorded with who answers for it and why")


def _held_there(lake: Lake, config: Release) -> str:
    """Say what is held of the exchange, for whoever asked for something that is not."""
    blocked = (pl.col("severity") == "blocking") & (pl.col("exchange") == config.exchange)
    found = (
        lake.read(GATE_RESULTS, as_of=LATEST, where=blocked & (pl.col("released") < pl.col("failed")))
        .group_by("rule")
        .agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"), pl.sum("failed"))
        .sort("rule")
        .collect()
    )
    if found.is_empty():
        return f"the gate holds nothing back of {config.exchange or 'an exchange without name'}"
    said = (
        f"{rule} ({failed} rows, {first} to {last})"
        for rule, first, last, failed in found.head(8).iter_rows()
    )
    return f"of {config.exchange} the gate holds back: " + "; ".join(said)


@table_asset(
    RELEASES,
    "validation",
    deps=BARS,
    description="What people let through although it fails a blocking rule: who, why, what. Materialise it"
    " with the config that the red check gives; the sensor publishes what was released.",
)
def releases(context: dg.AssetExecutionContext, home: Home, config: Release) -> dg.MaterializeResult[Any]:
    """Record the release of what a rule holds back now."""
    _refuse_unfit(config)
    first, last = _days(config)
    lake = home.lake()
    found = releasable(lake, config.exchange, first, last, config.rule, config.symbol or None)
    if found.is_empty():
        about = f" of {config.symbol}" if config.symbol else ""
        raise dg.Failure(
            f"{config.rule} holds nothing{about} on {config.exchange} from {first} to {last}:"
            f" {_held_there(lake, config)}"
        )
    now, scope = clock.now(), found.select(RELEASES.partition_key).unique()
    rows = RELEASES.conform(
        found.with_columns(
            since=pl.lit(config.since),
            released_by=pl.lit(config.released_by.strip()),
            why=pl.lit(config.why.strip()),
            known_at=pl.lit(now),
        )
    )
    commit = lake.update(RELEASES, scope, lambda there: merge(there, rows, now, RELEASES))
    context.instance.add_run_tags(
        context.run_id, {"lim/released_by": config.released_by.strip(), "lim/rule": config.rule}
    )
    return written(
        lake,
        RELEASES,
        commit,
        scope,
        {
            "released_by": config.released_by.strip(),
            "why": config.why.strip(),
            "released": table_metadata(rows.drop("content", "known_at")),
            "next": "releases_sensor validates these partitions again and builds what follows; if it is off,"
            " materialise validated_bars for them",
        },
    )


@dg.sensor(
    minimum_interval_seconds=30,
    jobs=[load_quotes, import_archive],
    description="Releases that people have recorded: validates these partitions again (of the archive the"
    " whole exchange), and makes what follows from them. A failed run is asked for again.",
)
def releases_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Ask for partitions of which something was released since the last look, and for those that failed."""
    lake, memory = home.lake(), json.loads(context.cursor or "{}")
    version = lake.version(RELEASES)
    open_asks = unfinished(context.instance, (Rebuild(**entry) for entry in memory.get("asks", [])))
    kept = [ask for ask, _ in open_asks]
    requests = [ask.request(runs, _DAILY, _ARCHIVE, _CAUSE) for ask, runs in open_asks if runs is not None]
    fresh = list(_asks(lake, memory.get("seen", -1), version))
    requests += [ask.request(0, _DAILY, _ARCHIVE, _CAUSE) for ask in fresh]
    waiting = f"; {len(kept)} runs are not finished" if kept else ""
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else f"nobody has released anything since the last look{waiting}",
        cursor=json.dumps({"seen": version, "asks": [asdict(ask) for ask in (*kept, *fresh)]}),
    )


def _asks(lake: Lake, seen: int, version: int) -> Iterator[Rebuild]:
    news = lake.changed_since(RELEASES, seen) if version > seen else RELEASES.empty()
    day = pl.col("date").cast(pl.Date)
    spans = news.select("exchange", first_date=day, last_date=day, reason=pl.lit(f"v{version}"))
    for load in coalesce(spans, date.min, date.max, _WEEKEND):
        key = f"release:{load.exchange}:{load.first}..{load.last}@v{version}"
        yield from cut(load.exchange, load.first, load.last, key)


ASSETS = [releases]
SENSORS = [releases_sensor]
