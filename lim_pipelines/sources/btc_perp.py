"""Minute bars of a perpetual on bitcoin: `landing/btc_perp/btc-perp-<from>-<to>_1m.csv[.gz]`.

What does not belong here: funding, which the file does not hold.

Columns timestamp (no offset), open, high, low, close, volume (USD of notional). Venue, zone and convention
are not stated. The venue is filed as CRYPTO, the registry's name for one that is not known. The rest shows:

- Bars are stamped with their END, in UTC. US consumer prices came out on 2022-01-12 at 13:30 UTC; the bar
  that jumps, with ten times the volume, is 13:31, as it must be if it covers 13:30 to 13:31. Over the month
  the busiest minute of the hour is :01, not :00, and the busiest hours are those of the American day.
- Notional is what `turnover` means, so `volume` (of coins) stays missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lim_pipelines.sources.base import Parsed, SourceFile
from lim_pipelines.sources.table_files import listed, read_table
from lim_pipelines.sources.tabular import ListedAs, TableFormat, TimeFormat

FORMAT = TableFormat(
    time=TimeFormat(columns=("timestamp",), stamp="end", timezone="UTC"),
    columns={"open": "open", "high": "high", "low": "low", "close": "close", "turnover": "volume"},
    exchange="CRYPTO",
    symbol="BTC-PERP",
    freq="1m",
    listed_as=ListedAs(asset_class="crypto", currency="USD"),
)


class BtcPerp:
    """Minute bars of BTC-PERP."""

    name = "btc_perp"
    exchanges = frozenset({"CRYPTO"})

    def files(self, landing: Path) -> list[SourceFile]:
        """List the vendor's files."""
        return listed(landing, self.name, self.exchanges)

    def read(self, file: SourceFile, landing: Path) -> Iterator[Parsed]:
        """Parse one file."""
        yield from read_table(file, landing, FORMAT)
