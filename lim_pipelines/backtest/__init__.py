"""Backtest: from target weights to results net of costs, and the report."""
