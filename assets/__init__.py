"""Dagster assets: thin, a file per stage. What they compute is in `lim_pipelines`."""
