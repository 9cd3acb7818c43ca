"""Strategies, one folder each; `dg scaffold defs` writes here."""
