"""The daily bars before periods that are worked on side by side, handed over from each to the next.

What does not belong here: which bars those are (`beside.py`), the periods (`bulk.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from threading import Lock

import polars as pl

from lim_pipelines.validate.beside import Beside, last_bars, sessions_before


class Handover:
    """What consecutive periods of one exchange are judged against, whichever of them is committed first.

    Parameters
    ----------
    beside
        What the first period is judged against, as `read_beside_import` gives it; all but the bars before is
        of all periods.
    mic
        The exchange.
    """

    def __init__(self, beside: Beside, mic: str) -> None:
        self._beside, self._mic = beside, mic
        self._past: dict[int, Future[tuple[pl.DataFrame, pl.DataFrame]]] = {}
        self._lock = Lock()
        self._of(0).set_result((beside.before, beside.older))

    def beside(self, nth: int, end: date, aligned: pl.DataFrame) -> Beside:
        """Hand a period's bars over to the next period, and wait for what it is judged against itself.

        Parameters
        ----------
        nth
            Number of the period, from 0. Periods before it must be at work or done.
        end
            Its last date; the next period begins on the day after.
        aligned
            Its aligned bars.
        """
        before, older = self._of(nth).result()
        with self._lock:
            del self._past[nth]
        following = pl.DataFrame({"exchange": [self._mic], "date": [end + timedelta(days=1)]})
        recent = sessions_before(following)
        daily = pl.concat([before, aligned.filter(pl.col("freq") == "1d").select(before.columns)])
        near = daily.join(recent, on=recent.columns, how="semi", maintain_order="left")
        gone = daily.join(recent, on=recent.columns, how="anti")
        self._of(nth + 1).set_result((near, last_bars(pl.concat([older, gone]).lazy())))
        return replace(self._beside, before=before, older=older)

    @contextmanager
    def period(self, nth: int) -> Iterator[None]:
        """Work on a period: if it fails before it has handed its bars over, the next one fails, too."""
        try:
            yield
        except BaseException as error:
            following = self._of(nth + 1)
            if not following.done():
                following.set_exception(error)
            raise

    def _of(self, nth: int) -> Future[tuple[pl.DataFrame, pl.DataFrame]]:
        with self._lock:
            return self._past.setdefault(nth, Future())
