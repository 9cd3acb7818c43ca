"""All baselines, by name.

What does not belong here: how they work (a file each), which of them a table shows (`foundation/quality`).
"""

from __future__ import annotations

from collections.abc import Callable

from lim_pipelines.foundation.baselines.base import Forecaster
from lim_pipelines.foundation.baselines.dlinear import DLinear
from lim_pipelines.foundation.baselines.drift import Drift
from lim_pipelines.foundation.baselines.garch import Garch
from lim_pipelines.foundation.baselines.historical import Ewma, HistoricalVolatility
from lim_pipelines.foundation.baselines.lightgbm import LightGbm
from lim_pipelines.foundation.baselines.patchtst import PatchTst
from lim_pipelines.foundation.baselines.persistence import Persistence
from lim_pipelines.foundation.baselines.ridge import Ridge
from lim_pipelines.foundation.config import FoundationConfig

BASELINES: dict[str, Callable[[FoundationConfig], Forecaster]] = {
    "persistence": lambda config: Persistence(),
    "drift": lambda config: Drift(),
    "historical_volatility": lambda config: HistoricalVolatility(),
    "ewma": lambda config: Ewma(),
    "garch": lambda config: Garch(),
    "ridge": lambda config: Ridge(),
    "lightgbm": lambda config: LightGbm(config.seed),
    "dlinear": DLinear,
    "patchtst": PatchTst,
}
"""Name to what makes the baseline, new and unfitted, for a configuration of the model that it is compared
with: what is trained has its context, horizon, patch, steps, batch size and seed."""
