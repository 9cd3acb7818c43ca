"""Drift: how often it cries wolf on data that do not drift, what it sees, when it would have spoken.

    python -m benchmarks.drift_power [--trials 100] [--plot docs/images/drift_power.png]

Simulated exchanges of instruments that move together, with clustered volatility and fat tails; traded value
and range follow volatility, with memory of their own. A trial is one report; it goes through the code that
the asset runs, from standardising to verdicts. XSIM is judged with seeds of its own. The embedded indices and
WTI are judged at each month's end, as they came. No result of any strategy is looked at. The seeds are not
those that the defaults were chosen on. One process, some six minutes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from lim_pipelines import drawing
from lim_pipelines.simulate import xsim
from lim_pipelines.simulate.processes import Floats, ar1, fat_tailed, garch, stream
from lim_pipelines.validate.drift.distances import scalar_distances
from lim_pipelines.validate.drift.family import LEVEL, judge
from lim_pipelines.validate.drift.observations import VOLUME_SESSIONS, variables_of
from lim_pipelines.validate.drift.report import compare_bars, judged
from lim_pipelines.validate.drift.windows import FEWEST_STRETCHES, MOST_STRETCHES, RECENT_SESSIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIRST = date(2000, 1, 3)
YEAR = VOLUME_SESSIONS
QUIET, LOUD = 700_000, 800_000
"""First seeds of trials without and with drift; defaults were chosen on seeds below."""

Worlds = dict[str, Floats]


def world(seed: int, count: int, instruments: int) -> Worlds:
    """Simulate returns, log traded value and log range, shape (count, instruments) each; stationary."""
    market, market_vol = garch(fat_tailed(stream(seed, "market"), count, 1), np.array([0.008]))
    own, own_vol = garch(fat_tailed(stream(seed, "own"), count, instruments), np.full(instruments, 0.012))
    returns, vol = market + own, np.sqrt(market_vol**2 + own_vol**2)
    size = np.abs(returns) / vol
    noise = stream(seed, "noise").standard_normal((2, count, instruments))
    volume = (
        ar1(stream(seed, "all volume").standard_normal((count, 1)), 10, 0.3)
        + ar1(stream(seed, "own volume").standard_normal((count, instruments)), 5, 0.3)
        + 0.3 * np.log(vol / 0.0144)
        + 0.25 * size
        + 0.2 * noise[0]
    )
    spread = np.log(vol) + 0.35 * noise[1] + 0.3 * np.log(0.3 + size)
    return {"return": returns, "volume": volume, "spread": spread}


def more_volatile(by: float) -> Callable[[Worlds], None]:
    def plant(last: Worlds) -> None:
        last["return"] *= by
        last["spread"] += np.log(by)

    return plant


def shifted(name: str, by: float) -> Callable[[Worlds], None]:
    def plant(last: Worlds) -> None:
        last[name] += by

    return plant


def fatter(freedom: float) -> Callable[[Worlds], None]:
    """Fat tails at equal variance: each return is stretched by its own draw of unit mean square."""

    def plant(last: Worlds) -> None:
        rng = np.random.default_rng(1)
        draw = 1 / np.sqrt(rng.chisquare(freedom, last["return"].shape) / (freedom - 2))
        last["return"] *= draw

    return plant


def tied(by: float) -> Callable[[Worlds], None]:
    """Tie returns and traded value of the same bars together; each keeps the values it had.

    A share `by` of the pairs is put in the same order.
    """

    def plant(last: Worlds) -> None:
        rng = np.random.default_rng(2)
        for r, v in zip(last["return"].T, last["volume"].T, strict=True):
            some = rng.permutation(len(r))[: round(by * len(r))]
            v[some[np.argsort(r[some])]] = np.sort(v[some])

    return plant


PLANTED: dict[str, Callable[[Worlds], None]] = {
    "volatility x 1.25": more_volatile(1.25),
    "volatility x 1.5": more_volatile(1.5),
    "volatility x 2": more_volatile(2.0),
    "mean return + 0.25 sd": shifted("return", 0.25 * 0.0144),
    "mean return + 0.5 sd": shifted("return", 0.5 * 0.0144),
    "fat tails (t with 2.5), same variance": fatter(2.5),
    "volume x 1.5": shifted("volume", float(np.log(1.5))),
    "volume x 3": shifted("volume", float(np.log(3))),
    "spread x 1.25": shifted("spread", float(np.log(1.25))),
    "spread x 2": shifted("spread", float(np.log(2))),
    "return and volume tied, half of the bars": tied(0.5),
    "return and volume tied, all bars": tied(1.0),
}


def variables(here: Worlds, skip: int = YEAR) -> pl.DataFrame:
    """Lay a world out as `variables_of` does, traded value over its year."""
    count, instruments = here["return"].shape
    value = np.exp(here["volume"])
    total = np.vstack([np.zeros(instruments), value.cumsum(axis=0)])
    relative = here["volume"][skip:] - np.log((total[skip:-1] - total[: -skip - 1]) / skip)
    columns = {"return": here["return"][skip:], "volume": relative, "spread": here["spread"][skip:]}
    days = np.repeat(np.arange(count - skip), instruments)
    return pl.DataFrame({name: values.ravel() for name, values in columns.items()}).with_columns(
        pl.lit("equity").alias("asset_class"),
        pl.Series("date", [FIRST + timedelta(int(day)) for day in days]),
        pl.Series("instrument_id", [f"I{i}" for i in range(instruments)] * (count - skip)),
    )


def verdicts(frames: Sequence[pl.DataFrame], length: int, stretches: int) -> set[str]:
    """Variables and tests that alarm in one report over some exchanges."""
    compared = (c for i, frame in enumerate(frames) for c in compare_bars(f"X{i}", frame, length, stretches))
    drifted = judged(list(compared)).results.filter("drifted")
    return set(drifted.select(pl.concat_str("variable", "test", separator=" ")).to_series())


def trial(
    seed: int,
    plant: str = "",
    instruments: int = 20,
    length: int = RECENT_SESSIONS,
    stretches: int = MOST_STRETCHES,
    exchanges: int = 1,
) -> set[str]:
    """One report; drift is planted in the first exchange."""
    frames = []
    for i in range(exchanges):
        here = world(1000 * seed + i, YEAR + length * (stretches + 1), instruments)
        if plant and not i:
            PLANTED[plant]({name: values[-length:] for name, values in here.items()})
        frames.append(variables(here))
    return verdicts(frames, length, stretches)


def xsim_trial(seed: int) -> set[str]:
    """One report on XSIM, simulated with a seed of its own."""
    bars = xsim.simulate(seed).bars.filter(pl.col("freq") == "1d")
    return verdicts([variables_of(as_bars(bars, "equity"))], RECENT_SESSIONS, MOST_STRETCHES)


def as_bars(frame: pl.DataFrame, asset_class: str) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(None, pl.Float64).alias("turnover"),
        instrument_id="symbol",
        price_type=pl.lit("trade"),
        asset_class=pl.lit(asset_class),
        ex_factor=pl.lit(1.0),
    )


def unit_change(seed: int, half_life: float, instruments: int) -> set[str]:
    """Judge a feature that is suddenly a hundred times as large; psi and ks."""
    count = RECENT_SESSIONS * (MOST_STRETCHES + 1)
    values = ar1(stream(seed, "feature").standard_normal((count, instruments)), half_life, 1.0) + 3
    values[-RECENT_SESSIONS:] *= 100
    stretch = np.repeat(np.arange(MOST_STRETCHES + 1), RECENT_SESSIONS * instruments)
    tests = list(scalar_distances(values.ravel(), stretch, MOST_STRETCHES).items())
    found = zip(tests, judge(tests), strict=True)
    return {kind for (kind, _), verdict in found if verdict is not None and verdict.drifted}


def history() -> Iterator[tuple[date, set[str]]]:
    """Make reports at each month's end over S&P 500, NASDAQ Composite and WTI, as three exchanges."""
    from arch.data import nasdaq, sp500, wti

    frames = []
    for name, raw in (("SPX", sp500.load()), ("IXIC", nasdaq.load()), ("WTI", wti.load())):
        table = pl.from_pandas(raw.reset_index().rename(columns={"index": "Date", "DATE": "Date"}))
        table = table.rename({column: column.lower() for column in table.columns})
        close = pl.col("close" if "close" in table.columns else "dcoilwtico").cast(pl.Float64, strict=False)
        none = pl.lit(None, pl.Float64)
        ranged = "high" in table.columns
        bars = table.select(
            symbol=pl.lit(name),
            date=pl.col("date").cast(pl.Date),
            ts=pl.col("date").cast(pl.Datetime("us", "UTC")),
            close=close,
            high=pl.col("high") if ranged else none,
            low=pl.col("low") if ranged else none,
            volume=pl.col("volume").cast(pl.Float64) if ranged else none,
        ).drop_nulls("close")
        frames.append(variables_of(as_bars(bars, "index")))
    ends = pl.date_range(date(2000, 1, 31), date(2018, 12, 31), "1mo", eager=True).dt.month_end()
    for end in ends:
        known = [frame.filter(pl.col("date") <= end) for frame in frames]
        compared = [
            c
            for name, frame in zip(("SPX", "IXIC", "WTI"), known, strict=True)
            for c in compare_bars(name, frame.tail(_ENOUGH))
        ]
        drifted = judged(compared).results.filter("drifted")
        alarmed = set(drifted.select(pl.concat_str("exchange", "variable", separator=" ")).to_series())
        yield end, alarmed


_ENOUGH = RECENT_SESSIONS * (MOST_STRETCHES + 1)


def said(name: str, what: Callable[[int], set[str]], seeds: range) -> float:
    """Print how many reports alarm, the standard error of that, and which tests alarm most."""
    found = [what(seed) for seed in seeds]
    counts = Counter(test for one in found for test in one)
    most = ", ".join(f"{test} {count / len(found):.2f}" for test, count in counts.most_common(4))
    share = sum(map(bool, found)) / len(found)
    error = (share * (1 - share) / len(found)) ** 0.5
    print(f"{name:44} {len(found):4} {share:6.3f} +- {error:.3f}   {most}", flush=True)
    return share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    many = range(QUIET, QUIET + args.trials)
    some, few = many[: max(args.trials // 3, 1)], range(LOUD, LOUD + max(args.trials // 7, 1))

    print(f"no drift: trials, share of reports with an alarm, nominal {LEVEL}")
    said("one exchange, 20 instruments", trial, many)
    said("one instrument", partial(trial, instruments=1), many)
    said("one exchange, 18 stretches", partial(trial, stretches=18), some)
    said("one exchange, 8 stretches", partial(trial, stretches=FEWEST_STRETCHES), many)
    said("four exchanges", partial(trial, exchanges=4), some)
    said("XSIM", xsim_trial, some[: len(some) // 2])
    print("planted: trials, share of reports with an alarm")
    power = {}
    for plant in PLANTED:
        power[plant] = (
            said(plant, partial(trial, plant=plant), few),
            said("   one instrument", partial(trial, plant=plant, instruments=1), few),
        )
    said("feature x 100, 20 instruments", partial(unit_change, half_life=20.0, instruments=20), few)
    said("feature x 100, one slow series", partial(unit_change, half_life=250.0, instruments=1), few)
    if args.plot:
        args.plot.write_bytes(drawing.png(plot(power)))
    print("history, month's ends with an alarm:")
    for end, names in history():
        if names:
            print(f"  {end:%Y-%m}  {', '.join(sorted(names))}", flush=True)


def plot(power: dict[str, tuple[float, float]]) -> Figure:
    """Draw the shares of planted drifts that are seen."""
    figure = drawing.figure_of(6.6, 0.42 * len(power) + 0.9)
    axes = drawing.styled(figure.subplots())
    place = np.arange(len(power))[::-1]
    labels = ("20 instruments", "one instrument")
    for i, label in enumerate(labels):
        shares = [shares[i] for shares in power.values()]
        axes.barh(place + 0.2 - 0.4 * i, shares, 0.36, color=drawing.COLORS[i], label=label)
    axes.set_yticks(place, list(power))
    axes.set_xlim(0, 1)
    axes.grid(axis="x", color=drawing.INK, alpha=0.25, lw=0.6)
    axes.axvline(LEVEL, color=drawing.INK, lw=0.8, ls="--")
    axes.set_xlabel("share of reports that alarm (dashed: without drift)", fontsize=9, color=drawing.INK)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=8
    )
    return figure


if __name__ == "__main__":
    main()
