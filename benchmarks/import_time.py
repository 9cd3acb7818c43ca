"""How long `import lim_pipelines.definitions` takes in a fresh process, beside a bare Python and Dagster.

    python benchmarks/import_time.py [--runs 5]

Every Dagster process pays it; the target is less than 3 s on two cores. Not a test: the figure depends on
what else the machine does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def seconds(statement: str) -> float:
    """Wall time of a fresh interpreter that runs a statement."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)
    return time.perf_counter() - began


def main(runs: int) -> None:
    for statement in ("pass", "import dagster", "import lim_pipelines.definitions"):
        # The first run reads the disk and compiles; it is not counted.
        taken = [seconds(statement) for _ in range(runs + 1)][1:]
        print(
            f"{statement:36} median {statistics.median(taken):5.2f} s   best {min(taken):5.2f} s   of {runs}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    main(parser.parse_args().runs)
