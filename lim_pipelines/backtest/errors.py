"""What a backtest says when it cannot be run.

What does not belong here: checks themselves.
"""

from __future__ import annotations


class BacktestError(ValueError):
    """Targets, prices and facts do not fit together; the message says what is missing and what to do."""
