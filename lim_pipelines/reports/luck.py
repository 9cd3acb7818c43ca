"""What the statistics of luck say of a record, a row each, with what it means.

What does not belong here: the statistics (`evaluate/`), the verdict (`evaluate/verdict.py`).
"""

from __future__ import annotations

import math

from lim_pipelines.drawing import counted
from lim_pipelines.evaluate.leaderboard import Judgement
from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.reports.page import DASH, Table, interval, number, percent

COLUMNS = ("statistic", "value", "what it says")


def statistics(judged: Judgement) -> Table:
    """Lay out all statistics of one strategy."""
    luck = judged.luck
    rows = [
        (
            "Sharpe ratio, 95 % interval",
            f"{number(judged.net_sharpe)} ({interval(judged.low, judged.high)})",
            f"of {counted(judged.days, 'session')}, net, resampled in blocks",
        ),
        (
            "probabilistic Sharpe ratio",
            percent(luck.probabilistic, 0),
            "probability of a true ratio above 0, were it the only trial",
        ),
        (
            "deflated Sharpe ratio",
            percent(luck.deflated, 0),
            f"probability of being better than the best of {counted(luck.trials, 'trial')} without skill",
        ),
        (
            "minimum track record, one trial",
            length(luck.sessions_needed),
            "sessions until a ratio above 0 is sure (95 %), if they are like these",
        ),
        (
            "minimum track record, all trials",
            length(luck.sessions_needed_deflated),
            "the same against the best of all trials without skill",
        ),
        (
            "SPA, anything",
            _p(luck.p_anything),
            f"p-value: none of {counted(luck.compared, 'trial')} compared day by day earns money",
        ),
        (
            "SPA, this record",
            _p(luck.p_money),
            "p-value: it earns no money, corrected for all trials compared",
        ),
        (
            "SPA, against the best control",
            _p(luck.p_control),
            f"p-value: it is no better than {judged.best_control or 'a control (there is none)'}",
        ),
        (
            "model confidence set, 95 %",
            DASH if luck.may_be_best is None else ("in" if luck.may_be_best else "out"),
            "in: among all trials compared, it may be the best",
        ),
    ]
    chosen = luck.overfitting
    if chosen is not None:
        rows += [
            (
                "probability of backtest overfitting",
                percent(chosen.probability, 0),
                "how often the best trial of one half of the days is below the median in the other",
            ),
            (
                "chosen trial loses money",
                percent(chosen.loss_probability, 0),
                "how often, in the half that it was not chosen in",
            ),
        ]
    return Table(COLUMNS, rows)


def length(sessions: float) -> str:
    """Write a number of sessions, in years beside where they are many; "never" for no number."""
    if math.isnan(sessions):
        return DASH
    if math.isinf(sessions) or sessions > 1000 * SESSIONS_PER_YEAR:
        return "never"
    years = sessions / SESSIONS_PER_YEAR
    return f"{sessions:,.0f}" + (f" ({years:,.1f} years)" if years >= 1 else "")


def _p(value: float) -> str:
    return number(value, 3)
