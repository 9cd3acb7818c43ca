"""vectorbt's money for given closes and target weights; runs in an environment of its own.

    PYTHON vectorbt_books.py given.npz made.npz

What does not belong here: anything of ours; only numpy, pandas and vectorbt are installed where this runs.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import vectorbt as vbt


def main(given: str, made: str) -> None:
    """Read closes and due weights, write equity at each close and the number of orders filled."""
    with np.load(given) as told:
        close, due = pd.DataFrame(told["close"]), pd.DataFrame(told["due"])
        capital, fee = float(told["capital"]), float(told["fee"])
    portfolio = vbt.Portfolio.from_orders(
        close,
        due,
        size_type="targetpercent",
        fees=fee,
        init_cash=capital,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        # Orders of a session are sized with the equity before any of them.
        update_value=False,
        freq="1D",
    )
    np.savez(made, equity=portfolio.value().to_numpy(), orders=len(portfolio.orders))


if __name__ == "__main__":
    main(*sys.argv[1:])
