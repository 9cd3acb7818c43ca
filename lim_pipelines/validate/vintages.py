"""Which partitions fail, today and as they first came: a file that was held is not read later on.

What does not belong here: figures of partitions (`partitions.py`), what becomes of them (`gate.py`).

A partition that is right today may have come wrong as a whole: then its first revisions were held, and nobody
could read them. They are not published beside the corrections either; else a read as of the time in between
would give prices that were known to be wrong and never shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.beside import Beside
from lim_pipelines.validate.partitions import summarise
from lim_pipelines.validate.releases import released_partitions
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.usual import UNIT
from lim_pipelines.validate.verdicts import PARTITION, contents

MOMENTS: Final = 8
"""Moments of a partition that are looked at, those with most revisions; corrections come in files."""

_BEFORE_NEXT = pl.col("known_at").shift(-1) - pl.duration(microseconds=1)

_NONE = pl.DataFrame(schema={"row": pl.get_index_type(), "rule": pl.String, "severity": pl.String})


def failing_partitions(figures: pl.DataFrame, rules: list[Rule]) -> pl.DataFrame:
    """Return columns exchange, date, source, rule, severity: what fails which rule of partitions."""
    return pl.concat(
        figures.filter(~rule.passes()).select(*UNIT, rule=pl.lit(rule.name), severity=pl.lit(rule.severity))
        for rule in rules
    )


def never_readable(
    frame: pl.DataFrame, goes_on: pl.Series, beside: Beside, rules: list[Rule], releases: pl.DataFrame
) -> pl.DataFrame:
    """Find revisions that came in a file that was held, and are corrected by now.

    Parameters
    ----------
    frame
        Frame of `ALIGNED_BARS`, all revisions of whole partitions, sorted by row key.
    goes_on
        Whether a row is about to be published; as long as `frame`.
    beside
        What came before.
    rules
        Rules of partitions.
    releases
        Frame of `RELEASES`.

    Returns
    -------
    pl.DataFrame
        Columns row, rule (the one that held its partition when it came), severity.

    Notes
    -----
    A revision counts as never readable if its partition was held with what there was when it came, and still
    with what there was when the next one came. What a partition holds decides alone, not when it was judged.
    """
    following = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in VALIDATED_BARS.key)
    superseded = frame.select(following.fill_null(False)).to_series()
    if not superseded.any():
        return _NONE
    rows = frame.with_row_index("row").with_columns(
        goes_on=goes_on,
        came=pl.when(superseded).then("known_at"),
        until=pl.when(superseded).then(_BEFORE_NEXT),
    )
    touched = frame.filter(superseded).select(PARTITION).unique()
    days = rows.filter(pl.col("freq") == "1d")
    others = days.join(touched, on=PARTITION, how="anti", maintain_order="left")
    beside = replace(beside, before=pl.concat([beside.before, others.select(beside.before.columns)]))
    rows = rows.join(touched, on=PARTITION, how="semi", maintain_order="left")
    doubtful = rows.filter("goes_on", pl.col("came").is_not_null())
    for moment in ("until", "came"):
        moments = doubtful.group_by(*PARTITION, moment).len().sort("len", moment, descending=True)
        moments = moments.group_by(PARTITION, maintain_order=True).head(MOMENTS).select(*PARTITION, moment)
        held = _held_at(rows, moments, beside, rules, releases, frame.columns)
        doubtful = doubtful.drop("rule", "severity", strict=False).join(
            held, on=[*PARTITION, moment], maintain_order="left"
        )
        if doubtful.is_empty():
            return _NONE
    return doubtful.select(_NONE.columns)


def _held_at(
    rows: pl.DataFrame,
    moments: pl.DataFrame,
    beside: Beside,
    rules: list[Rule],
    releases: pl.DataFrame,
    columns: list[str],
) -> pl.DataFrame:
    """Return the moments at which a partition was held, and the rule that held it."""
    name = moments.columns[-1]
    nth = pl.int_range(pl.len()).over(PARTITION)
    found = [moments.clear().with_columns(rule=pl.lit(""), severity=pl.lit(""))]
    for (_,), asked in moments.with_columns(nth=nth).group_by("nth", maintain_order=True):
        at = asked.select(*PARTITION, _at=name)
        then = rows.join(at, on=PARTITION, maintain_order="left").filter(pl.col("known_at") <= pl.col("_at"))
        bars = then.select(columns)
        failed = failing_partitions(summarise(bars, ~then["goes_on"], beside), rules)
        failed = failed.filter(pl.col("severity") == "blocking")
        failed = released_partitions(failed, contents(bars, failed), releases).filter(~pl.col("released"))
        held = failed.group_by(PARTITION).agg(pl.col("rule", "severity").first())
        found.append(asked.drop("nth").join(held, on=PARTITION))
    return pl.concat(found)
