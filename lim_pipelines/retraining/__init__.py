"""When checkpoints and models are due to be trained again, why, and what of it the budget allows.

`standing.py` how far a family or a strategy is, counted in sessions from the lake's own commits;
`policies.py` the causes, a function each; `live_skill.py` whether forecasts have become worse than they were;
`expected.py` what trainings took and will take; `budget.py` which of them may go; `plan.py` all of it, a line
each; `asked.py` what a sensor asks for and never asks for twice; `settings.py` the user's numbers.

What does not belong here: starting runs (`assets/retraining.py`), training (`foundation`, `finetune`).
"""
