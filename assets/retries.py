"""What is tried again within its run: steps that read vendors' files or write the lake, and nothing else.

What does not belong here: runs that failed as a whole (`requests.py`).

A file share or an object store that stumbles is back after seconds; a new run would start everything anew.
Training and deciding are never tried again at once: they read what was written already, so what fails
fails again, after hours. Bad content raises nothing (it goes to quarantine), so little is tried in vain.
"""

import dagster as dg

INPUT_OUTPUT = dg.RetryPolicy(
    max_retries=3, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""Of steps that read files or write the lake: after about 5, 15 and 35 s; the jitter parts runs that failed
together."""
