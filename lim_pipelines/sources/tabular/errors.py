"""Rules that rows and whole tables can fail while they are read, and what to do about each.

What does not belong here: rules about values (`validate/`), about archives and paths (`landed.py`).
"""

from lim_pipelines.exchanges import FIRST_CALENDAR_YEAR

REASONS = {
    "wrong_field_count": "the line has more or fewer fields than the header; correct the line",
    "unknown_exchange": "the exchange is not registered; correct it, or map it to one that is",
    "missing_symbol": "the symbol is empty; fill it in",
    "unparsable_date": "the date or time is not written as the format says; correct it",
    "ambiguous_time": "the local time occurs twice or never, the clock was changed; give it with its offset",
    "before_calendar": f"sessions before {FIRST_CALENDAR_YEAR} are not known; leave the row out",
    "unknown_freq": "a date goes with freq 1d, 1w or 1mo, a time with a shorter one; correct freq",
    "unknown_price_type": "the price type is none of trade, bid, ask and mid; correct it",
    "unparsable_number": "a price, volume or factor is no finite number; correct it, or leave it empty",
    "missing_close": "the close is empty; fill it in",
    "future_bar": "the bar ends after the file arrived; correct the date",
}
"""Rule to what is wrong and what to do, in the order in which a row is judged."""
