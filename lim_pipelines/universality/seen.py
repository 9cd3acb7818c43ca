"""What a checkpoint was trained on, so what of a market is new to it.

What does not belong here: instruments that an experiment holds out (`foundation/quality/harness.py`); these
are what a checkpoint of the platform really read.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from lim_pipelines.foundation.checkpoint import Meta
from lim_pipelines.foundation.data import RESAMPLED
from lim_pipelines.foundation.quality.harness import symbol_of, underlying
from lim_pipelines.foundation.series import Series
from lim_pipelines.lake import Lake, midnight
from lim_pipelines.schemas import ONE_PRICE, VALIDATED_BARS

SEEN = "seen"


@dataclass(frozen=True)
class Seen:
    """What was trained on.

    Parameters
    ----------
    series
        (underlying, exchange, frequency) of every series that training windows could be drawn from.
    asset_classes
        Classes of these.
    """

    series: frozenset[tuple[str, str, str]]
    asset_classes: frozenset[str]

    def tell(self, one: Series) -> str:
        """Say `seen`, or all that is new of a series, the widest first; an instrument where nothing else is.

        The same underlying that another vendor or contract of the exchange shows is not new.
        """
        new = []
        if one.asset_class not in self.asset_classes:
            new.append("new asset class")
        if one.exchange not in {exchange for _, exchange, _ in self.series}:
            new.append("new exchange")
        if one.freq not in {freq for _, _, freq in self.series}:
            new.append("new frequency")
        if not new and (underlying(one), one.exchange, one.freq) not in self.series:
            known = any(
                name == underlying(one) for name, exchange, _ in self.series if exchange == one.exchange
            )
            new.append("new frequency" if known else "new instrument")
        return ", ".join(new) or SEEN


def seen_by(lake: Lake, meta: Meta) -> Seen:
    """Say what a checkpoint was trained on: its groups, and the instruments that they held at its cutoff.

    Parameters
    ----------
    lake
        The lake; read as of the cutoff.
    meta
        The checkpoint's. An instrument counts if it had bars enough for a training window before the
        moment from which targets were held out.
    """
    config, groups = meta.config, {(one.exchange, one.freq) for one in meta.data.groups}
    sources = sorted({RESAMPLED.get(freq, freq) for _, freq in groups})
    rows = lake.read(
        VALIDATED_BARS,
        as_of=midnight(meta.cutoff),
        where=pl.col("exchange").is_in(sorted({exchange for exchange, _ in groups}))
        & pl.col("freq").is_in(sources)
        & pl.col("asset_class").is_in(config.asset_classes)
        & pl.col("price_type").is_in(ONE_PRICE)
        & (pl.col("ts") < pl.lit(meta.windows["held_out_from"]).str.to_datetime(time_zone="UTC")),
    )
    found = (
        rows.group_by("exchange", "instrument_id", "asset_class", "freq")
        .agg(bars=pl.len(), weeks=pl.col("date").dt.truncate("1w").n_unique())
        .collect()
    )
    least = config.patch + config.horizon + 1
    series, classes = set(), set()
    for exchange, freq in groups:
        bars = pl.col("weeks" if freq in RESAMPLED else "bars")
        here = (pl.col("exchange") == exchange) & (pl.col("freq") == RESAMPLED.get(freq, freq))
        for name, asset_class in found.filter(here & (bars >= least))[
            "instrument_id", "asset_class"
        ].iter_rows():
            series.add((symbol_of(name), exchange, freq))
            classes.add(asset_class)
    return Seen(frozenset(series), frozenset(classes))
