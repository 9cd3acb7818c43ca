"""All exchanges by identifier.

What does not belong here: an exchange's description; it goes into the file of its kind.
"""

from __future__ import annotations

from datetime import date

from lim_pipelines.exchanges.always_open import ALWAYS_OPEN
from lim_pipelines.exchanges.exchange import Exchange
from lim_pipelines.exchanges.futures import FUTURES
from lim_pipelines.exchanges.rules import Rules, rules_on
from lim_pipelines.exchanges.shares import SHARES

EXCHANGES: dict[str, Exchange] = {exchange.mic: exchange for exchange in (*SHARES, *FUTURES, *ALWAYS_OPEN)}


class UnknownExchangeError(KeyError):
    """No exchange of that identifier is registered."""

    def __init__(self, mic: str) -> None:
        super().__init__(
            f"exchange {mic!r} is not registered (known: {', '.join(sorted(EXCHANGES))});"
            " add it to the file of its kind in lim_pipelines/exchanges/"
        )


def get_exchange(mic: str) -> Exchange:
    """Return a registered exchange.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    """
    try:
        return EXCHANGES[mic]
    except KeyError:
        raise UnknownExchangeError(mic) from None


def rules(mic: str, on: date) -> Rules:
    """Return the trading rules of an exchange that hold on a date.

    Raises
    ------
    UnknownExchangeError
        The identifier is not registered.
    """
    return rules_on(get_exchange(mic).rules, on)
