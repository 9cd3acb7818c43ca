"""Training cutoffs: continual, idempotent, reproducible, and blind to what came later."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import torch
from foundation_bars import TINY, bars, noise
from pydantic import ValidationError
from safetensors.torch import load_file

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.data import LookAheadError, NoBarsError, read_bars, series_of
from lim_pipelines.foundation.train import CutoffResult, Job, train_cutoffs
from lim_pipelines.lake import Lake
from lim_pipelines.schemas import VALIDATED_BARS

# Bars run from 2010-01-04; 200 weekdays reach 2010-10-08.
CUTOFFS = (date(2010, 8, 1), date(2010, 9, 1))
CONFIG = TINY.model_copy(update={"freqs": ("1d", "1w")})
BARS = pl.concat([bars(noise(200)), bars(noise(200, 1), "XNYS:SPX", seed=1)])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def put(root: Path, frame: pl.DataFrame) -> None:
    Lake(root).write(VALIDATED_BARS, frame, frame.select("exchange", "date").unique())


def job(root: Path, cutoffs: tuple[date, ...] = CUTOFFS, models: str = "models", **config: object) -> Job:
    return Job(
        lake=str(root / "lake"),
        models=str(root / models),
        windows=str(root / "windows"),
        family="tiny",
        cutoffs=cutoffs,
        config=CONFIG.model_copy(update=config),
    )


def quietly(given: Job) -> list[CutoffResult]:
    return train_cutoffs(given, lambda line: None)


def same_weights(a: CutoffResult, b: CutoffResult) -> bool:
    one, other = (load_file(Path(r.folder) / checkpoint.WEIGHTS) for r in (a, b))
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path / "lake", BARS)
    return tmp_path


def test_each_cutoff_goes_on_from_the_one_before(root: Path) -> None:
    lines: list[str] = []
    first, second = train_cutoffs(job(root, CUTOFFS[::-1]), lines.append)
    assert (first.cutoff, second.cutoff) == CUTOFFS  # in order of time, however they were asked for
    assert (first.parent, first.steps) == (None, CONFIG.steps_first)
    assert (second.parent, second.steps) == (first.digest, CONFIG.steps_continual)
    assert len(lines) == 2
    assert "trained" in lines[0]
    meta = checkpoint.read_meta(second.folder)
    assert (meta.parent, meta.parent_cutoff, meta.seed) == (first.digest, CUTOFFS[0], CONFIG.seed)
    assert [(g.exchange, g.freq, g.instruments) for g in meta.data.groups] == [
        ("XNYS", "1d", 2),
        ("XNYS", "1w", 2),
    ]
    assert all(g.last_ts < "2010-09-01" for g in meta.data.groups)
    assert checkpoint.cutoffs(root / "models", "tiny") == list(CUTOFFS)
    files = sorted(path.name for path in Path(second.folder).iterdir())
    assert files == ["meta.json", "metrics.jsonl", "model.safetensors"]


def test_what_is_there_is_not_trained_again(root: Path) -> None:
    before = quietly(job(root))
    stamps = {path: path.stat().st_mtime_ns for path in (root / "models").rglob("*")}
    again = quietly(job(root))
    assert [r.reused for r in before + again] == [False, False, True, True]
    assert [r.digest for r in again] == [r.digest for r in before]
    assert [r.metrics for r in again] == [r.metrics for r in before]
    assert {path: path.stat().st_mtime_ns for path in (root / "models").rglob("*")} == stamps


def test_other_processes_go_on_from_what_this_run_found_not_from_what_was_current(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process says what is current, and the others may look before it has."""
    before = quietly(job(root))
    quietly(job(root, seed=1))
    monkeypatch.setenv("RANK", "1")
    again = quietly(job(root))
    assert [one.digest for one in again] == [one.digest for one in before]
    assert all(one.reused for one in again)


def test_the_same_inputs_give_the_same_weights(root: Path) -> None:
    for a, b in zip(quietly(job(root)), quietly(job(root, models="elsewhere")), strict=True):
        assert a.digest == b.digest
        assert a.metrics == b.metrics
        assert same_weights(a, b)
    other = quietly(job(root, CUTOFFS[:1], models="other", seed=1))[0]
    assert other.digest != a.digest
    assert not same_weights(a, other)


def test_the_same_rows_at_another_cutoff_are_another_checkpoint(root: Path) -> None:
    """The last bar is known long before both; the seed of windows and masks is not the same."""
    late = (date(2010, 11, 1), date(2010, 12, 1))
    one, other = (quietly(job(root, (cutoff,), models=f"{cutoff}"))[0] for cutoff in late)
    one_meta, other_meta = checkpoint.read_meta(one.folder), checkpoint.read_meta(other.folder)
    assert one_meta.data.fingerprint == other_meta.data.fingerprint
    assert one.digest != other.digest
    assert not same_weights(one, other)


def test_nothing_that_was_known_later_changes_a_bit(root: Path) -> None:
    honest = quietly(job(root, CUTOFFS[:1]))[0]
    moment = datetime(2010, 8, 1, tzinfo=UTC)
    before = BARS.filter(pl.col("known_at") <= moment)
    after = BARS.filter(pl.col("known_at") > moment).with_columns(pl.col("close", "open", "high", "low") * 7)
    correction = before.with_columns(pl.col("close") * 3, known_at=moment + timedelta(microseconds=1))
    put(root / "lake", pl.concat([before, after, correction]))
    again = quietly(job(root, CUTOFFS[:1], models="elsewhere"))[0]
    assert again.digest == honest.digest
    assert same_weights(honest, again)


def test_a_correction_known_in_time_retrains_it_and_what_came_of_it(root: Path) -> None:
    before = quietly(job(root))
    early = datetime(2010, 3, 1, tzinfo=UTC)
    fixed = BARS.filter(pl.col("ts") < early).tail(1)
    put(
        root / "lake",
        pl.concat(
            [BARS, fixed.with_columns(pl.col("close") * 1.01, known_at=pl.lit(early).dt.cast_time_unit("us"))]
        ),
    )
    after = quietly(job(root))
    assert [r.reused for r in after] == [False, False]
    assert all(a.digest != b.digest for a, b in zip(before, after, strict=True))
    assert after[1].parent == after[0].digest
    assert Path(before[0].folder).exists()  # the old one stays for whoever asks what was known
    assert checkpoint.resolve(root / "models", "tiny", CUTOFFS[0]) == Path(after[0].folder)


def test_another_architecture_starts_from_scratch(root: Path) -> None:
    quietly(job(root, CUTOFFS[:1]))
    other = quietly(job(root, CUTOFFS[1:], context=16))[0]
    assert (other.parent, other.steps) == (None, CONFIG.steps_first)


@pytest.mark.parametrize(
    "universe", [{"freqs": ("1d",)}, {"exchanges": ("XNAS", "XNYS")}, {"asset_classes": ("equity",)}]
)
def test_another_universe_starts_from_scratch(root: Path, universe: dict[str, object]) -> None:
    quietly(job(root, CUTOFFS[:1]))
    other = quietly(job(root, CUTOFFS[1:], **universe))[0]
    assert (other.parent, other.steps) == (None, CONFIG.steps_first)


def test_the_order_of_a_universe_says_nothing(root: Path) -> None:
    first = quietly(job(root, CUTOFFS[:1]))[0]
    assert quietly(job(root, CUTOFFS[1:], freqs=("1w", "1d")))[0].parent == first.digest


def test_a_cutoff_before_the_history_says_what_to_do(root: Path) -> None:
    with pytest.raises(NoBarsError, match=r"tiny 2009-01-01: .*lake/validated_bars.*materialise `archive`"):
        quietly(job(root, (date(2009, 1, 1),)))


def test_only_the_family_s_quotes_are_read(root: Path) -> None:
    oil = bars(noise(200, 2), "XNYM:WTI", close_only=True)
    aside = bars(noise(200, 3), "XNAS:AAPL")
    put(root / "lake", pl.concat([oil, aside]))
    series = series_of(read_bars(Lake(root / "lake"), CONFIG, CUTOFFS[0]))
    assert {s.instrument_id for s in series} == {"XNYS:IBM", "XNYS:SPX"}
    assert {s.freq for s in series} == {"1d", "1w"}
    weekly = next(s for s in series if s.freq == "1w")
    assert weekly.known_at.max() <= datetime(2010, 8, 1, tzinfo=UTC).timestamp() * 1e6


def test_a_resampling_that_looks_ahead_is_caught(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ahead(frame: pl.DataFrame, freq: str) -> pl.DataFrame:
        return frame.with_columns(freq=pl.lit(freq), known_at=pl.col("known_at") + timedelta(days=7))

    monkeypatch.setattr("lim_pipelines.foundation.data.resample", ahead)
    with pytest.raises(LookAheadError, match=r"resample\.py"):
        quietly(job(root))


def test_a_job_of_two_minds_is_refused() -> None:
    with pytest.raises(ValidationError, match="family 'other' with the configuration of 'tiny'"):
        Job(lake="a", models="b", windows="c", family="other", cutoffs=CUTOFFS, config=CONFIG)


def test_from_the_command_line(root: Path) -> None:
    path = root / "job.json"
    path.write_text(job(root, CUTOFFS[:1]).model_dump_json())
    command = [sys.executable, "-m", "lim_pipelines.foundation.train", "--job", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (result,) = json.loads(done.stdout)
    assert result["cutoff"] == "2010-08-01"
    assert not result["reused"]
    again = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]], capture_output=True, text=True, check=True
    )
    assert json.loads(again.stdout)[0]["reused"]
    assert not re.search(r"\|\s+(torch|lightning|pandas)$", again.stderr, re.MULTILINE)


def test_without_a_job_it_says_how_to_give_one() -> None:
    command = [sys.executable, "-m", "lim_pipelines.foundation.train"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "give --job, or start it from Dagster" in done.stderr
