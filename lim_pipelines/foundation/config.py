"""What a family of checkpoints is trained on, how large it is, and for how long: data, not code.

What does not belong here: torch, or anything that imports it. Assets read this file when the code location
loads.

Real and simulated quotes never meet in one model: they are two entries of `FOUNDATIONS`, trained by the same
code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lim_pipelines.instruments import AssetClass

CODE_VERSION = "foundation-2"
"""Part of every input digest. Raise it when the same inputs would give other weights."""

FREQS: tuple[str, ...] = ("1m", "1h", "1d", "1w")
"""Frequencies that have an embedding. Append only: the positions are rows of trained tables."""

Size = Literal["tiny", "small", "base"]


@dataclass(frozen=True)
class Shape:
    """Dimensions of the backbone.

    Parameters
    ----------
    d_model
        Width of a token; a multiple of 4 and of `heads`.
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
    "small": Shape(d_model=192, layers=6, heads=6),
    "base": Shape(d_model=512, layers=12, heads=8),
}
"""The one dial of model size."""


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
    context, horizon
        L_X and L_Y of section 4.1, in bars; multiples of `patch`.
    patch
        Bars in a patch (section 4.2, principle 3).
    steps_first
        Optimiser steps of a checkpoint without a parent.
    steps_continual
        Optimiser steps of a checkpoint that goes on from its parent (section 6.2, continual training).
    batch_size
        Windows a step.
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
    context: int = Field(default=64, gt=0)
    horizon: int = Field(default=8, gt=0)
    patch: int = Field(default=8, gt=0)
    steps_first: int = Field(default=300, gt=0)
    steps_continual: int = Field(default=30, gt=0)
    batch_size: int = Field(default=32, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> FoundationConfig:
        for name in ("context", "horizon"):
            if getattr(self, name) % self.patch:
                raise ValueError(
                    f"{self.name}: {name} {getattr(self, name)} is no multiple of patch {self.patch}"
                )
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
        return {"size": self.size, "context": self.context, "horizon": self.horizon, "patch": self.patch}

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
