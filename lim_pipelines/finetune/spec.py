"""What a strategy's models are fitted on and how: the part of a strategy's YAML that training reads.

What does not belong here: how forecasts become positions (`strategies/spec.py` adds that; changing it
retrains nothing), the fitting itself (`train.py`). Import-light: Dagster reads specs when it loads.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lim_pipelines.exchanges import EXCHANGES, get_exchange
from lim_pipelines.inputs.registry import OWNER, width_of
from lim_pipelines.instruments import ASSET_CLASSES, AssetClass, instruments

Task = Literal["directional", "cross_sectional"]
Method = Literal["full", "head", "scratch"]
Control = Literal["full", "head", "scratch", "ridge", "persistence"]
FoundationFamily = Literal["foundation_checkpoint", "xsim_foundation_checkpoint"]

DETERMINISTIC_ARMS = ("ridge", "persistence")
"""Arms without a random seed; they are fitted once, as seed 0."""


class Setting(BaseModel):
    """Base of all settings: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Universe(Setting):
    """Which instruments a strategy trades: the listed ones, and all of the listed exchanges."""

    exchanges: tuple[str, ...] = Field(
        default=(), description="Exchange MICs; all their instruments are traded."
    )
    instruments: tuple[str, ...] = Field(default=(), description="Instrument ids, <MIC>:<name>.")
    asset_classes: tuple[AssetClass, ...] = Field(default=ASSET_CLASSES, description="Classes that are kept.")

    @field_validator("exchanges")
    @classmethod
    def _known_exchanges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(EXCHANGES))
        if unknown:
            raise ValueError(
                f"unknown exchanges {unknown}; known are {sorted(EXCHANGES)} (lim_pipelines/exchanges/)"
            )
        return value

    @field_validator("instruments")
    @classmethod
    def _known_instruments(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(instruments()))
        if unknown:
            raise ValueError(
                f"unknown instruments {unknown}; ids look like XNYM:WTI (lim_pipelines/instruments.py)"
            )
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> Universe:
        if not self.instrument_ids():
            raise ValueError(
                "no instrument is left in it; name `exchanges` or `instruments`, or widen `asset_classes`"
            )
        return self

    def instrument_ids(self) -> tuple[str, ...]:
        """Ids of the instruments in the universe, sorted."""
        return tuple(
            sorted(
                i.instrument_id
                for i in instruments().values()
                if (i.exchange in self.exchanges or i.instrument_id in self.instruments)
                and i.asset_class in self.asset_classes
            )
        )

    def mics(self) -> tuple[str, ...]:
        """Exchanges of the instruments in the universe, sorted."""
        return tuple(sorted({instruments()[i].exchange for i in self.instrument_ids()}))


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
    history_sessions: int | None = Field(
        default=None,
        ge=50,
        description="Sessions before the validation window that are fitted on; all if absent.",
    )
    sample_every: int = Field(default=1, ge=1, description="Keep every n-th decision session as a sample.")


class ModelSpec(Setting):
    """What is forecast, from what, by which methods.

    The forecast is the log total return over `horizon` sessions, counted from the close that follows the
    decision (data to alpha, paper section 3.1).
    """

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Strategy name; also the name of its folder."
    )
    description: str = Field(min_length=1, description="What the strategy does, for people.")
    task: Task = Field(
        description="directional (each instrument for itself) or cross_sectional (one against another)."
    )
    universe: Universe
    frequency: Literal["1d"] = Field(default="1d", description="Bar length; daily only in this release.")
    horizon: int = Field(ge=1, le=63, description="Sessions over which the return is forecast.")
    foundation: FoundationFamily = Field(description="Checkpoint family that the models start from.")
    method: Method = Field(description="Fine-tuning method of the strategy itself.")
    controls: tuple[Control, ...] = Field(default=(), description="Arms it is reported beside.")
    features: tuple[str, ...] = Field(
        default=(), description="Model inputs beside quotes, as known at each decision."
    )
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1, description="Seeds of the neural arms.")
    fit: FitSettings = FitSettings()

    @field_validator("features")
    @classmethod
    def _known_features(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(OWNER))
        if unknown:
            raise ValueError(
                f"unknown features {unknown}; known are {sorted(OWNER)}, see lim_pipelines/inputs"
            )
        return value

    @field_validator("controls", "features", "seeds")
    @classmethod
    def _no_repeats(cls, value: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(value)) != len(value):
            raise ValueError(f"{list(value)} names something twice; remove the repetition")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        if self.method in self.controls:
            raise ValueError(f"controls: {self.method!r} is the method itself; remove it from `controls`")
        if len({get_exchange(mic).simulated for mic in self.universe.mics()}) > 1:
            raise ValueError(
                "universe: real and simulated instruments never mix; split it into two strategies"
            )
        if self.features and self.simulated:
            raise ValueError("features: the simulated exchange has no model inputs; leave `features` out")
        right = "xsim_foundation_checkpoint" if self.simulated else "foundation_checkpoint"
        if self.foundation != right:
            raise ValueError(
                f"foundation: real and simulated data never mix; for this universe write {right}"
            )
        if self.task == "cross_sectional" and len(self.universe.instrument_ids()) < 2:
            raise ValueError("universe: a cross-section needs at least two instruments")
        return self

    @property
    def simulated(self) -> bool:
        """Whether no real market stands behind the strategy; reports say so."""
        return any(get_exchange(mic).simulated for mic in self.universe.mics())

    @property
    def inputs_width(self) -> int:
        """Numbers that `features` consist of."""
        return width_of(self.features)

    @property
    def arms(self) -> tuple[str, ...]:
        """The method, then the controls."""
        return (self.method, *self.controls)

    def arm_seeds(self, arm: str) -> tuple[int, ...]:
        """Seeds of an arm; deterministic arms have the one seed 0."""
        return (0,) if arm in DETERMINISTIC_ARMS else self.seeds

    def books(self) -> list[tuple[str, int]]:
        """Every (arm, seed), the method's first: one book of positions each."""
        return [(arm, seed) for arm in self.arms for seed in self.arm_seeds(arm)]

    def model_config_json(self) -> str:
        """Canonical JSON of everything that training reads; equal JSON means the same models."""
        fields = set(ModelSpec.model_fields) - {"description"}
        return json.dumps(self.model_dump(mode="json", include=fields), sort_keys=True)

    def digest(self) -> str:
        """Content hash of the specification without its description, SHA-256 in hexadecimal."""
        content = self.model_dump(mode="json", exclude={"description"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
