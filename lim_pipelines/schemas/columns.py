"""Columns that several tables share.

What does not belong here: columns of one table only.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas.table import UTC_TIME, Column

EXCHANGE = Column(pl.String, "", "ISO 10383 market identifier of the exchange; XSIM is simulated")
DATE = Column(pl.Date, "", "session date in the exchange's own time zone")
INSTRUMENT = Column(pl.String, "", "stable instrument id, `<MIC>:<name>`; survives symbol changes")
FREQ = Column(pl.String, "", "bar length: 1s, 15s, 1m, 5m, 15m, 20m, 30m, 1h, 1d, 1w or 1mo")
PRICE_TYPE = Column(
    pl.String,
    "",
    "what the prices are: trade, bid, ask, or mid (made from bid and ask where there are no trades)",
    default="trade",
)
WITHDRAWN = Column(
    pl.Boolean, "", "true: the vendor took the bar back; reads as of now do not show it", default=False
)
TS = Column(UTC_TIME, "UTC", "end of the bar; a daily bar ends at its session's close")
KNOWN_AT = Column(UTC_TIME, "UTC", "first moment this row could be known")
ASSET_CLASS = Column(pl.String, "", "equity, index, commodity, fx, cfd, crypto, future or rate")
SOURCE = Column(pl.String, "", "name of the source in `lim_pipelines.sources`")
FILE = Column(pl.String, "", "vendor file: path under the landing folder, or package:// or simulate://")
LINE = Column(pl.Int64, "", "line of the vendor file, the header being line 1")
STRATEGY = Column(pl.String, "", "strategy name, the folder under `lim_pipelines/defs`")
CUTOFF = Column(pl.Date, "", "walk-forward cutoff: nothing known after this midnight UTC was used")
ARM = Column(pl.String, "", "model arm: the strategy's method, or one of its controls")
SEED = Column(pl.Int64, "", "random seed of the fit; 0 for deterministic arms")
