"""How fast the same weights answer: as they are, and by `LIM.fast`; and what that costs in exactness.

    python -m benchmarks.inference [--checkpoint FOLDER] [--budget 4]

Without a checkpoint it trains a model of 5 million parameters (`base`, context 512) on simulated GARCH
returns for half of the budget, in minutes: the errors of untrained weights say nothing. Then, on one thread,
in turns so that a busy machine slows both alike: one context, and a cross-section of 5,000. Prints a markdown
table of milliseconds (the best of the turns), ratios, and errors of embedding and CRPS.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from lim_pipelines.foundation import checkpoint
from lim_pipelines.foundation.config import REAL, FoundationConfig
from lim_pipelines.foundation.export import FastModel
from lim_pipelines.foundation.model import FoundationModel, Inputs
from lim_pipelines.foundation.objective import pretraining_loss
from lim_pipelines.foundation.rollout import Speaker, rows_at_a_time, take
from lim_pipelines.foundation.scaling import scaled
from lim_pipelines.foundation.scores import crps
from lim_pipelines.foundation.series import CALENDAR, VARIABLES

INSTRUMENTS = 5000
SAMPLES = 64


def windows(count: int, config: FoundationConfig, seed: int) -> tuple[Inputs, torch.Tensor]:
    """Contexts and horizons of simulated instruments: GARCH(1, 1) returns, candles around them, volumes."""
    rng = np.random.default_rng(seed)
    length = config.context + config.horizon
    returns = np.empty((count, length), np.float32)
    variance = np.full(count, 1e-4)
    for t in range(length):
        returns[:, t] = np.sqrt(variance) * rng.standard_normal(count)
        variance = 2e-6 + 0.1 * returns[:, t] ** 2 + 0.88 * variance
    wide = np.abs(returns) + 0.005
    values = np.stack(
        [
            returns,
            returns * rng.random(returns.shape),
            wide * rng.random(returns.shape),
            -wide * rng.random(returns.shape),
            10 + 50 * wide + 0.3 * rng.standard_normal(returns.shape),
        ],
        axis=-1,
    ).astype(np.float32)
    assert values.shape[-1] == len(VARIABLES)
    calendar = np.zeros((count, config.context, len(CALENDAR)), np.float32)
    known = torch.from_numpy(values)
    inputs = Inputs(
        known[:, : config.context],
        torch.from_numpy(calendar),
        torch.full((count,), 2),
        torch.zeros(count, dtype=torch.long),
    )
    return inputs, known[:, config.context :]


def trained(minutes: float) -> FoundationModel:
    """Train a model of size `base` for some minutes."""
    changed = {"size": "base", "context": 512, "horizon": 16}
    config = FoundationConfig.model_validate(REAL.model_dump() | changed)
    torch.manual_seed(0)
    model = FoundationModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    generator = torch.Generator()
    end, step = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        inputs, future = windows(16, config, step)
        optimizer.zero_grad()
        pretraining_loss(model, inputs, future, generator.manual_seed(step)).backward()
        optimizer.step()
        step += 1
    print(f"trained for {step} steps", flush=True)
    return model.eval()


def whole(model: Speaker, inputs: Inputs, size: int) -> torch.Tensor:
    """Embeddings of all contexts, `size` at a time."""
    starts = range(0, len(inputs.values), size)
    return torch.cat([model(take(inputs, slice(start, start + size))).embedding for start in starts])


def in_turns(works: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Best milliseconds of each, taken in turns for some seconds, three turns at least."""
    best = dict.fromkeys(works, float("inf"))
    end, turns = time.monotonic() + seconds, 0
    while turns < 3 or time.monotonic() < end:
        for name, work in works.items():
            start = time.perf_counter()
            work()
            best[name] = min(best[name], 1e3 * (time.perf_counter() - start))
        turns += 1
    return best


def errors(model: Speaker, fast: Speaker, inputs: Inputs, truth: torch.Tensor, size: int) -> str:
    """How far embeddings lie apart (mean, most; their mean square is 1), and CRPS of the return, both."""
    apart, scores = [], []
    for start in range(0, len(inputs.values), size):
        rows = slice(start, start + size)
        said = [one(take(inputs, rows)) for one in (model, fast)]
        apart.append((said[0].embedding - said[1].embedding).abs())
        of_pair = []
        for each in said:
            drawn = model.head.sample(each.said, SAMPLES, torch.Generator().manual_seed(start))
            on_scale = scaled(truth[rows], each.scale._replace(**_known(each.scale, truth.shape[2])))
            of_pair.append(crps(drawn.flatten(2, 3)[..., 0], on_scale[..., 0]).mean(1))
        scores.append(torch.stack(of_pair))
    difference, score = torch.cat(apart), torch.cat(scores, dim=1)
    slow, quick = score.mean(1).tolist()
    return (
        f"{difference.mean():.4f} / {difference.max():.3f} | {slow:.4f} / {quick:.4f}"
        f" ({quick / slow - 1:+.2%}, one window at most {(score[0] - score[1]).abs().max():.4f})"
    )


def _known(scale: object, p: int) -> dict[str, torch.Tensor]:
    return {name: getattr(scale, name)[..., :p] for name in ("location", "spread", "weight")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", help="a checkpoint folder, instead of a model trained here")
    parser.add_argument("--budget", type=float, default=4.0, help="minutes, about")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = checkpoint.load(given.checkpoint)[0] if given.checkpoint else trained(given.budget / 2)
    config = model.config
    start = time.monotonic()
    fast = FastModel(model)
    print(f"made fast in {time.monotonic() - start:.1f} s\n")
    seconds = 60 * given.budget / 4
    # As many of the 5,000 as the budget allows for, in whole pieces; the time of all is in proportion.
    size = rows_at_a_time(torch.device("cpu"))
    with torch.inference_mode():
        one, _ = windows(1, config, 1_000_001)
        single = in_turns({"eager": lambda: model(one), "fast": lambda: fast(one)}, seconds / 2)
        piece, _ = windows(size, config, 1_000_002)
        cost = in_turns({"eager": lambda: whole(model, piece, size)}, 0)["eager"] / 1e3
        count = min(INSTRUMENTS, size * max(2, int(seconds / 6 / cost)))
        many, truth = windows(count, config, 1_000_003)
        cross = in_turns(
            {
                "eager": lambda: whole(model, many, size),
                "eager, 512 at a time": lambda: whole(model, many, 512),
                "fast": lambda: whole(fast, many, size),
            },
            0,
        )
        few = take(many, slice(0, min(count, 128)))
        errors_one = errors(model, fast, few, truth[:128], 1)
        errors_many = errors(model, fast, few, truth[:128], size)
    parameters = sum(weights.numel() for weights in model.parameters())
    share = INSTRUMENTS / count
    print(
        f"{parameters:,} parameters, context {config.context}, patch {config.patch}, one thread, fp32 eager\n"
    )
    print("| contexts | eager, ms | fast, ms | ratio | embedding, mean / most | CRPS, eager / fast |")
    print("|---|---|---|---|---|---|")
    ratio = single["eager"] / single["fast"]
    print(f"| 1 | {single['eager']:.1f} | {single['fast']:.1f} | {ratio:.2f} | {errors_one} |")
    ratio = cross["eager"] / cross["fast"]
    print(
        f"| {INSTRUMENTS:,} (from {count:,}) | {cross['eager'] * share:,.0f} | {cross['fast'] * share:,.0f}"
        f" | {ratio:.2f} | {errors_many} |"
    )
    alone = cross["eager, 512 at a time"] * share
    print(
        f"\nBoth take {size} contexts at a time, which suits the cache; eager, 512 at a time: {alone:,.0f} ms"
    )


if __name__ == "__main__":
    main()
