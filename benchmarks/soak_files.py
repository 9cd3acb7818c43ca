"""Files as vendors send them, for a long time: new, late, twice, touched, corrected, and half written.

What does not belong here: sensors and runs (`soak.py`).

A file holds a few instruments' bars of one session. Every bar belongs to one file, besides exact copies of
files that are never corrected, so that what the lake must hold at the end is what the last contents say.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

FOLDERS = {"XNYS": "feed/nyse", "XHKG": "feed/hongkong", "XNAS": "csv_drop/XNAS"}
"""Where each exchange's files land: two feeds described by a mapping, one in the documented columns."""
FIRST = date(2018, 10, 1)
PARTS, SYMBOLS = 40, 3
"""Files of an exchange and session, instruments in each."""
ARRIVED = datetime(2020, 1, 1, tzinfo=UTC)
"""When the first file arrives; each file a second after the one before."""
MAPPING = """\
exchange: {mic}
freq: 1d
time: {{columns: [date]}}
columns: {{symbol: symbol, open: open, high: high, low: low, close: close, volume: volume}}
listed_as: {{asset_class: equity, currency: {currency}}}
"""
CURRENCIES = {"XNYS": "USD", "XHKG": "HKD"}
LATE, HALF = 0.04, 0.02
"""Shares of the new files that come bursts later, and that lie half written during a burst."""
KINDS = {"new": 0.80, "copy": 0.05, "touch": 0.07, "correction": 0.08}


@dataclass
class File:
    """A file as it lies there: its bars by symbol (close, volume), and whether it has a copy or is one."""

    mic: str
    day: date
    bars: dict[str, tuple[float, int]]
    copied: bool = False
    is_copy: bool = False

    def text(self) -> str:
        """Return its content."""
        lines = ["symbol,date,open,high,low,close,volume"]
        for symbol, (close, volume) in self.bars.items():
            lines.append(f"{symbol},{self.day},{close},{close + 0.5:.2f},{close - 0.5:.2f},{close},{volume}")
        return "\n".join(lines) + "\n"


@dataclass
class Vendors:
    """What has been sent so far.

    Parameters
    ----------
    landing
        The landing folder.
    rng
        Chance.
    """

    landing: Path
    rng: np.random.Generator
    files: dict[str, File] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    contents: int = 0
    bars: int = 0  # of all contents but copies, and those taken back
    _clock: datetime = ARRIVED
    _begun: int = 0  # new files, those that come late included
    _now: set[str] = field(default_factory=set)  # sent in this burst
    _late: list[tuple[str, File]] = field(default_factory=list)
    _half: list[tuple[str, File]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._planned = self._plan()
        for mic in FOLDERS.keys() & CURRENCIES.keys():
            mapping = MAPPING.format(mic=mic, currency=CURRENCIES[mic])
            self._lay_down(f"{FOLDERS[mic]}/mapping.yaml", mapping)
            self.contents += 1

    def burst(self, size: int) -> set[str]:
        """Send some files, each once; return the exchanges that there is news of."""
        self._now.clear()
        news = {self._send(path, file, "new") for path, file in self._whole()}
        kinds = self.rng.choice(list(KINDS), size, p=list(KINDS.values()))
        for kind in kinds:
            if kind == "new" or len(self.files) <= 2 * len(self._now):
                news |= self._new()
            else:
                news |= getattr(self, f"_{kind}")()
        return news

    def last(self) -> set[str]:
        """Send the rest of the last session, which the gate would hold, and what is still late."""
        news: set[str] = set()
        while self._begun % PARTS:
            news |= self._new()
        news |= {self._send(path, file, "new") for path, file in self._whole()}
        while self._late:
            news.add(self._send(*self._late.pop(), "late"))
        return news

    def expected(self) -> pl.DataFrame:
        """Return what the lake must hold: exchange, instrument, date, close, volume."""
        rows = [
            (file.mic, f"{file.mic}:{symbol}", file.day, *bar)
            for file in self.files.values()
            if not file.is_copy
            for symbol, bar in file.bars.items()
        ]
        columns = ("exchange", "instrument_id", "date", "close", "volume")
        return pl.DataFrame(rows, schema=columns, orient="row")

    def _plan(self) -> Iterator[tuple[str, File]]:
        from lim_pipelines.exchanges import sessions

        days = {mic: iter(sessions(mic, FIRST, FIRST + timedelta(days=1500))["date"]) for mic in FOLDERS}
        while True:
            for mic, folder in FOLDERS.items():
                day = next(days[mic])
                for part in range(PARTS):
                    names = [f"S{part * SYMBOLS + i:03}" for i in range(SYMBOLS)]
                    yield f"{folder}/{day}_{part:02}.csv", File(mic, day, {n: self._bar(n) for n in names})

    def _bar(self, symbol: str) -> tuple[float, int]:
        close = 50 + int(symbol[1:]) % 50 + self.rng.normal(0, 0.3)
        return round(float(close), 2), int(self.rng.integers(1, 1_000_000))

    def _new(self) -> set[str]:
        path, file = next(self._planned)
        self._begun += 1
        chance = self.rng.random()
        if chance < LATE:
            self._late.append((path, file))
            return set()
        if chance < LATE + HALF:
            self._half.append((path, file))
            self._lay_down(f"{path}.part", file.text()[:40])
            return set()
        if self._late and chance > 1 - LATE:
            return {self._send(path, file, "new"), self._send(*self._late.pop(0), "late")}
        return {self._send(path, file, "new")}

    def _whole(self) -> list[tuple[str, File]]:
        """Take away the half written files; they are whole now."""
        whole, self._half = self._half, []
        for path, _ in whole:
            (self.landing / f"{path}.part").unlink()
        return whole

    def _copy(self) -> set[str]:
        path, file = self._any(lambda file: not file.is_copy)
        file.copied = True
        name = f"{path.removesuffix('.csv')}_again{self.contents}.csv"
        return {self._send(name, File(file.mic, file.day, file.bars, is_copy=True), "copy")}

    def _touch(self) -> set[str]:
        path, file = self._any(lambda _: True)
        self.sent["touch"] += 1
        self._now.add(path)
        self._lay_down(path, file.text())
        return set()

    def _correction(self) -> set[str]:
        """Send a file again with other values, one in five without a bar that it had."""
        path, file = self._any(lambda file: not file.copied and not file.is_copy and len(file.bars) > 1)
        bars = {symbol: self._bar(symbol) for symbol in file.bars}
        if self.rng.random() < 0.2:
            bars.popitem()
            self.bars += 1
        return {self._send(path, File(file.mic, file.day, bars), "correction")}

    def _any(self, fits: Callable[[File], bool]) -> tuple[str, File]:
        """Choose a file, mostly of the last sessions."""
        paths = list(self.files)
        while True:
            back = int(self.rng.exponential(3 * PARTS * len(FOLDERS))) % len(paths)
            path = paths[-1 - back]
            if path not in self._now and fits(self.files[path]):
                return path, self.files[path]

    def _send(self, path: str, file: File, kind: str) -> str:
        self._lay_down(path, file.text())
        self.files[path] = file
        self._now.add(path)
        self.sent[kind] += 1
        self.contents += 1
        self.bars += 0 if file.is_copy else len(file.bars)
        return file.mic

    def _lay_down(self, path: str, text: str) -> None:
        where = self.landing / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
        self._clock += timedelta(seconds=1)
        os.utime(where, (self._clock.timestamp(), self._clock.timestamp()))
