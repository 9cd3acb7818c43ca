"""Portfolio: from forecasts to target weights (paper sections 3.1 and 5.3)."""
