"""What a strategy pays for trading and for being short.

What does not belong here: the exchanges' own rates (`exchanges/`), the arithmetic over time
(`backtest/costs.py`, `backtest/engine.py`).

One place for all who count costs: the loss of a position model (`losses.py`), the optimiser
(`portfolio/books.py`) and the backtest.
"""

from __future__ import annotations

from pydantic import Field

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.finetune.setting import Setting

BASIS_POINT = 1e-4


class Costs(Setting):
    """Costs of a strategy: the rates of each exchange, unless it names its own; times a multiplier."""

    multiplier: float = Field(
        default=1.0, ge=0, le=100, description="Times all rates: 2 is a strategy that must bear double costs."
    )
    commission_bps: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Commission, basis points of value; the exchange's if absent.",
    )
    half_spread_bps: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="Half the bid-ask spread, basis points; the exchange's if absent.",
    )
    borrow_bps_per_year: float | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="Fee for being short, basis points a year; the exchange's if absent.",
    )

    def commission_rate(self, mic: str) -> float:
        """Commission on an exchange, fraction of the traded value."""
        return self._commission_bps(mic) * BASIS_POINT * self.multiplier

    def spread_rate(self, mic: str) -> float:
        """Half the bid-ask spread on an exchange, fraction of the traded value."""
        return self._half_spread_bps(mic) * BASIS_POINT * self.multiplier

    def trade_rate(self, mic: str) -> float:
        """Commission and half spread on an exchange, fraction of the traded value."""
        return (self._commission_bps(mic) + self._half_spread_bps(mic)) * BASIS_POINT * self.multiplier

    def _commission_bps(self, mic: str) -> float:
        return get_exchange(mic).commission_bps if self.commission_bps is None else self.commission_bps

    def _half_spread_bps(self, mic: str) -> float:
        return get_exchange(mic).half_spread_bps if self.half_spread_bps is None else self.half_spread_bps

    def borrow_rate(self, mic: str) -> float:
        """Fee for what is held short on an exchange, fraction of its value a year of 365 days."""
        own = self.borrow_bps_per_year
        return (get_exchange(mic).borrow_bps_per_year if own is None else own) * BASIS_POINT * self.multiplier
