"""What a strategy's YAML may say of its positions; which settings belong to a task is the task's affair.

What does not belong here: the arithmetic (`portfolio/`), limits that models keep to themselves, too
(`finetune/settings.py`). Import-light.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lim_pipelines.finetune.setting import Setting
from lim_pipelines.finetune.settings import CrossSectionLimits, DirectionalLimits

Objective = Literal["mean_variance", "minimum_variance", "risk_parity", "benchmark_relative"]
RiskModelName = Literal["ledoit_wolf", "sample", "pca", "fundamental"]
Weighed = Literal["trade", "borrow", "impact"]


class Optimised(CrossSectionLimits):
    """Positions of a cross-section: forecasts against risk and costs, within limits."""

    objective: Objective = Field(
        default="mean_variance",
        description="mean_variance; minimum_variance (forecasts are not used); risk_parity (every instrument"
        " adds the same risk, on the side of its forecast); benchmark_relative (risk is that of what is"
        " held beside the benchmark).",
    )
    benchmark: Literal["equal", "traded_value"] = Field(
        default="equal",
        description="Of benchmark_relative: weights equal, or by the value traded over 60 sessions.",
    )
    risk_model: RiskModelName = Field(
        default="ledoit_wolf",
        description="ledoit_wolf, sample, pca (statistical factors), fundamental (market, industries, styles,"
        " the strategy's features).",
    )
    risk_factors: int = Field(default=10, ge=1, le=200, description="Of pca: factors that are kept.")
    risk_aversion: float = Field(
        default=10.0, gt=0, description="gamma: price of a unit of variance over the horizon."
    )
    risk_sessions: int = Field(
        default=120, ge=20, le=2000, description="Past sessions that the covariance is from."
    )
    net: tuple[float, float] = Field(
        default=(0.0, 0.0),
        description="Smallest and largest sum of weights; [1, 1] with gross 1 is long only.",
    )
    max_turnover: float | None = Field(
        default=None,
        gt=0,
        le=20,
        description="Largest sum of absolute trades of a rebalance; not of the first.",
    )
    max_sector: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Largest absolute sum of the weights of an industry, as `entity_links` know it.",
    )
    max_adv: float | None = Field(
        default=None,
        gt=0,
        description="Largest position, in sessions of the average value traded over the last 20.",
    )
    weighs: tuple[Weighed, ...] = Field(
        default=("trade",),
        description="Costs that are weighed against forecasts: trade (commission, spread), borrow, impact (as"
        " `execution` has it).",
    )

    @model_validator(mode="after")
    def _possible(self) -> Optimised:
        low, high = self.net
        if low > high or max(low, -high) > self.gross:
            raise ValueError(
                f"net [{low}, {high}] must be smallest and largest, within gross ({self.gross}); correct it"
            )
        if self.objective == "minimum_variance" and low <= 0 <= high:
            raise ValueError(
                f"objective minimum_variance holds nothing where net [{low}, {high}] lets it; write [1, 1]"
            )
        if self.objective == "benchmark_relative" and not low <= 1 <= high:
            raise ValueError(
                f"objective benchmark_relative: a benchmark's weights are 1 together, net [{low}, {high}] is"
                " not; write net: [1, 1]"
            )
        return self

    @property
    def long_only(self) -> bool:
        """Whether net and gross leave no room for shorts."""
        return self.net[0] >= self.gross

    @property
    def reads_industries(self) -> bool:
        """Whether decisions ask who belongs to which industry."""
        return self.max_sector is not None or self.risk_model == "fundamental"


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
