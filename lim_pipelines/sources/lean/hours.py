"""On which clock LEAN's times are, from its market-hours database.

What does not belong here: sessions and holidays, which are the exchange's (`exchanges/`).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from lim_pipelines.exchanges import get_exchange
from lim_pipelines.sources.base import RejectedFileError
from lim_pipelines.sources.lean.paths import LeanPath, roots
from lim_pipelines.sources.lean.reference_files import refused, text

_NAMES = {
    **{"equity": "Equity", "forex": "Forex", "cfd": "Cfd", "crypto": "Crypto"},
    **{"cryptofuture": "CryptoFuture", "future": "Future", "index": "Index"},
}
_FIXED = re.compile(r"UTC([+-])(\d\d)", re.ASCII)


def data_zone(landing: Path, file: str, path: LeanPath, mic: str) -> str:
    """Zone of the times in a file: its symbol's, else its market's, else the exchange's own clock.

    Parameters
    ----------
    landing
        The landing folder.
    file
        The file's path under it, for the refusal.
    path
        What the path says.
    mic
        The exchange.

    Raises
    ------
    RejectedFileError
        no_market_hours: without the database a futures file in UTC would be read on the exchange's clock.
    """
    for root in roots(path.root):
        for found in sorted((landing / root / "market-hours").glob("market-hours-database*.json")):
            zones = _zones(landing, found.relative_to(landing).as_posix(), found.stat().st_mtime_ns)
            market = f"{_NAMES[path.asset_class]}-{path.market}"
            zone = zones.get(f"{market}-{path.ticker}") or zones.get(f"{market}-[*]")
            return zone or get_exchange(mic).timezone
    raise RejectedFileError(
        file,
        "no_market_hours",
        "LEAN's market-hours database, which says on which clock its times are, is not there",
        f"drop LEAN's {path.root}/market-hours/market-hours-database.json first",
    )


@lru_cache(maxsize=8)
def _zones(landing: Path, path: str, mtime_ns: int) -> dict[str, str]:
    try:
        entries = json.loads(text(landing, path))["entries"]
        zones = {key: _iana(entry["dataTimeZone"]) for key, entry in entries.items()}
        for zone in set(zones.values()):
            ZoneInfo(zone)
    except (ValueError, KeyError, TypeError) as error:
        raise refused(path, error, "market-hours database") from error
    return zones


def _iana(zone: str) -> str:
    """Turn LEAN's fixed offsets into IANA names, whose signs are the other way round."""
    fixed = _FIXED.fullmatch(zone)
    if not fixed:
        return zone
    return f"Etc/GMT{'-' if fixed[1] == '+' else '+'}{int(fixed[2])}"
