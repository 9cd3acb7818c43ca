"""What a trade costs, as the optimiser and the backtest both count it.

What does not belong here: borrow fees and the arithmetic over time (`backtest/costs.py`).
"""

from __future__ import annotations

from lim_pipelines.exchanges import get_exchange

BASIS_POINT = 1e-4


def trade_rate(mic: str) -> float:
    """Commission and half spread of an exchange, fraction of the traded value."""
    exchange = get_exchange(mic)
    return (exchange.commission_bps + exchange.half_spread_bps) * BASIS_POINT
