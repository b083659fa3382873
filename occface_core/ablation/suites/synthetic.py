"""Drawn faces: everything about them is known exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
import numpy as np
import torch

from occface_core.ablation.metrics.shape import skin
from occface_core.ablation.sample import HIDDEN, UNSEEN, VISIBLE, Sample, Surface
from occface_core.ablation.suites.base import Suite
from occface_core.errors import RecordError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occface_core.facemodel import FaceModel
    from occface_core.synthetic.options import SynthOptions
    from occface_core.synthetic.sample import SyntheticFace

TRIES = 24
"""Faces drawn for one sample until the hidden share lies in the range asked for; the nearest one is taken then."""


@attrs.define(frozen=True, kw_only=True)
class Synthetic(Suite):
    """Synthetic faces under occluders.

    Attributes:
        size: number of faces.
        seed: seed of the set. Faces of 0, the trainings' usual seed, and of 41 are those that the networks of
            occface-paper learned from: figures on them are no figures on new faces.
        occluders: kinds to draw from; empty: bare faces. All kinds by default.
        severity: least and largest hidden share of the face.
        occluded: share of the faces that get an occluder.
        pixels: side of the photos.
        yaw: largest turn to either side, radians.
        pitch: largest nod, radians.
        jitter: how far faces stray from the middle; see `SynthOptions`.
        distance: nearest and farthest camera, mm.
        expression: strength of expressions.
        degrade: strength of blur, noise and JPEG.
        wrinkles: strength of wrinkles.
        hard_light: share of faces under light that casts shadows.
        second_occluder: share of the occluded faces with two occluders.
    """

    name: ClassVar[str] = "synthetic"

    size: int = attrs.field(default=64, validator=attrs.validators.ge(1))
    seed: int = attrs.field(default=2026, validator=attrs.validators.ge(0))
    occluders: tuple[str, ...] | None = None
    severity: tuple[float, float] = (0.0, 1.0)
    occluded: float = 1.0
    pixels: int = 256
    yaw: float = 0.7
    pitch: float = 0.3
    jitter: float = 1.0
    distance: tuple[float, float] = (550.0, 2000.0)
    expression: float = 1.0
    degrade: float = 1.0
    wrinkles: float = 1.0
    hard_light: float = 0.3
    second_occluder: float = 0.1

    def __attrs_post_init__(self) -> None:
        low, high = self.severity
        if not 0 <= low <= high <= 1:
            raise RecordError(
                f"severity must be (least, largest) with 0 <= least <= largest <= 1, got {self.severity}"
            )
        self._options()

    def __len__(self) -> int:
        return self.size

    def slow(self) -> bool:
        """Drawing a face takes about as long as reconstructing it."""
        return True

    def load(self, index: int) -> Sample:
        """Draw a face, with its truth."""
        from occface_core.synthetic.generation import generate

        low, high = self.severity
        options = self._options()
        best: SyntheticFace | None = None
        off = np.inf
        for attempt in range(TRIES):
            face = generate(self.seed, index + attempt * self.size, options)
            share = face.occluded_fraction
            miss = max(low - share, share - high, 0.0)
            if miss < off:
                best, off = face, miss
            if miss == 0 or not options.occluders:
                break
        assert best is not None
        return _sample(best, f"{self.seed}_{index:06d}")

    def _options(self) -> SynthOptions:
        from occface_core.synthetic.options import SynthOptions

        same = {
            name: getattr(self, name)
            for name in ("occluded", "yaw", "pitch", "jitter", "distance", "expression", "degrade", "wrinkles",
                         "hard_light", "second_occluder")
        }  # fmt: skip
        if self.occluders is not None:
            same["occluders"] = self.occluders
        return SynthOptions(size=self.pixels, **same)


def _sample(face: SyntheticFace, name: str) -> Sample:
    from occface_core.facemodel import FaceModel

    model = FaceModel.embedded()
    return Sample(
        name=name,
        photo=_bytes(face.photo),
        points=face.outline.astype(np.float32),
        visible=face.visible.astype(np.float32),
        matte=face.matte.astype(np.float32),
        face=face.face.astype(np.float32),
        clean=_bytes(face.clean),
        normals=_detailed_normals(face),
        surface=true_surface(face, model),
        kind=face.kind,
    )


def _bytes(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray((picture.transpose(1, 2, 0) * 255).round().astype(np.uint8))


def _detailed_normals(face: SyntheticFace) -> NDArray[np.float32]:
    """Return the normals (3, S, S) of the face with its wrinkles, 0 off the face."""
    from occface_core.geometry.bump import detailed_depth
    from occface_core.geometry.normals import depth_normals

    matrix = torch.from_numpy(face.intrinsics)[None]
    depth = detailed_depth(
        torch.from_numpy(face.depth)[None, None], torch.from_numpy(face.bump)[None, None], matrix
    )
    normals = depth_normals(depth, matrix)[0].numpy()
    return np.asarray(normals * (face.face > 0.5), np.float32)


def true_surface(face: SyntheticFace, model: FaceModel) -> Surface:
    """Return the face's skin with what the camera sees of it and what the occluder hides."""
    from occface_core.geometry.resample import sample_pixels
    from occface_core.geometry.visibility import visible_vertices

    shape = face.as_shape(model)
    camera = shape.camera_vertices()
    triangles = model.tensor("triangles")
    seen = visible_vertices(camera, triangles, shape.intrinsics, face.size, face.size)[0].numpy()
    occluder = torch.from_numpy(face.occluder)[None, None]
    alpha = sample_pixels(occluder, torch.nan_to_num(shape.project())[:, :, None])[0, 0, :, 0].numpy()
    ids = np.flatnonzero(model.region("face") & skin(model)).astype(np.int64)
    state = np.where(~seen, UNSEEN, np.where(alpha > 0.5, HIDDEN, VISIBLE)).astype(np.uint8)
    return Surface(
        vertices=face.vertices[ids].astype(np.float32),
        landmarks=face.vertices[model.landmarks68].astype(np.float32),
        landmark_ids=np.arange(68),
        state=state[ids],
        model=model.name,
        ids=ids,
    )
