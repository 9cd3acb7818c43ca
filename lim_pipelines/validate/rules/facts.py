"""The rules of facts: numbers about companies.

What does not belong here: the columns that they read (`prepare/alternative.py`), running them (`gate.py`).
"""

from __future__ import annotations

from datetime import timedelta

from lim_pipelines.schemas import VALIDATED_FACTS
from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule
from lim_pipelines.validate.rules import common

PERIODS = ("Q", "FY", "YTD", "instant")
FORWARD_FIELDS = ("eps_estimate", "implied_volatility")
"""What is said of a release beforehand."""
SCRAPED_FIELDS = (*FORWARD_FIELDS, "eps_reported", "eps_surprise_percent")
"""What nobody kept the publication time of: known when it arrived, however old."""

FILINGS = {("10-Q", "10-Q/A"): 5, ("10-K", "10-K/A"): 10}
"""Forms, and the days after their period before which none was ever filed."""
FIELD_UNITS = {
    **dict.fromkeys(
        (
            *("assets", "cur_assets", "cur_liab", "equity", "cash", "revenues", "op_income", "net_income"),
            *("cash_flow_op", "cash_flow_inv", "cash_flow_fin"),
        ),
        "USD",
    ),
    **dict.fromkeys(("eps_basic", "eps_diluted", "eps_reported", "eps_estimate", "dividend"), "USD/share"),
    "eps_surprise_percent": "percent",
    "implied_volatility": "ratio",
}
"""Unit in which models read a field; other fields have any."""

_LONG_AGO = timedelta(days=50 * 365)
_DAY = timedelta(days=1).total_seconds()

RULES: tuple[Rule, ...] = (
    common.finite("finite_fact", VALIDATED_FACTS.name),
    common.not_before_it_happened(
        "future_fact",
        VALIDATED_FACTS.name,
        Between("seconds_to_known", low=0, unless={"field": FORWARD_FIELDS}),
    ),
    Rule(
        "impossible_period",
        VALIDATED_FACTS.name,
        "blocking",
        common.OWNER,
        "a figure is over a quarter, a fiscal year, the year to date, or of an instant, and none is published"
        " fifty years after",
        f"name the period as one of {', '.join(PERIODS)}, and check the year",
        (IsTrue("known_period"), Between("seconds_to_known", high=_LONG_AGO.total_seconds())),
    ),
    Rule(
        "not_negative",
        VALIDATED_FACTS.name,
        "blocking",
        common.OWNER,
        "assets, liabilities, dividends and volatilities cannot be below zero; equity, cash flows and"
        " earnings can",
        "correct the sign at the vendor",
        (
            Between(
                "value",
                low=0,
                where={"field": ("assets", "cur_assets", "cur_liab", "dividend", "implied_volatility")},
            ),
        ),
    ),
    Rule(
        "possible_amount",
        VALIDATED_FACTS.name,
        "blocking",
        common.OWNER,
        "no company has ever had 10 trillion dollars of anything, nor earned 100,000 dollars a share (the"
        " dearest share earned 60,000 in 2021): such figures are filed in the wrong unit",
        "correct the unit at the vendor",
        (
            Between("value", low=-1e13, high=1e13, where={"unit": ("USD",)}),
            Between("value", low=-1e5, high=1e5, where={"unit": ("USD/share",)}),
        ),
    ),
    Rule(
        "usual_earnings",
        VALIDATED_FACTS.name,
        "warning",
        common.OWNER,
        "earnings beyond 500 dollars a share are rarer than figures filed in thousands",
        "compare with the net income and the number of shares",
        (Between("value", low=-500, high=500, where={"unit": ("USD/share",)}),),
    ),
    Rule(
        "cash_not_negative",
        VALIDATED_FACTS.name,
        "warning",
        common.OWNER,
        "an overdraft is a liability, not negative cash",
        "look at the balance sheet",
        (Between("value", low=0, where={"field": ("cash",)}),),
    ),
    Rule(
        "filed_after_period",
        VALIDATED_FACTS.name,
        "blocking",
        common.OWNER,
        "closing the books, reviewing and filing them takes weeks: of 162,000 real figures the quickest"
        " 10-Q came 14 days after its period and the quickest 10-K 24; a filing known at once is dated by its"
        " period and lets a model see the future",
        "give the day on which it was filed, or leave known_at to the form's lag (sources/publication.py)",
        tuple(
            Between(
                "seconds_to_known",
                low=days * _DAY,
                where={"form": forms},
                unless={"field": FORWARD_FIELDS},
            )
            for forms, days in FILINGS.items()
        ),
    ),
    Rule(
        "early_figure",
        VALIDATED_FACTS.name,
        "warning",
        common.OWNER,
        "nobody knows the figures of a quarter or a year on the day it ends; only estimates are there before",
        "see whether the day is that of the period instead of that of its publication",
        (
            Between(
                "seconds_to_known",
                low=_DAY,
                where={"period": ("Q", "FY", "YTD")},
                unless={"field": FORWARD_FIELDS},
            ),
        ),
    ),
    Rule(
        "usual_unit",
        VALIDATED_FACTS.name,
        "warning",
        common.OWNER,
        "models read a field as one number: thousands among dollars, or euros, would be taken for dollars",
        "convert at the source, or give the field another name",
        (IsTrue("usual_unit"),),
    ),
    Rule(
        "part_of_assets",
        VALIDATED_FACTS.name,
        "warning",
        common.OWNER,
        "cash and current assets are parts of the assets of the same balance sheet: 2 of 12,000 real ones say"
        " otherwise, each by a figure in another unit",
        "compare the units of both figures in the filing",
        (IsTrue("part_of_assets"),),
    ),
    Rule(
        "sign_of_earnings",
        VALIDATED_FACTS.name,
        "warning",
        common.OWNER,
        "a net loss leaves no earnings for the shares; the other way round, dividends on preferred shares may"
        " turn a profit into a loss a share",
        "look for a lost minus in the filing",
        (IsTrue("sign_of_earnings"),),
    ),
    Rule(
        "revenues_not_negative",
        VALIDATED_FACTS.name,
        "warning",
        common.OWNER,
        "only who books losses of investments as revenues has revenues below zero",
        "look at the income statement",
        (Between("value", low=0, where={"field": ("revenues",)}),),
    ),
    common.timely(
        "timely",
        VALIDATED_FACTS.name,
        Between("seconds_to_known", high=common.OLD.total_seconds(), unless={"field": SCRAPED_FIELDS}),
    ),
    common.own_partition("year_of_fact", VALIDATED_FACTS.name),
)
