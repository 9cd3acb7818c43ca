"""Contracts of futures: their names, expiries and rolls, from entries of zips and LEAN's map files.

A map file (`future/<market>/map_files/<root>.csv`) holds rows of last date, contract, exchange and mapping
mode. The contract is LEAN's security identifier, which holds the date of expiry. Modes say by which rule
LEAN rolls: 0 on the last trading day, 1 with the contract's month, 2 and 3 when another contract has more
open interest. Only mode 0 is read: it follows from the expiry, which was known when the contract was
listed; a roll by open interest needs care about when that was published.

LEAN's back-adjusted scales (`factor_files`) are hindsight and not read; `align/continuous.py` makes the
continuous series from the contracts.

What does not belong here: bars (`bars.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from lim_pipelines.sources.lean.paths import roots
from lim_pipelines.sources.lean.reference_files import numbered_rows, refused

LAST_TRADING_DAY = "0"
EXPIRE_IN_THEIR_MONTH = frozenset({"cme", "cbot", "comex", "hkfe", "eurex"})
"""Markets whose contracts carry the month in which they expire. NYMEX's energies and ICE's expire in the
month before, each by a rule of its own that LEAN has in its code and not in its data: their expiry stays
unknown."""
_MONTH = re.compile(r"_(?P<month>\d{6})(?:\d\d)?\.csv", re.ASCII)
_EPOCH = date(1899, 12, 30)
_DAYS_AT, _DAYS_WIDTH = 10**14, 10**5
"""In LEAN's identifier, a number in base 36, the days from 1899-12-30 to the expiry begin at the 15th
digit."""


@dataclass(frozen=True)
class Mapped:
    """A contract's time as the one that stands for its root.

    Parameters
    ----------
    until
        Last date on which it does.
    month
        The contract's month, YYYYMM.
    expiry
        Last session of the contract.
    file, line
        Where it is written.
    """

    until: date
    month: str
    expiry: date
    file: str
    line: int


def month_of(entry: str) -> str | None:
    """Contract month YYYYMM at the end of an entry's name, or None."""
    found = _MONTH.search(entry)
    return found["month"] if found else None


def mapped(landing: Path, root: str, market: str, ticker: str) -> tuple[Mapped, ...]:
    """Contracts that stand for a root by LEAN's mapping mode 0, in order; empty if LEAN does not tell."""
    if market not in EXPIRE_IN_THEIR_MONTH:
        return ()
    for other in roots(root):
        file = f"{other}/future/{market}/map_files/{ticker.lower()}.csv"
        where = landing / file
        if where.is_file():
            return _mapped(landing, file, where.stat().st_mtime_ns)
    return ()


@lru_cache(maxsize=512)
def _mapped(landing: Path, file: str, mtime_ns: int) -> tuple[Mapped, ...]:
    found = []
    for line, (day, contract, _, mode) in numbered_rows(landing, file, 4):
        if mode != LAST_TRADING_DAY:
            continue
        try:
            expiry = _expiry(contract)
            found.append(Mapped(date.fromisoformat(day), f"{expiry:%Y%m}", expiry, file, line))
        except (ValueError, IndexError, OverflowError) as error:
            raise refused(f"{file}, line {line}", error, "row of a futures map file") from error
    return tuple(sorted(found, key=lambda row: row.until))


def _expiry(contract: str) -> date:
    number = int(contract.split()[1], 36)
    return _EPOCH + timedelta(days=number // _DAYS_AT % _DAYS_WIDTH)
