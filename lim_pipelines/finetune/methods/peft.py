"""LoRA's deltas and head in the files of the package `peft`, there and back.

    adapter_config.json           what the deltas are
    adapter_model.safetensors     base_model.model.<module>.lora_A.weight (r, in), .lora_B.weight (out, r);
                                  the head whole, as one of `modules_to_save`

The names are those of a module with a `backbone` (the foundation model) and a `head`, which is what `Network`
is. `peft` saves what ends with a name of `modules_to_save`, so it looks for the foundation model's own head,
too: it is written as it is, and not read. Written and read without the package; no pickle.

What does not belong here: what the deltas do (`lora.py`), a strategy's own files (`store.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

from lim_pipelines.finetune.methods.lora import SCALE, LowRank
from lim_pipelines.finetune.network import Network
from lim_pipelines.finetune.spec import ModelSpec

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_ROOT = "base_model.model."
_DECODER = "backbone.head."
_NAMES = {".a": ".lora_A.weight", ".b": ".lora_B.weight"}


class PeftError(ValueError):
    """A folder holds no deltas of this network; the message says which and why."""


def export(spec: ModelSpec, network: Network, folder: Path) -> None:
    """Write a fitted network's deltas and head as `peft` would.

    Parameters
    ----------
    spec
        What it was fitted for.
    network
        Fitted by `lora.fit`.
    folder
        Where the two files go.
    """
    from safetensors.torch import save_file

    matrices = [name for name, module in network.named_modules() if isinstance(module, LowRank)]
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": None,
        "r": spec.fit.rank,
        "lora_alpha": SCALE * spec.fit.rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": matrices,
        "modules_to_save": ["head"],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    decoder = {_DECODER + name: tensor for name, tensor in network.backbone.head.state_dict().items()}
    tensors = {_theirs(name): tensor.contiguous() for name, tensor in (network.moved() | decoder).items()}
    save_file(tensors, folder / _WEIGHTS)


def load(spec: ModelSpec, network: Network, folder: Path) -> Network:
    """Take over deltas and head that `export`, or `peft`, wrote.

    Parameters
    ----------
    spec
        What they were fitted for.
    network
        As `registry.unfitted` sets one up for `lora`.
    folder
        Folder of the two files.

    Raises
    ------
    PeftError
        The folder holds no such files, or deltas of another rank, scale or network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = json.loads((folder / _CONFIG).read_text())
        found = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise PeftError(f"{folder}: holds no deltas in the format of peft ({error})") from error
    if (config.get("r"), config.get("lora_alpha")) != (spec.fit.rank, SCALE * spec.fit.rank):
        raise PeftError(
            f"{folder / _CONFIG}: r {config.get('r')} and lora_alpha {config.get('lora_alpha')}; this network"
            f" needs {spec.fit.rank} and {SCALE * spec.fit.rank}: set fit.rank"
        )
    tensors = {name: tensor for name, tensor in found.items() if not name.startswith(_ROOT + _DECODER)}
    try:
        return network.restore({name: tensors.pop(_theirs(name)) for name in network.moved()} | tensors)
    except (KeyError, RuntimeError) as error:
        raise PeftError(f"{folder / _WEIGHTS}: deltas of another network ({error})") from error


def _theirs(name: str) -> str:
    for ours, theirs in _NAMES.items():
        if name.startswith("backbone.") and name.endswith(ours):
            return _ROOT + name.removesuffix(ours) + theirs
    return _ROOT + name
