"""Which partitions fail, today and as they first came: a file that was held is not read later on.

What does not belong here: figures of partitions (`partitions.py`), what becomes of them (`gate.py`).

A partition that is right today may have come wrong as a whole: then its first revisions were held, and nobody
could read them. They are not published beside the corrections either; else a read as of the time in between
would give prices that were known to be wrong and never shown.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.beside import Beside
from lim_pipelines.validate.partitions import summarise
from lim_pipelines.validate.releases import released_partitions
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.usual import UNIT
from lim_pipelines.validate.verdicts import PARTITION, contents

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
    The first revisions of all bars of a partition stand for what came first, the first two for what came
    then, and so on. What a partition holds decides alone, not when it was judged.
    """
    following = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in VALIDATED_BARS.key)
    superseded = frame.select(following.fill_null(False)).to_series()
    if not superseded.any():
        return _NONE
    touched = frame.filter(superseded).select(PARTITION).unique()
    rows = frame.with_row_index("row").with_columns(goes_on=goes_on, superseded=superseded)
    others = rows.filter(pl.col("freq") == "1d").join(
        touched, on=PARTITION, how="anti", maintain_order="left"
    )
    beside = replace(beside, before=pl.concat([beside.before, others.select(beside.before.columns)]))
    rows = rows.join(touched, on=PARTITION, how="semi", maintain_order="left")
    rows = rows.with_columns(nth=pl.int_range(pl.len()).over(VALIDATED_BARS.key))
    found = [_NONE]
    for nth in rows.filter("superseded", "goes_on")["nth"].unique().sort():
        then = rows.filter(pl.col("nth") <= nth)
        bars = then.select(frame.columns)
        failed = failing_partitions(summarise(bars, ~then["goes_on"], beside), rules)
        failed = failed.filter(pl.col("severity") == "blocking")
        failed = released_partitions(failed, contents(bars, failed), releases).filter(~pl.col("released"))
        held = failed.group_by(PARTITION).agg(pl.col("rule", "severity").first())
        mine = then.filter("superseded", "goes_on", pl.col("nth") == nth)
        found.append(mine.join(held, on=PARTITION, maintain_order="left").select(_NONE.columns))
    return pl.concat(found, how="vertical_relaxed")
