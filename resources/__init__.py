"""Connections and settings, opened when used: where the platform keeps its files, the warehouse, the trainer."""
