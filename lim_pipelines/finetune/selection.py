"""What a task chose before its models were fitted: leaders of laggers, pairs; kept in the models' meta.

What does not belong here: how it is chosen (a task's file in `strategies/`). Import-light.
"""

from __future__ import annotations

from datetime import date

from lim_pipelines.finetune.setting import Setting


class Leader(Setting):
    """An instrument that another one follows.

    Parameters
    ----------
    lagger, leader
        Instrument ids.
    correlation
        Of the leader's return of a session with the lagger's of the sessions that follow.
    p_value
        Of that correlation, before the control of false discoveries.
    believed
        Whether the lagger is traded: it passes the control of false discoveries.
    """

    lagger: str
    leader: str
    correlation: float
    p_value: float
    believed: bool


class Pair(Setting):
    """Two instruments whose spread comes back.

    Parameters
    ----------
    first, second
        Instrument ids, in the order of their names.
    hedge
        Units of the second that hedge a unit of the first.
    statistic, p_value
        Of the test that the spread does not come back, before the control of false discoveries.
    half_life
        Sessions after which half of a deviation was gone.
    believed
        Whether it is traded: it passes the control of false discoveries.
    """

    first: str
    second: str
    hedge: float
    statistic: float
    p_value: float
    half_life: float
    believed: bool

    @property
    def name(self) -> str:
        """Name of the spread, `<first>~<second>`."""
        return f"{self.first}~{self.second}"


class Formation(Setting):
    """Pairs chosen at one moment of the past, for the sessions that followed.

    Parameters
    ----------
    since, until
        Sessions from `since` on, before `until`; None: the decisions behind the cutoff.
    pairs
        The surest first; those not believed are fitted on but never traded.
    """

    since: date
    until: date | None
    pairs: tuple[Pair, ...]


class Selection(Setting):
    """Everything chosen at a cutoff, from what was known then; empty for tasks that choose nothing.

    Parameters
    ----------
    leaders
        Of each lagger that has any, the strongest first.
    formations
        Pairs, chosen anew over the past, oldest first; the last one is traded behind the cutoff.
    """

    leaders: tuple[Leader, ...] = ()
    formations: tuple[Formation, ...] = ()
