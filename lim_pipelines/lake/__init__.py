"""The partitioned, point-in-time lake: Parquet files in Delta tables, in a folder or on S3.

A partition (say one exchange and one date) is written whole or not at all, in one atomic commit for a whole
run. Writing what is already there commits nothing. Facts are revised by later rows, never overwritten in
place, and every read says as of when.

`point_in_time.py` what was known when; `content.py` equal content, changed partitions; `files.py` Parquet
files; `log.py` the commit log; `partitions.py` whole partitions in files; `store.py` reading and writing;
`maintenance.py` compaction and retention; `past.py` the lake as it was known at a moment.
How it works, what was measured and why Delta: docs/lake.md.

What does not belong here: which columns a table has (`schemas.py`), how vendor rows become table rows
(`sources/`, `align/`), what a revision is (`align/revisions.py`).
"""

from lim_pipelines.lake.content import fingerprint, scope_of
from lim_pipelines.lake.log import LayoutError
from lim_pipelines.lake.maintenance import maintain
from lim_pipelines.lake.past import Past
from lim_pipelines.lake.point_in_time import LATEST, AsOf, as_of_view, midnight, next_cutoff
from lim_pipelines.lake.store import Commit, Lake

__all__ = [
    "LATEST",
    "AsOf",
    "Commit",
    "Lake",
    "LayoutError",
    "Past",
    "as_of_view",
    "fingerprint",
    "maintain",
    "midnight",
    "next_cutoff",
    "scope_of",
]
