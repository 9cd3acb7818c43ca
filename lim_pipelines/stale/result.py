"""A result that was made: what it has read, what it is made from, whether it would be made so today.

What does not belong here: finding them (`found.py`, `reports.py`), what follows from them (`judge.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lim_pipelines.lake import Lake
from lim_pipelines.stale.rows import Recorded, content
from lim_pipelines.stale.wanted import Wanted

Key = tuple[str, str]
"""Asset and partition."""

Records = Mapping[Key, list[dict[str, Any]]]
"""Rows of `RESULT_READS`, by what they are of."""

GONE = "no row can be read any more"


@dataclass(frozen=True)
class Result:
    """Something that was made.

    Parameters
    ----------
    name, partition
        The asset, and its cutoff (ISO 8601); empty where it has none.
    reads
        What it read.
    parents
        Results it is made from.
    altered
        Why the same rows would make another one today; empty if they would not.
    policy
        Whether policies make it again: the newest of its asset, where they make that at all.
    """

    name: str
    partition: str
    reads: tuple[Recorded, ...]
    parents: tuple[Key, ...]
    altered: str
    policy: bool

    @property
    def key(self) -> Key:
        """Asset and partition."""
        return self.name, self.partition


def recorded(
    lake: Lake, reads: Sequence[Wanted], record: Sequence[Mapping[str, Any]]
) -> tuple[Recorded, ...]:
    """Put reads and what was recorded of them together; what was not is another setting's."""
    of_table = {row["table"]: row for row in record}
    return tuple(
        Recorded(
            one,
            of_table[one.table.name]["lake_version"],
            of_table[one.table.name]["fingerprint"],
            partial(content, lake, one) if of_table[one.table.name]["fingerprint"] else _untold,
        )
        for one in reads
        if one.table.name in of_table
    )


def other_code(record: Sequence[Mapping[str, Any]], code: str) -> str:
    """Say by which other code a result was made; empty if it is today's."""
    was = record[0]["code"]
    return "" if was == code else f"made by {was}, today's is {code}"


def _untold() -> str:
    """Stand for a content that nobody has hashed: it is as no other."""
    return GONE
