"""Robustness: what becomes of a strategy in other markets, at other costs, with worse data, other settings.

`scenarios.py` what a scenario is; `markets.py` crises and regimes of the record there is; `costed.py` the
same targets at other costs; `perturb.py` worse data, `perturbed.py` the lake that shows them, `late.py` data
that come late; `settings.py` other settings; `histories.py` records that might have been; `compare.py` how
far two records lie apart; `again.py` deciding again; `runs.py` records beside the plain one;
`robustness.py` all of it, for one strategy.

No scenario chooses anything: none is entered in the trial ledger. What does not belong here: decisions and
trading themselves (`walkforward.py`), the page (`reports/robustness.py`), other instruments (universality).
"""
