"""Heads say distributions: densities hold all of the probability, draws follow them, losses find them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from lim_pipelines.foundation.heads import (
    CLASSES,
    COMPONENTS,
    HEADS,
    LEVELS,
    Categorical,
    Head,
    Mixture,
    Point,
    Predicted,
    Quantiles,
    student,
)
from lim_pipelines.foundation.scores import crps, crps_of_normal

DRAWS = 4000


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def said(raw: Tensor, weights: tuple[float, ...] = (0.25,) * COMPONENTS) -> Predicted:
    """One question, one bar, one variable."""
    return Predicted(raw.view(1, 1, 1, 1, -1), torch.tensor(weights).log().view(1, 1, -1))


def mixture() -> tuple[Mixture, Predicted]:
    head = Mixture(1)
    with torch.no_grad():
        head.freedom.copy_(torch.tensor([[-3.0, 0.0, 1.5, 4.0]]))
    raw = torch.tensor([0.0, 1.0, -2.0, 0.5, -0.5, 0.0, 0.3, -2.0])
    return head, said(raw, (0.1, 0.4, 0.3, 0.2))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("freedom", [1.05, 2.05, 3.0, 30.0])
def test_students_t_is_drawn_exactly(freedom: float) -> None:
    draws = student(torch.full((20_000,), freedom), dice(3)).numpy()
    assert np.isfinite(draws).all()
    assert stats.kstest(draws, stats.t(freedom).cdf).pvalue > 0.01


def test_a_mixtures_density_holds_all_probability_and_its_draws_follow_it() -> None:
    head, answer = mixture()
    grid = torch.linspace(-1000, 1000, 1_000_001).view(-1, 1, 1, 1, 1)
    many = Predicted(answer.raw.expand(1, 1, 1, 1, -1), answer.logits)
    with torch.no_grad():
        density = torch.cat([_densities(head, many, part) for part in grid.flatten().split(200_000)])
    step = 2000 / 1_000_000
    below = torch.cumsum(density.double() * step, 0)
    assert float(below[-1]) == pytest.approx(1, abs=1e-3)
    draws = head.sample(answer, 20_000, dice()).detach().flatten().numpy()
    edges = grid.flatten().numpy()
    found = stats.kstest(draws, lambda x: np.interp(x, edges, below.numpy()))
    assert found.pvalue > 0.01
    assert float(head.point(answer)) == pytest.approx(0.1 * 0 + 0.4 * 1 + 0.3 * -2 + 0.2 * 0.5, abs=1e-5)


def _densities(head: Mixture, answer: Predicted, values: Tensor) -> Tensor:
    """Density at each value: the loss of one known value is its negative log."""
    n = len(values)
    wide = Predicted(answer.raw.expand(n, 1, 1, 1, -1), answer.logits.expand(n, 1, -1))
    location, log_spread, freedom = head._parts(wide)
    parts = torch.distributions.StudentT(freedom[0], location[:, 0, 0, 0], log_spread[:, 0, 0, 0].exp())
    return (parts.log_prob(values[:, None]).exp() * answer.logits.softmax(-1)[0, 0]).sum(-1)


def test_a_mixtures_loss_is_the_likelihood_of_the_whole_horizon() -> None:
    # Two bars, two variables, one value missing: the component is shared, the rest is independent.
    torch.manual_seed(0)
    head = Mixture(2)
    raw, logits = torch.randn(1, 1, 2, 2, 2 * COMPONENTS), torch.randn(1, 1, COMPONENTS)
    truth = torch.tensor([[0.3, -1.0], [torch.nan, 2.0]]).view(1, 1, 2, 2)
    location, spread = raw[0, 0].chunk(2, -1)
    t = torch.distributions.StudentT(
        2.05 + torch.nn.functional.softplus(torch.tensor(1.5)), location, spread.exp()
    )
    density = t.log_prob(truth[0, 0].nan_to_num()[..., None])
    density[1, 0] = 0
    by_hand = -torch.logsumexp(density.sum((0, 1)) + logits[0, 0].log_softmax(-1), 0) / 3
    torch.testing.assert_close(head.loss(Predicted(raw, logits), truth), by_hand)


def test_volatility_is_shared_by_a_path() -> None:
    head = Mixture(1)
    raw = torch.cat([torch.zeros(COMPONENTS), torch.tensor([-3.0, -3.0, 1.0, 1.0])])
    answer = Predicted(raw.expand(1, 1, 10, 1, -1), torch.zeros(1, 1, COMPONENTS))
    size = head.sample(answer, DRAWS, dice()).detach().abs()[:, 0, 0, :, 0].log()
    assert np.corrcoef(size[:, 0], size[:, 9])[0, 1] > 0.5


def test_an_untrained_head_says_as_the_context_was() -> None:
    for name, kind in HEADS.items():
        head: Head = kind(1)
        answer = said(head.start())
        draws = head.sample(answer, DRAWS, dice()).detach().flatten()
        assert abs(float(head.point(answer))) < 1e-3, name
        assert 0.6 < float(draws.quantile(0.75) - draws.quantile(0.25)) / 1.349 < 1.4, name


def test_quantiles_that_cross_are_put_in_order() -> None:
    head = Quantiles(1)
    raw = torch.special.ndtri(torch.tensor(LEVELS))
    mixed = raw[torch.randperm(len(LEVELS), generator=dice())]
    assert float(head.point(said(mixed))) == 0
    draws = head.sample(said(mixed), DRAWS, dice()).flatten()
    torch.testing.assert_close(draws, head.sample(said(raw), DRAWS, dice()).flatten())
    inner = draws[(draws.abs() < 2)].numpy()
    assert stats.kstest(inner, stats.truncnorm(-2, 2).cdf).pvalue > 1e-3
    assert draws.max() <= raw.max()


def test_classes_hold_all_probability_and_reach_the_tails() -> None:
    head = Categorical(1)
    raw = torch.randn(CLASSES, generator=dice(1))
    middles = (head.edges[1:] + head.edges[:-1]) / 2
    widths = head.edges.diff()
    losses = torch.stack([head.loss(said(raw), at.view(1, 1, 1, 1)) for at in middles])
    assert float((torch.exp(-losses) * widths).sum()) == pytest.approx(1, abs=1e-4)
    far = torch.tensor([-1e6, 1e6, float(head.edges[-1]), float(head.edges[0])])
    assert all(head.loss(said(raw), at.view(1, 1, 1, 1)).isfinite() for at in far)
    draws = head.sample(said(raw), 20_000, dice()).flatten()
    share = torch.histogram(draws, head.edges).hist / 20_000
    assert float((share - raw.softmax(0)).abs().max()) < 0.01
    expected = (raw.softmax(0) * middles).sum()
    torch.testing.assert_close(head.point(said(raw)).flatten()[0], expected)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_training_finds_the_distribution(name: str) -> None:
    """A shifted, wider t(4): fitted by each head's loss, the CRPS gets near the oracle's."""
    head: Head = HEADS[name](1)  # type: ignore[index]  # a key of HEADS
    raw = torch.nn.Parameter(head.start().clone())
    logits = torch.nn.Parameter(torch.zeros(COMPONENTS))
    truth = 0.8 + 1.5 * student(torch.full((1024,), 4.0), dice(5))
    optimizer = torch.optim.Adam([raw, logits, *head.parameters()], lr=0.05)

    def answer(n: int) -> Predicted:
        return Predicted(raw.expand(n, 1, 1, 1, -1), logits.expand(n, 1, -1))

    for _ in range(100):
        optimizer.zero_grad()
        head.loss(answer(1024), truth.view(-1, 1, 1, 1)).backward()
        optimizer.step()
    with torch.no_grad():
        draws = head.sample(answer(1), DRAWS, dice(6)).flatten()
        oracle = 0.8 + 1.5 * student(torch.full((DRAWS,), 4.0), dice(7))
        found, best = (float(crps(d[:, None].expand(-1, 512), truth[:512]).mean()) for d in (draws, oracle))
        assert abs(float(head.point(answer(1))) - 0.8) < 0.15
    assert found < best * (1.02 if name != "point" else 1.1)


def test_crps_is_that_of_the_closed_form() -> None:
    truth = torch.tensor([-3.0, -0.5, 0.0, 1.0, 6.0])
    draws = torch.randn((40_000, 5), generator=dice(2))
    torch.testing.assert_close(crps(draws, truth), crps_of_normal(truth), atol=0.02, rtol=0)
    assert float(crps_of_normal(torch.zeros(1))) == pytest.approx(0.2336949, abs=1e-6)
    # Few draws give it without bias, and a missing truth gives no score.
    few = torch.stack([crps(torch.randn((3, 5), generator=dice(s)), truth) for s in range(4000)]).mean(0)
    torch.testing.assert_close(few, crps_of_normal(truth), atol=0.05, rtol=0)
    assert crps(draws, truth.where(truth != 0, torch.nan)).isnan().tolist() == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_point_knows_no_uncertainty() -> None:
    head = Point(1)
    assert float(head.point(said(torch.tensor([2.0])))) == 2
    draws = head.sample(said(torch.tensor([2.0])), DRAWS, dice()).flatten()
    assert stats.kstest(draws.numpy() - 2, "norm").pvalue > 0.01
