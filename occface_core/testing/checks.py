"""The checks, one function each; its name is the check's name, its first line what it checks.

Checks of a plugin's class and options are in `class_checks`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from occface_core.batching import select
from occface_core.errors import OccfaceError
from occface_core.testing import inputs
from occface_core.testing.failure import CheckFailed, require
from occface_core.testing.subject import Subject, tensors
from occface_core.types import FaceBatch, FaceDetail, FaceShape, Landmarks, Matte

RECORDS: dict[str, type] = {
    "landmark_detector": Landmarks,
    "occlusion_matting": Matte,
    "face_inpainter": Tensor,
    "shape_regressor": FaceShape,
    "detail_recoverer": FaceDetail,
}
"""Stage → what its `run` returns."""

CROPPED = tuple(RECORDS)[1:]
"""The stages that work on batches of aligned crops."""


def shapes(subject: Subject) -> None:
    """The answer is the stage's record, float32, with one item a face and the size of the crops."""
    if subject.kind == "landmark_detector":
        answer = subject.run(inputs.photo(240, 320))
        _is_record(subject, answer)
        return _are_float32(answer)
    for count in (1, 2):
        answer = subject.run(inputs.faces(count))
        _is_record(subject, answer)
        _has_size(subject, answer, count, 256)
        _are_float32(answer)
    return None


def ranges(subject: Subject) -> None:
    """All values are finite and in their range: colours, mattes and confidences in [0, 1], rotations rotate."""
    answer = subject.run(inputs.everyday(subject.kind))
    _are_finite(answer)
    if isinstance(answer, Landmarks):
        _within(answer.confidence, "confidence")
    elif isinstance(answer, Matte):
        _within(answer.alpha, "alpha")
        _within(answer.face, "face")
        outside = float((answer.alpha * (answer.face <= 0)).max())
        require(outside <= 1e-4, "alpha 0 outside the face region", f"{outside:.3g} there",
                "return Matte(alpha=alpha * face, face=face)")  # fmt: skip
    elif isinstance(answer, Tensor):
        _within(answer, "the completed face")
    elif isinstance(answer, FaceShape):
        turned = answer.rotation @ answer.rotation.transpose(1, 2)
        off = float((turned - torch.eye(3, device=turned.device)).abs().max())
        determinant = float(torch.linalg.det(answer.rotation).min())
        require(off <= 1e-3 and determinant > 0, "rotations: orthonormal, determinant +1",
                f"R Rᵀ off by {off:.2g}, determinant {determinant:.3g}",
                "use geometry.camera.rotation_from_angles; y and z point the other way in camera space, "
                "which diag(1, -1, -1) does without mirroring")  # fmt: skip


def units(subject: Subject) -> None:
    """Lengths are in mm and points in pixels, in the frames that the records name."""
    given = inputs.everyday(subject.kind)
    answer = subject.run(given)
    if isinstance(answer, Landmarks) and isinstance(given, Tensor):
        _points_in_pixels(answer, given)
    elif isinstance(answer, FaceShape) and isinstance(given, FaceBatch):
        _face_in_millimetres(answer, given)
    elif isinstance(answer, FaceDetail):
        deepest = float(answer.bump.abs().max())
        require(deepest <= 50, "a bump map in mm, within ±50", f"up to {deepest:.4g}",
                "return mm, not the levels 0 to 255 of the encoding in eq. 7")  # fmt: skip


def outside_unchanged(subject: Subject) -> None:
    """Pixels where the matte is 0 come back exactly as they were."""
    given = inputs.faces(2)
    assert given.matte is not None
    change = ((subject.run(given) - given.image) * (given.matte.alpha == 0)).abs().max()
    require(float(change) <= 1e-6, "pixels with alpha 0 unchanged", f"a change of {float(change):.3g}",
            "end with image * (1 - alpha) + filled * alpha, in float32")  # fmt: skip


def batch_equals_singles(subject: Subject) -> None:
    """A face gets the same answer alone as in a batch of others."""
    given = inputs.faces(3)
    together = subject.run(given)
    for i in range(3):
        alone = subject.run(select(given, i))
        for (path, one), (_, many) in zip(tensors(alone), tensors(together), strict=True):
            _close(one, many[i : i + 1], path, f"the same for face {i} alone and in a batch",
                   "compute nothing across the batch dimension: no batch statistics, means or maxima")  # fmt: skip


def inputs_unchanged(subject: Subject) -> None:
    """The stage leaves what it is given as it was."""
    given = inputs.everyday(subject.kind)
    before = [(path, tensor.clone()) for path, tensor in tensors(given, "input")]
    subject.run(given)
    for (path, old), (_, new) in zip(before, tensors(given, "input"), strict=True):
        require(torch.equal(old, new) or bool(torch.equal(old.isnan(), new.isnan()) and _same(old, new)),
                f"{path} as it was given", "it was written to",
                "work on a clone; avoid operations that end in '_' and assignment to slices")  # fmt: skip


def deterministic(subject: Subject) -> None:
    """The same input gives the same answer: again, in a new instance, and whatever the global seeds are."""
    given = inputs.everyday(subject.kind)
    with _seeds() as seed:
        seed(1)
        first = subject.run(given)
        seed(2)
        again = subject.run(given)
        seed(3)
        other = subject.fresh()
        other.setup("cpu")
        third = subject.run(given, other)
    for name, later in (("the second time", again), ("from a new instance", third)):
        for (path, a), (_, b) in zip(tensors(first), tensors(later), strict=True):
            require(a.shape == b.shape and _same(a, b, 1e-5), f"{path} the same {name}", "another answer",
                    "draw randomness from a generator of your own, seeded from an option, in every run")  # fmt: skip


def odd_sizes(subject: Subject) -> None:
    """Any photo size works; other crop sizes than 256 work or are refused with an OccfaceError."""
    if subject.kind == "landmark_detector":
        for height, width in ((1, 1), (1, 40), (37, 53), (333, 201)):
            answer = subject.run(inputs.photo(height, width))
            _is_record(subject, answer)
            _are_finite(answer)
        return
    for size in (128, 255):
        try:
            answer = subject.run(inputs.faces(1, size))
        except OccfaceError:
            continue
        _has_size(subject, answer, 1, size)
        _are_finite(answer)


def empty_and_full_matte(subject: Subject) -> None:
    """Nothing hidden, the whole face hidden and the whole crop hidden are answered; nothing hidden is kept."""
    given = inputs.faces(2)
    places: tuple[Literal["nowhere", "face", "everywhere"], ...] = ("nowhere", "face", "everywhere")
    for where in places:
        batch = inputs.hidden(given, where)
        answer = subject.run(batch)
        _has_size(subject, answer, 2, 256)
        _are_finite(answer)
        if isinstance(answer, Tensor):
            _within(answer, "the completed face")
            if where == "nowhere":
                change = float((answer - batch.image).abs().max())
                require(change <= 1e-6, "the image itself when nothing is hidden", f"a change of {change:.3g}",
                        "end with image * (1 - alpha) + filled * alpha")  # fmt: skip


def no_faces(subject: Subject) -> None:
    """A batch of no faces gives a record of no faces; a photo without a face gives landmarks, maybe none."""
    if subject.kind == "landmark_detector":
        answer = subject.run(inputs.blank(64, 96))
        _is_record(subject, answer)
        _are_finite(answer)
        return
    answer = subject.run(inputs.faces(1)[:0])
    _is_record(subject, answer)
    require(len(answer) == 0, "0 faces for 0 faces", f"{len(answer)}",
            "return early with tensors of batch size 0 where the algorithm cannot do it")  # fmt: skip


def device_respected(subject: Subject) -> None:
    """Answers lie on the device of the inputs, on every kind of device that this machine has."""
    for device in subject.devices():
        answer = subject.run(inputs.everyday(subject.kind, device), subject.ready(device))
        for path, tensor in tensors(answer):
            require(tensor.device.type == device, f"{path} on {device}", f"on {tensor.device}",
                    "make new tensors with image.new_zeros(…) or device=image.device")  # fmt: skip


def _is_record(subject: Subject, answer: Any) -> None:
    wanted = RECORDS[subject.kind]
    require(isinstance(answer, wanted), f"run() to return {wanted.__name__}", type(answer).__name__,
            "see the interface in occface_core.stages")  # fmt: skip


def _has_size(subject: Subject, answer: Any, count: int, size: int) -> None:
    _is_record(subject, answer)
    require(
        len(answer) == count, f"{count} face(s) as given", f"{len(answer)}", "keep the batch dimension first"
    )
    picture = {Matte: "alpha", FaceDetail: "bump"}.get(type(answer))
    shape = tuple((getattr(answer, picture) if picture else answer).shape) if not _flat(answer) else None
    if shape is not None:
        channels = 3 if isinstance(answer, Tensor) else 1
        require(shape == (count, channels, size, size), f"shape {(count, channels, size, size)}", f"{shape}",
                "return pictures as large as the crops that were given")  # fmt: skip


def _flat(answer: Any) -> bool:
    return isinstance(answer, (FaceShape, Landmarks))


def _are_float32(answer: Any) -> None:
    for path, tensor in tensors(answer):
        if tensor.dtype.is_floating_point:
            require(
                tensor.dtype == torch.float32, f"{path} as float32", f"{tensor.dtype}", "end with .float()"
            )


def _are_finite(answer: Any) -> None:
    for path, tensor in tensors(answer):
        if tensor.dtype.is_floating_point:
            bad = int((~torch.isfinite(tensor)).sum())
            require(bad == 0, f"finite values in {path}", f"{bad} NaN or infinite ones",
                    "guard divisions by a sum or an area that may be 0")  # fmt: skip


def _within(tensor: Tensor, name: str) -> None:
    if tensor.numel():
        low, high = float(tensor.min()), float(tensor.max())
        require(low >= -1e-6 and high <= 1 + 1e-6, f"{name} in [0, 1]", f"[{low:.4g}, {high:.4g}]",
                "end with .clamp(0, 1); colours are 0 to 1, not 0 to 255")  # fmt: skip


def _points_in_pixels(answer: Landmarks, photo: Tensor) -> None:
    if len(answer) == 0:
        return
    extent = float((answer.points.amax(1) - answer.points.amin(1)).amax())
    height, width = photo.shape[-2:]
    require(extent > 3, f"points in pixels of the {width} x {height} photo", f"a face {extent:.2g} pixels large",
            "multiply relative coordinates by the photo's size, and take crops back to the photo")  # fmt: skip
    middle = answer.points.mean(1)
    inside = bool(((middle >= 0) & (middle < middle.new_tensor([width, height]))).all())
    require(inside, "faces whose middle lies in the photo", f"a middle at {middle[0].tolist()}",
            "points are (x, y) in photo pixels; check the order of the two")  # fmt: skip


def _face_in_millimetres(answer: FaceShape, given: FaceBatch) -> None:
    extent = (answer.vertices.amax(1) - answer.vertices.amin(1)).amax(1)
    low, high = float(extent.min()), float(extent.max())
    require(low >= 100 and high <= 800, "a head of 100 to 800 mm", f"{low:.4g} to {high:.4g}",
            "vertices are in mm, in the face model's frame")  # fmt: skip
    distance = float(answer.camera_vertices()[..., 2].min())
    require(distance > 50, "a face in front of the camera, z in mm", f"a vertex at z = {distance:.4g}",
            "camera = vertices · rotationᵀ + translation; the nominal translation is (0, 0, 1000)")  # fmt: skip
    off = float((answer.landmarks() - given.landmarks.points).norm(dim=-1).mean())
    require(off < 64, "landmarks projected near those given (64 px on average)", f"{off:.4g} px away",
            "check rotation (a frontal face has diag(1, -1, -1)), translation and intrinsics")  # fmt: skip


_TOLERANCE = {"points": 0.02, "vertices": 0.02, "translation": 0.1, "bump": 0.02, "coefficients": 0.01}


def _close(one: Tensor, other: Tensor, path: str, expected: str, mend: str) -> None:
    """Require equal shapes and values, but for a thousandth of them (pixels on a threshold)."""
    tolerance = next((size for name, size in _TOLERANCE.items() if name in path), 2e-3)
    if one.shape != other.shape:
        raise CheckFailed(
            f"expected {path} {expected}; found shapes {tuple(one.shape)} and {tuple(other.shape)}"
        )
    difference = (one.double() - other.double()).abs().nan_to_num(0)
    share = float((difference > tolerance).double().mean()) if difference.numel() else 0.0
    require(share <= 1e-3, f"{path} {expected}", f"{share:.1%} of the values differ, by up to "
            f"{float(difference.max()) if difference.numel() else 0:.3g}", mend)  # fmt: skip


def _same(one: Tensor, other: Tensor, tolerance: float = 0.0) -> bool:
    return bool(torch.allclose(one.double(), other.double(), rtol=tolerance, atol=tolerance, equal_nan=True))


@contextmanager
def _seeds() -> Iterator[Any]:
    """Give a function that sets the global seeds; they are as before afterwards."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()

    def seed(value: int) -> None:
        torch.manual_seed(value)
        np.random.seed(value)
        random.seed(value)
        if "cv2" in sys.modules:
            sys.modules["cv2"].setRNGSeed(value)

    try:
        yield seed
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
