"""From a forecast to the position of one instrument.

What does not belong here: cross-sections (`optimiser.py`), where forecasts come from.
"""

from __future__ import annotations

import polars as pl

from lim_pipelines.finetune.labels import SESSIONS_PER_YEAR
from lim_pipelines.finetune.settings import DirectionalLimits


def directional_weight(settings: DirectionalLimits) -> pl.Expr:
    r"""Weight of one instrument, :math:`\tanh(f/s)\,\min(L, \sigma^*/\sigma)`.

    Parameters
    ----------
    settings
        sigma*, the annual volatility of a full position, and L, the largest weight.

    Returns
    -------
    pl.Expr
        Over the columns forecast (f), forecast_scale (s, the forecasts' standard deviation in training) and
        volatility (of a session's return). A model whose forecasts never vary (s = 0) takes no position.
    """
    annual = pl.col("volatility") * SESSIONS_PER_YEAR**0.5
    size = (settings.vol_target / annual).clip(upper_bound=settings.max_leverage)
    conviction = (pl.col("forecast") / pl.col("forecast_scale")).tanh()
    return pl.when(pl.col("forecast_scale") > 0).then(conviction * size).otherwise(0.0)
