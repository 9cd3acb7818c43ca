"""The rules of bid and ask of one moment, and of the mid made of them.

What does not belong here: trades, the columns that rules read (`prepare/quotes.py`).
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.checks import Between
from lim_pipelines.validate.rule import Rule

_OWNER = "team:market-data"
_NARROW = ("fx", "cfd")

RULES: tuple[Rule, ...] = (
    Rule(
        "crossed_quote",
        VALIDATED_BARS.name,
        "blocking",
        _OWNER,
        "a bid that stands above every ask of the bar by a tenth of a percent would be taken at once: a"
        " side is wrong, or the two are swapped, and so is the mid made of them",
        "ask the vendor for both sides of that bar; which of them is wrong the bar does not say",
        (Between("widest_spread", low=-1e-3),),
    ),
    Rule(
        "crossed_close",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "the last bid of a bar may be older than its last ask, so that they cross by a little (347 of 30,117"
        " minutes of FXCM's, all by less than 0.011 %); by more than 0.02 % it is no such chance",
        "compare both sides with another venue",
        (Between("spread", low=-2e-4),),
    ),
    Rule(
        "wide_spread",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "nobody trades a currency at a spread of 2 %, nor anything at one of 20 %: a side is stale or a"
        " placeholder",
        "leave the quote out of figures that need a price, or ask the vendor",
        (
            Between("spread", high=0.02, where={"asset_class": _NARROW}),
            Between("spread", high=0.2, unless={"asset_class": _NARROW}),
        ),
    ),
)
