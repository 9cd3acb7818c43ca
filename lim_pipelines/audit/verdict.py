"""What an audit found, and how it is kept: one row of `AUDIT_RESULTS` an asset, partition, audit and moment.

What does not belong here: any audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from lim_pipelines.lake import Lake
from lim_pipelines.schemas import AUDIT_RESULTS

Audit = Literal["recompute", "publication", "reads", "windows"]
"""Done again on truncated history; whether `known_at` can be true; which rows were read; where training ends
and validation begins."""


@dataclass(frozen=True)
class Verdict:
    """What one audit found.

    Parameters
    ----------
    asset, partition
        What was audited, as Dagster writes it; an asset without partitions has an empty one.
    audit
        Kind of the audit.
    moment
        History was truncated here; end of the read or of the window. UTC.
    compared, different
        Rows, weights or windows compared, and those of them that differ or break the rule.
    finding
        What differs, where, and what to do; empty if nothing of the future was found.
    """

    asset: str
    partition: str
    audit: Audit
    moment: datetime
    compared: int
    different: int = 0
    finding: str = ""

    @property
    def empty(self) -> bool:
        """Whether there was nothing to compare: then nothing was audited, and nothing is proved."""
        return not self.compared and not self.finding

    @property
    def passed(self) -> bool:
        """Whether nothing of the future was found."""
        return not self.finding


def rows(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """Return verdicts as rows of `AUDIT_RESULTS`."""
    content = [asdict(verdict) | {"passed": verdict.passed} for verdict in verdicts]
    return AUDIT_RESULTS.conform(pl.DataFrame(content, schema=AUDIT_RESULTS.schema))


def record(lake: Lake, verdicts: Sequence[Verdict], *, whole: bool = False) -> None:
    """Keep verdicts in the lake.

    What the same kinds of audits found of the same partitions before is replaced; other kinds stay. What
    failed at another moment stays, too: a few moments in a run do not refute what a long audit found.

    Parameters
    ----------
    lake
        The lake.
    verdicts
        What was found; those that are empty are not kept.
    whole
        Whether this was a long audit, which does refute what failed before.
    """
    fresh = rows([verdict for verdict in verdicts if not verdict.empty])
    if fresh.is_empty():
        return
    kinds = ["asset", "partition", "audit"]

    def merged(there: pl.DataFrame) -> pl.DataFrame:
        other = there.join(fresh, on=kinds, how="anti")
        same = there.join(fresh, on=kinds, how="semi")
        failed = same.filter(~pl.col("passed")).join(fresh, on=[*kinds, "moment"], how="anti")
        return pl.concat([other, fresh] if whole else [other, failed, fresh])

    lake.update(AUDIT_RESULTS, fresh.select("asset", "partition").unique(), merged)
