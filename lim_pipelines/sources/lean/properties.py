"""What LEAN says of instruments in its symbol-properties database: name, currency, multiplier, tick, lot.

What does not belong here: ids and exchanges (`markets.py`, `maps.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lim_pipelines.sources.lean.paths import LeanPath, roots
from lim_pipelines.sources.lean.reference_files import numbered_rows, refused

FILE = "symbol-properties/symbol-properties-database.csv"


@dataclass(frozen=True)
class Properties:
    """One row of the database.

    Parameters
    ----------
    name
        Description; empty if LEAN has none.
    currency
        Currency, or coin, of the prices; empty if LEAN does not say.
    multiplier, tick_size, lot_size
        As in `LISTINGS`; None where not given.
    """

    name: str = ""
    currency: str = ""
    multiplier: float = 1.0
    tick_size: float | None = None
    lot_size: float | None = None


def properties_of(landing: Path, path: LeanPath) -> Properties:
    """Return the row of the symbol, else the one for all of its market, else defaults."""
    for root in roots(path.root):
        where = landing / root / FILE
        if where.is_file():
            rows = _rows(landing, f"{root}/{FILE}", where.stat().st_mtime_ns)
            for ticker in (path.ticker, "[*]"):
                if found := rows.get((path.market, ticker, path.asset_class)):
                    return found
            break
    return Properties()


@lru_cache(maxsize=4)
def _rows(landing: Path, file: str, mtime_ns: int) -> dict[tuple[str, str, str], Properties]:
    rows = {}
    for line, fields in numbered_rows(landing, file, 8):
        market, symbol, kind, name, currency, multiplier, tick, lot = fields
        if market == "market":
            continue
        try:
            said = Properties(name, currency, float(multiplier or 1), _positive(tick), _positive(lot))
        except ValueError as error:
            raise refused(f"{file}, line {line}", error, "row of symbol properties") from error
        rows[market.lower(), symbol.upper(), kind.lower()] = said
    return rows


def _positive(text: str) -> float | None:
    value = float(text or 0)
    return value if value > 0 else None
