"""How LEAN lays out a file of bars, as formats of the engine (`tabular/`).

What does not belong here: ticks, which are gathered into bars first (`ticks.py`), what is added to the bars
afterwards (`finish.py`).

LEAN's files have no header and no line break at their end, and stamp a bar with its start. Times of files
a day are milliseconds since midnight; others are `yyyymmdd HH:MM`.
"""

from __future__ import annotations

from functools import lru_cache

from lim_pipelines.sources.lean.paths import BY_DAY, LeanPath
from lim_pipelines.sources.tabular import TableFormat, TimeFormat

EQUITY_PRICE_UNIT = 10_000
PRICES = ("open", "high", "low", "close")
SIDES = {
    side: {**{name: f"{side}_{name}" for name in PRICES}, "volume": f"{side}_size"} for side in ("bid", "ask")
}
_HEADERS = {
    "trade": ("time", *PRICES, "volume"),
    "quote": ("time", *SIDES["bid"].values(), *SIDES["ask"].values()),
    "openinterest": ("time", "open_interest"),
}
_NO_VOLUME = ("forex", "cfd", "index")
"""Classes for which LEAN writes 0 where nobody knows the volume."""
_ENTRY_DATE = r"^(\d{8})_"


def bars_format(path: LeanPath, symbol: str, zone: str) -> TableFormat:
    """Return the format of a file's bars.

    Parameters
    ----------
    path
        What the path says.
    symbol
        The bars' symbol.
    zone
        IANA zone of the times.
    """
    return _format(path.asset_class, path.resolution, path.kind, symbol, zone)


@lru_cache(maxsize=4096)
def _format(asset_class: str, resolution: str, kind: str, symbol: str, zone: str) -> TableFormat:
    by_day = resolution in BY_DAY
    # A tick bar has more to say than one that LEAN made.
    measured = ("turnover", "vwap", "trades") if resolution == "tick" and kind == "trade" else ()
    unit = EQUITY_PRICE_UNIT if asset_class == "equity" else 1
    priced = (*PRICES, *(name for name in measured if name != "trades"))
    columns = {
        "trade": {name: name for name in (*PRICES, "volume", *measured)},
        # The engine wants a close; open interest is read with its help and never published as a price.
        "openinterest": {"close": "open_interest"},
        "quote": {},
    }[kind]
    return TableFormat(
        time=TimeFormat(
            columns=("time",),
            format="ms_of_day" if by_day else "%Y%m%d %H:%M",
            file_date=_ENTRY_DATE if by_day else None,
            timezone=zone,
            stamp="start",
        ),
        columns=columns,
        sides=SIDES if kind == "quote" else {},  # type: ignore[arg-type]
        symbol=symbol,
        freq={**BY_DAY, "hour": "1h", "daily": "1d"}[resolution],
        divide_by={} if unit == 1 or kind == "openinterest" else dict.fromkeys(priced, unit),  # type: ignore[arg-type]
        zero_is_missing=("volume",) if asset_class in _NO_VOLUME else (),
        header=_HEADERS[kind] if resolution != "tick" else None,
        extra_columns=True,
        final_line_break=False,
    )
