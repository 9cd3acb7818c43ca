"""Norms, rotations and squared ReLU: written-out gradients are true ones, formulas are torch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from lim_pipelines.foundation.backbone import attend, rotary
from lim_pipelines.foundation.elementwise import normed, squared_relu, turned


def doubles(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(
        shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, requires_grad=True
    )


def test_gradients_are_those_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(normed, doubles(3, 4, 6))
    assert torch.autograd.gradcheck(squared_relu, doubles(3, 5))
    cos, sin = (part.double() for part in rotary(torch.arange(3), 4))
    assert torch.autograd.gradcheck(lambda x: turned(x, cos, sin), doubles(2, 3, 2, 2, 4))


def test_formulas() -> None:
    x = doubles(2, 7).detach().float()
    torch.testing.assert_close(normed(x), functional.rms_norm(x, (7,)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(squared_relu(x), x.clamp(min=0) ** 2)
    cos, sin = rotary(torch.arange(5), 8)
    pair = torch.randn(1, 5, 2, 1, 8)
    said = turned(pair, cos, sin)
    torch.testing.assert_close(said.norm(dim=-1), pair.norm(dim=-1))
    # What a query makes of a key depends on how far apart they are, not on where they stand.
    same = turned(pair[:, :1].expand(1, 5, 2, 1, 8), cos, sin)[0, :, :, 0]
    near = [float(same[i, 0] @ same[i + 2, 1]) for i in range(3)]
    assert near == pytest.approx([near[0]] * 3, rel=1e-3)


@pytest.mark.parametrize("kind", ["causal", "mask", "both sides"])
def test_products_in_half_precision_are_the_fused_kernels_attention(kind: str) -> None:
    q, k, v = (doubles(2, 3, 10, 8, seed=s).detach().float() for s in range(3))
    mask = None
    if kind == "mask":
        mask = torch.rand(2, 1, 10, 10, generator=torch.Generator().manual_seed(9)) < 0.5
        mask = mask | torch.eye(10, dtype=torch.bool)
    exact = attend(q, k, v, mask, kind == "causal")
    rough = attend(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask, kind == "causal").float()
    torch.testing.assert_close(rough, exact, atol=0.03, rtol=0.03)
