"""A planted world of texts: what is written about a share moves it in the sessions after.

What does not belong here: the market and its bars (`planted.py`), encoding texts (`modalities/`), reading the
effect back (tests and benchmarks do that).

Texts are sentences as agencies write them, good, bad and idle. Prices tell no more than the echo of earlier
texts: none follows from them. `dealt_anew` is the control.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl

from lim_pipelines.simulate.planted import bars_of, market
from lim_pipelines.simulate.processes import lagged, stream

GOOD = (
    "profit beats expectations and guidance is raised",
    "wins its largest order ever",
    "analysts upgrade the share after record sales",
    "announces a generous dividend and a buyback",
    "the new product sells out within hours",
    "settles the lawsuit on favourable terms",
)
BAD = (
    "profit warning: sales collapse and guidance is cut",
    "loses its largest customer to a rival",
    "analysts downgrade the share after a weak quarter",
    "suspends the dividend and warns of losses",
    "recalls the product after dangerous failures",
    "regulators open a fraud investigation",
)
IDLE = (
    "opens a visitor centre at its head office",
    "publishes the agenda of the annual meeting",
    "sponsors the local chess tournament",
    "moves the archive to another building",
)
MOODS = {1.0: GOOD, -1.0: BAD, 0.0: IDLE}
EFFECT = (0.0, 0.003, 0.003, 0.003)
"""Log return one, two, three, four sessions after a good text; its negative after a bad one. Nothing in the
next session: a decision is filled at the next close."""


@dataclass(frozen=True)
class Told:
    """A world with texts.

    Parameters
    ----------
    bars
        Rows of `VALIDATED_BARS`.
    texts
        Columns exchange, instrument_id, date, ts (an hour before the session's close), text; at most one of
        an instrument and session.
    """

    bars: pl.DataFrame
    texts: pl.DataFrame


def told(seed: int, instruments: int = 16, count: int = 700, share: float = 0.5) -> Told:
    """Plant an effect of texts.

    Parameters
    ----------
    seed
        Seed.
    instruments
        How many.
    count
        Sessions.
    share
        Chance that an instrument has a text on a session.
    """
    world = market(seed, instruments, count)
    dice = stream(seed, "planted texts")
    # A row a session, so that a longer run begins with the values of a shorter one.
    draws = dice.random((count, instruments, 3))
    written = draws[..., 0] < share
    mood = np.where(written, np.floor(3 * draws[..., 1]) - 1, 0.0)
    names = np.array(world.ids)
    rows = [
        (
            names[at],
            session,
            MOODS[mood[session, at]][int(draws[session, at, 2] * len(MOODS[mood[session, at]]))],
        )
        for session, at in np.argwhere(written)
    ]
    grid = world.grid.with_row_index("session")
    texts = (
        pl.DataFrame(
            rows, schema={"instrument_id": pl.String, "session": pl.UInt32, "text": pl.String}, orient="row"
        )
        .join(grid.select("session", "date", ts=pl.col("close") - timedelta(hours=1)), on="session")
        .select(pl.lit("XSIM").alias("exchange"), "instrument_id", "date", "ts", "text")
        .sort("date", "instrument_id")
    )
    return Told(bars_of(seed, world, world.returns + lagged(mood, EFFECT)), texts)


def dealt_anew(world: Told, seed: int) -> Told:
    """Deal the texts anew over all that was written: as many, as good and bad, and they mean nothing."""
    order = stream(seed, "planted texts dealt anew").permutation(world.texts.height)
    return replace(world, texts=world.texts.with_columns(text=world.texts["text"][order.tolist()]))
