"""Cells of the paper's claim: an arm of one cutoff, seed and share of the data, and its forecasts.

Each lies in a file named by the hash of all that went into it, so a run that was killed goes on where it
stopped, and a run with another dial finds what both have in common.

What does not belong here: which quotes (`claim_data.py`), what is known when (`claim_stage.py`), pretraining
(`claim_backbones.py`), money and statistics (`claim_tables.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.claim_backbones import Backbones
from benchmarks.claim_data import CORPORA
from benchmarks.claim_stage import BATCH, HORIZON, SESSIONS, VALIDATED, Stage
from lim_pipelines.finetune.base import Forecaster, forecast
from lim_pipelines.finetune.controls.registry import CONTROLS
from lim_pipelines.finetune.embedding import Frozen
from lim_pipelines.finetune.methods.job import Job
from lim_pipelines.finetune.methods.registry import METHODS
from lim_pipelines.finetune.plan import CODE_VERSION as FINETUNE
from lim_pipelines.finetune.samples import Floats, Samples
from lim_pipelines.finetune.spec import ModelSpec
from lim_pipelines.foundation.forecaster import LimForecaster
from lim_pipelines.foundation.model import FoundationModel
from lim_pipelines.foundation.windows import store_of
from lim_pipelines.lake import fingerprint
from lim_pipelines.modalities.base import digest_of

CODE_VERSION = "claim-2"
"""Part of every cell's name. Raise it when the same settings would give other forecasts."""

CUTOFFS = (date(2011, 1, 1), date(2014, 1, 1), date(2017, 1, 1))
END = date(2019, 1, 1)
"""Shares begin in July 2008 and futures end in 2018: eight years to be judged on, in three pieces."""

SHARES = (0.01, 0.1, 1.0)
"""Of the decision sessions before a cutoff, the latest."""

TUNED = ("head", "lora", "adapter", "layerwise", "full", "distilled")
"""Methods that start from a pretrained backbone, from little that moves to much."""

SCRATCH, ZERO_SHOT = "scratch", "zero-shot"
RULES = ("tsmom", "macd", "persistence")
FITTED = ("ridge", "lightgbm")

FINE_STEPS = 0.1
"""Steps of a fit, as a share of the pretraining's."""

_SCALE_ROWS = 512
_CHUNK = 1024


@dataclass(frozen=True)
class Cell:
    """One fit.

    Parameters
    ----------
    arm
        Method or control.
    corpus
        What its backbone was pretrained on; empty where there is none.
    share
        Of the fine-tuning data; 0 where nothing is fitted.
    seed
        Of pretraining and fit alike.
    cutoff
        Where it was fitted.
    """

    arm: str
    corpus: str
    share: float
    seed: int
    cutoff: date


def cells(seeds: int) -> list[Cell]:
    """Every cell of a run, in the order in which they are made."""
    tuned = [name for name in TUNED if name in METHODS]
    out = []
    for cutoff in CUTOFFS:
        out += [Cell(rule, "", 0.0, 0, cutoff) for rule in RULES]
        out += [Cell(control, "", share, 0, cutoff) for control in FITTED for share in SHARES]
        for seed in range(seeds):
            out += [Cell(SCRATCH, "", share, seed, cutoff) for share in SHARES]
            for name in CORPORA:
                out.append(Cell(ZERO_SHOT, name, 0.0, seed, cutoff))
                out += [Cell(method, name, share, seed, cutoff) for share in SHARES for method in tuned]
    return out


class ZeroShot:
    """A pretrained model as it is, its head of quotes included; a `Forecaster`.

    Parameters
    ----------
    model
        The model. Its horizon holds the label: the fill is a bar behind the decision.
    """

    def __init__(self, model: FoundationModel) -> None:
        self._model, self._config = LimForecaster(model), model.config

    def outputs(self, samples: Samples) -> Floats:
        """See `base.Forecaster`."""
        store, parts = store_of(samples.series, self._config), []
        for start in range(0, len(samples), _CHUNK):
            batch = store.batch(samples.picks[start : start + _CHUNK])
            parts.append(self._model.expected(batch, HORIZON + 1)[:, 1:].sum(axis=1))
        expected = np.nan_to_num(np.concatenate(parts).astype(np.float64))
        return np.asarray(expected / samples.scale(HORIZON))[:, None]


class Claim:
    """The experiment: makes cells that are not there yet.

    Parameters
    ----------
    bars
        Bars of the futures that no pretraining saw.
    backbones
        Pretrained models.
    folder
        Where cells lie.
    say
        Gets a line a cell.
    """

    def __init__(
        self, bars: pl.DataFrame, backbones: Backbones, folder: Path, say: Callable[[str], None]
    ) -> None:
        self._bars, self._backbones, self._folder, self._say = bars, backbones, folder, say
        self._quotes = fingerprint(bars)
        self._steps = max(2, round(FINE_STEPS * backbones.config.steps_first))
        self._stage: Stage | None = None
        self._frozen: tuple[str, Frozen] | None = None

    def run(self, todo: list[Cell]) -> pl.DataFrame:
        """Make what is missing, and read all cells.

        Returns
        -------
        pl.DataFrame
            Columns of `Cell`; date, exchange, instrument_id; forecast (in units of the scale), and
            forecast_center and forecast_scale (mean and standard deviation of the arm's forecasts on rows it
            was fitted on; a rule's center is 0); volatility (of a session's log return); trainable parameters
            and seconds of the fit. A row a decision.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        parts = []
        for number, cell in enumerate(todo, 1):
            path = self._folder / f"{self._key(cell)}.parquet"
            if not path.exists():
                made = self._made(cell)
                part = path.with_suffix(".part")
                made.write_parquet(part)
                part.rename(path)
                what = f"{cell.corpus} {cell.arm} {cell.share:.0%} seed {cell.seed}"
                self._say(f"{number}/{len(todo)} {cell.cutoff} {what}: {made['seconds'][0]:.1f} s")
            parts.append(pl.read_parquet(path))
        return pl.concat(parts)

    def settings(self) -> dict[str, Any]:
        """Say what all cells of a run share."""
        return {
            "code": [CODE_VERSION, FINETUNE],
            "quotes": self._quotes,
            "cutoffs": [str(cutoff) for cutoff in (*CUTOFFS, END)],
            "architecture": self._backbones.config.architecture,
            "fit": [self._steps, BATCH, SESSIONS, VALIDATED, HORIZON],
        }

    def _key(self, cell: Cell) -> str:
        content = self.settings() | {"cell": asdict(cell) | {"cutoff": str(cell.cutoff)}}
        if cell.corpus:
            content["backbone"] = self._backbones.digest(cell.corpus, cell.seed, cell.cutoff)
        return digest_of(content)

    def _made(self, cell: Cell) -> pl.DataFrame:
        stage = self._at(cell.cutoff)
        samples, parts = stage.given(cell.share or 1.0)
        spec = stage.spec(
            cell.arm if cell.arm in METHODS else "full", cell.share or 1.0, cell.seed, self._steps
        )
        frozen = None if cell.arm in CONTROLS else self._backbone(cell)
        started, trainable = time.monotonic(), 0
        forecaster: Forecaster
        if frozen is None:
            forecaster, _ = CONTROLS[cell.arm].fit(spec, samples, parts, self._backbones.config.context)
        elif cell.arm == ZERO_SHOT:
            forecaster = ZeroShot(frozen.backbone)
        else:
            forecaster, fitted = METHODS[cell.arm](Job(spec, frozen, samples, parts, cell.seed))
            trainable = fitted.trainable
        seconds = time.monotonic() - started
        spread = parts.fit[np.unique(np.linspace(0, len(parts.fit) - 1, _SCALE_ROWS).astype(np.int64))]
        usual = _said(spec, forecaster, samples.at(spread))
        return stage.ahead.frame.select("date", "exchange", "instrument_id").with_columns(
            **{name: pl.lit(value) for name, value in asdict(cell).items()},
            forecast=pl.Series(_said(spec, forecaster, stage.ahead), dtype=pl.Float64),
            forecast_center=pl.lit(0.0 if cell.arm in RULES else float(usual.mean())),
            forecast_scale=pl.lit(float(usual.std())),
            volatility=pl.Series(stage.ahead.volatility, dtype=pl.Float64),
            trainable=pl.lit(trainable, dtype=pl.Int64),
            seconds=pl.lit(seconds),
        )

    def _at(self, cutoff: date) -> Stage:
        if self._stage is None or self._stage.cutoff != cutoff:
            end = next((one for one in CUTOFFS if one > cutoff), END)
            self._stage = Stage(self._bars, cutoff, end)
        return self._stage

    def _backbone(self, cell: Cell) -> Frozen:
        """Backbone of a cell; from scratch only its architecture counts, so any will do."""
        corpus = cell.corpus or CORPORA[-1]
        key = self._backbones.digest(corpus, cell.seed, cell.cutoff)
        if self._frozen is None or self._frozen[0] != key:
            self._frozen = (key, Frozen(self._backbones.get(corpus, cell.seed, cell.cutoff)))
        return self._frozen[1]


def _said(spec: ModelSpec, forecaster: Forecaster, samples: Samples) -> Floats:
    """Forecasts in units of each sample's scale, in which all instruments weigh alike."""
    return forecast(spec, forecaster, samples) / samples.scale(spec.horizon)
