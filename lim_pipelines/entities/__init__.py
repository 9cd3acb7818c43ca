"""The entity master: whom a ticker or a name means, who belongs to what, and since when that is known.

Two rules run through it. Nothing is guessed silently: what is not certain goes to a list for people. And
every link has `known_at`: asked as of a moment, the master answers what it could have answered then.

What does not belong here: the lake (`alternative/entity_master.py`), the facts about entities (`align/`).
"""
