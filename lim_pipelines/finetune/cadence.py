"""At which cutoffs a strategy's models are trained.

What does not belong here: when a training is due (`retraining.py`), whether its result is used
(`promotion.py`).

Cutoffs are months for every strategy, so that all of them share partitions. A cutoff at which nothing is
trained goes on with the model that was in use.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema, field_validator

from lim_pipelines.finetune.setting import Setting

_MONTHS = {"monthly": 1, "quarterly": 3}


class Cadence(Setting):
    """When a strategy begins, and how often its models are trained again."""

    retrain: Literal["monthly", "quarterly"] = Field(
        default="monthly",
        description="Cutoffs that train: every month, or January, April, July and October.",
    )
    # YAML reads a date without quotes as a date, for which JSON schema has no type.
    first_cutoff: Annotated[date | None, WithJsonSchema({"format": "date"})] = Field(
        default=None, description="First cutoff, the first of a month; nothing is trained or decided before."
    )

    @field_validator("first_cutoff")
    @classmethod
    def _first_of_month(cls, value: date | None) -> date | None:
        if value is not None and value.day != 1:
            raise ValueError(f"a cutoff is the first of a month; write {value.replace(day=1)}")
        return value

    def begun(self, cutoff: date) -> bool:
        """Whether the strategy has begun by a cutoff."""
        return self.first_cutoff is None or cutoff >= self.first_cutoff

    def trained_at(self, cutoff: date) -> date:
        """Return the newest cutoff up to this one that trains.

        Raises
        ------
        ValueError
            The strategy has not begun by then.
        """
        if not self.begun(cutoff):
            raise ValueError(f"cutoff {cutoff} lies before cadence.first_cutoff {self.first_cutoff}")
        months = _MONTHS[self.retrain]
        found = cutoff.replace(month=cutoff.month - (cutoff.month - 1) % months)
        return found if self.first_cutoff is None else max(found, self.first_cutoff)
