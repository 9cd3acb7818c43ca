"""What a strategy's models are fitted on and how: the part of a strategy's YAML that training reads.

What does not belong here: groups of settings (`settings.py`), how forecasts become positions
(`strategies/spec.py` adds that; changing it retrains nothing), the fitting itself (`train.py`). Import-light:
Dagster reads specs when it loads.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.finetune.cadence import Cadence
from lim_pipelines.finetune.costs import Costs
from lim_pipelines.finetune.quantiles import LEVELS
from lim_pipelines.finetune.setting import Setting, meant
from lim_pipelines.finetune.settings import (
    LIMITS,
    CrossSectionLimits,
    DirectionalLimits,
    FitSettings,
    LeaderSettings,
    PairSettings,
)
from lim_pipelines.finetune.universe import Universe
from lim_pipelines.foundation.config import FOUNDATIONS
from lim_pipelines.inputs.registry import OWNER, width_of

Task = Literal["directional", "cross_sectional", "lead_lag", "pairs", "fundamental"]
HeadName = Literal["perceptron", "attention"]
Method = Literal["head", "last_layers", "full", "layerwise", "lora", "adapter", "distilled", "scratch"]
Hiding = Literal[
    "without_macro",
    "without_fundamentals",
    "without_events",
    "without_membership",
    "without_text",
    "without_graph",
]
Control = Literal[Method, "ridge", "lightgbm", "tsmom", "macd", "persistence", Hiding]
Fusion = Literal["concatenation", "gate", "cross_attention"]
Output = Literal["alpha", "position"]
FoundationFamily = Literal["foundation_checkpoint", "xsim_foundation_checkpoint"]

RELATIVE_TASKS: tuple[Task, ...] = ("cross_sectional", "fundamental")
"""Tasks whose forecasts and labels are relative to the session's mean; a session is one sample."""

SPREAD_FEATURES = ("z_score", "half_life", "statistic")
"""Of a pair: the spread's deviation from its mean in standard deviations; the log of its half-life; the
statistic of the test that found it."""

SHORTEST_BATCH = 20
"""Decisions that a step needs at least where the loss is a Sharpe ratio."""

SHORTEST_VALIDATION = 10
"""Decisions, each with another one a horizon before it, that early stopping needs at least there."""

WITHOUT = "without_"
"""Begins the names of controls that are the method itself without one modality, a block of `features`."""

DETERMINISTIC_ARMS = ("ridge", "lightgbm", "tsmom", "macd", "persistence")
"""Arms without a random seed; they are fitted once, as seed 0."""


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
        description="directional (each instrument for itself), cross_sectional (one against another),"
        " lead_lag (those that follow others), pairs (spreads of two), fundamental (companies, by what they"
        " file)."
    )
    universe: Universe
    frequency: Literal["1d"] = Field(default="1d", description="Length of the bars that are read and traded.")
    horizon: int = Field(ge=1, le=63, description="Sessions over which the return is forecast.")
    foundation: FoundationFamily = Field(description="Checkpoint family that the models start from.")
    method: Method = Field(description="Fine-tuning method of the strategy itself.")
    controls: tuple[Control, ...] = Field(default=(), description="Arms it is reported beside.")
    features: tuple[str, ...] = Field(
        default=(), description="Model inputs beside quotes, as known at each decision."
    )
    fusion: Fusion = Field(
        default="concatenation",
        description="How features join the embedding: beside it, through a gate, or by cross-attention.",
    )
    output: Output = Field(
        default="alpha",
        description="What models say: alpha (quantiles of the return, for `portfolio`) or position (fitted on"
        " the Sharpe ratio after costs; decided every `horizon` sessions).",
    )
    position: DirectionalLimits | CrossSectionLimits | None = Field(
        default=None,
        validate_default=True,
        description="Limits of `output: position`; its fields depend on `task`.",
    )
    cadence: Cadence = Field(default=Cadence(), description="First cutoff, and how often models are trained.")
    costs: Costs = Field(default=Costs(), description="What trading costs; as the exchanges say if absent.")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1, description="Seeds of the neural arms.")
    fit: FitSettings = FitSettings()
    head: HeadName = Field(
        default="perceptron",
        description="What reads the embeddings: perceptron (each sample for itself) or attention (across the"
        " instruments of a session).",
    )
    leaders: LeaderSettings = Field(
        default=LeaderSettings(), description="How leaders are screened; task lead_lag only."
    )
    pairs: PairSettings = Field(default=PairSettings(), description="How pairs are chosen; task pairs only.")

    @field_validator("position", mode="before")
    @classmethod
    def _limits_of_task(cls, value: object, info: ValidationInfo) -> object:
        """Read limits as the task's own, so that an error speaks of those only; without any, the defaults."""
        limits = LIMITS.get(info.data.get("task", ""))
        if limits is None or info.data.get("output") != "position":
            return value
        return limits.model_validate({} if value is None else value)

    @model_validator(mode="after")
    def _position(self) -> ModelSpec:
        if self.output == "alpha":
            if self.position is not None:
                raise ValueError("position: belongs to `output: position`; remove it, or add that")
            return self
        if self.position is None or self.task not in LIMITS:
            raise ValueError(f"output: only models of tasks {sorted(LIMITS)} say positions; write alpha")
        if self.horizon % self.fit.sample_every:
            raise ValueError(
                "fit: positions are fitted on decisions that follow each other, `horizon` sessions apart;"
                f" sample_every ({self.fit.sample_every}) must divide horizon ({self.horizon})"
            )
        if self.fit.batch < SHORTEST_BATCH:
            raise ValueError(
                f"fit: a Sharpe ratio of fewer than {SHORTEST_BATCH} decisions is noise; raise batch"
                f" ({self.fit.batch})"
            )
        if (self.fit.validated(self.horizon) - self.horizon) // self.fit.sample_every < SHORTEST_VALIDATION:
            raise ValueError(
                f"fit: early stopping needs {SHORTEST_VALIDATION} decisions that have another one a horizon"
                f" ({self.horizon}) before them; raise validation_sessions ({self.fit.validation_sessions}),"
                f" or lower sample_every ({self.fit.sample_every})"
            )
        return self

    @field_validator("frequency", mode="before")
    @classmethod
    def _daily(cls, value: object) -> object:
        if value != "1d":
            raise ValueError(
                f"{value} is not offered: decisions, fills, costs and labels are by session; write 1d, and"
                " take a longer `horizon` or a slower rhythm in `portfolio` for what is to move slowly"
            )
        return value

    @field_validator("features")
    @classmethod
    def _known_features(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(OWNER))
        if unknown:
            raise ValueError(
                f"unknown features {unknown}{meant(unknown[0], OWNER)}; known are {sorted(OWNER)}, see"
                " lim_pipelines/inputs"
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
        blocks = {OWNER[name].name for name in self.features}
        hidden = {arm.removeprefix(WITHOUT) for arm in self.controls if arm.startswith(WITHOUT)}
        if absent := sorted(hidden - blocks):
            raise ValueError(
                f"controls: without_{absent[0]} takes away what is not there; remove it, or name features of"
                f" block {absent[0]} in `features` (there are {sorted(blocks)})"
            )
        if len({get_exchange(mic).simulated for mic in self.universe.mics()}) > 1:
            raise ValueError(
                "universe: real and simulated instruments never mix; split it into two strategies"
            )
        if self.fusion != "concatenation" and not self.inputs_width:
            raise ValueError("fusion: there are no features to join; name some in `features`, or remove it")
        if self.features and self.simulated:
            raise ValueError("features: the simulated exchange has no model inputs; leave `features` out")
        right = "xsim_foundation_checkpoint" if self.simulated else "foundation_checkpoint"
        if self.foundation != right:
            raise ValueError(
                f"foundation: real and simulated data never mix; for this universe write {right}"
            )
        depth = FOUNDATIONS[self.foundation].shape.layers
        if self.fit.layers >= depth:
            raise ValueError(
                f"fit: layers ({self.fit.layers}) must be fewer than the {depth} blocks of {self.foundation};"
                " to move all of them write method full"
            )
        if not self.universe.exchanges and len(self.universe.instruments) < 2:
            if self.task in RELATIVE_TASKS:
                raise ValueError("universe: a cross-section needs at least two instruments")
            if self.task == "lead_lag":
                raise ValueError("universe: a leader and a lagger are two instruments; name more")
            if self.task == "pairs":
                raise ValueError("universe: a pair is two instruments; name more")
        if self.head == "attention" and self.task not in RELATIVE_TASKS:
            raise ValueError(
                f"head: attention reads a whole cross-section, tasks {sorted(RELATIVE_TASKS)} only; write"
                " perceptron"
            )
        if self.leaders != LeaderSettings() and self.task != "lead_lag":
            raise ValueError("leaders: belongs to `task: lead_lag`; remove it")
        if self.pairs != PairSettings() and self.task != "pairs":
            raise ValueError("pairs: belongs to `task: pairs`; remove it")
        about_companies = [name for name in self.features if OWNER[name].about == "instrument"]
        if self.task == "fundamental" and not about_companies:
            raise ValueError(
                "features: fundamental investing reads what companies file and what is said of them; name"
                " some of earnings_yield, book_to_price, net_margin, accruals, revenue_growth, text_embedding"
            )
        return self

    @property
    def simulated(self) -> bool:
        """Whether no real market stands behind the strategy; reports say so."""
        return any(get_exchange(mic).simulated for mic in self.universe.mics())

    @property
    def own_features(self) -> tuple[str, ...]:
        """Numbers that the task itself puts behind the `features`, in each sample."""
        return SPREAD_FEATURES if self.task == "pairs" else ()

    @property
    def related(self) -> int:
        """K, windows of other instruments that stand beside a sample's own."""
        return self.leaders.most if self.task == "lead_lag" else 0

    @property
    def outputs(self) -> int:
        """Q, numbers that a network says of a sample: of alpha as many as `quantiles.LEVELS`."""
        return 1 if self.output == "position" else len(LEVELS)

    @property
    def inputs_width(self) -> int:
        """Numbers that a sample has beside its quotes: of `features`, and the task's own."""
        return width_of(self.features) + len(self.own_features)

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
        fields = set(ModelSpec.model_fields) - {"description", "cadence", "costs"}
        content = self.model_dump(mode="json", include=fields)
        if self.output == "position":
            # They are in the loss; of an alpha they are the portfolio's affair.
            rates = {
                mic: (self.costs.trade_rate(mic), self.costs.borrow_rate(mic)) for mic in self.universe.mics()
            }
            content["costs"] = rates
        return json.dumps(content, sort_keys=True)

    def digest(self) -> str:
        """Content hash of the specification without its description, SHA-256 in hexadecimal."""
        content = self.model_dump(mode="json", exclude={"description"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
