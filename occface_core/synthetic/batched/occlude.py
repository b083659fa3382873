"""Lays occluders over many faces: their shadows first, then they themselves."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.synthetic.batched.fields import blurred
from occface_core.synthetic.batched.occluder_plan import OccluderPlan
from occface_core.synthetic.batched.sheets import draw_layers
from occface_core.synthetic.labels import LABELS


@attrs.define(frozen=True, kw_only=True, eq=False)
class Occluded:
    """Pictures with what is in front of the faces.

    Attributes:
        image: (B, 3, S, S).
        alpha: (B, S, S).
        shadow: (B, S, S).
        labels: (B, S, S) uint8.
    """

    image: Tensor
    alpha: Tensor
    shadow: Tensor
    labels: Tensor


def occlude(
    image: Tensor, labels: Tensor, plans: Sequence[Sequence[OccluderPlan]], hidden: float
) -> Occluded:
    """Put the occluders of each face on its picture, one after the other.

    Args:
        image: (B, 3, S, S) RGB in [0, 1].
        labels: (B, S, S) uint8.
        plans: of each face, in order.
        hidden: alpha above which an occluder takes a pixel's label.
    """
    alpha, shadow = torch.zeros_like(image[:, 0]), torch.ones_like(image[:, 0])
    for turn in range(max((len(each) for each in plans), default=0)):
        chosen = {k: each[turn] for k, each in enumerate(plans) if turn < len(each)}
        rows = torch.tensor(list(chosen), device=image.device)
        now = list(chosen.values())
        layer = _layers(now, image.shape[-1], image.device)
        own = layer[:, 3].clamp(0, 1)
        shade = _shadows(own, now)
        after = image[rows] * shade[:, None] * (1 - own[:, None]) + layer[:, :3]
        image = image.index_copy(0, rows, after.clamp(0, 1))
        alpha = alpha.index_copy(0, rows, 1 - (1 - alpha[rows]) * (1 - own))
        shadow = shadow.index_copy(0, rows, shadow[rows] * shade)
        code = torch.tensor([LABELS[plan.label] for plan in now], dtype=torch.uint8, device=image.device)
        taken = torch.where(own > hidden, code[:, None, None], labels[rows])
        labels = labels.index_copy(0, rows, taken)
    return Occluded(image=image, alpha=alpha, shadow=shadow, labels=labels)


def _layers(plans: Sequence[OccluderPlan], size: int, device: torch.device) -> Tensor:
    """Return the lit layers (B, 4, S, S) of plans, whoever draws them."""
    out = torch.zeros(len(plans), 4, size, size, device=device)
    drawn = [k for k, plan in enumerate(plans) if plan.board is not None]
    if drawn:
        out[torch.tensor(drawn, device=device)] = draw_layers([plans[k] for k in drawn], size, device)
    painted = [k for k, plan in enumerate(plans) if plan.layer is not None]
    if painted:
        whole = np.zeros((len(painted), size, size, 4), np.float32)
        for row, k in enumerate(painted):
            x0, y0, x1, y1 = plans[k].window
            whole[row, y0:y1, x0:x1] = plans[k].layer
        out[torch.tensor(painted, device=device)] = torch.as_tensor(whole).to(device).permute(0, 3, 1, 2)
    return out


def _shadows(alpha: Tensor, plans: Sequence[OccluderPlan]) -> Tensor:
    """Return what the occluders' shadows leave of the light (B, S, S)."""
    out = torch.ones_like(alpha)
    chosen = [k for k, plan in enumerate(plans) if plan.head is not None]
    if not chosen:
        return out
    rows = torch.tensor(chosen, device=alpha.device)
    heads = np.zeros((len(chosen), *alpha.shape[1:]), np.uint8)
    for row, k in enumerate(chosen):
        x0, y0, x1, y1 = plans[k].window
        heads[row, y0:y1, x0:x1] = plans[k].head

    def put(values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float32)).to(alpha.device)

    head = torch.as_tensor(heads).to(alpha.device).float()[:, None] / 255
    head = blurred(head, put([plans[k].head_blur for k in chosen]))[:, 0]
    cast = _moved(alpha[rows], put([plans[k].shift for k in chosen]))
    cast = blurred(cast[:, None], put([plans[k].soft for k in chosen]))[:, 0]
    strength = put([plans[k].shadow for k in chosen])[:, None, None]
    left = 1 - strength * cast * head
    return out.index_copy(0, rows, torch.where(left > 0.995, 1, left))


def _moved(alpha: Tensor, shift: Tensor) -> Tensor:
    """Return masks (B, S, S) moved by (B, 2) px, between pixels by linear interpolation."""
    item = torch.arange(len(alpha), device=alpha.device)[:, None, None]
    size = alpha.shape[-1]
    place = torch.arange(size, device=alpha.device)
    x, y = (place - shift[:, k, None] for k in (0, 1))
    left, top = x.floor(), y.floor()
    ax, ay = (x - left)[:, None, :], (y - top)[:, :, None]
    columns = [(left.long() + k).clamp(0, size - 1)[:, None, :] for k in (0, 1)]
    lines = [(top.long() + k).clamp(0, size - 1)[:, :, None] for k in (0, 1)]
    upper = alpha[item, lines[0], columns[0]] * (1 - ax) + alpha[item, lines[0], columns[1]] * ax
    lower = alpha[item, lines[1], columns[0]] * (1 - ax) + alpha[item, lines[1], columns[1]] * ax
    return upper * (1 - ay) + lower * ay
