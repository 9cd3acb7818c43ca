"""LIM Pipelines: the Large Investment Model (Guo and Shum) as a domain library.

Nothing here knows Dagster, except `definitions.py`, the composition root. Assets, which are thin,
live in the top-level `assets` package; connections and settings in `resources`.
"""
