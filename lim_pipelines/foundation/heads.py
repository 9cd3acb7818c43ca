"""Heads: what is said about the bars behind a patch. One contract, four answers, a class each.

What does not belong here: tokens (`layouts.py`), original units (`scaling.py`), training (`objective.py`).

All of them see values on the window's own scale. A head is made of R questions a window: `raw` numbers for
every bar and variable, and, for the mixture, one distribution over its components for the whole horizon.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.config import HeadName

COMPONENTS = 4
LEVELS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
CLASSES = 64
_EDGE = 6.0  # outermost edges of the classes, after asinh: 200 spreads
_DELTA = 2.0
_LOG_SPREAD = (-6.0, 4.0)
_LEAST = 2.05  # degrees of freedom: the volatility of a path is a mean of squares, which has to exist


class Predicted(NamedTuple):
    """What a head says, on the windows' scales.

    Parameters
    ----------
    raw
        (B, R, L, p, P): P numbers for each bar behind each of R patches, and for each variable.
    logits
        (B, R, K) of the mixture's components.
    """

    raw: Tensor
    logits: Tensor


class Head(nn.Module, ABC):
    """Contract of all heads.

    Attributes
    ----------
    width : int
        P, numbers for each bar and variable.
    """

    width: int

    def start(self) -> Tensor:
        """Return the numbers (P,) that an untrained model says: as the context was."""
        return torch.zeros(self.width)

    @abstractmethod
    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Mean loss over known values; `truth` is (B, R, L, p), NaN where missing."""

    @abstractmethod
    def point(self, said: Predicted) -> Tensor:
        """Point forecast, (B, R, L, p)."""

    @abstractmethod
    def sample(self, said: Predicted, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw paths, (count, B, R, L, p)."""


class Mixture(Head):
    """A mixture of Student's t whose component holds for the whole horizon and all variables.

    Given the component, bars and variables are independent. So a path is a calm one or a wild one as a whole:
    the mixture tells volatility that is not known yet, and sums of its returns have fat tails.
    """

    width = 2 * COMPONENTS

    def __init__(self, variables: int) -> None:
        super().__init__()
        self.freedom = nn.Parameter(torch.full((variables, COMPONENTS), 1.5))

    def start(self) -> Tensor:
        """Return locations of 0 and spreads from calm to wild."""
        return torch.cat([torch.zeros(COMPONENTS), torch.linspace(-1.2, 0.4, COMPONENTS)])

    def _parts(self, said: Predicted) -> tuple[Tensor, Tensor, Tensor]:
        """Locations, log spreads (B, R, L, p, K) and degrees of freedom (p, K)."""
        location, log_spread = said.raw.float().chunk(2, dim=-1)
        return location, log_spread.clamp(*_LOG_SPREAD), _LEAST + functional.softplus(self.freedom.float())

    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Negative log likelihood a known value, of whole horizons."""
        known = truth.isfinite()
        location, log_spread, freedom = self._parts(said)
        z = (torch.where(known, truth, 0.0)[..., None] - location) * (-log_spread).exp()
        constant = (
            torch.lgamma((freedom + 1) / 2) - torch.lgamma(freedom / 2) - 0.5 * (freedom * math.pi).log()
        )
        log_density = constant - log_spread - (freedom + 1) / 2 * torch.log1p(z.square() / freedom)
        of_horizon = (log_density * known[..., None]).sum(dim=(2, 3))
        log_likelihood = torch.logsumexp(of_horizon + said.logits.float().log_softmax(-1), dim=-1)
        asked = known.any(dim=3).any(dim=2)
        return -(log_likelihood * asked).sum() / known.sum().clamp(min=1)

    def point(self, said: Predicted) -> Tensor:
        """Mean over the components."""
        location, _, _ = self._parts(said)
        return (location * said.logits.float().softmax(-1)[:, :, None, None]).sum(-1)

    def sample(self, said: Predicted, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw a component for each path, then its bars."""
        location, log_spread, freedom = self._parts(said)
        batch, asked, length, p, _ = location.shape
        weights = said.logits.float().softmax(-1).flatten(0, 1)
        drawn = torch.multinomial(weights, count, replacement=True, generator=generator)
        index = drawn.T.reshape(count, batch, asked, 1, 1, 1).expand(-1, -1, -1, length, p, 1)

        def of_component(part: Tensor) -> Tensor:
            return (
                part.expand(batch, asked, length, p, COMPONENTS)[None]
                .expand(count, *([-1] * 5))
                .gather(-1, index)[..., 0]
            )

        df = of_component(freedom)
        return of_component(location) + of_component(log_spread.exp()) * student(df, generator)


def student(freedom: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw from Student's t, exactly: Bailey's polar method (1994), Box and Muller's with fat tails.

    Parameters
    ----------
    freedom
        (...) degrees of freedom.
    generator
        torch draws no chi-square from one; this takes two uniforms.
    """
    device = freedom.device
    radius = torch.rand(freedom.shape, generator=generator, device=device).clamp(min=2.0**-25)
    angle = torch.rand(freedom.shape, generator=generator, device=device) * (2 * math.pi)
    return angle.cos() * (freedom * torch.expm1(radius.log() * (-2 / freedom))).sqrt()


class Quantiles(Head):
    """Quantiles at `LEVELS`, each bar and variable by itself, fitted by the pinball loss."""

    width = len(LEVELS)

    def __init__(self, variables: int) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(LEVELS), persistent=False)

    levels: Tensor

    def start(self) -> Tensor:
        """Return the quantiles of a normal distribution."""
        out: Tensor = torch.special.ndtri(torch.tensor(LEVELS))
        return out

    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Mean pinball loss over levels and known values."""
        known = truth.isfinite()
        error = torch.where(known, truth, 0.0)[..., None] - said.raw.float()
        pinball = torch.maximum(self.levels * error, (self.levels - 1) * error)
        return (pinball.mean(-1) * known).sum() / known.sum().clamp(min=1)

    def point(self, said: Predicted) -> Tensor:
        """Return the median of the quantiles in order, for nothing keeps them from crossing."""
        return said.raw.float().sort(dim=-1).values[..., LEVELS.index(0.5)]

    def sample(self, said: Predicted, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Invert the quantile function at uniform draws: linear between levels, the outermost beyond."""
        raw = said.raw.float().sort(dim=-1).values
        uniform = torch.rand((count, *raw.shape[:-1]), generator=generator, device=raw.device)
        upper = torch.searchsorted(self.levels, uniform.contiguous()).clamp(1, len(LEVELS) - 1)
        low, high = self.levels[upper - 1], self.levels[upper]
        share = ((uniform - low) / (high - low)).clamp(0, 1)
        spread = raw[None].expand(count, *raw.shape)
        one = spread.gather(-1, (upper - 1)[..., None])[..., 0]
        other = spread.gather(-1, upper[..., None])[..., 0]
        return one + share * (other - one)


class Categorical(Head):
    """Classes of the scaled value, each bar and variable by itself, fitted by cross-entropy.

    The classes are even after asinh: fine near zero, wide in the tails.
    """

    width = CLASSES

    def __init__(self, variables: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.linspace(-_EDGE, _EDGE, CLASSES + 1).sinh(), persistent=False)

    edges: Tensor

    def start(self) -> Tensor:
        """Return the classes of a normal distribution, the far ones unlikely but not impossible."""
        out: Tensor = torch.special.ndtr(self.edges).diff().clamp(min=1e-6).log()
        return out

    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Mean cross-entropy over known values, as a density: comparable with the mixture's."""
        known = truth.isfinite()
        label = (torch.bucketize(torch.where(known, truth, 0.0), self.edges) - 1).clamp(0, CLASSES - 1)
        width = self.edges.diff().log()[label]
        picked = said.raw.float().log_softmax(-1).gather(-1, label[..., None])[..., 0]
        return ((width - picked) * known).sum() / known.sum().clamp(min=1)

    def point(self, said: Predicted) -> Tensor:
        """Mean of the classes' middles."""
        middle = (self.edges[1:] + self.edges[:-1]) / 2
        return (said.raw.float().softmax(-1) * middle).sum(-1)

    def sample(self, said: Predicted, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw a class, then a value evenly within."""
        weights = said.raw.float().softmax(-1)
        drawn = torch.multinomial(weights.flatten(0, -2), count, replacement=True, generator=generator)
        label = drawn.T.reshape(count, *weights.shape[:-1])
        share = torch.rand(label.shape, generator=generator, device=label.device)
        return self.edges[label] + share * self.edges.diff()[label]


class Point(Head):
    """A point, fitted by the Huber loss: quadratic where most bars are, linear in the tails."""

    width = 1

    def __init__(self, variables: int) -> None:
        super().__init__()

    def loss(self, said: Predicted, truth: Tensor) -> Tensor:
        """Mean Huber loss over known values."""
        known = truth.isfinite()
        error = functional.huber_loss(
            said.raw.float()[..., 0], torch.where(known, truth, 0.0), reduction="none", delta=_DELTA
        )
        return (error * known).sum() / known.sum().clamp(min=1)

    def point(self, said: Predicted) -> Tensor:
        """Return the point."""
        return said.raw.float()[..., 0]

    def sample(self, said: Predicted, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw around the point as the context spread: the head itself knows no uncertainty."""
        point = self.point(said)
        noise = torch.randn((count, *point.shape), generator=generator, device=point.device)
        return point + noise


HEADS: dict[HeadName, type[Mixture] | type[Quantiles] | type[Categorical] | type[Point]] = {
    "mixture": Mixture,
    "quantile": Quantiles,
    "categorical": Categorical,
    "point": Point,
}
"""All heads, by the name that a configuration gives them."""
