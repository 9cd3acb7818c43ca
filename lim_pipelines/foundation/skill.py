"""How much better than the trivial forecast a model is, on windows it was not trained on.

What does not belong here: choosing those windows (`pretrain.py`), statistics of trading
(`lim_pipelines/evaluate`).

The trivial forecast is 0 on the window's scale: no return, range and volume as they were in the context.
Skill is 1 - loss / loss of the trivial forecast; 0 means that nothing was learned, less than 0 that harm was
done.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import distances
from lim_pipelines.foundation.scaling import scaled
from lim_pipelines.foundation.series import VARIABLES, Ints
from lim_pipelines.foundation.windows import WindowStore


@torch.inference_mode()
def skill(
    model: FoundationModel, store: WindowStore, picks: Mapping[tuple[str, str], Ints]
) -> dict[str, float]:
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
        `val_loss`, `val_loss_trivial`, `skill`; `skill_<variable>`; `skill_<exchange>_<freq>`. What no window
        shows is left out.
    """
    device = next(model.parameters()).device
    sums = {}
    for group, chosen in picks.items():
        batch = store.batch(chosen)
        out = model(Inputs.of(batch, device))
        truth = scaled(torch.from_numpy(batch.future).to(device), out.scale)
        pair = torch.stack([distances(out.point, truth), distances(torch.zeros_like(truth), truth)])
        # (2, p): mean distance of the model and of the trivial forecast; NaN where no truth is known.
        sums[group] = pair.flatten(1, 2).nanmean(dim=1).double().cpu()
    means = torch.stack(list(sums.values()))
    loss, trivial = means.nanmean(dim=2).nanmean(dim=0).tolist()
    out = {"val_loss": loss, "val_loss_trivial": trivial, "skill": 1 - loss / trivial}
    for name, (model_loss, trivial_loss) in zip(VARIABLES, means.nanmean(dim=0).T.tolist(), strict=True):
        out[f"skill_{name}"] = 1 - model_loss / trivial_loss
    for (exchange, freq), group_means in sums.items():
        model_loss, trivial_loss = group_means.nanmean(dim=1).tolist()
        out[f"skill_{exchange}_{freq}"] = 1 - model_loss / trivial_loss
    return {name: round(value, 6) for name, value in out.items() if value == value}
