"""One contract for the foundation model and everything it is compared with.

What does not belong here: a method (a file each beside this one), scores (`foundation/quality`).

A forecast is a sample of paths: every question that is asked of it later (the return over the horizon, its
volatility, the mean volume) is a function of a path, so nobody has to forecast three times or in three ways.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from lim_pipelines.foundation.series import Floats, Ints
from lim_pipelines.foundation.windows import WindowBatch, Windows


class Forecaster(Protocol):
    """Says what may follow a window.

    Attributes
    ----------
    name : str
        What tables call it.
    """

    name: str

    def fit(self, store: Windows, picks: Ints) -> None:
        """Learn from windows, all of which ended before the cutoff with their horizons.

        What learns nothing does nothing; what learns forgets what it learned before.

        Parameters
        ----------
        store
            Windows.
        picks
            (n, 2) windows to learn from.
        """
        ...

    def sample(self, batch: WindowBatch, horizon: int, count: int, seed: int) -> Floats:
        """Draw paths behind windows, of their contexts alone.

        Parameters
        ----------
        batch
            B windows; their futures are not looked at.
        horizon
            Bars to forecast.
        count
            Paths of each window.
        seed
            Seed of the draws. Same windows, same seed, same paths.

        Returns
        -------
        (count, B, horizon, p) float32
            In original units, the columns of `series.VARIABLES`; NaN for variables that it does not forecast
            or that the context does not show.
        """
        ...


@runtime_checkable
class Expecting(Protocol):
    """A forecaster that knows the mean of its paths, at which a hundred draws only guess.

    The noise of such a guess is as large as what there is to know about returns: it has a rank IC and a
    direction of its own, even that of a forecaster without a view.
    """

    def expected(self, batch: WindowBatch, horizon: int) -> Floats:
        """Return the mean of the variable `close` over all paths that it might draw.

        Parameters
        ----------
        batch, horizon
            See `Forecaster.sample`.

        Returns
        -------
        (B, horizon) float32
            NaN where the context shows no close.
        """
        ...
