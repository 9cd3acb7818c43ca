"""Rules that several tables of alternative data have alike.

What does not belong here: what only one table has (`facts.py`, `alternative.py`).
"""

from __future__ import annotations

from datetime import timedelta

from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule

OWNER = "team:alternative-data"
OLD = timedelta(days=3 * 365)
"""What becomes known later than that after it happened is rare."""


def finite(name: str, table: str) -> Rule:
    """Make the rule: numbers are finite.

    Parameters
    ----------
    name, table
        Of the rule.
    """
    return Rule(
        name,
        table,
        "blocking",
        OWNER,
        "NaN and infinity are artefacts of some computation; what is not known has no row, or is null",
        "ask the vendor for the value",
        (IsTrue("finite"),),
    )


def not_before_it_happened(name: str, table: str, check: Between) -> Rule:
    """Make the rule: nothing is known before it happened, but what `check` exempts.

    Parameters
    ----------
    name, table
        Of the rule.
    check
        Which rows, and how long: over seconds_to_known.
    """
    return Rule(
        name,
        table,
        "blocking",
        OWNER,
        "what is known before the moment it describes would let a model see the future; only what is"
        " announced or estimated beforehand may be",
        "check the date, the publication time and the time zone of the source",
        (check,),
    )


def own_partition(name: str, table: str) -> Rule:
    """Make the rule: a row lies in the partition of its moment.

    Parameters
    ----------
    name, table
        Of the rule.
    """
    return Rule(
        name,
        table,
        "blocking",
        OWNER,
        "a row is kept under the day or year of its moment, in UTC; under another one nobody finds it",
        "make the year or date of the moment, in UTC",
        (IsTrue("own_partition"),),
    )


def timely(name: str, table: str, check: Between) -> Rule:
    """Make the rule: what is known very late is odd, but what `check` exempts.

    Parameters
    ----------
    name, table
        Of the rule.
    check
        Which rows, and how long: over seconds_to_known.
    """
    return Rule(
        name,
        table,
        "warning",
        OWNER,
        "what becomes known more than three years after is told very late, or its year is wrong",
        "check the year",
        (check,),
    )
