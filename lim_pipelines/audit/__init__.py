"""Audits: proof that nothing sees the future, by doing it again with less of it.

What does not belong here: point-in-time reading itself (`lake/`), whether values are right (`validate/`).
"""
