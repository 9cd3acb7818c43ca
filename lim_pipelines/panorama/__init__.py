"""What people look at: how complete the lake is, how fresh each source, what happened to one instrument.

A file a view that reads the lake (`coverage.py`, `staleness.py`, `timeline.py`), one that draws it, and the
pages. What does not belong here: anything that decides what models read; the rules (`validate/`).
"""
