"""The long audit turns red when it finds something, and keeps what it found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from lake_rows import bar, frame

from assets.audits_data import CHECKS, build_look_ahead_audit
from assets.audits_models import NAME, result
from lim_pipelines.audit.verdict import Verdict, record
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import AUDIT_RESULTS, VALIDATED_BARS
from resources.home import Home

CLOSE = datetime(2018, 10, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize("leaks", [True, False])
def test_the_long_audit_turns_red(tmp_path: Path, leaks: bool) -> None:
    home = Home(root=str(tmp_path))
    rows = frame(bar(ts=CLOSE, known_at=CLOSE.replace(minute=1 if leaks else 30)))
    home.lake().write(VALIDATED_BARS, rows, rows)
    done = dg.materialize([build_look_ahead_audit([])], resources={"home": home}, raise_on_error=False)
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.blocking, check.severity) == (NAME, True, dg.AssetCheckSeverity.ERROR)
    assert check.passed != leaks
    assert done.success != leaks
    kept = home.lake().revisions(AUDIT_RESULTS).collect()
    assert kept["passed"].all() != leaks


def test_vectors_are_audited_in_their_run() -> None:
    audited = {key.asset_key.to_user_string() for check in CHECKS for key in check.check_keys}
    assert {"text_embeddings", "graph_embeddings"} <= audited
    assert all(spec.blocking for check in CHECKS for spec in check.check_specs)


def test_a_quick_check_leaves_what_a_long_audit_found(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    def at(day: int, finding: str = "") -> Verdict:
        moment = datetime(2018, 6, day, tzinfo=UTC)
        return Verdict("oil_targets", "2018-06-01", "recompute", moment, 5, 2 * bool(finding), finding)

    def kept() -> list[tuple[int, bool]]:
        rows = lake.revisions(AUDIT_RESULTS).sort("moment").collect()
        return list(zip(rows["moment"].dt.day(), rows["passed"], strict=True))

    record(lake, [at(1), at(15, "sees the future"), at(29, "sees the future")], whole=True)
    result(lake, [at(1)])
    assert kept() == [(1, True), (15, False), (29, False)]
    result(lake, [at(15)])
    assert kept() == [(15, True), (29, False)], "the moment was audited again"
    record(lake, [at(1)], whole=True)
    assert kept() == [(1, True)], "a long audit refutes"


def test_nothing_compared_is_not_audited(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    empty = Verdict("validated_bars", "2018-10-01|XNAS", "recompute", CLOSE, 0)
    shown = result(lake, [empty])
    assert str(shown.description).startswith("not audited")
    assert lake.version(AUDIT_RESULTS) == -1, "no proof is kept"
    shown = result(lake, [empty, Verdict("validated_bars", "", "publication", CLOSE, 7)])
    assert "0 rows or weights made again, 7 rows" in str(shown.description)
    assert "1 not audited" in str(shown.description)
