"""Defects, each planted into a line of a real vendor file, and the rule that must catch it there.

What does not belong here: reading and writing the files (`planted_vendors.py`).

Defects of one load lie on rows that do not touch each other, so that none hides another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from planted_text import Lines, Texts


@dataclass(frozen=True)
class Defect:
    """One defect.

    Parameters
    ----------
    name
        What went wrong, for people.
    vendor
        Whose file.
    rule
        The rule meant for it.
    day
        Session on which it must be found.
    says
        Words of what is found: an instrument, a file, a value.
    plant
        Puts it into the texts.
    load
        Loads are apart: a file that is wrong as a whole has one for itself.
    """

    name: str
    vendor: str
    rule: str
    day: date
    says: str
    plant: Callable[[Texts], None]
    load: str = "rows"


def _in(file: str, change: Callable[[Lines], None]) -> Callable[[Texts], None]:
    return lambda texts: change(texts[file])


def _google(
    name: str, rule: str, ticker: str, day: str, change: Callable[[Lines], None], found: str = ""
) -> Defect:
    mic = "XNAS" if ticker.startswith("NASDAQ") else "XNYS"
    says = f"{mic}:{ticker.partition('_')[2]}@2017" if rule not in PARSED else f"{ticker}_30Y.csv"
    says = f'"{ticker.partition("_")[2]}"' if rule in ALIGNED else says
    return Defect(name, "google_finance", rule, date.fromisoformat(found or day), says, _in(ticker, change))


PARSED = ("unparsable_number", "conflicting_duplicate", "duplicate_bar", "missing_close", "wrong_field_count")
ALIGNED = ("closed_session",)
FOUR = ("Open", "High", "Low", "Close")
ALL_TIMES = {name: (lambda old: old * 100) for name in FOUR}

GOOGLE = (
    _google(
        "high and low exchanged",
        "ohlc_order",
        "NASDAQ_AAPL",
        "2014-02-03",
        lambda f: f.swap("2014-02-03", one="High", other="Low"),
    ),
    _google(
        "close above the high",
        "ohlc_order",
        "NASDAQ_MSFT",
        "2014-02-04",
        lambda f: f.set("2014-02-04", Close=lambda old: old * 1.2),
    ),
    _google(
        "open below the low",
        "ohlc_order",
        "NASDAQ_GILD",
        "2014-02-05",
        lambda f: f.set("2014-02-05", Open=lambda old: old * 0.5),
    ),
    _google(
        "prices times 100",
        "jump",
        "NASDAQ_CSCO",
        "2014-03-03",
        lambda f: f.set("2014-03-03", **ALL_TIMES),
    ),
    _google(
        "a decimal point one place to the left",
        "jump",
        "NASDAQ_QCOM",
        "2014-03-04",
        lambda f: f.set("2014-03-04", **{name: (lambda old: old / 10) for name in FOUR}),
    ),
    _google(
        "a quarter more, of a share that never moves so",
        "usual_move",
        "NYSE_JNJ",
        "2014-05-05",
        lambda f: f.set("2014-05-05", **{name: (lambda old: old * 1.3) for name in FOUR}),
    ),
    _google(
        "a negative close",
        "positive_prices",
        "NYSE_PG",
        "2014-02-06",
        lambda f: f.set("2014-02-06", Close=lambda old: -old),
    ),
    _google(
        "a negative volume",
        "volume_not_negative",
        "NYSE_V",
        "2014-02-07",
        lambda f: f.set("2014-02-07", Volume=lambda old: -old),
    ),
    _google(
        "a split that is not applied",
        "missed_split",
        "NYSE_DIS",
        "2014-04-01",
        lambda f: f.scale("2014-04-01", 0.5, *FOUR),
    ),
    _google(
        "a reverse split that is not applied",
        "missed_split",
        "NYSE_GE",
        "2014-04-02",
        lambda f: f.scale("2014-04-02", 10.0, *FOUR),
    ),
    _google(
        "three sessions missing",
        "gap",
        "NYSE_VZ",
        "2014-03-06",
        lambda f: f.leave_out("2014-03-03", lines=3),
    ),
    _google(
        "the day before once more",
        "stale",
        "NYSE_WMT",
        "2014-03-05",
        lambda f: f.copy("2014-03-05", "2014-03-04", *FOUR, "Volume"),
    ),
    _google(
        "a close that is no longer updated",
        "stuck",
        "NYSE_MRK",
        "2014-03-25",
        lambda f: f.copy("2014-03-11", "2014-03-10", *FOUR, lines=12),
    ),
    _google(
        "0 for what is not there",
        "complete_bar",
        "NYSE_BAC",
        "2014-02-10",
        lambda f: f.set("2014-02-10", Open="0.0"),
    ),
    _google(
        "no volume",
        "complete_bar",
        "NYSE_CVX",
        "2014-02-11",
        lambda f: f.set("2014-02-11", Volume=""),
    ),
    _google(
        "a close of 0",
        "missing_close",
        "NASDAQ_SBUX",
        "2014-02-12",
        lambda f: f.set("2014-02-12", Close="0.0"),
    ),
    _google(
        "a decimal comma",
        "wrong_field_count",
        "NASDAQ_AMZN",
        "2014-02-13",
        lambda f: f.set("2014-02-13", Close="357,2"),
        "2014-02-12",  # A line that cannot be split is filed under the date of the one above.
    ),
    _google(
        "a word for a number",
        "unparsable_number",
        "NASDAQ_TSLA",
        "2014-02-14",
        lambda f: f.set("2014-02-14", Close="N/A"),
    ),
    _google(
        "infinity",
        "unparsable_number",
        "NASDAQ_TSLA",
        "2014-02-18",
        lambda f: f.set("2014-02-18", High="inf"),
    ),
    _google(
        "not a number",
        "unparsable_number",
        "NASDAQ_TSLA",
        "2014-02-19",
        lambda f: f.set("2014-02-19", Low="NaN"),
    ),
    _google(
        "a line twice with other values",
        "conflicting_duplicate",
        "NASDAQ_PCLN",
        "2014-02-20",
        lambda f: f.again("2014-02-20", Close=lambda old: old + 1),
    ),
    _google(
        "a line twice",
        "duplicate_bar",
        "NASDAQ_GOOG",
        "2014-02-21",
        lambda f: f.again("2014-02-21"),
    ),
    _google(
        "a bar on a Saturday",
        "closed_session",
        "NASDAQ_SBUX",
        "2014-02-14",
        lambda f: f.again("2014-02-14", **{"": "2014-02-15 16:00:00-05:00"}),
        "2014-02-15",
    ),
    _google(
        "a bar on Presidents' Day",
        "closed_session",
        "NASDAQ_AMZN",
        "2014-02-18",
        lambda f: f.again("2014-02-18", **{"": "2014-02-17 16:00:00-05:00"}),
        "2014-02-17",
    ),
    _google(
        "a line cut off",
        "wrong_field_count",
        "NASDAQ_SBUX",
        "2014-02-20",
        lambda f: f.lines.__setitem__(f.at("2014-02-20"), f.lines[f.at("2014-02-20")].rsplit(",", 2)[0]),
        "2014-02-19",
    ),
)


def _fxcm(name: str, rule: str, says: str, minute: str, **sides: dict[str, object]) -> Defect:
    def plant(texts: Texts) -> None:
        for side, changes in sides.items():
            texts[side].set(f"2012-02-01 {minute}", **changes)  # type: ignore[arg-type]

    return Defect(name, "fxcm", rule, date(2012, 2, 1), says, plant)


def _times(factor: float) -> dict[str, object]:
    return {name: (lambda old: old * factor) for name in ("open", "high", "low", "close")}


def _bid_stamp(new: str) -> Callable[[Texts], None]:
    return lambda texts: texts["bid"].again("2012-02-01 03:50", timestamp=new)


FXCM = (
    _fxcm("a bid above the ask", "crossed_quote", '"price_type":"bid"', "00:30", bid=_times(1.01)),
    _fxcm("an ask below the bid", "crossed_quote", '"price_type":"ask"', "00:40", ask=_times(0.99)),
    _fxcm("the mid of a bid above the ask", "crossed_quote", '"price_type":"mid"', "00:50", bid=_times(1.01)),
    _fxcm(
        "a last bid above the last ask",
        "crossed_close",
        "FXCM:GBPUSD",
        "01:10",
        bid={"close": lambda old: old * 1.0005, "high": lambda old: old * 1.0005},
    ),
    _fxcm("an ask that is a placeholder", "wide_spread", "FXCM:GBPUSD", "01:30", ask=_times(1.05)),
    Defect(
        "a bar on a Saturday",
        "fxcm",
        "closed_session",
        date(2012, 2, 4),
        "gbpusd",
        _bid_stamp("2012-02-04 12:00:00+00:00"),
    ),
    Defect(
        "a stamp between two minutes",
        "fxcm",
        "off_grid",
        date(2012, 2, 1),
        "gbpusd",
        _bid_stamp("2012-02-01 03:50:20+00:00"),
    ),
    _fxcm("yen for dollars", "jump", "FXCM:GBPUSD", "02:10", bid=_times(80), ask=_times(80)),
    _fxcm("a price of 0", "positive_prices", "FXCM:GBPUSD", "02:30", bid={"low": "0.0"}),
    _fxcm("a high below the low", "ohlc_order", "FXCM:GBPUSD", "02:50", ask={"high": "1.2"}),
)


def _bars(vendor: str, name: str, rule: str, day: str, says: str, change: Callable[[Lines], None]) -> Defect:
    return Defect(name, vendor, rule, date.fromisoformat(day), says, _in("bars", change))


_N, _B, _F, _S = "nautilus_bars", "btc_perp", "trademaster_futures", "trademaster_shares"
INTRADAY = (
    _bars(
        _N,
        "a price between two ticks",
        "price_on_tick",
        "2024-01-02",
        "6E",
        lambda f: f.set("2024-01-02 10:00", open="1.10487"),
    ),
    _bars(
        _N,
        "a fraction of a contract",
        "volume_on_lot",
        "2024-01-02",
        "6E",
        lambda f: f.set("2024-01-02 11:00", volume="347.5"),
    ),
    _bars(
        _N,
        "Globex at rest",
        "outside_session",
        "2024-01-02",
        "6EH4",
        lambda f: f.again("2024-01-02 12:00", timestamp_utc="2024-01-02 22:30:00"),
    ),
    _bars(
        _N,
        "a price upside down",
        "ohlc_order",
        "2024-01-02",
        "6E",
        lambda f: f.set("2024-01-02 13:00", low="1.2"),
    ),
    _bars(
        _N,
        "dollars for euros times 100",
        "jump",
        "2024-01-02",
        "6E",
        lambda f: f.set("2024-01-02 09:00", open="110.45", high="110.45", low="110.45", close="110.45"),
    ),
    _bars(
        _B,
        "a negative value traded",
        "counts_not_negative",
        "2022-01-03",
        "BTC-PERP",
        lambda f: f.set("2022-01-03 01:00", volume=lambda old: -old),
    ),
    _bars(
        _B,
        "a price of nothing",
        "positive_prices",
        "2022-01-03",
        "BTC-PERP",
        lambda f: f.set("2022-01-03 02:00", low="0"),
    ),
    _bars(
        _B,
        "a digit lost",
        "jump",
        "2022-01-03",
        "BTC-PERP",
        lambda f: f.set("2022-01-03 03:00", open="4699", high="4702", low="4699", close="4702"),
    ),
    _bars(
        _B,
        "seconds that are no minute",
        "off_grid",
        "2022-01-03",
        "BTC-PERP",
        lambda f: f.again("2022-01-03 04:00", timestamp="2022-01-03 04:00:30.000000"),
    ),
    _bars(
        _B,
        "a minute told twice, differently",
        "conflicting_duplicate",
        "2022-01-03",
        "btc-perp",
        lambda f: f.again("2022-01-03 05:00", close=lambda old: old + 5),
    ),
    _bars(
        _F,
        "silver between two yuan",
        "price_on_tick",
        "2023-03-20",
        "XSGE:AG",
        lambda f: f.set("2023-03-20 09:10", "", "", "", "", "", "", "AG2306", close="5113.5"),
    ),
    _bars(
        _F,
        "open interest below nothing",
        "counts_not_negative",
        "2023-03-20",
        "XSGE:AU",
        lambda f: f.set("2023-03-20 09:10", "", "", "", "", "", "", "AU2306", hold="-5"),
    ),
    _bars(
        _F,
        "half a lot",
        "volume_on_lot",
        "2023-03-20",
        "XSGE:RB",
        lambda f: f.set("2023-03-20 09:10", "", "", "", "", "", "", "RB2305", volume="0.5"),
    ),
    _bars(
        _F,
        "a root that nobody knows",
        "unknown_exchange",
        "2023-03-20",
        "XX2305",
        lambda f: f.set("2023-03-20 09:10", "", "", "", "", "", "", "FU2305", symbol="XX2305"),
    ),
    _bars(
        _F,
        "trading at lunch",
        "outside_session",
        "2023-03-20",
        "BU2306",
        lambda f: f.again(
            "2023-03-20 09:10", "", "", "", "", "", "", "BU2306", datetime="2023-03-20 12:30:00"
        ),
    ),
    _bars(
        _S,
        "beyond both price limits",
        "price_limit",
        "2019-11-05",
        "XSHG:600000",
        lambda f: f.set("600000", "2019-11-05 10:30", high=lambda old: round(old * 1.3, 2)),
    ),
    _bars(
        _S,
        "half a fen",
        "price_on_tick",
        "2019-11-06",
        "XSHG:600000",
        lambda f: f.set("600000", "2019-11-06 14:00", open=lambda old: old + 0.005, high=lambda old: old + 1),
    ),
    _bars(
        _S,
        "New York's clock",
        "outside_session",
        "2019-11-07",
        "600000",
        lambda f: f.set("600000", "2019-11-07 14:00", bar_time_cst="2019-11-07 02:00:00"),
    ),
)


def _lean(name: str, rule: str, day: str, says: str, file: str, change: Callable[[Lines], None]) -> Defect:
    return Defect(name, "lean", rule, date.fromisoformat(day), says, _in(file, change))


def _scaled(name: str, factor: float) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        for i in range(len(lines.lines)):
            lines.lines[i] = lines.changed(i, **{name: lambda old: round(old * factor)})

    return change


LEAN = (
    _lean(
        "minutes that count ten times the day's volume",
        "volumes_agree",
        "2014-06-05",
        "XNAS:AAPL",
        "minute",
        _scaled("volume", 10),
    ),
    _lean(
        "a day that closes elsewhere than its minutes",
        "closes_agree",
        "2014-06-06",
        "XNAS:AAPL",
        "daily",
        lambda f: f.set("20140606", close=lambda old: old * 0.95, low=lambda old: old * 0.9),
    ),
    _lean(
        "a minute above the day's high",
        "within_day",
        "2014-06-06",
        "XNAS:AAPL",
        "other_minute",
        lambda f: f.set("36000000", high=lambda old: old * 1.1),
    ),
    _lean(
        "a bid above every ask",
        "crossed_quote",
        "2014-06-09",
        "XNAS:AAPL",
        "quotes",
        lambda f: f.set(
            "36000000",
            **{f"bid_{name}": (lambda old: round(old * 1.02)) for name in ("open", "high", "low", "close")},
        ),
    ),
    _lean(
        "a quote inside the tick",
        "price_on_tick",
        "2014-06-09",
        "XNAS:AAPL",
        "quotes",
        lambda f: f.set("36060000", ask_high=lambda old: old + 37),
    ),
    _lean(
        "a contract's bar after it expired",
        "not_expired",
        "2013-12-23",
        "ES.201312",
        "future",
        lambda f: f.again("20131220", time="20131223 00:00"),
    ),
)

SYSTEM = (
    Defect(
        "another contract's price after a roll",
        "pysystemtrade",
        "moves_with_curve",
        date(2010, 4, 14),
        "XCEC:GC",
        _in("GOLD", lambda f: f.set("2010-04-14 23:00", PRICE="1390.0")),
    ),
    Defect(
        "a price in another unit",
        "pysystemtrade",
        "jump",
        date(2010, 4, 20),
        "XCEC:GC",
        _in("GOLD", lambda f: f.set("2010-04-20 23:00", PRICE=lambda old: old / 100)),
    ),
    Defect(
        "a contract far off its curve",
        "pysystemtrade",
        "on_the_curve",
        date(2010, 4, 27),
        "XCEC:GC",
        _in("GOLD", lambda f: f.set("2010-04-27 23:00", CARRY=lambda old: old * 2)),
    ),
)


def _pystock(name: str, rule: str, says: str, change: Callable[[Lines], None], load: str = "rows") -> Defect:
    return Defect(name, "pystock", rule, date(2015, 8, 31), says, _in("20150831", change), load)


def _half(lines: Lines) -> None:
    lines.lines[1:] = lines.lines[1::3]


def _cents(lines: Lines) -> None:
    for i, line in enumerate(lines.lines):
        if ",2015-08-31," in line:
            prices = {name: (lambda old: old * 100) for name in ("open", "high", "low", "close", "adj_close")}
            lines.lines[i] = lines.changed(i, **prices)


def _exchanged(lines: Lines) -> None:
    for i, line in enumerate(lines.lines[1:], start=1):
        fields = line.split(",")
        fields[3], fields[4] = fields[4], fields[3]
        lines.lines[i] = ",".join(fields)


def _yesterday(lines: Lines) -> None:
    """Give the eve's bars the drop's own date, as a vendor that sends a file twice under two dates."""
    old = {line.split(",")[0]: line for line in lines.lines if ",2015-08-28," in line}
    kept = [line for line in lines.lines if ",2015-08-31," not in line]
    lines.lines[:] = kept + [line.replace("2015-08-28", "2015-08-31") for line in old.values()]


def _doubled(lines: Lines) -> None:
    """Let a share cost twice what it did on the eve."""
    twice = f"{2 * float(lines.lines[lines.at('CNR', '2015-08-28')].split(',')[5]):.4f}"
    lines.set("CNR", "2015-08-31", open=twice, high=twice, low=twice, close=twice, adj_close=twice)


PYSTOCK = (
    _pystock(
        "an adjusted close of another share",
        "jump",
        "XNYS:CEF",
        lambda f: f.set("CEF", "2015-08-28", adj_close=lambda old: old * 1000),
    ),
    _pystock(
        "an adjusted close in another unit",
        "ex_factor_range",
        "XNYS:CIB",
        lambda f: f.set("CIB", "2015-08-28", adj_close=lambda old: old * 10_000),
    ),
    _pystock(
        "nothing traded",
        "traded",
        "XNYS:BCE",
        lambda f: f.set("BCE", "2015-08-31", volume="0"),
    ),
    _pystock(
        "thousands of shares, to one place",
        "volume_on_lot",
        "XNYS:CQH",
        lambda f: f.set("CQH", "2015-08-31", volume="80.8"),
    ),
    _pystock(
        "a share without a name",
        "missing_symbol",
        "20150831",
        lambda f: f.set("CVR", "2015-08-31", symbol=""),
    ),
    _pystock(
        "a split that the vendor adjusts nowhere",
        "missed_split",
        "XNYS:CNR",
        _doubled,
    ),
    _pystock("two thirds of the shares missing", "covered", "pystock", _half, "half"),
    _pystock("all prices in cents", "no_common_jump", "pystock", _cents, "cents"),
    _pystock("two columns exchanged", "mostly_right", "pystock", _exchanged, "exchanged"),
    _pystock("yesterday's bars under today's date", "not_a_copy", "pystock", _yesterday, "copy"),
)

DEFECTS = (*GOOGLE, *FXCM, *INTRADAY, *LEAN, *SYSTEM, *PYSTOCK)
