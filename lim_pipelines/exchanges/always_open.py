"""Venues without a closing bell: FX through the week, crypto around the clock.

What does not belong here: exchanges with a MIC. These have none and go by plain names.

An FX session is the 24 hours to 17:00 in New York, where the week ends and the value date turns; its date is
that of its end, so Sunday evening is Monday. A crypto session is the UTC day; at the midnight that closes it
the next one opens. Costs are assumptions for the liquid pairs. Rollover (FX) and funding (perpetuals) are not
counted.
"""

from datetime import time
from functools import partial

from lim_pipelines.exchanges.exchange import Exchange, Stretch
from lim_pipelines.exchanges.rules import CRYPTO as CRYPTO_RULES
from lim_pipelines.exchanges.rules import FX_SPOT

_fx = partial(
    Exchange,
    calendar="24/5",
    timezone="America/New_York",
    currency="USD",
    rules=FX_SPOT,
    commission_bps=0.0,
    half_spread_bps=0.7,
    borrow_bps_per_year=0.0,
    hours=(Stretch(time(17), time(17), "day_before"),),
    calendar_hours=False,
    closed=((1, 1), (12, 25)),
)
# Taker fee of a large account.
_crypto = partial(
    Exchange,
    calendar="24/7",
    timezone="UTC",
    currency="USD",
    rules=CRYPTO_RULES,
    commission_bps=5.0,
    half_spread_bps=1.0,
    borrow_bps_per_year=500.0,
)

ALWAYS_OPEN = (
    _fx("FXCM", "FXCM"),
    _fx("OANDA", "OANDA, FX and CFD"),
    _fx("FXSPOT", "FX rates whose file names no venue"),
    _crypto("BINANCE", "Binance"),
    _crypto("BITFINEX", "Bitfinex"),
    _crypto("BYBIT", "Bybit"),
    _crypto("COINBASE", "Coinbase"),
    _crypto("DYDX", "dYdX"),
    _crypto("KRAKEN", "Kraken"),
    _crypto("CRYPTO", "Crypto venue that the file does not name"),
)
