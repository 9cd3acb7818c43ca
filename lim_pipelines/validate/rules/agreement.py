"""The rules of bars against other bars of their session: other lengths, other sources, other contracts.

What does not belong here: bid against ask (`quotes.py`), the columns that rules read
(`prepare/agreement.py`).

They are warnings: that two disagree does not say which of them is wrong.
"""

from __future__ import annotations

from lim_pipelines.schemas import VALIDATED_BARS
from lim_pipelines.validate.checks import Between
from lim_pipelines.validate.rule import Rule

_OWNER = "team:market-data"

RULES: tuple[Rule, ...] = (
    Rule(
        "within_day",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "no minute of a session is higher than its high or lower than its low; 1 % is left for trades that"
        " one of the two leaves out",
        "compare both with another vendor: one is of another session, unit or adjustment",
        (Between("beyond_intraday", high=0.01),),
    ),
    Rule(
        "closes_agree",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "the last minute closes where the day does, but for the closing auction and for days of currencies"
        " that vendors end at other hours: 2 %",
        "compare both with another vendor: one is of another session, unit or adjustment",
        (Between("close_off_intraday", high=0.02),),
    ),
    Rule(
        "volumes_agree",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "the minutes' volumes add up to the day's: not to more (but for 10 %), nor to less than a quarter,"
        " what auctions and trades outside the order book leave",
        "check the units of both volumes",
        (Between("volume_of_intraday", low=0.25, high=1.1, where={"price_type": ("trade",)}),),
    ),
    Rule(
        "sources_agree",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "two vendors' closes of one bar differ by rounding, not by 1 %",
        "look at both in aligned_bars; set the better one's priority, or correct the other's adjustment",
        (Between("off_other_source", high=0.01),),
    ),
    Rule(
        "on_the_curve",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "contracts of one root differ by months of carry, not by a factor of 1.35 from their middle: 7 of"
        " 134,000 daily prices of 56 roots do",
        "check the contract's month and the unit of its price",
        (Between("off_curve", low=-0.3, high=0.3),),
    ),
    Rule(
        "moves_with_curve",
        VALIDATED_BARS.name,
        "warning",
        _OWNER,
        "contracts of one root move together: one that moves 7 % more than their middle (4 of 132,000 real"
        " days) holds another contract's price, as after a roll in the file",
        "compare with the contract before and after in the roll calendar",
        (Between("return_off_curve", low=-0.07, high=0.07),),
    ),
)
