"""Macro, commodity spot and rate series that a person drops: `landing/macro_series/<file>`.

Files by their vendors' names: those of the datasets collection (oil, gas, gold, VIX, Shiller, CPI, 10-year
yield, exchange rates), zipline's Treasury curve, the OECD's short-term rates, LEAN's interest-rate.csv.

What does not belong here: how a series is read (`macro.py`).

All of them are latest vintages without release dates: each has a lag, which is the longest that its publisher
takes as a rule. A file that is dropped is a feed, nothing in it is known before it arrived; below `history/`
its values count as known at the period's end plus the lag.

Spot prices stay as they are: WTI's -36.98 of 2020-04-20 was paid. Left out: what is computed from other
columns of the same file (inflation, Shiller's real columns, which the last price index rescales all the way
back), and VIX open, high and low.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePosixPath

import polars as pl

from lim_pipelines.schemas import RAW_MACRO, UTC_TIME
from lim_pipelines.sources.base import Parsed, RejectedFileError, SourceFile
from lim_pipelines.sources.daily import text_table
from lim_pipelines.sources.folder import vendor_files
from lim_pipelines.sources.landed import read_file, unpack
from lim_pipelines.sources.macro import QUARANTINE_EXCHANGE, MacroSeries, read_series, refused, together
from lim_pipelines.sources.quarantine import quarantine

NAME = "macro_series"
ISO = "%Y-%m-%d"
# EIA publishes the week's spot prices on Wednesday, in weeks of holidays on Thursday.
EIA_LAG = timedelta(days=10)
MONTHLY_MEAN = timedelta(days=3)
CPI_LAG = timedelta(days=31)
# Monthly values are interpolated between quarters: two months to the quarter's end, a quarter to the reports.
REPORTED = timedelta(days=155)
OECD_LAG = timedelta(days=60)
TREASURY_LAG = timedelta(hours=3)
"""The curve is out at about 18:00 in New York, two hours after the close of XNYS."""


def _daily(series_id: str, path: str, unit: str, description: str, lag: timedelta | None) -> MacroSeries:
    return MacroSeries(series_id, path, "Price", unit, description, lag, date_format=ISO, period="1d")


def _shiller(series_id: str, column: str, unit: str, description: str, lag: timedelta) -> MacroSeries:
    path = "s-and-p-500__data.csv"
    return MacroSeries(series_id, path, column, unit, description, lag, date_format=ISO, zero_is_missing=True)


_CURVE = MacroSeries(
    "",
    "zipline__treasury_curves.csv",
    "",
    "fraction a year",
    "",
    TREASURY_LAG,
    date_column="Time Period",
    date_format=f"{ISO} %H:%M:%S%:z",
    period="1d",
)
_TENORS = (
    "1month",
    "3month",
    "6month",
    "1year",
    "2year",
    "3year",
    "5year",
    "7year",
    "10year",
    "20year",
    "30year",
)
_COUNTRIES = (
    *("Australia", "Austria", "Belgium", "Brazil", "Canada", "China", "Denmark", "Euro", "Finland", "France"),
    *("Germany", "Greece", "Hong Kong", "India", "Ireland", "Italy", "Japan", "Malaysia", "Mexico"),
    *(
        "Netherlands",
        "New Zealand",
        "Norway",
        "Portugal",
        "Singapore",
        "South Africa",
        "South Korea",
        "Spain",
    ),
    *("Sri Lanka", "Sweden", "Switzerland", "Taiwan", "Thailand", "United Kingdom", "Venezuela"),
)
_OECD = (
    *("AUS", "AUT", "BEL", "CAN", "CHE", "CHL", "CHN", "COL", "CRI", "CZE", "DEU", "DNK", "EA19", "ESP"),
    *("EST", "FIN", "FRA", "GBR", "GRC", "HUN", "IDN", "IND", "IRL", "ISL", "ISR", "ITA", "JPN", "KOR"),
    *(
        "LTU",
        "LUX",
        "LVA",
        "MEX",
        "NLD",
        "NOR",
        "NZL",
        "POL",
        "PRT",
        "RUS",
        "SVK",
        "SVN",
        "SWE",
        "USA",
        "ZAF",
    ),
)
_OECD_PERIODS = (("M", "1mo", "monthly"), ("Q", "3mo", "quarterly"), ("A", "1y", "annual"))

SERIES: tuple[MacroSeries, ...] = (
    _daily("wti_spot", "oil-prices__wti-daily.csv", "USD a barrel", "WTI at Cushing, EIA", EIA_LAG),
    _daily("brent_spot", "oil-prices__brent-daily.csv", "USD a barrel", "Brent, Europe, EIA", EIA_LAG),
    _daily(
        "henry_hub_spot", "natural-gas__daily.csv", "USD per MMBtu", "Henry Hub natural gas, EIA", EIA_LAG
    ),
    replace(
        _daily(
            "gold_price", "gold-prices__monthly-processed.csv", "USD an ounce", "Gold, mean", MONTHLY_MEAN
        ),
        period="1mo",
    ),
    MacroSeries(
        "cboe_vix",
        "finance-vix__vix-daily.csv",
        "CLOSE",
        "percent a year",
        "CBOE volatility index, daily close",
        None,
        date_column="DATE",
        date_format=ISO,
        period="1d",
    ),
    _shiller("shiller_sp500", "SP500", "index points", "S&P composite, mean of the month", MONTHLY_MEAN),
    _shiller("shiller_dividend", "Dividend", "index points a year", "dividends, interpolated", REPORTED),
    _shiller("shiller_earnings", "Earnings", "index points a year", "earnings, interpolated", REPORTED),
    _shiller("shiller_cpi", "Consumer Price Index", "index 1982-84 = 100", "US consumer prices", CPI_LAG),
    _shiller("shiller_long_rate", "Long Interest Rate", "percent a year", "US long yield", MONTHLY_MEAN),
    _shiller("shiller_cape", "PE10", "ratio", "price over ten years' real earnings", REPORTED),
    MacroSeries(
        "us_cpi",
        "cpi-us__cpiai.csv",
        "Index",
        "index 1982-84 = 100",
        "US consumer prices, all items, not seasonally adjusted",
        CPI_LAG,
        date_format=ISO,
    ),
    MacroSeries(
        "us_10y_yield",
        "bond-yields-us-10y__monthly.csv",
        "Rate",
        "percent a year",
        "US 10-year Treasury yield, mean of the month",
        MONTHLY_MEAN,
        date_format=ISO,
    ),
    MacroSeries(
        "us_primary_credit_rate",
        "interest-rate.csv",
        "PCREDIT8",
        "percent a year",
        "Federal Reserve primary credit rate, on the days from which it holds",
        None,
        date_column="DATE",
        date_format=ISO,
        period="1d",
    ),
    *(
        replace(
            _CURVE,
            series_id=f"treasury_{tenor}",
            column=tenor,
            description=f"US Treasury par yield, {tenor}",
        )
        for tenor in _TENORS
    ),
    *(
        MacroSeries(
            f"usd_rate_{country.lower().replace(' ', '_')}",
            "exchange-rates__monthly.csv",
            "Exchange rate",
            "units per USD",
            f"Exchange rate of {country}, mean of the month",
            MONTHLY_MEAN,
            date_format=ISO,
            only=(("Country", country),),
        )
        for country in _COUNTRIES
    ),
    *(
        MacroSeries(
            f"oecd_short_rate_{place.lower()}_{name}",
            "oecd__short-term-interest.csv.gz",
            "Value",
            "percent a year",
            f"Short-term interest rate of {place}, {name}",
            OECD_LAG,
            date_column="TIME",
            date_format="%Y-%m",
            period=period,  # type: ignore[arg-type]
            only=(("LOCATION", place), ("FREQUENCY", code)),
        )
        for place in _OECD
        for code, period, name in _OECD_PERIODS
    ),
)


def collect_landed(landing: Path) -> Parsed:
    """Read the series of all files that were dropped.

    Returns
    -------
    Parsed
        Rows are a frame of `RAW_MACRO`. A file that cannot be read, or whose name is none of the vendors', is
        one row of the quarantine: nothing of it enters.
    """
    return together([_read(file, landing) for file in vendor_files(landing, NAME)])


def _read(file: SourceFile, landing: Path) -> Parsed:
    try:
        return _read_file(file, landing)
    except RejectedFileError as error:
        return refused(file, error)


def _read_file(file: SourceFile, landing: Path) -> Parsed:
    name = PurePosixPath(file.path).name
    wanted = [series for series in SERIES if series.path == name]
    if not wanted:
        names = ", ".join(sorted({series.path for series in SERIES}))
        raise RejectedFileError(
            file.path, "file_name", f"no series is read from {name}", f"name it one of {names}"
        )
    try:
        table = text_table(unpack(read_file(landing, file.path), file.path))
    except pl.exceptions.PolarsError as error:
        raise RejectedFileError(
            file.path, "wrong_columns", str(error)[:200], "drop the vendor's file"
        ) from error
    needed = {c for s in wanted for c in (s.column, s.date_column, *(only for only, _ in s.only))}
    if missing := sorted(needed - set(table.columns)):
        raise RejectedFileError(
            file.path, "wrong_columns", f"missing {', '.join(missing)}", "drop the vendor's file as it ships"
        )
    parsed = together(
        [*(read_series(series, table, NAME, file.path) for series in wanted), _unknown(table, wanted, file)]
    )
    if file.history:
        return parsed
    arrival = pl.max_horizontal("known_at", pl.lit(file.arrived_at, UTC_TIME))
    return Parsed(parsed.rows.with_columns(known_at=arrival), parsed.rejected)


def _unknown(table: pl.DataFrame, series: list[MacroSeries], file: SourceFile) -> Parsed:
    """Rows of a file of many series that belong to none of the known ones."""
    mine = [pl.all_horizontal(pl.col(c) == value for c, value in s.only) for s in series if s.only]
    rest = table.filter(~pl.any_horizontal(mine)) if mine else table.clear()
    held = rest.with_columns(
        exchange=pl.lit(QUARANTINE_EXCHANGE),
        date=pl.lit(file.arrived_at.date()),
        source=pl.lit(NAME),
        file=pl.lit(file.path),
        symbol=pl.lit(""),
        rule=pl.lit("unknown_series"),
        reason=pl.lit(
            "the row is of no known series; add it to SERIES (lim_pipelines/sources/macro_series.py)"
        ),
        known_at=pl.lit(file.arrived_at, UTC_TIME),
    )
    return Parsed(RAW_MACRO.empty(), quarantine("parse", held, table.columns))
