"""The platform in this process: a home and an instance of its own, a way to run assets and to drop files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import dagster as dg

    from lim_pipelines.lake import Lake

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""When dropped files arrived, unless a test says otherwise: after the embedded data, and settled."""


@dataclass
class Lineage:
    """The platform's assets in this process, on a temporary home and an instance in memory."""

    path: Path
    instance: dg.DagsterInstance

    @property
    def lake(self) -> Lake:
        from lim_pipelines.lake import Lake

        return Lake(self.path / "lake")

    @property
    def landing(self) -> Path:
        return self.path / "landing"

    def run(
        self,
        *names: str,
        start: str = "",
        end: str = "",
        partition: str | None = None,
        checks: bool | set[str] = True,
        config: dict[str, Any] | None = None,
        may_fail: bool = False,
    ) -> Any:
        """Run some assets and their checks, all or some, over `date|MIC`..`date|MIC`, or one partition.

        `config` is that of the only asset; a run that `may_fail` returns its result all the same.
        """
        import dagster as dg

        from lim_pipelines.definitions import defs

        keys = {dg.AssetKey(name) for name in names}
        graph = defs.resolve_asset_graph()
        check_keys = {
            key
            for key in graph.get_check_keys_for_assets(keys)
            if checks is True or (checks and key.name in checks)
        }
        job = defs.resolve_implicit_global_asset_job_def().get_subset(
            asset_selection=keys, asset_check_selection=check_keys
        )
        tags = {
            "dagster/asset_partition_range_start": start,
            "dagster/asset_partition_range_end": end or start,
        }
        return job.execute_in_process(
            instance=self.instance,
            tags=tags if start else None,
            partition_key=partition,
            run_config={"ops": {names[0]: {"config": config}}} if config else None,
            raise_on_error=not may_fail,
        )

    def quotes(self, start: str, end: str = "", checks: bool | set[str] = False) -> Any:
        """Run the three steps of quotes over a rectangle; the checks load Great Expectations."""
        return self.run("raw_quotes", "aligned_bars", "validated_bars", start=start, end=end, checks=checks)

    def drop(self, content: str | bytes, path: str, arrived: datetime = LONG_AGO) -> Path:
        """Put a file into the landing folder as a vendor would, arrived at some moment."""
        file = self.landing / "csv_drop" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(file, (arrived.timestamp(), arrived.timestamp()))
        return file


EXCHANGES = ["XNAS", "XNYM", "XNYS", "XSIM"]
"""Partitions that there are from the start: the exchanges of the embedded data."""


@contextmanager
def open_lineage(folder: Path) -> Iterator[Lineage]:
    """A fresh home and instance."""
    import dagster as dg

    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("LIM_HOME", str(folder / "home"))
        # A step that fails waits before it is tried again; nobody learns anything from that here.
        patch.setattr(dg.RetryPolicy, "calculate_delay", lambda *_: 0.0)
        instance.add_dynamic_partitions("exchange", EXCHANGES)
        yield Lineage(folder / "home", instance)


def metadata_of(result: Any, asset: str) -> dict[str, Any]:
    """Metadata values of the last materialization of an asset in a run."""
    import dagster as dg

    found = [
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in found[-1].metadata.items()}


def checks_of(result: Any) -> dict[str, dg.AssetCheckEvaluation]:
    """Check evaluations of a run by `asset/check`."""
    return {
        f"{evaluation.asset_key.to_user_string()}/{evaluation.check_name}": evaluation
        for evaluation in result.get_asset_check_evaluations()
    }
