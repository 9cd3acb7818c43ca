"""From files that arrive to runs: the landing sensor.

What does not belong here: what is new (`lim_pipelines/landing/`), what the runs do.

The sensor reads no file: it lists the folder, compares with the ledger, and asks for one run that brings the
ledger up to date; what the ledger has learnt it turns into one load for an exchange, however many files.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
from dagster import DagsterInstance, RunsFilter

from assets.partitions import FIRST_SESSION, dates, exchanges
from assets.requests import CAUSE, EXCHANGE, IN_PROGRESS, TAG, run_key, tries
from lim_pipelines.landing.loads import APART, SPAN, coalesce, digest, news
from lim_pipelines.landing.survey import Survey, survey
from lim_pipelines.schemas import LANDING_FILES
from lim_pipelines.sources.base import QUARANTINE_AS
from resources.home import Home

QUOTE_ASSETS = [
    dg.AssetKey(name)
    for name in ("raw_quotes", "aligned_bars", "validated_bars", "resampled_bars", "model_inputs")
]
ARCHIVE_ASSETS = [dg.AssetKey("archive"), dg.AssetKey("archive_inputs")]

# All assets of a job share one partitions definition: a sensor that asks for several kinds has several jobs.
load_quotes = dg.define_asset_job("load_quotes", dg.AssetSelection.assets(*QUOTE_ASSETS))
import_archive = dg.define_asset_job("import_archive", dg.AssetSelection.assets(*ARCHIVE_ASSETS))
# Macro series and facts about instruments go along: they take a second, what has not changed commits nothing,
# and the entity master reads who is a member of an index.
load_alternative = dg.define_asset_job(
    "load_alternative",
    dg.AssetSelection.groups("alternative_data", "reference")
    | dg.AssetSelection.key_substring("text_embeddings"),
)
register_landing_files = dg.define_asset_job(
    "register_landing_files", dg.AssetSelection.assets("landing_files")
)

_LEDGER_IN_PROGRESS = RunsFilter(job_name=register_landing_files.name, statuses=IN_PROGRESS)
_WHOLE_HISTORY = timedelta(days=365 * 1000)


@dataclass(frozen=True)
class Ask:
    """A load that was asked for and has not succeeded yet.

    Parameters
    ----------
    job
        load_quotes, import_archive or load_alternative.
    exchange
        Market identifier; `QUARANTINE_AS` for alternative data.
    first, last
        Sessions, both included, ISO 8601; empty for alternative data.
    key
        What it is remembered by: the contents that are its reason, and its rectangle.
    """

    job: str
    exchange: str
    first: str
    last: str
    key: str

    def request(self, runs: int) -> dg.RunRequest:
        """Return the request for its next run, after some runs that failed."""
        tags = {TAG: self.key, EXCHANGE: self.exchange, CAUSE: self._cause()}
        key = run_key(self.key, runs)
        if self.job == load_alternative.name:
            return dg.RunRequest(run_key=key, job_name=self.job, tags=tags)
        if self.job == import_archive.name:
            return dg.RunRequest(
                run_key=key,
                job_name=self.job,
                partition_key=self.exchange,
                asset_selection=ARCHIVE_ASSETS,
                tags=tags,
            )
        first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        return exchange_date_run(
            self.exchange, self.exchange, first, last, run_key=key, job_name=self.job, tags=tags
        )

    def _cause(self) -> str:
        if self.job == load_alternative.name:
            return "files of alternative data, macro series or facts about instruments landed"
        return f"files landed with sessions {self.first} to {self.last} of {self.exchange}"


def exchange_date_run(first: str, last: str, start: date, end: date, **request: Any) -> dg.RunRequest:
    """One run over the rectangle of exchanges `first`..`last` and dates `start`..`end`."""
    tags = {
        EXCHANGE: first if first == last else f"{first}..{last}",
        "dagster/asset_partition_range_start": f"{start}|{first}",
        "dagster/asset_partition_range_end": f"{end}|{last}",
    }
    return dg.RunRequest(asset_selection=QUOTE_ASSETS, tags={**tags, **request.pop("tags", {})}, **request)


@dg.sensor(
    minimum_interval_seconds=30,
    jobs=[load_quotes, import_archive, load_alternative, register_landing_files],
    description="New, changed or removed files in the landing folder: one run that reads them into the"
    " ledger, then one load an exchange, and one of alternative data. A load that fails is asked for again.",
)
def landing_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Ask for the ledger while the folder has news for it, and for what the ledger has learnt."""
    lake, instance = home.lake(), context.instance
    memory = json.loads(context.cursor or "{}")
    asked = [Ask(**entry) for entry in memory.get("asks", [])]
    version = lake.version(LANDING_FILES)
    found = survey(home.landing, lake.revisions(LANDING_FILES, version=max(version, 0)).collect())
    # While files are read the ledger grows from block to block: what it learns is loaded when it is complete.
    reading = bool(instance.get_runs(_LEDGER_IN_PROGRESS, limit=1))
    requests: list[dg.RunRequest] = []
    if found.is_news and not reading:
        requests += _ledger_run(instance, found)

    seen = memory.get("ledger", -1)
    learnt = pl.DataFrame(schema=SPAN) if reading else news(lake, seen)
    kept, failed = [], []
    for ask in asked:
        past = tries(instance, ask.key)
        if past.succeeded:
            continue
        if past.runs and not past.working and ask.exchange in set(learnt["exchange"]):
            failed.append(ask)  # It is asked for again together with what is new.
            continue
        kept.append(ask)
        if past.due:
            requests.append(ask.request(past.runs))
    fresh = _asks(learnt, failed)
    requests += [ask.request(0) for ask in fresh]
    opened = (
        {ask.exchange for ask in fresh}
        - {QUARANTINE_AS}
        - set(instance.get_dynamic_partitions(exchanges.name or ""))
    )
    waiting = "; new files are being read" if reading else ""
    waiting += f"; {len(kept)} loads are not finished" if kept else ""
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else found.summary() + waiting,
        cursor=json.dumps(
            {"ledger": seen if reading else version, "asks": [asdict(ask) for ask in (*kept, *fresh)]}
        ),
        dynamic_partitions_requests=[exchanges.build_add_request(sorted(opened))] if opened else [],
    )


def _ledger_run(instance: DagsterInstance, found: Survey) -> Iterator[dg.RunRequest]:
    """One run for as long as there is the same to learn; after a while another, if that did not help."""
    ask = f"landing_files@{found.key()}"
    past = tries(instance, ask)
    if past.due:
        yield dg.RunRequest(
            run_key=run_key(ask, past.runs),
            job_name=register_landing_files.name,
            asset_selection=[dg.AssetKey("landing_files")],
            tags={TAG: ask, CAUSE: f"{len(found.unread)} files came or changed, {len(found.gone)} are gone"},
        )


def _asks(learnt: pl.DataFrame, failed: Sequence[Ask]) -> list[Ask]:
    """Make loads of what the ledger has learnt, together with those that failed: few an exchange."""
    old = [
        (ask.exchange, date.fromisoformat(ask.first), date.fromisoformat(ask.last), ask.key)
        for ask in failed
        if ask.job != load_alternative.name
    ]
    is_alternative = pl.col("exchange") == QUARANTINE_AS
    spans = pl.concat([learnt.filter(~is_alternative), pl.DataFrame(old, schema=SPAN, orient="row")])
    newest = date.fromisoformat(dates.get_last_partition_key() or str(FIRST_SESSION))
    kinds = (
        (load_quotes.name, coalesce(spans, FIRST_SESSION, newest, APART)),
        (import_archive.name, coalesce(spans, date.min, FIRST_SESSION - timedelta(days=1), _WHOLE_HISTORY)),
    )
    asks = [
        Ask(
            job,
            load.exchange,
            str(load.first),
            str(load.last),
            f"{job}:{load.exchange}:{load.first}..{load.last}@{load.reason}",
        )
        for job, loads in kinds
        for load in loads
    ]
    reasons = learnt.filter(is_alternative)["reason"].to_list()
    if reasons:
        reasons += [ask.key for ask in failed if ask.job == load_alternative.name]
        job = load_alternative.name
        asks.append(Ask(job, QUARANTINE_AS, "", "", f"{job}@{digest(reasons)}"))
    return asks
