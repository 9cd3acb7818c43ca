"""Which exchange a market of LEAN's is, and what it trades.

What does not belong here: symbols that change hands (`maps.py`), the exchanges themselves (`exchanges/`).

LEAN's `usa` is the consolidated tape: trades of all US exchanges. A share belongs to the exchange that
lists it, which its map file tells: Q is Nasdaq; N, P, A and Z (NYSE, Arca, American, Cboe) count as XNYS,
whose sessions, hours and currency they share. Where no map file tells: a ticker of up to three letters is
XNYS, a longer one XNAS, as the exchanges gave them out until 2007.
"""

from __future__ import annotations

from lim_pipelines.sources.lean.paths import LeanPath

_US = frozenset({"XNAS", "XNYS"})
_FUTURES = {
    **{"cme": "XCME", "cbot": "XCBT", "comex": "XCEC", "nymex": "XNYM"},
    **{"ice": "IFUS", "eurex": "XEUR", "hkfe": "XHKF"},
}
_INDICES = {"hkfe": "XHKG", "eurex": "XEUR", "india": "XNSE", "ose": "XTKS"}
"""An index belongs to the exchange of its members: the Hang Seng to Hong Kong's shares, the Nikkei to
Tokyo's."""
_FX = {"fxcm": "FXCM", "oanda": "OANDA"}
_CRYPTO = {name: name.upper() for name in ("binance", "bitfinex", "bybit", "coinbase", "dydx")}
_CRYPTO["gdax"] = "COINBASE"

_MARKETS: dict[str, dict[str, str]] = {
    "equity": {"india": "XNSE"},
    "index": _INDICES,
    "future": _FUTURES,
    "forex": _FX,
    "cfd": _FX,
    "crypto": _CRYPTO,
    "cryptofuture": _CRYPTO,
}
NASDAQ_INDICES = frozenset({"NDX", "XNDX", "COMP", "IXIC", "BKX", "XAU", "UTY"})
"""Indices of `index/usa` that Nasdaq computes; the others count as XNYS, where most of their members
trade."""

ASSET_CLASSES = {
    **{"equity": "equity", "index": "index", "future": "future"},
    **{"forex": "fx", "cfd": "cfd", "crypto": "crypto", "cryptofuture": "future"},
}
"""LEAN's class to the lake's. A perpetual is a future without an expiry."""

EXCHANGES = frozenset(_US.union(*(market.values() for market in _MARKETS.values())))


def exchanges_of(path: LeanPath) -> frozenset[str]:
    """Exchanges that a file may hold; empty if the market is none that we know."""
    if (path.asset_class, path.market) == ("equity", "usa"):
        return _US
    if (path.asset_class, path.market) == ("index", "usa"):
        return frozenset({"XNAS" if path.ticker in NASDAQ_INDICES else "XNYS"})
    mic = _MARKETS[path.asset_class].get(path.market)
    return frozenset({mic} if mic else ())


def listed_on(market: str, ticker: str, code: str) -> str:
    """Exchange that lists a share.

    Parameters
    ----------
    market
        LEAN's market: usa or india.
    ticker
        Its ticker.
    code
        LEAN's code of the primary exchange; empty where no map file tells.
    """
    if market != "usa":
        return _MARKETS["equity"][market]
    if code:
        return "XNAS" if code == "Q" else "XNYS"
    return "XNYS" if len(ticker) <= 3 else "XNAS"
