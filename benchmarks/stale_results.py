"""How long finding stale results takes, with nothing committed and after one correction of one bar.

    python -m benchmarks.stale_results --home HOME

HOME is a home after `make demo`; it is copied, nothing in it is written.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from lim_pipelines import stale
from lim_pipelines.foundation.config import FOUNDATIONS, XSIM
from lim_pipelines.lake import LATEST, Lake
from lim_pipelines.provenance.verify_results import DEFINITIONS
from lim_pipelines.schemas import RESULT_READS, VALIDATED_BARS
from lim_pipelines.strategies.spec import StrategySpec


def measure(home: Path, repeats: int) -> None:
    """Print seconds and counts."""
    lake = Lake(home / "lake")
    specs = [StrategySpec.from_yaml(path) for path in sorted(DEFINITIONS.glob("*/defs.yaml"))]
    print(f"{lake.read(RESULT_READS, as_of=LATEST).collect().height} reads recorded in result_reads")
    for words in ("nothing committed", "one bar of XSIM corrected, half a year before the newest cutoff"):
        seconds, processor = [], []
        for _ in range(repeats):
            started, busy = time.perf_counter(), time.process_time()
            found = stale.stale(lake, home / "models", specs, list(FOUNDATIONS.values()))
            seconds.append(time.perf_counter() - started)
            processor.append(time.process_time() - busy)
        results = found.select("result", "partition").unique().height
        took = f"{statistics.median(seconds):.3f} s, {statistics.median(processor):.3f} s of the processor"
        print(f"{words}: {took} (medians of {repeats}), {results} results stale")
        correct(lake)


def correct(lake: Lake) -> None:
    """Change the close of one daily bar, dated back."""
    here = (pl.col("exchange") == XSIM.exchanges[0]) & (pl.col("freq") == "1d")
    bars = lake.read(VALIDATED_BARS, as_of=LATEST, where=here).sort(VALIDATED_BARS.key).collect()
    days = bars["date"].unique().sort()
    one = bars.filter(pl.col("date") == days[-126]).head(1).select(*VALIDATED_BARS.key, other=pl.lit(1.01))

    def corrected(there: pl.DataFrame) -> pl.DataFrame:
        factor = pl.col("other").fill_null(1.0)
        rows = there.join(one, on=list(VALIDATED_BARS.key), how="left")
        return rows.with_columns(close=pl.col("close") * factor).drop("other")

    lake.update(VALIDATED_BARS, one.select("exchange", "date"), corrected)


def main() -> None:
    """Run it on a copy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--home", type=Path, required=True, help="home after `make demo`")
    parser.add_argument("--repeats", type=int, default=5, help="how often")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="lim-stale-") as folder:
        for part in ("lake", "models"):
            shutil.copytree(given.home / part, Path(folder) / part)
        measure(Path(folder), given.repeats)


if __name__ == "__main__":
    main()
