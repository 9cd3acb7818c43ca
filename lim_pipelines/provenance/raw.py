"""Raw rows against the files that they came from: what the files still say, and what nobody can say any more.

A raw table remembers more than the files do: a file that comes again with other values makes a revision, and
the older file is gone. What does not belong here: reading the files (`sources/`).
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.provenance.compare import Finding, compare, first_difference
from lim_pipelines.provenance.files import Files
from lim_pipelines.schemas import Table

_WHEREFROM = ("file", "line")


def compare_raw(files: Files, stored: pl.DataFrame, derived: pl.DataFrame, table: Table) -> list[Finding]:
    """Compare raw rows with what today's files give.

    Parameters
    ----------
    files
        Vendors' files.
    stored
        Rows as they are stored, all revisions.
    derived
        Rows that the files give to an empty lake.
    table
        The raw table.

    Returns
    -------
    list of Finding
        One if all rows are equal; else one for those that are, one for those that differ although their file
        is what it was, and one for each reason why others cannot be verified.
    """
    whole = compare(table.name, stored, derived, table)
    if whole.verdict == "equal":
        return [whole]
    columns = table.schema.names()
    same = stored.join(derived, on=columns, how="semi", nulls_equal=True)
    left = stored.join(derived, on=columns, how="anti", nulls_equal=True)
    new = derived.join(stored, on=columns, how="anti", nulls_equal=True)
    why = {file: files.unsound(file) for file in sorted({*left["file"], *new["file"]})}
    sound = pl.col("file").is_in([file for file, reason in why.items() if not reason])
    # A correction's values are the file's; the moment is that of its arrival, which the lake alone knows.
    values = [name for name in columns if name not in ("known_at", *_WHEREFROM)]
    again = new.select(*values, _again="known_at")
    first = pl.col("known_at").min().over(table.key)
    told = (
        stored.with_columns(_revises=pl.col("known_at") > first)
        .join(left, on=columns, how="semi", nulls_equal=True)
        .join(again, on=values, nulls_equal=True)
        .filter(sound, "_revises", pl.col("known_at") > pl.col("_again"))
        .select(columns)
    )
    left = left.join(told, on=columns, how="anti", nulls_equal=True)
    new = new.join(told, on=values, how="anti", nulls_equal=True)
    # What an unsound file says today of a fact does not count against the row of a sound one.
    doubtful = pl.concat([left.filter(~sound), new.filter(~sound)]).select(table.key).unique()
    found = [Finding(table.name, "equal", same.height, "these rows come out of today's files to the bit")]
    wrong = [
        frame.filter(sound).join(doubtful, on=list(table.key), how="anti").sort(table.row_key)
        for frame in (left, new)
    ]
    if wrong[0].height or wrong[1].height:
        found.append(
            Finding(
                table.name,
                "differs",
                wrong[0].height + wrong[1].height,
                first_difference(wrong[0], wrong[1], table.row_key),
            )
        )
    if (newest := _newest(files, stored, derived, table, values)) is not None:
        found.append(newest)
    if told.height:
        found.append(
            Finding(
                table.name,
                "cannot be verified",
                told.height,
                "their values are the files'; when they arrived, as corrections, only the lake knows",
            )
        )
    return found + _unsound(table, why, pl.concat([left, new.join(left, on=table.key, how="anti")]))


def _newest(
    files: Files, stored: pl.DataFrame, derived: pl.DataFrame, table: Table, values: list[str]
) -> Finding | None:
    """Compare the newest revisions that came of replaced files with those files: their values are at hand."""
    replaced = [file for file in derived["file"].unique().sort() if files.replaced(file)]
    here = pl.col("file").is_in(replaced) & (pl.col("known_at") == pl.col("known_at").max().over(table.key))
    ours, theirs = (frame.filter(here).sort(table.row_key) for frame in (stored, derived))
    ours = ours.join(theirs, on=[*table.key, "file"], how="semi", nulls_equal=True)
    wrong = ours.join(theirs, on=values, how="anti", nulls_equal=True)
    if wrong.is_empty():
        return None
    against = theirs.join(wrong, on=list(table.key), how="semi", nulls_equal=True).select(values)
    words = first_difference(wrong.select(values), against, list(table.key))
    return Finding(table.name, "differs", wrong.height, f"newest revisions are not their files': {words}")


def _unsound(table: Table, why: dict[str, str], rows: pl.DataFrame) -> list[Finding]:
    """One finding for each reason why files are not what they were."""
    counts: dict[str, int] = {}
    for file, count in rows.group_by("file").len().sort("file").iter_rows():
        if why[file]:
            counts[why[file]] = counts.get(why[file], 0) + count
    return [Finding(table.name, "cannot be verified", count, reason) for reason, count in counts.items()]
