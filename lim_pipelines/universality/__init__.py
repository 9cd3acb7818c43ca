"""Universality (paper, section 6.2): whether what was learned holds on other instruments and exchanges.

`markets.py` what the lake has to ask about; `seen.py` what a checkpoint was trained on, so what is new to it;
`families.py` checkpoints asked as they are, and after a few steps (`few.py`); `heads.py` strategies' models
asked about what they do not trade; `year.py` of which cutoffs; `share.py` in how much of all that it holds;
`publish.py` table and page.

What does not belong here: scores of forecasts (`foundation/quality`), trading. Nothing is chosen here, so
nothing is entered in the trial ledger. Real and simulated markets never meet.
"""
