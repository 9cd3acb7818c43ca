"""Validation: rules as data, the gate, the same rules through Great Expectations, drift.

What does not belong here: identity and sessions (`align/`).
"""
