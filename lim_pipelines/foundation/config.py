"""What a family of checkpoints is trained on, how large it is, and for how long: data, not code.

What does not belong here: torch, or anything that imports it. Assets read this file when the code location
loads.

Real and simulated quotes never meet in one model: they are two entries of `FOUNDATIONS`, trained by the same
code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lim_pipelines.instruments import AssetClass

CODE_VERSION = "foundation-4"
"""Part of every input digest. Raise it when the same inputs would give other weights."""

FREQS: tuple[str, ...] = ("1m", "1h", "1d", "1w", "1s", "15s", "5m", "20m")
"""Frequencies that have an embedding. Append only: the positions are rows of trained tables."""

COARSER = {"1h": "1d", "1d": "1w"} | dict.fromkeys(("1s", "15s", "1m", "5m", "20m"), "1d")
"""Frequency of the coarser bars that may stand before a context, by the context's own."""

Size = Literal["tiny", "small", "base", "large"]
Layout = Literal["patch", "variable", "two_level"]
Objective = Literal["horizon", "next_patch", "masked"]
HeadName = Literal["mixture", "quantile", "categorical", "point"]


@dataclass(frozen=True)
class Shape:
    """Dimensions of the backbone.

    Parameters
    ----------
    d_model
        Width of a token; an even multiple of `heads`.
    layers
        Transformer blocks.
    heads
        Attention heads.
    threads
        CPU threads that training can use; None leaves the choice to torch. In a tiny step they would wait for
        each other: 2 threads gain a quarter on idle cores and lose a factor of ten on busy ones.
    """

    d_model: int
    layers: int
    heads: int
    threads: int | None = None


SIZES: dict[Size, Shape] = {
    "tiny": Shape(d_model=64, layers=3, heads=4, threads=1),
    "small": Shape(d_model=128, layers=4, heads=4),
    "base": Shape(d_model=256, layers=6, heads=4),
    "large": Shape(d_model=768, layers=12, heads=12),
}
"""The one dial of model size: about .2, .9, 5 and 87 million parameters."""


class Settings(BaseModel):
    """Settings are data: frozen, and nothing but what is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Entry = Annotated[str, Field(pattern=r"^[^/]+(/[^/]+){0,2}$")]


class Mix(Settings):
    """How often windows are drawn from where.

    Parameters
    ----------
    exponent
        1 / temperature: a group (exchange, asset class, frequency) of n windows has weight n ** exponent. 1
        draws as there are windows; 0 draws all groups alike.
    dedup
        Whether a series that is nearly another one is left out of the draw (`dedup.py`).
    weights
        "exchange", "exchange/class", "exchange/class/freq", "*/class" or "*/*/freq" to a factor of the
        weight; the most specific entry counts, 0 leaves a group out. Groups without an entry have 1.
    candidates
        Entries, named as in `weights`, that are drawn from only if that helps all the others: a training from
        scratch tries them (`selection.py`), and those that go on from it inherit the choice. Empty: none is
        tried.
    """

    exponent: float = Field(default=0.0, ge=0, le=1)
    dedup: bool = True
    weights: dict[_Entry, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    candidates: tuple[_Entry, ...] = ()


class Augment(Settings):
    """Which share of the windows of a training batch is changed, and how. All of it is off by default.

    Parameters
    ----------
    time_scale
        Share of windows whose bars are merged by 2 to 4 (returns and volume added, ranges joined).
    jitter
        Share of windows that get noise of a twentieth of their own spread.
    mixup
        Share of windows that are blended with another window of the batch (TSMixup).
    synthetic
        Share of windows that are replaced by simulated ones (GARCH, regime switches, seasonality).
    """

    time_scale: float = Field(default=0.0, ge=0, le=1)
    jitter: float = Field(default=0.0, ge=0, le=1)
    mixup: float = Field(default=0.0, ge=0, le=1)
    synthetic: float = Field(default=0.0, ge=0, le=1)


class Training(Settings):
    """How training runs; none of it changes what is learned but by rounding, and by what a schedule does.

    Parameters
    ----------
    precision
        Of the matrix products; weights and optimiser stay in fp32.
    compile
        Whether `torch.compile` compiles the model; it costs a minute, so it pays in long runs only.
    accumulate
        Pieces that the batch of a step is cut into, one after the other: less memory, the same windows.
    schedule
        Learning rate behind the warm-up: `wsd` falls over the last fifth, `cosine` falls all along.
    ema
        Decay of the moving average of weights that is saved; 0 saves the last weights.
    save_every
        Steps between the snapshots that a killed run resumes from.
    strategy
        `single`, or how Lightning spreads a step over processes: `ddp`, `fsdp2`.
    devices, nodes
        Processes a node, nodes; ignored by `single`. Under torchrun and Slurm theirs count.
    """

    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = False
    accumulate: int = Field(default=1, gt=0)
    schedule: Literal["wsd", "cosine"] = "cosine"
    ema: float = Field(default=0.0, ge=0, lt=1)
    save_every: int = Field(default=500, gt=0)
    strategy: Literal["single", "ddp", "fsdp2"] = "single"
    devices: int = Field(default=1, gt=0)
    nodes: int = Field(default=1, gt=0)


class Continual(Settings):
    """How a checkpoint goes on from the one before (section 6.2).

    Parameters
    ----------
    replay
        Share of a continued training's windows that forecast bars which the parent could train on; the others
        forecast newer bars. Against forgetting.
    full_every
        Every how many cutoffs training starts from scratch, counted from the last one that did; 0: never but
        for the first.
    """

    replay: float = Field(default=0.5, ge=0, le=1)
    full_every: int = Field(default=0, ge=0)


class FoundationConfig(BaseModel):
    """One family of foundation checkpoints.

    Parameters
    ----------
    name
        Name of the family; also of its Dagster asset and of its folder.
    exchanges, asset_classes, freqs
        Quotes it learns from (paper, section 3.2: universal over exchanges, instruments, frequencies). `1w`
        is resampled from `1d`; other frequencies are read as they are in the lake.
    size
        Entry of `SIZES`.
    layout
        What a token holds: a patch of all variables, a patch of one variable, or the latter with attention
        over time and over variables in turn. `benchmarks/token_layouts.py` compares them.
    objective
        What is learned: the horizon behind every patch, the patch behind every patch, or hidden patches and
        the horizon from both sides. `benchmarks/objectives.py` compares them.
    head
        What is said about a value: a density (mixture of Student's t over the whole horizon, or classes), its
        quantiles, or a point.
    context, horizon
        L_X and L_Y of section 4.1, in bars; multiples of `patch`.
    patch
        Bars in a patch (section 4.2, principle 3).
    coarse
        Bars of the next coarser frequency of the same instrument that stand before the context, a multiple of
        `patch`; 0 for none. The last year in days before the last hour in minutes.
    hide
        Largest share of a window's patches (of one variable each) that training hides at random.
    mix, augment, training, continual
        See there.
    steps_first
        Optimiser steps of a checkpoint without a parent.
    steps_continual
        Optimiser steps of a checkpoint that goes on from its parent (section 6.2, continual training).
    batch_size
        Windows a step, of all pieces and processes together.
    learning_rate
        Peak learning rate of a checkpoint without a parent.
    seed
        Seed of the initial weights, of the windows and of the masks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    exchanges: tuple[str, ...] = Field(min_length=1)
    asset_classes: tuple[AssetClass, ...] = Field(min_length=1)
    freqs: tuple[str, ...] = Field(min_length=1)
    size: Size = "tiny"
    layout: Layout = "patch"
    objective: Objective = "horizon"
    head: HeadName = "mixture"
    context: int = Field(default=64, gt=0)
    horizon: int = Field(default=8, gt=0)
    patch: int = Field(default=8, gt=0)
    coarse: int = Field(default=0, ge=0)
    hide: float = Field(default=0.0, ge=0, lt=1)
    mix: Mix = Mix()
    augment: Augment = Augment()
    training: Training = Training()
    continual: Continual = Continual()
    steps_first: int = Field(default=300, gt=0)
    steps_continual: int = Field(default=30, gt=0)
    batch_size: int = Field(default=32, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> FoundationConfig:
        for name in ("context", "horizon", "coarse"):
            if getattr(self, name) % self.patch:
                raise ValueError(
                    f"{self.name}: {name} {getattr(self, name)} is no multiple of patch {self.patch}"
                )
        if self.coarse and self.objective == "masked":
            raise ValueError(f"{self.name}: masked reads one frequency a window; set coarse to 0")
        if self.coarse and not {COARSER.get(freq) for freq in self.freqs} & set(self.freqs):
            raise ValueError(f"{self.name}: coarse is {self.coarse}: name 1d beside minutes, 1w beside days")
        unknown = sorted(set(self.freqs) - set(FREQS))
        if unknown:
            raise ValueError(
                f"{self.name}: frequencies {unknown} have no embedding (known: {', '.join(FREQS)});"
                " append them to FREQS in lim_pipelines/foundation/config.py"
            )
        return self

    @property
    def shape(self) -> Shape:
        """Dimensions of the backbone."""
        return SIZES[self.size]

    @property
    def architecture(self) -> dict[str, int | str]:
        """What two configurations must share for the weights of one to fit the other."""
        names = ("size", "layout", "objective", "head", "context", "horizon", "patch", "coarse")
        return {name: getattr(self, name) for name in names}

    @property
    def universe(self) -> dict[str, set[str]]:
        """Which quotes it learns from, in whatever order they are named."""
        return {
            "exchanges": set(self.exchanges),
            "asset_classes": set(self.asset_classes),
            "freqs": set(self.freqs),
        }


REAL = FoundationConfig(
    name="foundation_checkpoint",
    exchanges=("XNAS", "XNYS"),
    asset_classes=("equity", "index"),
    freqs=("1d", "1w"),
)
"""Real stocks and indices. No commodities: WTI is what strategies transfer to."""

XSIM = FoundationConfig(
    name="xsim_foundation_checkpoint",
    exchanges=("XSIM",),
    asset_classes=("equity",),
    freqs=("1d", "1m"),
)
"""The simulated exchange."""

FOUNDATIONS: dict[str, FoundationConfig] = {config.name: config for config in (REAL, XSIM)}
"""All families, by name."""
