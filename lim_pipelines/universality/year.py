"""The last year of cutoffs: what the test of universality is about.

What does not belong here: which of them are asked (`families.spread`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

YEAR = timedelta(days=365)


def of_last_year(cutoffs: Sequence[date]) -> list[date]:
    """Cutoffs of the year up to the newest, in their order."""
    return [cutoff for cutoff in cutoffs if cutoff > max(cutoffs) - YEAR]
