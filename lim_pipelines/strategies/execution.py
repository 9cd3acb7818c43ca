"""How a strategy's targets are traded: when, at which price, with how much money, under which limits.

What does not belong here: rates of commission, spread and borrow (`finetune/costs.py`), the arithmetic
(`backtest/`; docs/backtest.md says it in full).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lim_pipelines.finetune.setting import Setting

Fill = Literal["open", "close", "vwap"]


class Execution(Setting):
    """How targets become trades."""

    capital: float = Field(
        default=10_000_000.0, gt=0, description="Money that a book starts with, in the base currency."
    )
    currency: str = Field(
        default="USD", pattern=r"^[A-Z]{3}$", description="Base currency: what all money is counted in."
    )
    fill: Fill = Field(default="close", description="Price of the session at which orders are filled.")
    delay: int = Field(
        default=1, ge=1, le=20, description="Sessions from a decision to the one that fills it."
    )
    exchange_rules: bool = Field(
        default=True,
        description="Whether lots, ticks, price limits, short bans, transaction taxes and halts hold.",
    )
    participation: float | None = Field(
        default=None, gt=0, le=1, description="Largest share of a session's volume that is traded; no limit."
    )
    impact: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Coefficient of the square-root law of impact, about 1 where it was measured; 0 is none.",
    )
    cash_rate: float = Field(
        default=0.0, ge=-0.1, le=1, description="Interest on cash, fraction a year (actual days over 365)."
    )
    financing_spread: float = Field(
        default=0.0, ge=0, le=1, description="What owed cash pays beside `cash_rate`, fraction a year."
    )
    initial_margin: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Equity that a position needs, fraction of its value; no limit.",
    )
    maintenance_margin: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Equity below which a book is cut to `initial_margin`, fraction of the value held.",
    )
    delisting_haircut: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="What is lost of the last price of an instrument whose listing ends.",
    )

    @model_validator(mode="after")
    def _margins(self) -> Execution:
        if self.maintenance_margin is None:
            return self
        if self.initial_margin is None or self.initial_margin < self.maintenance_margin:
            raise ValueError(
                f"execution: a call cuts positions to initial_margin ({self.initial_margin}), which must be"
                f" at least maintenance_margin ({self.maintenance_margin}); raise it"
            )
        return self
