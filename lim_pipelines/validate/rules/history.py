"""The rules of bars against their instrument's own past: warnings, because the past may be what is wrong.

What does not belong here: whole partitions against the past (`partitions.py`), the columns that rules read
(`prepare/history.py`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.checks import Between, IsTrue
from lim_pipelines.validate.rule import Rule

_OWNER = "team:market-data"
_DAILY = ("equity", "index", "fx", "cfd", "crypto")

RULES: tuple[Rule, ...] = (
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
        "usual_move",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a day's return above 10 % and above 25 times the median size of the instrument's last 40 is rarer"
        " than an error: 3 in 10,000 of Google Finance's days, Starbucks' 1993 in the wrong shares among"
        " them",
        "compare with another vendor; look for a corporate action without ex factor",
        (Between("surprise", high=25),),
    ),
    Rule(
        "missed_split",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a share that costs 1/2, 1/3 ... or 2, 3 ... times what it did, to within 3 %, and has no ex"
        " factor, was probably split: 35 in 2.7 million of Google Finance's days",
        "look for the split at the vendor; add its factor, or a release",
        (Between("from_split", low=0.03, where={"asset_class": ("equity",)}),),
    ),
    Rule(
        "gap",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "what traded yesterday and tomorrow traded today: a session without a bar is a hole in the file."
        " Futures contracts are left out, far ones may rest for days",
        "ask the vendor for the sessions between; a halted share is in order",
        (Between("sessions_since", high=1, where={"asset_class": _DAILY}),),
    ),
    Rule(
        "stale",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a day that moved and traded does not repeat all five figures of the day before",
        "ask the vendor for the day; it is probably the one before once more",
        (IsTrue("repeats"),),
    ),
    Rule(
        "stuck",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "a close that stays where it is for ten sessions in which shares changed hands is a price that is no"
        " longer updated; 27 in 5.5 million real days",
        "check whether the share was delisted or its symbol changed",
        (IsTrue("stuck"),),
    ),
)
