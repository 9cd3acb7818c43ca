"""How much better than the trivial forecast a model is, on windows it was not trained on.

What does not belong here: choosing those windows (`pretrain.py`), comparisons with other models
(`quality/`), statistics of trading (`lim_pipelines/evaluate`).

The trivial forecast is the standard normal on the window's scale: as the context was. Both are scored by
CRPS. Skill is 1 - CRPS / CRPS of the trivial forecast; 0 means that nothing was learned, less than 0 that
harm was done.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lim_pipelines.foundation.layouts import into_slots
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.scaling import scaled
from lim_pipelines.foundation.scores import crps, crps_of_normal
from lim_pipelines.foundation.series import VARIABLES, Ints
from lim_pipelines.foundation.windows import WindowBatch, Windows

SAMPLES = 32
_CHUNK = 512
Group = tuple[str, str]


@torch.inference_mode()
def window_scores(
    model: FoundationModel, batch: WindowBatch, bars: int | None = None
) -> tuple[Tensor, Tensor]:
    """CRPS of each window and variable, of the model and of the trivial forecast.

    Parameters
    ----------
    model
        Model to judge; on any device.
    batch
        Windows.
    bars
        Judge the first ones of the horizon only; None: all that the model speaks of.

    Returns
    -------
    tuple of Tensor
        (B, p) each, means over the horizon; NaN where no truth is known.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(0)
    truth = torch.from_numpy(batch.future).to(device)
    p = truth.shape[2]
    out = model(Inputs.of(batch, device))
    samples = model.head.sample(out.said, SAMPLES, generator).flatten(2, 3)[:, :, :bars, :p]
    # An objective that speaks of one patch is judged on it.
    on_scale = scaled(into_slots(truth), out.scale)[:, : samples.shape[2], :p]
    return crps(samples, on_scale).nanmean(1), crps_of_normal(on_scale).nanmean(1)


def skill(model: FoundationModel, store: Windows, picks: Mapping[Group, Ints]) -> dict[str, float]:
    """Skill of a model over full contexts.

    Parameters
    ----------
    model
        Model to judge; on any device.
    store
        Windows.
    picks
        (exchange, frequency) to (n, 2) picks, n > 0. Each group has the same weight.

    Returns
    -------
    dict
        `val_loss`, `val_loss_trivial` (mean CRPS), `skill`; `skill_<variable>`; `skill_<exchange>_<freq>`.
        What no window shows is left out.
    """
    # (groups, 2, p): mean score of the model and of the trivial forecast.
    means = torch.stack([_means(model, store, chosen) for chosen in picks.values()]).double().cpu()
    loss, trivial = means.nanmean(dim=2).nanmean(dim=0).tolist()
    out = {"val_loss": loss, "val_loss_trivial": trivial, "skill": 1 - loss / trivial}
    for name, (model_loss, trivial_loss) in zip(VARIABLES, means.nanmean(dim=0).T.tolist(), strict=True):
        out[f"skill_{name}"] = 1 - model_loss / trivial_loss
    for (exchange, freq), (model_loss, trivial_loss) in zip(
        picks, means.nanmean(dim=2).tolist(), strict=True
    ):
        out[f"skill_{exchange}_{freq}"] = 1 - model_loss / trivial_loss
    return {name: round(value, 6) for name, value in out.items() if value == value}


def _means(model: FoundationModel, store: Windows, chosen: Ints) -> Tensor:
    """Mean scores of the model and of the trivial forecast over windows, (2, p)."""
    parts = [
        torch.stack(window_scores(model, store.batch(chosen[start : start + _CHUNK])))
        for start in range(0, len(chosen), _CHUNK)
    ]
    return torch.cat(parts, dim=1).nanmean(1)
