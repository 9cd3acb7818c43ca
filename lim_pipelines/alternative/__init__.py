"""Alternative data on its way through the lake: facts, events, texts, relations, and who they are about.

What does not belong here: vendors' formats (`sources/`), what becomes of rows (`align/`, `validate/`), who is
who (`entities/`). Here the lake is read and written.
"""
