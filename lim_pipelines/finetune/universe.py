"""Which instruments a strategy trades: named ones, and all of named exchanges.

What does not belong here: what the lake holds of them (`strategies/check.py` compares), reading it.

A universe says nothing of which instruments of an exchange there are: it is a condition on rows, so at every
moment it is what was known of then, instruments that are gone by now among them.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from pydantic import Field, field_validator, model_validator

from lim_pipelines.exchanges import EXCHANGES
from lim_pipelines.finetune.setting import Setting, meant
from lim_pipelines.instruments import ASSET_CLASSES, AssetClass, instruments


class Universe(Setting):
    """Which instruments a strategy trades: the listed ones, and all of the listed exchanges."""

    exchanges: tuple[str, ...] = Field(
        default=(), description="Exchange MICs; all that the lake holds of them is traded."
    )
    instruments: tuple[str, ...] = Field(
        default=(), description="Instrument ids, <MIC>:<name>: embedded ones and those of vendors' listings."
    )
    asset_classes: tuple[AssetClass, ...] = Field(default=ASSET_CLASSES, description="Classes that are kept.")

    @field_validator("exchanges")
    @classmethod
    def _known_exchanges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _refuse_unknown(value)
        return value

    @field_validator("instruments")
    @classmethod
    def _of_known_exchanges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            mic, colon, own = name.partition(":")
            if not (mic and colon and own):
                raise ValueError(
                    f"{name!r} is no instrument id{meant(name, instruments())}; ids look like XNYM:WTI"
                    " (lim_pipelines/instruments.py, or `instrument_id` in the table listings)"
                )
            _refuse_unknown([mic])
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> Universe:
        embedded = instruments()
        classes = [embedded[name].asset_class for name in self.instruments if name in embedded]
        # Of a vendor's instrument nobody knows the class before its bars are read.
        named = len(classes) < len(self.instruments) or set(classes) & set(self.asset_classes)
        if not self.asset_classes or not (self.exchanges or named):
            raise ValueError(
                "no instrument is left in it; name `exchanges` or `instruments`, or widen `asset_classes`"
            )
        return self

    def mics(self) -> tuple[str, ...]:
        """Exchanges of the universe, sorted."""
        return tuple(sorted({*self.exchanges, *(name.partition(":")[0] for name in self.instruments)}))

    def rows(self) -> pl.Expr:
        """Rows that belong to it, of a table with the columns exchange, instrument_id and asset_class."""
        return self.named() & pl.col("asset_class").is_in(self.asset_classes)

    def named(self) -> pl.Expr:
        """Rows of its exchanges and instruments, whatever their class: of a table without `asset_class`."""
        here = pl.col("exchange").is_in(self.mics())  # what the lake's files are told apart by
        return here & (
            pl.col("exchange").is_in(self.exchanges) | pl.col("instrument_id").is_in(self.instruments)
        )


def _refuse_unknown(mics: Sequence[str]) -> None:
    for mic in mics:
        if mic not in EXCHANGES:
            raise ValueError(
                f"unknown exchange {mic!r}{meant(mic, EXCHANGES)}; known are {sorted(EXCHANGES)}"
                " (lim_pipelines/exchanges/)"
            )
