"""Which firm a ticker means on which dates, from LEAN's map files (`equity/<market>/map_files/<name>.csv`).

A map file is a firm's history: each row is a ticker and the last date on which it was the firm's; the
first row is the date of the listing. The file is named after the firm's last ticker, with a number behind
it (`fb.1`) where another firm has taken the ticker since. Ids follow: `<MIC>:<TICKER>` of the last ticker,
and `~<first year>` where the ticker has gone to another firm. A firm that changes its ticker again gets a
new file name from LEAN, and so a new id: the vendor's own key is no more stable than that.

Files of bars are named after the ticker used at the time (`goog.zip` is Google's class A until 2014-04-02
and its class C from then on). Bars of a ticker on dates where no map file speaks of it belong to a firm we
do not know; they stay without a listing and end in quarantine as `unknown_symbol`. A ticker that no map
file mentions, or that has a factor file of its own, is taken to mean one firm throughout.

What does not belong here: splits and dividends (`factors.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from lim_pipelines.sources.lean.markets import listed_on
from lim_pipelines.sources.lean.paths import roots
from lim_pipelines.sources.lean.reference_files import numbered_rows, refused

STILL_LISTED = date(2050, 12, 31)
"""LEAN's date for a firm that has not been delisted."""
_LONG_AGO = date(1900, 1, 1)


@dataclass(frozen=True)
class Use:
    """A firm's use of a ticker.

    Parameters
    ----------
    ticker
        Upper case.
    first, last
        Dates, both included; None is open.
    firm
        Name of the firm's map file and factor file, lower case.
    exchange
        Market identifier.
    instrument_id
        The firm's stable id.
    file, line
        Where it is written.
    """

    ticker: str
    first: date
    last: date | None
    firm: str
    exchange: str
    instrument_id: str
    file: str
    line: int


def uses_of(landing: Path, root: str, market: str, ticker: str) -> list[Use]:
    """All known uses of a ticker, in order of time."""
    known = [*_maps(landing, root, market).by_ticker.get(ticker, ())]
    own = ticker.lower() in firms(landing, root, market)
    factors = _first_folder(landing, root, market, "factor_files")
    has_factors = factors is not None and (factors / f"{ticker.lower()}.csv").is_file()
    if own or (known and not has_factors) or (known and known[-1].last is None):
        return known
    mic = listed_on(market, ticker, "")
    first = known[-1].last + timedelta(days=1) if known and known[-1].last else _LONG_AGO
    return [*known, Use(ticker, first, None, ticker.lower(), mic, f"{mic}:{ticker}", "", 0)]


def firms(landing: Path, root: str, market: str) -> dict[str, tuple[Use, ...]]:
    """Every firm's tickers in order of time, by the name of its map file."""
    return _maps(landing, root, market).by_firm


@dataclass(frozen=True)
class _Maps:
    """All map files of a market, by name and by ticker; in order of time."""

    by_firm: dict[str, tuple[Use, ...]]
    by_ticker: dict[str, tuple[Use, ...]]


def _maps(landing: Path, root: str, market: str) -> _Maps:
    folder = _first_folder(landing, root, market, "map_files")
    if folder is None:
        return _Maps({}, {})
    # Files are added, and replaced by renaming, which both change the folder's time.
    return _read(landing, folder.relative_to(landing).as_posix(), market, folder.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(landing: Path, folder: str, market: str, mtime_ns: int) -> _Maps:
    by_firm = {
        path.stem: _uses(landing, path.relative_to(landing).as_posix(), path.stem, market)
        for path in sorted((landing / folder).glob("*.csv"))
    }
    by_ticker: dict[str, tuple[Use, ...]] = {}
    for use in sorted((use for uses in by_firm.values() for use in uses), key=lambda use: use.first):
        by_ticker[use.ticker] = (*by_ticker.get(use.ticker, ()), use)
    return _Maps(by_firm, by_ticker)


def _uses(landing: Path, file: str, firm: str, market: str) -> tuple[Use, ...]:
    dated = []
    for line, (day, ticker, code) in numbered_rows(landing, file, 3):
        try:
            dated.append((line, date.fromisoformat(day), ticker.upper(), code))
        except ValueError as error:
            raise refused(f"{file}, line {line}", error, "row of a map file") from error
    if not dated:
        raise refused(file, ValueError("it holds no row"), "map file")
    last_ticker = dated[-1][2]
    code = next((code for *_, code in reversed(dated) if code), "")
    mic = listed_on(market, last_ticker, code)
    spans = []
    since = dated[0][1]
    for line, until, ticker, _ in dated[1:]:
        spans.append((line, ticker, since, None if until >= STILL_LISTED else until))
        since = until + timedelta(days=1)
    # Listed, then renamed on the first day: `nb` to `nb` is one use.
    spans = [span for span in spans if span[3] is None or span[3] >= span[2]]
    took = next((first for _, ticker, first, _ in spans if ticker == last_ticker), dated[0][1])
    instrument = f"{mic}:{last_ticker}" + (f"~{took.year}" if _given_away(firm) else "")
    return tuple(Use(ticker, a, b, firm, mic, instrument, file, line) for line, ticker, a, b in spans)


def _given_away(firm: str) -> bool:
    """Whether another firm has the ticker now: LEAN puts a number behind the name (`fb.1`, not `tap.a`)."""
    return firm.rpartition(".")[2].isdigit() and "." in firm


def _first_folder(landing: Path, root: str, market: str, name: str) -> Path | None:
    folders = (landing / r / "equity" / market / name for r in roots(root))
    return next((folder for folder in folders if folder.is_dir()), None)
