"""Champions as Dagster judges them, and the sensor that asks for it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from drift_world import bars, write
from inprocess import Lineage, metadata_of
from untaught import leave

from assets.champion import champion_sensor
from lim_pipelines.definitions import defs
from lim_pipelines.foundation import registry
from lim_pipelines.foundation.config import REAL
from resources.home import Home


def asked(lineage: Lineage) -> list[Any]:
    context = dg.build_sensor_context(
        lineage.instance, resources={"home": Home(root=str(lineage.path))}, definitions=defs
    )
    return list(champion_sensor(context))


def test_a_new_checkpoint_is_judged_once_and_its_page_written(lineage: Lineage) -> None:
    assert "judged already, or there is none" in asked(lineage)[0].skip_message
    write(lineage.lake, bars(exchange="XNAS", sessions=300, instruments=2, last=date(2018, 10, 31)))
    models, held_out = lineage.path / "models", "2018-06-01T00:00:00+00:00"
    first = leave(models, REAL, date(2018, 10, 1), held_out_from=held_out)
    worse = leave(models, REAL, date(2018, 11, 1), said=3.0, held_out_from=held_out)
    (run,) = asked(lineage)
    assert str(worse) in run.run_key
    metadata = metadata_of(lineage.run("foundation_champion"), "foundation_champion")
    assert metadata["dagster/row_count"] == 1
    assert first.digest[:16] in metadata["champions"]
    assert metadata[f"comparison_{REAL.name}"].startswith("![champion against challenger")
    page = (lineage.path / "reports" / f"champion_{REAL.name}.html").read_text()
    assert "kept 2018-11-01" in page
    assert registry.champion(models, REAL.name) == first
    assert "judged already" in asked(lineage)[0].skip_message
    log = registry.events(models, REAL.name)
    lineage.run("foundation_champion")
    assert registry.events(models, REAL.name) == log


def test_a_judgement_that_failed_is_asked_for_again(
    lineage: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lineage.lake, bars(exchange="XNAS", sessions=300, instruments=2, last=date(2018, 10, 31)))
    leave(lineage.path / "models", REAL, date(2018, 10, 1), held_out_from="2018-06-01T00:00:00+00:00")

    @dg.job
    def judging() -> None:
        """A run of what was asked for, as it ends."""

    (run,) = asked(lineage)
    begun = lineage.instance.create_run_for_job(judging, tags=run.tags, status=dg.DagsterRunStatus.STARTED)
    words = "is at work, or rests before it is tried again"
    assert words in asked(lineage)[0].skip_message
    lineage.instance.report_run_failed(begun)
    assert words in asked(lineage)[0].skip_message
    monkeypatch.setattr("assets.requests.RETRY_AFTER", timedelta(0))
    (again,) = asked(lineage)
    assert again.run_key == f"{run.run_key}#2"
    lineage.instance.create_run_for_job(judging, tags=run.tags, status=dg.DagsterRunStatus.SUCCESS)
    assert "a run has judged that" in asked(lineage)[0].skip_message
