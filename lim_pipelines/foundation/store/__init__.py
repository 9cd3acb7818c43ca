"""The window store: series of bars on disk, as of each cutoff, mapped into memory where windows are drawn.

What does not belong here: which windows are drawn (`sampler.py`), the model.
"""

from lim_pipelines.foundation.store.digest import digest_of
from lim_pipelines.foundation.store.family import Shown, shown
from lim_pipelines.foundation.store.index import Index, cells_of
from lim_pipelines.foundation.store.mapped import MappedWindows
from lim_pipelines.foundation.store.updating import Done, clear, update

__all__ = ["Done", "Index", "MappedWindows", "Shown", "cells_of", "clear", "digest_of", "shown", "update"]
