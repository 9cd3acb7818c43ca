"""QuantConnect LEAN's data, read exactly as LEAN ships it (docs/sources/lean.md)."""

from lim_pipelines.sources.lean.source import Lean

__all__ = ["Lean"]
