"""Connections and settings, opened when used: the home folder, the warehouse, the trainer."""
