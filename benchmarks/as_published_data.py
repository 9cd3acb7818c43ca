"""Panels of daily closes, and what Relational Stock Ranking (RSR) reads of them, with leaks and without.

The published inputs (Feng et al. 2019, ACM TOIS 37(2), section 5.1): averages of the closes of 5, 10, 20, 30
sessions and the close, each share's divided by its highest close of the whole period, the test included. Here
that is one `Scaling`; the other divides by the highest of the last 30 sessions, which a decision knows.

What does not belong here: models (`as_published_models.py`, `as_published_nets.py`), books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.quality_home import DATA, lake_of
from benchmarks.us_shares import MICS
from lim_pipelines.lake import LATEST
from lim_pipelines.schemas import VALIDATED_BARS

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Scaling = Literal["whole", "trailing"]
Fill = Literal["same", "next"]

WINDOWS = (5, 10, 20, 30)
"""Sessions of the averages (section 5.1)."""
LONGEST = WINDOWS[-1]
SESSIONS = 8
"""Sessions that a model reads: on the paper's grid of 2 to 32."""
LEAST_PRICE = 5.0
"""USD: RSR keeps shares that were never below it from 2013 to 2017."""
FIRST, LAST = date(2011, 9, 1), date(2016, 12, 30)
WHOLE = date(2012, 1, 1)
"""From here to `LAST`: the whole period, five years as in the paper."""
SURVIVORS, EVERYONE = "google_finance", "pystock_collection"
"""RSR's shares, chosen in 2017; and half of all symbols of 2015, as they were collected day by day."""

WRONG = (
    *("XNAS:HCHC", "XNAS:HIFR", "XNAS:NYLD", "XNAS:RING@2017", "XNAS:SPNE", "XNAS:TCON"),
    *("XNYS:CF", "XNYS:GPT", "XNYS:HT", "XNYS:MSG", "XNYS:VNO", "XNYS:Z"),
)
"""Left out: splits that no adjustment follows, quotes a tenth of the days beside, another share's quotes.

All moves above 45 % (RSR's shares: 60 %) of the test were looked at, before any model's result."""


@dataclass(frozen=True)
class Panel:
    """Closes of some shares.

    Parameters
    ----------
    dates
        D sessions.
    names
        N instrument ids.
    close
        (D, N) closes as total returns build them up, NaN without a bar; what comes later changes none.
    quoted
        (D, N) the same as quoted, USD.
    chosen
        Whether somebody chose the shares with hindsight: then no rule has to be asked at the decision.
    """

    dates: Sequence[date]
    names: Sequence[str]
    close: Floats
    quoted: Floats
    chosen: bool

    def at(self, day: date) -> int:
        """Row of the first session from a day on."""
        return int(np.searchsorted(np.array(self.dates, dtype="datetime64[D]"), np.datetime64(day)))


def panel_of(bars: pl.DataFrame, chosen: bool) -> Panel:
    """Make a panel of rows of `VALIDATED_BARS` of one exchange, one a share and session."""
    factor = pl.col("ex_factor").fill_null(1.0).cum_prod().over("instrument_id", order_by="date")
    bars = bars.sort("date", "instrument_id").with_columns(built=pl.col("close") / factor)
    names = sorted(bars["instrument_id"].unique())
    wide = {value: bars.pivot("instrument_id", index="date", values=value) for value in ("built", "close")}
    built, quoted = (
        frame.select(names).cast(pl.Float64).fill_null(float("nan")).to_numpy() for frame in wide.values()
    )
    return Panel(wide["close"]["date"].to_list(), names, built, quoted, chosen)


def bars_of(home: Path, mic: str, source: str) -> pl.DataFrame:
    """Read one vendor's daily bars of one exchange from the lake of `--prepare`."""
    where = (pl.col("exchange") == mic) & (pl.col("source") == source) & (pl.col("freq") == "1d")
    where = where & pl.col("date").is_between(FIRST, LAST) & (pl.col("close") > 0)
    where = where & ~pl.col("instrument_id").is_in(WRONG)
    bars = lake_of(home).read(VALIDATED_BARS, as_of=LATEST, where=where).collect()
    if bars.is_empty():
        raise FileNotFoundError(
            f"{home}: no bars of {source} on {mic};"
            f" run python -m benchmarks.foundation_quality --prepare {home}"
        )
    return bars


def industries(panel: Panel) -> Flags:
    """Whether two shares are of one industry (RSR's labels of December 2017), (N, N); each is of its own."""
    names = pl.read_parquet(DATA / "us_equity_daily_rsr" / "tickers.parquet")
    key = names["exchange"].replace_strict(MICS) + ":" + names["ticker"]
    label = dict(zip(key, names["industry"], strict=True))
    own = np.array([label.get(name.removesuffix("@2017"), "n/a") for name in panel.names])
    same = (own[:, None] == own) & (own != "n/a")
    return np.asarray(same | np.eye(len(own), dtype=bool))


class Inputs:
    """What models read of a panel, a session at a time, and what they are to say.

    Parameters
    ----------
    panel
        Closes.
    scaling
        What they are divided by.
    fill
        What is to be foretold: the return of one session from the close that is read, or from the next one.
    """

    def __init__(self, panel: Panel, scaling: Scaling, fill: Fill) -> None:
        self.panel, self.scaling, self.fill = panel, scaling, fill

    @cached_property
    def filled(self) -> Floats:
        """Closes, the last one known where there is none, (D, N)."""
        rows = np.where(np.isfinite(self.panel.close), np.arange(len(self.panel.close))[:, None], 0)
        return np.take_along_axis(self.panel.close, np.maximum.accumulate(rows, axis=0), axis=0)

    @cached_property
    def scale(self) -> Floats:
        """What is divided by, (D, N)."""
        if self.scaling == "whole":
            highest = np.nanmax(self.filled[self.panel.at(WHOLE) :], axis=0)
            return np.broadcast_to(highest, self.filled.shape)
        return np.concatenate(
            [np.full_like(self.filled[: LONGEST - 1], np.nan), _rolling(self.filled).max(-1)]
        )

    @cached_property
    def means(self) -> Floats:
        """Averages and the close, not scaled yet, (D, N, 5)."""
        out = []
        for length in WINDOWS:
            mean = _rolling(self.filled, length).mean(-1)
            out.append(np.concatenate([np.full_like(self.filled[: length - 1], np.nan), mean]))
        return np.stack([*out, self.filled], axis=-1)

    @cached_property
    def label(self) -> Floats:
        """Simple return that is foretold at each session, (D, N); NaN where one of its closes is missing."""
        ahead = 0 if self.fill == "same" else 1
        out = np.full_like(self.panel.close, np.nan)
        close = self.panel.close[ahead:]
        out[: len(close) - 1] = close[1:] / close[:-1] - 1.0
        return out

    @cached_property
    def there(self) -> Flags:
        """Shares that can be chosen at each session, (D, N): a bar, all that is read, and the rule of RSR.

        The rule (5 USD, 98 % of the sessions) is asked of the last 30 sessions where nobody asked before.
        """
        there = np.isfinite(self.panel.close) & np.isfinite(self.scale)
        there[: LONGEST + SESSIONS] = False
        first = np.roll(np.isfinite(self.means).all(-1), SESSIONS - 1, axis=0)
        there &= first
        if not self.panel.chosen:
            lowest = _rolling(np.nan_to_num(self.panel.quoted)).min(-1)
            there[: LONGEST - 1] = False
            there[LONGEST - 1 :] &= lowest >= LEAST_PRICE
        return there

    def x(self, t: int) -> npt.NDArray[np.float32]:
        """Give what is read at session t, (N, SESSIONS, 5), scaled by what the scaling knows."""
        window = self.means[t - SESSIONS + 1 : t + 1].swapaxes(0, 1)
        return np.asarray(window / self.scale[t][:, None, None], dtype=np.float32)

    def rows(self, days: Sequence[int]) -> tuple[npt.NDArray[np.float32], Floats]:
        """Give what is read and foretold on some sessions, flat: (rows, SESSIONS * 5) and (rows,)."""
        xs, ys = [], []
        for t in days:
            own = self.there[t] & np.isfinite(self.label[t])
            xs.append(self.x(t)[own].reshape(int(own.sum()), -1))
            ys.append(self.label[t][own])
        return np.concatenate(xs), np.concatenate(ys)


def _rolling(values: Floats, length: int = LONGEST) -> Floats:
    """Windows of the last `length` rows, (D - length + 1, N, length), a view."""
    return np.lib.stride_tricks.sliding_window_view(values, length, axis=0)
