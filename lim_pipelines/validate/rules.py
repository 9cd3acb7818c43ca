"""The rules that data must pass, as data: a list to read, argue about and extend.

What does not belong here: how rules are run (`gate.py`, `expectations.py`), kinds of check (`checks.py`), the
rules of alternative data (`alternative.py`).

A blocking rule sends a row to quarantine; a warning lets it pass and counts it.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.schemas import VALIDATED_BARS, VALIDATED_MACRO, Table
from lim_pipelines.validate import alternative
from lim_pipelines.validate.checks import Between, IsTrue, NotBelow
from lim_pipelines.validate.rule import Rule

_PRICES = ("open", "high", "low", "close")
_POSITIVE = ("equity", "index", "fx", "crypto")
_SHARE_DAYS = {"asset_class": ("equity",), "freq": ("1d",), "price_type": ("trade",)}
_OWNER = "team:market-data"


RULES: tuple[Rule, ...] = (
    Rule(
        "finite_numbers",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "NaN and infinity are artefacts of some computation; a missing value is null",
        "ask the vendor for the value, or leave the field empty",
        (IsTrue("finite"),),
    ),
    Rule(
        "positive_prices",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "shares, indices, currencies and coins cannot cost zero or less; commodities can, WTI settled at"
        " -37.63 on 2020-04-20",
        "correct the price at the vendor, or leave the field empty",
        tuple(Between(p, low=0, strict=True, where={"asset_class": _POSITIVE}) for p in _PRICES),
    ),
    Rule(
        "ohlc_order",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "the high is the highest and the low the lowest price of the bar",
        "check for swapped columns or mixed adjustments",
        (
            *(NotBelow("high", price) for price in ("open", "low", "close")),
            *(NotBelow(price, "low") for price in ("open", "close")),
        ),
    ),
    Rule(
        "volume_not_negative",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "nobody trades less than nothing",
        "correct the volume, or leave the field empty",
        (Between("volume", low=0),),
    ),
    Rule(
        "ex_factor_range",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "splits beyond 1:100 or 100:1 in one day are unheard of; a wrong factor is a false return",
        "check the corporate action, or whether the adjusted close belongs to this instrument",
        (Between("ex_factor", low=0.01, high=100),),
    ),
    Rule(
        "ts_in_session",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "a session ends by the end of its date (UTC), and its first bars are of an evening before it: Asia's"
        " night trading belongs to the next session, which may be a long weekend away",
        "check the time zone of the source",
        (Between("days_from_session", low=-7, high=0),),
    ),
    Rule(
        "known_after_end",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "a bar that is known before it ended would let a model see the future",
        "check the feed lag and the time zone of the source",
        (Between("seconds_to_known", low=0),),
    ),
    Rule(
        "jump",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a total return beyond a factor of 1.65 in one bar is rarer than a missed split",
        "look for a corporate action without ex factor, or a misplaced decimal point",
        (Between("log_return", low=-0.5, high=0.5),),
    ),
    Rule(
        "traded",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a listed share that trades nothing all day was halted, or its volume is missing",
        "check for a halt; an unknown volume should be empty, not 0",
        (Between("volume", low=0, strict=True, where=_SHARE_DAYS),),
    ),
    Rule(
        "finite_value",
        VALIDATED_MACRO.name,
        "blocking",
        _OWNER,
        "NaN and infinity are artefacts of some computation",
        "ask the publisher for the value",
        (IsTrue("finite"),),
    ),
    Rule(
        "known_after_period",
        VALIDATED_MACRO.name,
        "blocking",
        _OWNER,
        "a value that is known before its period ended would let a model see the future",
        "check the publication lag in lim_pipelines/sources/macro.py",
        (Between("seconds_to_known", low=0),),
    ),
    Rule(
        "positive_level",
        VALIDATED_MACRO.name,
        "blocking",
        _OWNER,
        "price indices, volatilities and corporate yields are positive",
        "correct the value at the publisher",
        (
            Between(
                "value",
                low=0,
                strict=True,
                where={"series_id": ("core_cpi", "vix", "aaa_yield", "baa_yield")},
            ),
        ),
    ),
    Rule(
        "plausible_level",
        VALIDATED_MACRO.name,
        "warning",
        _OWNER,
        "beyond anything these series have shown in a century; probably a wrong unit",
        "check the unit",
        (
            Between("value", high=150, where={"series_id": ("vix",)}),
            Between("value", high=25, where={"series_id": ("aaa_yield", "baa_yield")}),
        ),
    ),
    *alternative.RULES,
)


def rules_of(table: Table) -> list[Rule]:
    """Rules of a table, in the order in which they name a failing row's quarantine."""
    return [rule for rule in RULES if rule.table == table.name]


def prepare(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Add the columns that rules read beside the table's own.

    Parameters
    ----------
    frame
        Rows of the table before validation.
    table
        A validated table of bars, macro series or alternative data.

    Returns
    -------
    pl.DataFrame
        Same rows and order, with finite and seconds_to_known; for bars also days_from_session and
        log_return, the total return since the row before of the same instrument and length, null where
        there is none or prices are not positive; for alternative data what `alternative.prepare` adds.
    """
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    frame = frame.with_columns(
        finite=pl.all_horizontal(
            pl.lit(True), *(pl.col(name).is_finite().fill_null(True) for name in numbers)
        ),
        seconds_to_known=(pl.col("known_at") - pl.col("ts")).dt.total_seconds(),
    )
    if table.name == VALIDATED_MACRO.name:
        return frame
    if table.name != VALIDATED_BARS.name:
        return alternative.prepare(frame)
    series = ["instrument_id", "freq", "price_type"]
    before = pl.col("close").shift(1).over(series, order_by=["ts", "known_at"])
    ratio = pl.col("close") / (before * pl.col("ex_factor"))
    return frame.with_columns(
        # A bar that ends at midnight is of the day that ends with it: markets that never close.
        days_from_session=(pl.col("ts").dt.offset_by("-1us").dt.date() - pl.col("date")).dt.total_days(),
        log_return=pl.when((ratio > 0) & ratio.is_finite()).then(ratio.log()),
    )
