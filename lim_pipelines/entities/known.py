"""Which links hold on a day, as far as was known at a moment.

What does not belong here: finding links (`master.py`), following them to instruments (`expand.py`).
"""

from __future__ import annotations

from datetime import date

import polars as pl

FOREVER = date(9999, 12, 31)
MANY_AT_ONCE = ("member_of",)
"""Relations of which a child may have several at once: to be in one index says nothing about another."""


def links_at(links: pl.DataFrame, asked: pl.DataFrame, relation: str, child: str = "child") -> pl.DataFrame:
    """Look up the parents of children on days, as of moments.

    Parameters
    ----------
    links
        Frame of `ENTITY_LINKS` with all revisions.
    asked
        Rows with the column named by `child`, `on` (Date) and `known_at` (UTC); others are kept. None is
        called as a column of the links.
    relation
        Which links.
    child
        Name of the column that holds the children.

    Returns
    -------
    pl.DataFrame
        The rows of `asked` that have a parent, one row a parent, with `parent`, `score`, `method` and
        `link_known_at` beside. Where a child can have one parent only (one issuer, one country, one industry
        of a scheme), the link that was known last holds; of those known at once the first in the alphabet.
    """
    table = links.filter(pl.col("relation") == relation).select(
        "first",
        "parent",
        "source",
        "score",
        "method",
        **{child: "child"},
        link_known_at="known_at",
        _last=pl.col("last").fill_null(FOREVER),
        _one_of=one_of(relation),
    )
    # A later revision of a link may end it: only the newest one known counts.
    key = [child, "parent", "first", "source"]
    newer = pl.col("link_known_at").shift(-1).over(key, order_by="link_known_at")
    rivals = pl.struct("parent", "first", "source").n_unique().over(child, "_one_of") > 1
    table = table.with_columns(_until=newer, _rivals=rivals)
    rows = asked.with_row_index("_asked")
    known = pl.col("link_known_at") <= pl.col("known_at")
    newest = pl.col("_until").is_null() | (pl.col("_until") > pl.col("known_at"))
    found = rows.join(table, on=child).filter(known, newest, pl.col("on").is_between("first", "_last"))
    # Most children have one link only, and nothing to choose from.
    several = found.filter("_rivals").sort(
        "link_known_at", "parent", "source", descending=[True, False, False]
    )
    several = several.unique(["_asked", "_one_of"], keep="first", maintain_order=True)
    both = pl.concat([found.filter(~pl.col("_rivals")), several]).sort("_asked", "parent")
    return both.select(*asked.columns, "parent", "score", "method", "link_known_at")


def one_of(relation: str) -> pl.Expr:
    """Say what a child has one of: an industry of each scheme, one country, but any number of indices."""
    if relation in MANY_AT_ONCE:
        return pl.col("parent")
    if relation == "in_industry":
        return pl.col("parent").str.split("/").list.first()
    return pl.lit("")
