"""Every task that a strategy's YAML may name. A new task is a file and a line here.

What does not belong here: the tasks' rules (a file each), their contract (`task.py`).
"""

from __future__ import annotations

from lim_pipelines.finetune.spec import Task
from lim_pipelines.strategies.cross_sectional import CrossSectional
from lim_pipelines.strategies.directional import Directional
from lim_pipelines.strategies.fundamental import Fundamental
from lim_pipelines.strategies.lead_lag import LeadLag
from lim_pipelines.strategies.pairs import Pairs
from lim_pipelines.strategies.task import TaskRules

TASKS: dict[Task, TaskRules] = {
    "directional": Directional(),
    "cross_sectional": CrossSectional(),
    "lead_lag": LeadLag(),
    "pairs": Pairs(),
    "fundamental": Fundamental(),
}
