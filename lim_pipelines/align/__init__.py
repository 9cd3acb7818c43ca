"""Alignment: session grid, stable ids, one bar a key, facts joined as of the moment they were known.

What does not belong here: vendor formats (`sources/`), whether values make sense (`validate/`).
"""
