"""What a strategy's YAML may say of its positions; which settings belong to a task is the task's affair.

What does not belong here: the arithmetic (`portfolio/`), limits that models keep to themselves, too
(`finetune/settings.py`). Import-light.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lim_pipelines.finetune.setting import Setting
from lim_pipelines.finetune.settings import CrossSectionLimits, DirectionalLimits


class Optimised(CrossSectionLimits):
    """Positions of a cross-section: mean against variance and trading cost, net zero."""

    risk_aversion: float = Field(
        default=10.0, gt=0, description="gamma: price of a unit of variance over the horizon."
    )
    risk_sessions: int = Field(
        default=120, ge=20, le=2000, description="Past sessions that the covariance is from."
    )


class MarkowitzPortfolio(Optimised):
    """Optimised positions, rebalanced every few sessions."""

    rebalance_every: int = Field(
        default=5, ge=1, le=63, description="Sessions from one rebalance to the next."
    )


class SelectionPortfolio(Setting):
    """Stock selection: the best ones are held at equal weight, nothing is sold short."""

    selection: int = Field(ge=1, le=5000, description="How many are held: those with the best forecasts.")
    gross: float = Field(default=1.0, gt=0, le=10, description="Sum of the weights.")
    rebalance_every: int = Field(
        default=5, ge=1, le=63, description="Sessions from one rebalance to the next."
    )


Rhythm = Literal["monthly", "quarterly"]


class FundamentalPortfolio(Optimised):
    """Optimised positions, rebalanced on the first session of each month or quarter."""

    rhythm: Rhythm = Field(default="monthly", description="monthly or quarterly.")


class PairsPortfolio(Setting):
    """Positions in spreads: in when far out and the model agrees, out when back, too far or too long."""

    entry: float = Field(default=2.0, gt=0, le=10, description="z-score from which a spread is entered.")
    exit: float = Field(default=0.5, ge=0, le=10, description="z-score within which it is left.")
    stop: float = Field(default=4.0, gt=0, le=20, description="z-score from which the loss is taken.")
    hold_sessions: int = Field(
        default=30, ge=1, le=60, description="Sessions after which a spread that did not come back is left."
    )
    pair_gross: float = Field(
        default=0.2, gt=0, le=10, description="Sum of absolute weights of one pair's two legs."
    )
    gross: float = Field(default=1.0, gt=0, le=10, description="Largest sum of absolute weights.")

    @model_validator(mode="after")
    def _ordered(self) -> PairsPortfolio:
        if not self.exit < self.entry < self.stop:
            raise ValueError(
                f"exit ({self.exit}) must be below entry ({self.entry}), entry below stop ({self.stop})"
            )
        return self


class OwnPositions(Setting):
    """Nothing is left to say: the models say positions, whose limits are in `position`."""


Portfolio = (
    OwnPositions
    | DirectionalLimits
    | MarkowitzPortfolio
    | SelectionPortfolio
    | FundamentalPortfolio
    | PairsPortfolio
)
