"""What the gate cannot be asked again: rows that stay published of held partitions, and releases by people.

What does not belong here: the gate's own verdicts, which are made again (`verify_rows.py`), showing what was
held back (`held.py`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.provenance.compare import Finding, first_difference
from lim_pipelines.schemas import ALIGNED_BARS, RELEASES, VALIDATED_BARS


def compare_held(published: pl.DataFrame, aligned: pl.DataFrame) -> list[Finding]:
    """Compare what stays published of held partitions with the aligned rows of the same row key.

    Parameters
    ----------
    published, aligned
        Rows of the partitions, all revisions.

    Returns
    -------
    list of Finding
        That they cannot be made again; before it, what has other values than the aligned row.
    """
    key, columns = VALIDATED_BARS.row_key, [c for c in VALIDATED_BARS.columns if c in ALIGNED_BARS.columns]
    ours, theirs = (frame.select(columns).sort(key) for frame in (published, aligned))
    wrong = ours.join(theirs, on=key, how="semi").join(theirs, on=columns, how="anti", nulls_equal=True)
    why = "their partitions are held by the gate; what was published of them before stays"
    found = [Finding(VALIDATED_BARS.name, "cannot be verified", published.height, why)]
    if wrong.is_empty():
        return found
    words = first_difference(wrong, theirs.join(wrong, on=key, how="semi"), key)
    said = f"of held partitions, rows are not the aligned ones: {words}"
    return [Finding(VALIDATED_BARS.name, "differs", wrong.height, said), *found]


def trusted(releases: pl.DataFrame) -> list[Finding]:
    """Name releases, which nobody derives: people answer for them, so one without a name or reason is wrong.

    Parameters
    ----------
    releases
        Rows of `RELEASES` of the partitions.
    """
    if releases.is_empty():
        return []
    unsigned = releases.filter(
        pl.any_horizontal(
            pl.col(name).fill_null("").str.strip_chars() == "" for name in ("released_by", "why")
        )
    )
    if unsigned.height:
        row = unsigned.sort(RELEASES.row_key).row(0, named=True)
        words = (
            f"{unsigned.height} releases name nobody or no reason, first {row['date']}|{row['exchange']}"
            f" {row['rule']} {row['symbol']}: forged, or written round the asset `releases`"
        )
        return [Finding(RELEASES.name, "differs", unsigned.height, words)]
    people = ", ".join(releases["released_by"].unique().sort())
    words = f"trusted, not derived: what {people} let through; lim trace shows each with its reason"
    return [Finding(RELEASES.name, "equal", releases.height, words)]
