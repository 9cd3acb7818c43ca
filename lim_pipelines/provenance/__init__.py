"""Provenance: from a number back to raw files, again from raw files to the number, and what is installed.

What does not belong here: running anything that is Dagster's; nothing here writes the lake.
"""
