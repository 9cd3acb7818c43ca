"""Checks of what the gate did: partitions that are not published, rows that are held back.

What does not belong here: the gate (`lim_pipelines/validate/gate.py`), words for people (`explain.py`),
letting through what is right (`releases.py`).

A run over a range says one thing for all its partitions, and a blocking check that fails stops all that
follows. So the gate itself keeps a held partition out of `validated_bars`, whatever the run; `published` is
red as long as any is held, of this run or an earlier one, and stops nothing; `gate` blocks, and fails only
where a run has nothing to go on with: each of its partitions that has rows is held.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from assets.catalogue import table_metadata
from assets.explain import REPAIR, figures, files, how_to_read, release_of, rules, sample, table
from assets.held_bars import files_of, held_bars
from assets.partitions import FIRST_SESSION, exchanges
from lim_pipelines.alternative.steps import SHAPES, held_back_from
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.schemas import GATE_RESULTS, QUARANTINE, RELEASES, VALIDATED_BARS
from lim_pipelines.sources import macro
from lim_pipelines.sources.base import QUARANTINE_AS
from lim_pipelines.validate.data_docs import page_of
from resources.home import Home

PUBLISH = "publish"
"""Stage of the quarantine under which a partition stands that is held as a whole."""

SHOWN, FIRST = 50, 5
"""Partitions that a check lists at most, and that it names in its first words."""


def run_window(context: dg.AssetCheckExecutionContext) -> pl.Expr:
    """Exchanges and dates of the run that is being checked; everything if it had no partitions."""
    tags = context.run.tags
    start = tags.get("dagster/asset_partition_range_start") or tags.get("dagster/partition")
    end = tags.get("dagster/asset_partition_range_end") or start
    if start is None or end is None:
        return pl.lit(True)
    (first, first_mic), (last, last_mic) = start.split("|"), end.split("|")
    # Exchanges stand in the order in which they came, not in that of the alphabet.
    mics = list(context.instance.get_dynamic_partitions(exchanges.name or ""))
    here = mics[mics.index(first_mic) : mics.index(last_mic) + 1]
    return pl.col("date").is_between(date.fromisoformat(first), date.fromisoformat(last)) & pl.col(
        "exchange"
    ).is_in(here)


def held_partitions(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Return partitions that are held, with the rules that hold them.

    Parameters
    ----------
    verdicts
        Frame of `GATE_RESULTS`.

    Returns
    -------
    pl.DataFrame
        Columns exchange, date, rule, rows, why; one row a partition and rule that holds it, newest
        first.
    """
    holding = verdicts.filter((pl.col("rule") != "") & pl.col("held"))
    why = pl.col("evidence").map_elements(figures, return_dtype=pl.String)
    newest = holding.sort("date", "exchange", "rule", descending=[True, False, False])
    return newest.select("exchange", "date", "rule", "rows", why=why)


def gate(verdicts: pl.DataFrame) -> dg.AssetCheckResult:
    """Fail if there is nothing to go on with: every partition that has rows is held."""
    partitions = verdicts.filter(pl.col("rule") == "")
    held = int(partitions["held"].sum())
    return dg.AssetCheckResult(
        check_name="gate",
        passed=not held or held < partitions.height,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{partitions.height - held} of {partitions.height} partitions with rows are published"
        + ("" if held < partitions.height or not held else ": nothing that follows has anything to do"),
        metadata={"see": "check `published` says why"} if held else {},
    )


def published(lake: Lake, home: Home, verdicts: pl.DataFrame) -> dg.AssetCheckResult:
    """Say which partitions are not published, why, and what to do; and what people have released."""
    held = held_partitions(verdicts)
    partitions = verdicts.filter(pl.col("rule") == "")
    keys = partitions.select("exchange", "date").lazy()
    here = pl.col("date").is_between(partitions["date"].min(), partitions["date"].max())
    released = (
        lake.read(RELEASES, as_of=LATEST, where=here)
        .join(keys, on=["exchange", "date"], how="semi")
        .sort("known_at", *RELEASES.key, descending=[True, *(False for _ in RELEASES.key)])
        .collect()
    )
    metadata: dict[str, Any] = {"partitions_held": held.select("exchange", "date").unique().height}
    if held.height:
        # The quarantine may be large: rows of the partitions that are named first say enough.
        some = held.head(FIRST)
        near = pl.col("exchange").is_in(some["exchange"].unique().to_list()) & pl.col("date").is_in(
            some["date"].unique().to_list()
        )
        failing = (
            lake.read(QUARANTINE, as_of=LATEST, where=near & (pl.col("stage") == "validate"))
            .join(some.lazy(), on=["exchange", "date"], how="semi")
            .collect()
        )
        exchange, day, rule = held.select("exchange", "date", "rule").row(0)
        same = held.filter((pl.col("exchange") == exchange) & (pl.col("rule") == rule))["date"]
        by_rule = held.group_by("rule", maintain_order=True).agg(pl.len().alias("partitions"), pl.sum("rows"))
        metadata |= {
            **rules(by_rule),
            **_shown(lake, some.select("exchange", "date").unique(maintain_order=True), failing),
            "trace": f"lim trace '{day}|{exchange}'",
            "quarantine": lake.uri(QUARANTINE),
            "quarantine_how_to_read": how_to_read(lake, held),
            "how_to_repair": REPAIR,
            "how_to_release": release_of(exchange, day, rule, earlier=same.filter(same < day).to_list()),
        }
    if held.height > FIRST:
        metadata["not_published"] = table(held, rows=SHOWN)
    if released.height:
        shown = ("exchange", "date", "rule", "symbol", "since", "released_by", "why")
        metadata["released"] = table(released.select(shown).unique(maintain_order=True), rows=SHOWN)
    return dg.AssetCheckResult(
        check_name="published",
        passed=held.is_empty(),
        severity=dg.AssetCheckSeverity.ERROR,
        description=_summary(held, partitions, released),
        metadata={**metadata, **data_docs(home, VALIDATED_BARS.name)},
    )


def _shown(lake: Lake, partitions: pl.DataFrame, failing: pl.DataFrame) -> dict[str, Any]:
    """Show rows and name files: rows that fail, and bars of partitions that are held as a whole."""
    whole = partitions.join(failing, on=["exchange", "date"], how="anti", maintain_order="left")
    shown = {"sample_rows": table(sample(failing))} if failing.height else {}
    if whole.is_empty():
        return {**shown, "files": files(failing)}
    named = pl.concat([failing.select("file"), files_of(lake, whole)])
    return {**shown, "sample_bars": table(held_bars(lake, whole)), "files": files(named)}


def _summary(held: pl.DataFrame, partitions: pl.DataFrame, released: pl.DataFrame) -> str:
    """Say it in Markdown, which the check's page draws: what a person reads before opening anything."""
    people = sorted(released["released_by"].unique())
    let_through = f" {released.height} releases by {', '.join(people)}, see `released`." if people else ""
    if partitions.is_empty():
        return "No partition has rows yet."
    if held.is_empty():
        return f"All {partitions.height} partitions with rows are published.{let_through}"
    keys = held.select("exchange", "date").unique().height
    listed = table_metadata(held, rows=FIRST).value
    return (
        f"**{keys} of {partitions.height} partitions are not published.** What was published of them before"
        f" stays; nothing that follows changes.{let_through}\n\n{listed}\n\n**Wrong?** Send the file again,"
        " corrected: `how_to_repair`. **Right as it is?** Say who you are and why: `how_to_release`."
    )


def data_docs(home: Home, table: str) -> dict[str, Any]:
    """Link to the page on which Great Expectations shows the table's rules, or say how it comes about."""
    page = home.data_docs / page_of(table)
    built = page.exists()
    return {"data_docs": dg.MetadataValue.path(page) if built else "not built yet: materialise `data_docs`"}


def held_back(lake: Lake, where: pl.Expr) -> dg.AssetCheckResult:
    """Show which rows are in quarantine, why, where they lie, and what to do."""
    rows = lake.read(QUARANTINE, as_of=LATEST, where=where & (pl.col("stage") != PUBLISH))
    by_rule = (
        rows.group_by("stage", "rule")
        .agg(
            pl.len().alias("rows"),
            pl.col("file").n_unique().alias("files"),
            pl.col("reason").sort().first().alias("reason and remedy"),
        )
        .sort("stage", "rule")
        .collect()
    )
    held = int(by_rule["rows"].sum())
    result: dict[str, Any] = {"by_rule": table(by_rule, rows=60), "where": lake.uri(QUARANTINE)}
    if held:
        some = rows.sort(QUARANTINE.row_key).group_by("rule", maintain_order=True).head(3).collect()
        result |= {
            "sample": table(sample(some), rows=60),
            "files": files(some),
            "how_to_read": how_to_read(lake, some),
            "how_to_repair": REPAIR,
        }
        elsewhere = [QUARANTINE_AS, macro.QUARANTINE_EXCHANGE]  # Only bars are released.
        judged = some.filter((pl.col("stage") == "validate") & ~pl.col("exchange").is_in(elsewhere))
        if judged.height:
            one = judged.sort(QUARANTINE.row_key).row(0, named=True)
            result["how_to_release"] = release_of(one["exchange"], one["date"], one["rule"], one["symbol"])
    return dg.AssetCheckResult(
        check_name="quarantine",
        passed=not held,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{held} rows were held back; see the rules below" if held else "nothing was held back",
        metadata=result,
    )


@dg.multi_asset_check(
    name="gate_of_validated_bars",
    specs=[
        dg.AssetCheckSpec(
            "published",
            asset="validated_bars",
            description=f"Partitions since {FIRST_SESSION} that the gate holds as a whole: which rule, why,"
            " what to do.",
        ),
        dg.AssetCheckSpec(
            "gate",
            asset="validated_bars",
            blocking=True,
            description="Stops what follows when nothing of the run is published.",
        ),
        dg.AssetCheckSpec(
            "quarantine",
            asset="validated_bars",
            description="Rows of the run's partitions that were held back, by rule.",
        ),
    ],
    can_subset=True,
)
def gate_of_validated_bars(
    context: dg.AssetCheckExecutionContext, home: Home
) -> Iterator[dg.AssetCheckResult]:
    """Look once at what the gate did to the run's partitions; say it in three checks."""
    lake, window = home.lake(), run_window(context)
    verdicts = _verdicts(lake, pl.col("date") >= FIRST_SESSION)
    asked = {key.name for key in context.op_execution_context.selected_asset_check_keys}
    if "quarantine" in asked:
        yield held_back(lake, window)
    if "published" in asked:
        yield published(lake, home, verdicts)
    if "gate" in asked:
        yield gate(verdicts.filter(window))


def _verdicts(lake: Lake, window: pl.Expr) -> pl.DataFrame:
    """Read what was said of partitions as a whole: one row each, and one a rule that holds it."""
    return lake.read(
        GATE_RESULTS, as_of=LATEST, where=window & ((pl.col("rule") == "") | pl.col("held"))
    ).collect()


@dg.asset_check(
    asset="archive",
    name="published",
    description=f"Partitions before {FIRST_SESSION} that the gate holds as a whole: which rule, why, what to"
    " do.",
)
def archive_published(home: Home) -> dg.AssetCheckResult:
    """Say what the bulk import holds; the sessions around it are published."""
    lake = home.lake()
    return published(lake, home, _verdicts(lake, pl.col("date") < FIRST_SESSION))


def _alternative_quarantine(asset: str, what: str, where: pl.Expr) -> dg.AssetChecksDefinition:
    """Check that no rows of alternative data are held back at a stage."""

    @dg.asset_check(asset=asset, name="quarantine", description=f"{what} that are held back, by rule.")
    def check(home: Home) -> dg.AssetCheckResult:
        return held_back(home.lake(), where & (pl.col("exchange") == QUARANTINE_AS))

    return check


CHECKS = [
    gate_of_validated_bars,
    archive_published,
    _alternative_quarantine("alternative_files", "Rows of files", pl.col("stage") == "parse"),
    *(
        _alternative_quarantine(
            shape.validated.name, f"Rows of {name}", held_back_from([shape.raw.name, shape.aligned.name])
        )
        for name, shape in SHAPES.items()
    ),
]
