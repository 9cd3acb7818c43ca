"""What people look at: coverage, staleness of sources, timelines of instruments; pages below Home.reports.

What does not belong here: the numbers and the drawings (`lim_pipelines/panorama`).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from assets.catalogue import CODE_VERSION, OWNERS, image, table_metadata
from lim_pipelines import clock, drawing
from lim_pipelines.lake import LATEST
from lim_pipelines.modalities.store import Vectors
from lim_pipelines.panorama import heatmap, pages, staleness_plot, timeline_plot
from lim_pipelines.panorama.coverage import coverage as measure_coverage
from lim_pipelines.panorama.issuers import issuer_grids
from lim_pipelines.panorama.staleness import LATE, SILENT, remedy
from lim_pipelines.panorama.staleness import staleness as measure_staleness
from lim_pipelines.panorama.timeline import most_told, sentiment_of_texts, timeline
from resources.home import Home

GROUP = "panorama"
BARS = ["validated_bars", "archive"]
TOLD = ["validated_facts", "validated_events", "validated_texts"]
NO_SOURCE_IS_LATE = "no_source_is_late"
MOST_MAPS = 4
"""Maps in an asset's metadata; the page has all."""

MOST_TIMELINES = 4
"""Pages, if no instrument is named."""


class TimelineConfig(dg.Config):
    """Which timelines to write.

    Parameters
    ----------
    instruments
        Instrument ids, such as XNAS:AAPL; empty for the few of which there is most to show.
    as_of
        ISO date or moment (UTC unless it says otherwise): show only what was known then; empty for all.
    """

    instruments: list[str] = Field(default_factory=list)
    as_of: str = ""

    def moment(self) -> datetime | None:
        """Return `as_of` as a moment.

        Raises
        ------
        ValueError
            It is no ISO date or time.
        """
        if not self.as_of:
            return None
        try:
            at = datetime.fromisoformat(self.as_of)
        except ValueError:
            raise ValueError(
                f"as_of is {self.as_of!r}; write it as 2015-07-01 or 2015-07-01T20:15:00+00:00"
            ) from None
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _view(
    description: str, deps: list[str], check_specs: Sequence[dg.AssetCheckSpec] = ()
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    return dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"polars", "html"},
        code_version=CODE_VERSION,
        description=description,
        deps=deps,
        check_specs=check_specs,
    )


@_view(
    "Heat maps: how many of the expected bars are there, instrument x date; alternative data too.",
    [*BARS, *TOLD],
)
def coverage(home: Home) -> dg.MaterializeResult[Any]:
    """Measure the coverage of bars and alternative data, draw it, write its page."""
    lake, now = home.lake(), clock.now()
    found, issuers = measure_coverage(lake, as_of=LATEST), issuer_grids(lake, as_of=LATEST)
    page = home.reports / "coverage.html"
    drawing.write_page(page, pages.coverage_page(found, issuers, now))
    # Where most is expected comes first.
    grids = sorted(found.grids, key=lambda grid: -grid.expected)[:MOST_MAPS]
    by_exchange = found.lives.group_by("exchange", "freq").agg(
        instruments=pl.len(),
        first=pl.col("first").min(),
        last=pl.col("last").max(),
        expected=pl.col("expected").sum(),
        share=pl.col("have").sum() / pl.col("expected").sum(),
    )
    gaps = pl.DataFrame([vars(gap) for gap in found.gaps])
    metadata: dict[str, Any] = {
        "page": dg.MetadataValue.path(page),
        "dagster/row_count": found.lives.height,
        "by_exchange": table_metadata(by_exchange.sort("exchange", "freq"), rows=60),
        "gaps": table_metadata(gaps),
    }
    if grids:
        metadata["heat_map"] = image(drawing.png(heatmap.heatmap_figure(grids)), "coverage")
    return dg.MaterializeResult(metadata=metadata)


@_view(
    "How long each source has been quiet, against its own habit.",
    [*BARS, *TOLD, "validated_macro", "validated_relations", "landing_files"],
    [
        dg.AssetCheckSpec(
            NO_SOURCE_IS_LATE,
            asset="source_staleness",
            description="Sources that are late or silent against their own habit; a warning.",
        )
    ],
)
# Of an asset with checks dagster knows only the bare name of its result.
def source_staleness(home: Home) -> dg.MaterializeResult:  # type: ignore[type-arg]  # beside checks Dagster takes the bare class only
    """Measure how old each source's news is, draw it, write its page."""
    now = clock.now()
    table = measure_staleness(home.lake(), now)
    page = home.reports / "staleness.html"
    drawing.write_page(page, pages.staleness_page(table, now))
    metadata: dict[str, Any] = {
        "page": dg.MetadataValue.path(page),
        "dagster/row_count": table.height,
        "sources": table_metadata(table, rows=60),
    }
    if table.height:
        metadata["ages"] = image(drawing.png(staleness_plot.staleness_figure(table)), "staleness")
    # The check is of this very table: measuring again would take as long, and might judge another one.
    return dg.MaterializeResult(metadata=metadata, check_results=[_lateness(table)])


def _lateness(table: pl.DataFrame) -> dg.AssetCheckResult:
    """Warn of late and silent sources: which, how late, what to do."""
    late = table.filter(pl.col("state").is_in([LATE, SILENT]))
    said = [remedy(row) for row in late.iter_rows(named=True)]
    return dg.AssetCheckResult(
        check_name=NO_SOURCE_IS_LATE,
        passed=late.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"none of {table.height} sources and parts is late"
        if late.is_empty()
        else f"{late.height} of {table.height} sources and parts are late. {said[0]}",
        metadata={"late": table_metadata(pl.DataFrame({"late": said}, schema={"late": pl.String}), rows=60)},
    )


@_view(
    "Timelines of single instruments: prices, volume, and all that happened, each when it could be known.",
    [
        *BARS,
        *TOLD,
        *("resampled_bars", "continuous_futures", "corporate_actions", "futures_rolls"),
        *("validated_macro", "entity_links", "text_embeddings"),
    ],
)
def instrument_timelines(config: TimelineConfig, home: Home) -> dg.MaterializeResult[Any]:
    """Write a page an instrument."""
    lake, now, moment = home.lake(), clock.now(), config.moment()
    metadata: dict[str, Any] = {}
    suffix = "" if moment is None else f"_as_of_{moment:%Y%m%dT%H%M%S}"
    sentiment = sentiment_of_texts(Vectors(home.vectors), LATEST if moment is None else moment)
    rows = []
    for name in config.instruments or most_told(lake, MOST_TIMELINES):
        line = timeline(lake, name, moment, sentiment)
        page = home.reports / "timelines" / f"{name.replace(':', '_').replace('/', '_')}{suffix}.html"
        drawing.write_page(page, pages.timeline_page(line, now))
        rows.append((name, line.bars.height, line.marks.height, line.texts["texts"].sum(), str(page)))
        if "timeline" not in metadata and line.window is not None:
            metadata["timeline"] = image(drawing.png(timeline_plot.detail_figure(line)), name)
    columns = ["instrument_id", "bars", "marks", "texts", "page"]
    written = pl.DataFrame(rows, schema=columns, orient="row")
    folder = dg.MetadataValue.path(home.reports / "timelines")
    return dg.MaterializeResult(
        metadata={"pages": table_metadata(written, rows=60), "folder": folder, **metadata}
    )


ASSETS = [coverage, source_staleness, instrument_timelines]
