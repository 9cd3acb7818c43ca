"""What a Transformer does between its matrix products, with backward passes of as few sweeps as they need.

What does not belong here: products (`backbone.py`).

On a CPU a sweep over the tokens costs a tenth of a product, and what autograd makes of a norm or a rotation
takes a dozen of them: half of a step. Each function here is one formula; where a gradient is wanted, its
backward is written out. Figures: `benchmarks/foundation_step.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_EPSILON = 1e-6


def normed(x: Tensor) -> Tensor:
    """RMSNorm without a gain, over the last dimension (Zhang and Sennrich 2019); in autocast's type."""
    if not x.requires_grad:
        return _norm(x)[0]
    out: Tensor = _Normed.apply(x)  # type: ignore[no-untyped-call]  # torch gives `apply` no types
    return out


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of (B, S, 2, h, w) by their positions' angles, (S, w / 2) each (rotary embedding)."""
    if not x.requires_grad:
        return _turn(x, cos, sin)
    out: Tensor = _Turned.apply(x, cos, sin)  # type: ignore[no-untyped-call]  # torch gives `apply` no types
    return out


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0) squared."""
    if not x.requires_grad:
        return functional.relu(x).square()
    out: Tensor = _SquaredReLU.apply(x)  # type: ignore[no-untyped-call]  # torch gives `apply` no types
    return out


def _norm(x: Tensor) -> tuple[Tensor, Tensor]:
    size = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * x.shape[-1] ** -0.5
    inverse = 1 / (size + _EPSILON)
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    return (x * inverse).to(dtype), inverse


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    cos, sin = (part[:, None, None].to(x.dtype) for part in (cos, sin))
    one, other = x.chunk(2, dim=-1)
    return torch.cat([one * cos - other * sin, other * cos + one * sin], dim=-1)


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y, inverse = _norm(x)
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        y, inverse = ctx.saved_tensors
        (grad,) = grads
        along = (grad * y).mean(-1, keepdim=True)
        back: Tensor = torch.addcmul(grad, y, along, value=-1) * inverse
        return back


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn(grads[0], cos, -sin), None, None


class _SquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = functional.relu(x)
        ctx.save_for_backward(y)
        return y * y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        back: Tensor = (grads[0] * y).mul_(2)
        return back
