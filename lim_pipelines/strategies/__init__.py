"""Strategies: what is traded, when it is decided, and what is forecast (paper section 5.3)."""
