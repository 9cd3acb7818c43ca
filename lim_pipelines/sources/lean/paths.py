"""What a path of LEAN's `Data` folder says, without opening the file.

`<class>/<market>/<resolution>/<ticker>/<yyyymmdd>_<kind>.zip` for tick, second and minute bars (a file a
day), `<class>/<market>/<resolution>/<ticker>[_<kind>].zip` for hour and daily bars (a file holds all of
them). Everything lies below `landing/lean/` or `landing/lean/history/`, with or without LEAN's own
`Data/`.

What does not belong here: exchanges (`markets.py`), what is in the files (`entries.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

FOLDER = "lean"
CLASSES = ("equity", "forex", "cfd", "crypto", "cryptofuture", "future", "index")
BY_DAY = {"tick": "1s", "second": "1s", "minute": "1m"}
"""Resolutions with a file a day, and the bars they become: ticks are gathered into seconds."""
IN_ONE = {"hour": "1h", "daily": "1d"}
KINDS = ("trade", "quote", "openinterest")
QUOTED = ("forex", "cfd")
"""Classes without trades: their hour and daily files hold quotes, and do not say so in the name."""
_NO_QUOTES = frozenset(
    {
        *("map_files", "factor_files", "fundamental", "universes", "margins", "margin_interest", "shortable"),
        *("alternative", "symbol-properties", "market-hours", "option", "indexoption", "futureoption"),
    }
)
"""Folders that hold no bars, or bars of instruments that are not read (options)."""
_NAME = re.compile(r"(?P<day>\d{8})_(?P<kind>trade|quote|openinterest)\.zip", re.ASCII)


@dataclass(frozen=True)
class LeanPath:
    """One file of bars.

    Parameters
    ----------
    root
        Path of LEAN's data folder under the landing folder.
    asset_class, market, resolution
        As LEAN's folders call them.
    ticker
        Upper case.
    kind
        trade, quote or openinterest.
    day
        Date on the clock of the data, of files a day; None for files that hold all.
    """

    root: str
    asset_class: str
    market: str
    resolution: str
    ticker: str
    kind: str
    day: date | None

    @property
    def freq(self) -> str:
        """Bar length: LEAN's resolution in the lake's words."""
        return {**BY_DAY, **IN_ONE}[self.resolution]


def holds_no_bars(path: str) -> bool:
    """Whether a file is LEAN's but none of bars."""
    return not _NO_QUOTES.isdisjoint(path.split("/"))


def understand(path: str) -> LeanPath | None:
    """Understand a path under the landing folder; None if it is no file of bars in LEAN's layout."""
    parts = path.split("/")
    at = next((i for i, part in enumerate(parts) if part in CLASSES), len(parts))
    root, below = "/".join(parts[:at]), parts[at:]
    if len(below) < 4 or parts[1:at] not in ([], ["Data"], ["history"], ["history", "Data"]):
        return None
    asset_class, market, resolution = below[:3]
    name = below[-1]
    if resolution in BY_DAY and len(below) == 5:
        found = _NAME.fullmatch(name)
        day = _date(found["day"]) if found else None
        if found is None or day is None:
            return None
        return LeanPath(root, asset_class, market, resolution, below[3].upper(), found["kind"], day)
    if resolution in IN_ONE and len(below) == 4 and name.endswith(".zip"):
        ticker, _, kind = name.removesuffix(".zip").partition("_")
        kind = kind or ("quote" if asset_class in QUOTED else "trade")
        if ticker and kind in KINDS:
            return LeanPath(root, asset_class, market, resolution, ticker.upper(), kind, None)
    return None


def roots(first: str = FOLDER) -> list[str]:
    """List the data folders there may be, `first` first: what one lacks, another may have."""
    rest = [f"{FOLDER}/history/Data", f"{FOLDER}/history", f"{FOLDER}/Data", FOLDER]
    return [first, *(root for root in rest if root != first)]


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
