"""Which links hold on a day, as far as was known at a moment.

What does not belong here: finding links (`master.py`), following them to instruments (`expand.py`).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from lim_pipelines.schemas import ENTITY_LINKS

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
        Rows with the column named by `child`, `on` (Date) and `known_at` (UTC); others are kept.
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
    key = list(ENTITY_LINKS.key)
    rows = asked.with_row_index("_asked").rename({child: "_child"})
    found = rows.select("_asked", "_child", "on", moment="known_at").join(
        links.filter(pl.col("relation") == relation).with_columns(
            _one_of=_scheme(relation), _last=pl.col("last").fill_null(FOREVER)
        ),
        left_on="_child",
        right_on="child",
    )
    found = found.rename({"_child": "child"}).filter(pl.col("known_at") <= pl.col("moment"))
    # A later revision of a link may end it: first the revision that counts, then the day.
    found = found.sort("known_at").unique(["_asked", *key], keep="last", maintain_order=True)
    found = found.filter(pl.col("on").is_between("first", "_last"))
    found = found.sort(["known_at", "parent", "source"], descending=[True, False, False])
    found = found.unique(["_asked", "_one_of"], keep="first", maintain_order=True)
    said = found.select("_asked", "parent", "score", "method", link_known_at="known_at")
    joined = rows.join(said, on="_asked", how="inner", maintain_order="left_right")
    return joined.drop("_asked").rename({"_child": child})


def _scheme(relation: str) -> pl.Expr:
    """Say what a child has one of: an industry of each scheme, one country, but any number of indices."""
    if relation in MANY_AT_ONCE:
        return pl.col("parent")
    if relation == "in_industry":
        return pl.col("parent").str.split("/").list.first()
    return pl.lit("")
