"""What is stated here by hand about companies: share classes, and the embedded instruments' facts.

Each with the day from which it holds, which is also the day from which it was public. What does not belong
here: what vendors' files say (`sources/`), countries and commodities (`places.py`).

Sources: names and dates of renaming from the companies' 8-K filings; share classes from the exchanges'
notices of the first day of trading; the structure of GICS as S&P and MSCI changed it after the close of
2018-09-28 (Internet companies left Information Technology for Communication Services).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

SOURCE = "curated"


@dataclass(frozen=True)
class Classes:
    """Two tickers of one company from a day on.

    Parameters
    ----------
    one, other
        Tickers on US exchanges.
    first
        First day on which both are traded.
    """

    one: str
    other: str
    first: date


SHARE_CLASSES = (
    Classes("GOOGL", "GOOG", date(2014, 4, 3)),
    Classes("BRK.B", "BRK.A", date(1996, 5, 9)),
    Classes("FOXA", "FOX", date(2013, 7, 1)),
    Classes("NWSA", "NWS", date(2013, 7, 1)),
    Classes("BF.B", "BF.A", date(1960, 1, 1)),
    Classes("UA", "UAA", date(2016, 12, 7)),
    Classes("DISCA", "DISCK", date(2008, 9, 18)),
    Classes("LBTYA", "LBTYK", date(2005, 9, 7)),
    Classes("CMCSA", "CMCSK", date(2002, 11, 19)),
)


@dataclass(frozen=True)
class Stated:
    """A fact about an embedded instrument.

    Parameters
    ----------
    instrument_id
        The instrument.
    relation
        named, in_industry or in_country, as in `RAW_CLAIMS`.
    object
        The value.
    first, last
        Days, both included, on which it holds; it was public on the first.
    """

    instrument_id: str
    relation: str
    object: str
    first: date
    last: date | None = None


_GICS = date(1999, 8, 21)
_OLD_GICS, _NEW_GICS = date(2018, 9, 30), date(2018, 10, 1)
_IT, _COMMUNICATION = "GICS/Information Technology", "GICS/Communication Services"

STATED = (
    Stated("XNAS:AAPL", "named", "Apple Computer Inc.", date(1980, 12, 12)),
    Stated("XNAS:AAPL", "named", "Apple Inc.", date(2007, 1, 9)),
    Stated("XNAS:AAPL", "in_industry", _IT, _GICS),
    Stated("XNAS:AAPL", "in_country", "US", date(1980, 12, 12)),
    Stated("XNAS:FB", "named", "Facebook Inc.", date(2012, 5, 18)),
    Stated("XNAS:FB", "named", "Meta Platforms Inc.", date(2021, 10, 28)),
    Stated("XNAS:FB", "in_industry", _IT, date(2012, 5, 18), _OLD_GICS),
    Stated("XNAS:FB", "in_industry", _COMMUNICATION, _NEW_GICS),
    Stated("XNAS:FB", "in_country", "US", date(2012, 5, 18)),
    Stated("XNAS:GOOGL", "named", "Google Inc.", date(2004, 8, 19)),
    Stated("XNAS:GOOGL", "named", "Alphabet Inc.", date(2015, 10, 5)),
    Stated("XNAS:GOOGL", "in_industry", _IT, date(2004, 8, 19), _OLD_GICS),
    Stated("XNAS:GOOGL", "in_industry", _COMMUNICATION, _NEW_GICS),
    Stated("XNAS:GOOGL", "in_country", "US", date(2004, 8, 19)),
    Stated("XNAS:MSFT", "named", "Microsoft Corporation", date(1986, 3, 13)),
    Stated("XNAS:MSFT", "in_industry", _IT, _GICS),
    Stated("XNAS:MSFT", "in_country", "US", date(1986, 3, 13)),
    Stated("XNYS:IBM", "named", "International Business Machines Corporation", date(1924, 2, 14)),
    Stated("XNYS:IBM", "named", "IBM Corp.", date(1924, 2, 14)),
    Stated("XNYS:IBM", "in_industry", _IT, _GICS),
    Stated("XNYS:IBM", "in_country", "US", date(1924, 2, 14)),
)
