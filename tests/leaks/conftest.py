"""Leaks are planted in small worlds; helpers of the unit tests make parts of them."""

from __future__ import annotations

import sys
from pathlib import Path

UNIT = str(Path(__file__).resolve().parent.parent / "unit")
if UNIT not in sys.path:
    sys.path.append(UNIT)
