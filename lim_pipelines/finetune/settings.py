"""Groups of settings below a strategy's own: how it is fitted, what it screens, what its positions keep to.

What does not belong here: the strategy itself and rules between groups (`spec.py`); universe, costs and
cadence, which other rooms read (a file each).
"""

from __future__ import annotations

from pydantic import Field

from lim_pipelines.finetune.setting import Setting
from lim_pipelines.paired import FEWEST_MOMENTS


class FitSettings(Setting):
    """How models are fitted. Every neural arm gets the same: that makes the comparison fair."""

    steps: int = Field(default=64, ge=1, le=100_000, description="Optimiser steps of every neural arm.")
    learning_rate: float = Field(
        default=1e-3, gt=0, le=0.1, description="Peak rate: warm-up, then a cosine to zero."
    )
    batch: int = Field(default=32, ge=1, description="Samples a step: windows, or whole cross-sections.")
    weight_decay: float = Field(default=0.01, ge=0, description="AdamW's decoupled weight decay.")
    validation_sessions: int = Field(
        default=252,
        ge=10,
        description="Last sessions before the cutoff that early stopping and ridge's penalty use.",
    )
    judged_sessions: int | None = Field(
        default=None,
        ge=0,
        description="The last of them, kept from that too: they judge a retrained model against the one in"
        " use. A quarter if absent; 0: the retrained one is always taken.",
    )
    history_sessions: int | None = Field(
        default=None,
        ge=50,
        description="Sessions before the validation window that are fitted on; all if absent.",
    )
    sample_every: int = Field(default=1, ge=1, description="Keep every n-th decision session as a sample.")
    evaluations: int = Field(
        default=5, ge=1, le=100, description="Times that a fit looks at the validation window, evenly spread."
    )
    patience: int = Field(
        default=4, ge=1, description="Evaluations in a row without a gain after which a fit ends early."
    )
    layers: int = Field(
        default=1, ge=1, description="Blocks that `last_layers` moves; blocks of the `distilled` student."
    )
    rank: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Width of the deltas of `lora` and of the bottleneck of `adapter`.",
    )

    def judged(self, horizon: int) -> int:
        """Return how many sessions judge a retrained model against the one in use.

        Where `judged_sessions` is absent it is a quarter of the validation window; none if that is too short
        for an interval, or would leave too few sessions to validate on.
        """
        if self.judged_sessions is not None:
            return self.judged_sessions
        quarter = self.validation_sessions // 4
        left = (self.validation_sessions - quarter - horizon - 1) // self.sample_every
        return quarter if min(quarter, left) >= FEWEST_MOMENTS else 0

    def validated(self, horizon: int) -> int:
        """Return how many sessions early stopping looks at: less those that judge, and the purge between."""
        judged = self.judged(horizon)
        return self.validation_sessions - (judged + horizon + 1 if judged else 0)


class LeaderSettings(Setting):
    """How the leaders of each instrument are screened; task `lead_lag` only."""

    formation_sessions: int = Field(
        default=756, ge=120, le=5040, description="Sessions before the validation window that are screened."
    )
    lags: int = Field(
        default=4, ge=2, le=20, description="Sessions behind the leader's in which the lagger may follow."
    )
    most: int = Field(default=1, ge=1, le=8, description="Most leaders of one lagger.")
    false_discoveries: float = Field(
        default=0.05, gt=0, le=0.5, description="Accepted share of wrong leaders among those believed."
    )


class PairSettings(Setting):
    """How pairs are chosen, and what their spreads are measured against; task `pairs` only."""

    formation_sessions: int = Field(
        default=756, ge=120, le=5040, description="Past sessions that pairs are chosen on."
    )
    most: int = Field(default=10, ge=1, le=100, description="Most pairs at a time.")
    false_discoveries: float = Field(
        default=0.05, gt=0, le=0.5, description="Accepted share of wrong pairs among those traded."
    )
    window: int = Field(
        default=60, ge=20, le=250, description="Sessions of the spread's mean and deviation: the z-score."
    )


class DirectionalLimits(Setting):
    """What the position of one instrument keeps to: sized to a volatility, tanh(forecast / scale) of that."""

    vol_target: float = Field(default=0.10, gt=0, le=1, description="Annual volatility of a full position.")
    max_leverage: float = Field(
        default=1.0, gt=0, le=10, description="Largest absolute weight of one instrument."
    )


class CrossSectionLimits(Setting):
    """What the positions of a cross-section keep to, beside a net of zero."""

    gross: float = Field(default=1.0, gt=0, le=10, description="Largest sum of absolute weights.")
    max_position: float = Field(
        default=0.05, gt=0, le=1, description="Largest absolute weight of one instrument."
    )


LIMITS: dict[str, type[DirectionalLimits | CrossSectionLimits]] = {
    "directional": DirectionalLimits,
    "cross_sectional": CrossSectionLimits,
}
"""Tasks whose models may say positions, and what those keep to."""
