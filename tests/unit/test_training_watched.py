"""A training that runs is seen: observations with a plot, TensorBoard events, curves of what is there."""

import json
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lim_pipelines.foundation.events import Events
from lim_pipelines.foundation.metrics_file import MetricsFile
from lim_pipelines.foundation.plot import training_svg
from resources.trainer import Trainer

LINES = [
    {
        "step": step,
        "loss": 1 / step,
        "rate": 1e-3,
        "gradient_norm": 2.0,
        "seconds": 0.1 * step,
        "windows_per_s": 100.0,
        "tokens_per_s": 800.0,
        "utilisation": 0.9,
        **({"validation": {"skill": 0.1, "skill_close": 0.2, "skill_XNYS_1d": 0.3}} if step % 5 == 0 else {}),
    }
    for step in range(1, 11)
]

# A training process in small: it takes a second, and reports.
ENTRY = """
import time
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    time.sleep(pipes.extras["seconds"])
    pipes.report_custom_message([{"cutoff": "2018-01-01"}])
"""


def observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: Any
) -> tuple[Any, list[dict[str, Any]]]:
    (tmp_path / "small_training.py").write_text(ENTRY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("resources.trainer.WATCH_SECONDS", 0.2)

    @dg.asset
    def family(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        results = Trainer().run(context, "small_training", {"seconds": 1.0}, watched)
        return dg.MaterializeResult(metadata={"results": json.dumps(results)})

    result = dg.materialize([family])
    return result, [
        dict(event.asset_observation_data.asset_observation.metadata)
        for event in result.get_asset_observation_events()
    ]


def test_a_training_is_observed_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def watched() -> dict[str, Any]:
        asked.append(time.monotonic())
        return {"step": len(asked)} if len(asked) > 1 else {}

    result, seen = observed(tmp_path, monkeypatch, watched)
    assert [one["step"].value for one in seen][:2] == [2, 3]
    (made,) = result.get_asset_materialization_events()
    assert "2018-01-01" in str(made.step_materialization_data.materialization.metadata["results"].value)


def test_a_training_does_not_fail_for_want_of_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched() -> dict[str, Any]:
        raise OSError("gone")

    result, seen = observed(tmp_path, monkeypatch, watched)
    assert result.success
    assert seen == []


def test_what_is_under_way_is_shown_by_its_newest_lines(tmp_path: Path) -> None:
    from assets.foundation import _under_way

    assert _under_way(tmp_path / "tiny") == {}
    work = tmp_path / "tiny" / "2018-02-01" / ".work-abc"
    work.mkdir(parents=True)
    MetricsFile(work, 0, writes=True).add(LINES)
    shown = _under_way(tmp_path / "tiny")
    assert (shown["cutoff"], shown["step"], shown["loss"]) == ("2018-02-01", 10, 0.1)
    assert "tiny 2018-02-01" in shown["plot"].value


@pytest.mark.parametrize("count", [1, 4, 10])
def test_curves_are_drawn_of_whatever_is_there(count: int) -> None:
    page = training_svg("a < b", LINES[:count])
    texts = [node.text for node in ElementTree.fromstring(page).iter() if node.text]
    assert "a < b: training loss" in texts
    assert {"gradient norm", "windows a second"} < set(texts)
    # Validation comes every few steps, and by group, not by variable.
    assert ("skill on validation windows" in texts) == (count >= 5)
    assert ("XNYS_1d" in texts) == (count >= 5)
    assert "close" not in texts
    assert 'fill="#888"' in page, "grey text is readable on white and on black"


def test_events_are_written_once_a_training_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    short = Events(tmp_path / "short", print)
    for line in LINES:
        short.add(line)
    short.close()
    assert not (tmp_path / "short").exists()

    monkeypatch.setattr("lim_pipelines.foundation.events.WAIT_SECONDS", 0.05)
    events = Events(tmp_path / "long", print)
    events.add(LINES[0])
    time.sleep(0.06)
    for line in LINES[1:]:
        events.add(line)
    events.close()
    found = EventAccumulator(str(tmp_path / "long"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [
        (line["step"], pytest.approx(line["loss"])) for line in LINES
    ]
    assert [e.step for e in found.Scalars("validation/skill")] == [5, 10]
    assert "tensorboard" in sys.modules
