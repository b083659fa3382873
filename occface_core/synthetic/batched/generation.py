"""Makes synthetic faces by the batch: the host draws plans, the device draws pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from occface_core.errors import RecordError
from occface_core.facemodel import FaceModel
from occface_core.geometry.illumination import AMBIENT
from occface_core.synthetic.batched import truth
from occface_core.synthetic.batched.constants import constants
from occface_core.synthetic.batched.degrade import degrade
from occface_core.synthetic.batched.figure import stacked
from occface_core.synthetic.batched.figures import Figures, figures
from occface_core.synthetic.batched.occlude import occlude
from occface_core.synthetic.batched.plan import FacePlan, draw_plans
from occface_core.synthetic.batched.sample import SyntheticBatch
from occface_core.synthetic.generation import HIDDEN, embedded
from occface_core.synthetic.options import SynthOptions


def generate_batch(
    seed: int,
    indices: Sequence[int],
    options: SynthOptions | None = None,
    *,
    device: str | torch.device = "cpu",
    model: FaceModel | None = None,
    at_once: int = 16,
) -> SyntheticBatch:
    """Return synthetic faces, drawn together on a device.

    Args:
        seed: seed of the set, at least 0.
        indices: numbers of the samples in the set.
        options: ranges and choices; None = all defaults.
        device: where the pictures are drawn and stay.
        model: face model to draw; None = the embedded one.
        at_once: faces in memory together, 0.12 GB each on a CPU; the torch rasteriser takes 1 GB more.

    Raises:
        RecordError: no indices.
    """
    if not len(indices):
        raise RecordError("generate_batch: indices are empty; give the number of one sample at least")
    options = SynthOptions() if options is None else options
    model = embedded() if model is None else model
    plans = draw_plans(seed, list(indices), options, model)
    return paint(seed, plans, options, model, torch.device(device), at_once)


def paint(
    seed: int,
    plans: Sequence[FacePlan],
    options: SynthOptions,
    model: FaceModel,
    device: torch.device,
    at_once: int = 16,
) -> SyntheticBatch:
    """Return the faces of plans, drawn on a device; see `generate_batch`."""
    with torch.no_grad():
        parts = [
            _paint(seed, plans[k : k + at_once], options, model, device)
            for k in range(0, len(plans), at_once)
        ]
    return parts[0] if len(parts) == 1 else joined(parts)


def _paint(
    seed: int, plans: Sequence[FacePlan], options: SynthOptions, model: FaceModel, device: torch.device
) -> SyntheticBatch:
    drawn = figures(plans, constants(model, device), options)
    done = occlude(drawn.image, drawn.labels, [plan.occluders for plan in plans], HIDDEN)
    photo, clean = done.image, drawn.image
    changes = [plan.changes for plan in plans if plan.changes is not None]
    if changes:
        photo, clean = degrade([photo, clean], changes)
    return SyntheticBatch(
        photo=photo,
        clean=clean,
        occluder=done.alpha,
        face=drawn.face,
        matte=done.alpha * drawn.face,
        shadow=done.shadow,
        labels=done.labels,
        clean_labels=drawn.labels,
        landmarks=drawn.landmarks.float(),
        outline=drawn.outline.float(),
        visible=truth.visible(drawn.landmarks, drawn.seen, done.alpha, HIDDEN),
        coefficients=_coefficients(plans, drawn),
        rotation=drawn.body.rotation.float(),
        translation=drawn.body.translation.float(),
        intrinsics=drawn.body.intrinsics.float(),
        vertices=drawn.body.vertices,
        depth=drawn.depth,
        normals=drawn.normals,
        bump=drawn.bump,
        kind=tuple("+".join(one.kind for one in plan.occluders) or "none" for plan in plans),
        hard_light=torch.tensor([plan.face.hard for plan in plans], device=device),
        seed=seed,
        index=tuple(plan.index for plan in plans),
    )


def _coefficients(plans: Sequence[FacePlan], drawn: Figures) -> dict[str, Tensor]:
    """Return what the faces were made of; the light as it is after the exposure."""
    device = drawn.image.device
    out = {
        name: stacked([getattr(plan.face, name) for plan in plans], device)
        for name in ("identity", "expression", "albedo")
    }
    even = np.zeros((3, 9), np.float32)
    even[:, 0] = AMBIENT
    still = torch.as_tensor(even.reshape(27)).to(device)
    light = stacked([plan.face.illumination for plan in plans], device)
    return out | {"illumination": (light + still) * drawn.exposure[:, None] - still}


def joined(parts: Sequence[SyntheticBatch]) -> SyntheticBatch:
    """Return several batches of one set as one."""
    fields: dict[str, Any] = {}
    for field in attrs.fields(SyntheticBatch):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], Tensor):
            fields[field.name] = torch.cat(values)
        elif isinstance(values[0], tuple):
            fields[field.name] = sum(values, ())
        elif isinstance(values[0], dict):
            fields[field.name] = {name: torch.cat([value[name] for value in values]) for name in values[0]}
        else:
            fields[field.name] = values[0]
    return SyntheticBatch(**fields)
