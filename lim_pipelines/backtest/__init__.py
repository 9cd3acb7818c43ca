"""Backtest: from target weights to results net of costs."""
