"""Leaks in data and in the code of data, planted one by one in a small world: an audit reports each.

`LEAKS` is the list; docs/look-ahead.md shows it. Code leaks replace a function of the library by its leaky
version and run the step again; data leaks change rows. What does not belong here: leaks of models.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from world import FIRST, GONE, MIC, REUSED, REUSED_ON, World, at, make, put, put_nodes, scope

from lim_pipelines.alternative.steps import align_shape, validate_shape
from lim_pipelines.audit.data import ASSETS, audit_asset, audit_data, step_of, strength
from lim_pipelines.audit.inputs import audit_vectors
from lim_pipelines.audit.published import audit_arrivals, audit_published
from lim_pipelines.audit.tables import audit_step
from lim_pipelines.audit.verdict import Verdict
from lim_pipelines.derive import resample_bars
from lim_pipelines.ingest import align_macro_series, align_quotes, validate_macro_series
from lim_pipelines.inputs.build import build_inputs
from lim_pipelines.lake import Lake
from lim_pipelines.modalities.embed import known_edges
from lim_pipelines.modalities.store import TEXTS, Vectors
from lim_pipelines.schemas import (
    ENTITY_LINKS,
    LANDING_FILES,
    MODEL_INPUTS,
    RAW_FACTS,
    RAW_MACRO,
    RAW_QUOTES,
    RAW_TEXTS,
    VALIDATED_BARS,
    VALIDATED_RELATIONS,
    Table,
)

DAYS = scope(FIRST).head(4)
"""Sessions whose inputs are built again."""

Plant = Callable[[World, pytest.MonkeyPatch], None]
Audit = Callable[[World], list[Verdict]]


@dataclass(frozen=True)
class Leak:
    """A planted leak.

    Parameters
    ----------
    name
        What leaks, in words.
    where
        Where it is planted.
    caught_by
        The audit that must report it.
    plant, audit
        How.
    """

    name: str
    where: str
    caught_by: str
    plant: Plant
    audit: Audit


def again(asset: str, table: Table | None = None, where: pl.Expr | None = None) -> Audit:
    """Make an asset again at two or three of the moments at which something of it became known."""

    def audit(world: World) -> list[Verdict]:
        step = step_of(asset, world.vectors)
        clock = table or step.clock or step.source
        rows = world.lake.revisions(clock, where)
        days = rows.select(step.source.partition_key).unique().collect() if "date" in clock.columns else None
        if days is None:
            days = world.lake.revisions(step.source).select(step.source.partition_key).unique().collect()
        known = rows.select(pl.col("known_at").unique().sort()).collect()["known_at"].to_list()
        return audit_step(world.lake, step, days, known[:: max(1, len(known) // 2)])

    return audit


def published(asset: str) -> Audit:
    return lambda world: audit_published(world.lake, asset)


def rewrite(lake: Lake, table: Table, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change stored rows."""
    put(lake, table, change(lake.revisions(table).collect()))


def rebuild(world: World) -> None:
    build_inputs(world.lake, world.vectors, DAYS)


INPUTS = again("model_inputs", MODEL_INPUTS, pl.col("date").is_in(DAYS["date"].implode()))


def _filing_by_period_end(world: World, patch: pytest.MonkeyPatch) -> None:
    rewrite(world.lake, RAW_FACTS, lambda rows: rows.unique(RAW_FACTS.key).with_columns(known_at="ts"))
    align_shape(world.lake, "facts")
    patch.setattr("lim_pipelines.alternative.steps.validate", _all_pass)
    validate_shape(world.lake, "facts")


def _revised_macro_as_first(world: World, patch: pytest.MonkeyPatch) -> None:
    def newest(raw: pl.DataFrame) -> Any:
        last = pl.col("value").sort_by("known_at").last().over("series_id", "ts")
        return honest(raw.with_columns(last))

    from lim_pipelines.align import macro

    honest = macro.align
    patch.setattr(macro, "align", newest)
    align_macro_series(world.lake)


def _macro_out_at_once(world: World, patch: pytest.MonkeyPatch) -> None:
    rewrite(world.lake, RAW_MACRO, lambda rows: rows.unique(RAW_MACRO.key).with_columns(known_at="ts"))
    align_macro_series(world.lake)
    validate_macro_series(world.lake)


def _scale_of_the_whole_period(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.inputs import compute

    def over_all(long: pl.DataFrame, method: str, **how: Any) -> Any:
        found = honest(long, method, **how)
        value = pl.col("value").fill_nan(None)
        z = ((value - value.mean()) / value.std()).over("feature")
        return type(found)(found.rows.with_columns(long.select(scaled=z)["scaled"]), found.fitted)

    honest = compute.over_time
    patch.setattr(compute, "over_time", over_all)
    build_inputs(world.lake, world.vectors, scope(FIRST))


def _instruments_scaled_by_all_days(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.inputs import compute

    honest = compute.cross_section

    def pooled(long: pl.DataFrame, method: str, by: list[str], at: str) -> Any:
        found = honest(long, method, by=by, at=at)
        value = pl.col("value").fill_nan(None)
        z = ((value - value.mean()) / value.std()).over("feature")
        return type(found)(found.rows.with_columns(long.select(scaled=z)["scaled"]), found.fitted)

    patch.setattr(compute, "cross_section", pooled)
    rebuild(world)


def _late_in_the_cross_section(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.inputs import compute

    honest = compute.decisions
    in_time = pl.min_horizontal("known_at", "decided_at").alias("known_at")
    patch.setattr(compute, "decisions", lambda *where: honest(*where).with_columns(in_time))
    rebuild(world)


def _winsorised_by_later_bars(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines import ingest

    honest = ingest.align_bars.align

    def clipped(raw: pl.DataFrame, listings: pl.DataFrame) -> Any:
        high = pl.col("high").quantile(0.9).over("symbol", "freq")
        return honest(raw.with_columns(high=pl.min_horizontal("high", high)), listings)

    patch.setattr(ingest.align_bars, "align", clipped)
    align_quotes(world.lake, scope())


def _centred_window(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines import ingest

    honest = ingest.align_bars.align

    def smooth(raw: pl.DataFrame, listings: pl.DataFrame) -> Any:
        found = honest(raw, listings)
        series = ["instrument_id", "freq", "price_type", "source"]
        rows = found.rows.sort(*series, "ts", "known_at")
        mean = pl.col("low").rolling_mean(3, center=True, min_samples=1).over(series)
        return type(found)(rows.with_columns(mean), found.quarantined)

    patch.setattr(ingest.align_bars, "align", smooth)
    align_quotes(world.lake, scope())


def _filled(strategy: Callable[[pl.Expr], pl.Expr]) -> Plant:
    """Give bars whose volume is missing one made of bars around them."""

    def plant(world: World, patch: pytest.MonkeyPatch) -> None:
        from lim_pipelines import ingest

        honest = ingest.align_bars.align

        def fill(raw: pl.DataFrame, listings: pl.DataFrame) -> Any:
            found = honest(raw, listings)
            series = ["instrument_id", "freq", "price_type", "source"]
            rows = found.rows.sort(*series, "ts", "known_at")
            gap = pl.col("date").dt.day() % 3 == 0
            low = strategy(pl.when(~gap).then("low")).over(series)
            return type(found)(rows.with_columns(low=low), found.quarantined)

        patch.setattr(ingest.align_bars, "align", fill)
        align_quotes(world.lake, scope())

    return plant


def _joined_on_event_time(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.inputs import linked

    honest = linked.as_known

    def by_event(moments: pl.DataFrame, facts: pl.DataFrame, **how: Any) -> pl.DataFrame:
        return honest(moments, facts.with_columns(known_at="ts"), **how)

    patch.setattr(linked, "as_known", by_event)
    patch.setattr(
        "lim_pipelines.inputs.blocks.Reads.known_by",
        lambda self, table, moment, where=None: (
            self.lake.revisions(table, where).sort(table.row_key).collect()
        ),
    )
    rebuild(world)


def _universe_by_survival(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.inputs import compute

    honest = compute.decisions

    def survivors(lake: Lake, *where: Any) -> pl.DataFrame:
        last = lake.revisions(VALIDATED_BARS).group_by("instrument_id").agg(pl.col("date").max()).collect()
        alive = last.filter(pl.col("date") == pl.col("date").max())
        return honest(lake, *where).join(alive, on="instrument_id", how="semi")

    patch.setattr(compute, "decisions", survivors)
    rebuild(world)


def _ticker_of_today(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines import ingest

    honest = ingest.known_listings

    def newest(lake: Lake) -> pl.DataFrame:
        rows = honest(lake)
        last = rows.sort("first").unique(["source", "symbol", "exchange"], keep="last")
        return last.with_columns(first=pl.date(1990, 1, 1))

    patch.setattr(ingest, "known_listings", newest)
    align_quotes(world.lake, scope())


def _members_of_today(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.inputs import membership

    honest = membership.known_links

    def newest(reads: Any, decisions: pl.DataFrame, relation: str) -> pl.DataFrame:
        rows = reads.lake.revisions(ENTITY_LINKS, pl.col("relation").is_in(["issued_by", relation])).collect()
        return rows.with_columns(known_at=pl.lit(at(FIRST), rows.schema["known_at"])) if honest else rows

    patch.setattr(membership, "known_links", newest)
    rebuild(world)


def _correction_overwrites(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines import ingest

    honest = ingest.align_bars.align

    def corrected(raw: pl.DataFrame, listings: pl.DataFrame) -> Any:
        last = pl.col("close").sort_by("known_at").last().over(RAW_QUOTES.key)
        return honest(raw.with_columns(last), listings)

    patch.setattr(ingest.align_bars, "align", corrected)
    align_quotes(world.lake, scope())


def _bar_known_at_its_start(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines import derive

    honest = derive.ladder

    def early(bars: pl.DataFrame) -> pl.DataFrame:
        rows = honest(bars)
        return rows.unique(derive.RESAMPLED_BARS.key).with_columns(pl.col("known_at") - timedelta(hours=1))

    patch.setattr(derive, "ladder", early)
    resample_bars(world.lake, scope())


def _an_hour_early(world: World, patch: pytest.MonkeyPatch) -> None:
    hour = timedelta(hours=1)
    rewrite(
        world.lake,
        VALIDATED_BARS,
        lambda rows: rows.with_columns(pl.col("ts") - hour, pl.col("known_at") - hour),
    )


def _before_the_file(world: World, patch: pytest.MonkeyPatch) -> None:
    row = {
        "path": "wire.csv",
        "sha256": "s",
        "exchange": MIC,
        "bytes": 1,
        "state": "present",
        "source": "wire",
    }
    row |= {
        "arrived_at": at(FIRST),
        "modified_at": at(FIRST),
        "history": False,
        "rows": 1,
        "rows_rejected": 0,
    }
    put(world.lake, LANDING_FILES, [{**row, "first_date": None, "last_date": None, "rule": "", "reason": ""}])


def _texts_of_the_evening(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.inputs import texts

    honest = texts._told

    def whole_day(decisions: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        return honest(decisions, rows.with_columns(known_at=pl.col("ts").dt.truncate("1d")))

    patch.setattr(texts, "_told", whole_day)
    patch.setattr(texts, "last_moment", lambda rows: rows["decided_at"].max() + timedelta(days=2))
    rebuild(world)


def _texts_before_they_were_written(world: World, patch: pytest.MonkeyPatch) -> None:
    rewrite(world.lake, RAW_TEXTS, lambda rows: rows.with_columns(pl.col("known_at") - timedelta(hours=2)))
    align_shape(world.lake, "texts")
    patch.setattr("lim_pipelines.alternative.steps.validate", _all_pass)
    validate_shape(world.lake, "texts")


def _all_pass(rows: pl.DataFrame, table: Table, *_: Any) -> Any:
    from lim_pipelines.align.outcome import Outcome
    from lim_pipelines.schemas import QUARANTINE

    return Outcome(table.conform(rows), QUARANTINE.empty())


def _vectors_before_the_text(world: World, patch: pytest.MonkeyPatch) -> None:
    from lim_pipelines.modalities import MiniLM

    store = Vectors(world.vectors)
    rows = store.read(TEXTS, MiniLM(), as_of=at(FIRST + timedelta(days=9)))
    early = rows.select(list(TEXTS.rows)).with_columns(pl.col("known_at") - timedelta(days=30))
    store.write(TEXTS, MiniLM(), early, rows["vector"].to_numpy())


def _graph_of_later_edges(world: World, patch: pytest.MonkeyPatch) -> None:
    cutoff, late = FIRST.replace(day=1), at(FIRST + timedelta(days=90))
    relations, links = (
        world.lake.read(table, as_of=late).collect().with_columns(known_at=pl.lit(at(cutoff)).cast(late_type))
        for table in (VALIDATED_RELATIONS, ENTITY_LINKS)
        for late_type in [table.schema["known_at"]]
    )
    put_nodes(world, cutoff, known_edges(relations, links, cutoff))


LEAKS = (
    Leak(
        "a filing known at its period's end",
        "rows of raw_facts",
        "publication",
        _filing_by_period_end,
        published("validated_facts"),
    ),
    Leak(
        "a macro value known at its period's end",
        "rows of raw_macro",
        "publication",
        _macro_out_at_once,
        published("validated_macro"),
    ),
    Leak(
        "a feed an hour early, its zone being wrong",
        "rows of validated_bars",
        "publication",
        _an_hour_early,
        published("validated_bars"),
    ),
    Leak(
        "a feed's rows known before its file came",
        "ledger of files",
        "publication",
        _before_the_file,
        lambda world: audit_arrivals(world.lake),
    ),
    Leak(
        "texts known before they were written",
        "rows of raw_texts",
        "publication",
        _texts_before_they_were_written,
        published("validated_texts"),
    ),
    Leak(
        "revised macro values as if published first",
        "align.macro.align",
        "recompute",
        _revised_macro_as_first,
        again("aligned_macro"),
    ),
    Leak(
        "macro features scaled by the whole period",
        "inputs.compute.over_time",
        "recompute",
        _scale_of_the_whole_period,
        INPUTS,
    ),
    Leak(
        "features scaled by all days at once",
        "inputs.compute.cross_section",
        "recompute",
        _instruments_scaled_by_all_days,
        INPUTS,
    ),
    Leak(
        "a cross-section with those who come late",
        "inputs.decisions.decisions",
        "recompute",
        _late_in_the_cross_section,
        INPUTS,
    ),
    Leak(
        "bars winsorised by later bars",
        "align.bars.align",
        "recompute",
        _winsorised_by_later_bars,
        again("aligned_bars"),
    ),
    Leak("a centred window", "align.bars.align", "recompute", _centred_window, again("aligned_bars")),
    Leak(
        "interpolation across the future",
        "align.bars.align",
        "recompute",
        _filled(lambda e: e.interpolate()),
        again("aligned_bars"),
    ),
    Leak(
        "backward fill",
        "align.bars.align",
        "recompute",
        _filled(lambda e: e.backward_fill()),
        again("aligned_bars"),
    ),
    Leak(
        "a correction that overwrites the earlier row",
        "align.bars.align",
        "recompute",
        _correction_overwrites,
        again("aligned_bars"),
    ),
    Leak(
        "a ticker that is used again, as of today",
        "reference.known_listings",
        "recompute",
        _ticker_of_today,
        again("aligned_bars"),
    ),
    Leak(
        "a resampled bar known before it is over",
        "align.ladder.ladder",
        "recompute",
        _bar_known_at_its_start,
        again("resampled_bars"),
    ),
    Leak(
        "filings joined on event time", "inputs.linked.as_known", "recompute", _joined_on_event_time, INPUTS
    ),
    Leak(
        "the universe of survivors", "inputs.decisions.decisions", "recompute", _universe_by_survival, INPUTS
    ),
    Leak("today's index members", "inputs.linked.known_links", "recompute", _members_of_today, INPUTS),
    Leak(
        "the evening's texts in the afternoon's decision",
        "inputs.texts",
        "recompute",
        _texts_of_the_evening,
        INPUTS,
    ),
    Leak(
        "vectors of texts known before the text",
        "vector store",
        "recompute",
        _vectors_before_the_text,
        lambda world: audit_vectors(world.lake, world.vectors, "text_embeddings"),
    ),
    Leak(
        "a graph learnt from later edges",
        "vector store",
        "recompute",
        _graph_of_later_edges,
        lambda world: audit_vectors(world.lake, world.vectors, "graph_embeddings"),
    ),
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make(tmp_path_factory.mktemp("clean"))


@pytest.mark.slow
@pytest.mark.parametrize("asset", ASSETS)
def test_the_clean_world_passes(asset: str, clean: World) -> None:
    few = 1 if "inputs" in asset else 4
    verdicts = audit_asset(clean.lake, clean.vectors, asset, None, partitions=few, moments=few)
    assert [one for one in verdicts if not one.passed] == []
    assert sum(one.compared for one in verdicts if one.audit == "recompute")
    by_exchange = {one.partition for one in verdicts if one.audit == "recompute"} == {MIC}
    assert by_exchange == asset.startswith("archive")


MADE_BY = {
    "align.bars.align": "aligned_bars",
    "align.macro.align": "aligned_macro",
    "reference.known_listings": "aligned_bars",
    "align.ladder.ladder": "resampled_bars",
    "ledger of files": "aligned_bars",
}
"""Where a leak is planted to the asset whose check must block; else it is `model_inputs`."""

IN_RUNS = [
    one
    for one in LEAKS
    if one.where in MADE_BY or (one.caught_by == "recompute" and one.where != "vector store")
]


@pytest.mark.slow
@pytest.mark.parametrize("leak", IN_RUNS, ids=lambda leak: leak.name)
def test_the_check_of_a_run_reports_it_at_its_own_strength(
    leak: Leak, clean: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(clean.lake.root).parent, tmp_path / "world")
    world = World(Lake(tmp_path / "world" / "lake"), tmp_path / "world" / "vectors")
    leak.plant(world, monkeypatch)
    asset = MADE_BY.get(leak.where, "model_inputs")
    rebuilt = pl.col("date").is_in(DAYS["date"].to_list()) if leak.audit is INPUTS else None
    verdicts = audit_asset(world.lake, world.vectors, asset, rebuilt, *strength(asset))
    assert {one.audit for one in verdicts if not one.passed} == {leak.caught_by}
    assert not [one for one in verdicts if one.empty]


@pytest.mark.slow
def test_the_long_audit_of_the_clean_world_stops_when_its_time_is_over(clean: World) -> None:
    found = audit_data(clean.lake, clean.vectors, budget=0)
    assert [one for one in found.verdicts if not one.passed] == []
    assert {one.asset for one in found.verdicts} == {"code", "text_embeddings", "graph_embeddings"}
    assert found.left == [asset for asset in ASSETS if not asset.startswith("archive")]


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_planted_leak_is_reported(
    leak: Leak, clean: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(clean.lake.root).parent, tmp_path / "world")
    world = World(Lake(tmp_path / "world" / "lake"), tmp_path / "world" / "vectors")
    leak.plant(world, monkeypatch)
    failed = [one for one in leak.audit(world) if not one.passed]
    assert failed, leak.name
    assert {one.audit for one in failed} == {leak.caught_by}
    assert failed[0].different > 0


def test_the_world_holds_what_the_leaks_need(clean: World) -> None:
    reused = clean.lake.revisions(RAW_QUOTES, pl.col("symbol") == REUSED).collect()
    assert reused["date"].min() < REUSED_ON <= reused["date"].max()
    assert (
        clean.lake.revisions(RAW_QUOTES, pl.col("symbol") == GONE).collect()["date"].max()
        < scope()["date"][-1]
    )
