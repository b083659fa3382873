"""One synthetic face with everything that is known about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from occface_core.synthetic.labels import LABEL_NAMES

if TYPE_CHECKING:
    from occface_core.facemodel import FaceModel
    from occface_core.types import FaceShape, Landmarks, Matte


@attrs.define(frozen=True, kw_only=True, eq=False)
class SyntheticFace:
    """A face, what hides it, and the exact truth; S is the picture's size. Arrays are numpy float32.

    Before degradation, photo = matte·occluder + (1 - matte)·shadow·clean at every pixel; photo and clean are
    then degraded alike. Where the matte and the shadow leave a pixel alone, photo and clean are equal up to
    what blur and JPEG carry over from their neighbours.

    Attributes:
        photo: (3, S, S) RGB in [0, 1].
        clean: (3, S, S), the same picture without the occluder and its shadow.
        occluder: (S, S) in [0, 1], 1 = occluder, all over the picture.
        face: (S, S) in [0, 1], face region of the clean picture.
        matte: (S, S) in [0, 1], occluder inside the face region: occluder · face.
        shadow: (S, S) in (0, 1], what the occluder's shadow leaves of the light.
        labels: (S, S) uint8 parsing labels of the photo, see `label_names`.
        clean_labels: (S, S) uint8 parsing labels of the clean picture.
        landmarks: (68, 2) px, the model's landmark vertices as `FaceShape.landmarks` gives them.
        outline: (68, 2) px, the same but for the jaw, whose points lie on the visible outline, where a
            person marks them in a photo.
        visible: (68,) 1 where a landmark is in the picture and neither head, hair nor occluder hides it.
        coefficients: identity (K,), expression (E,), albedo (A,), illumination (27,). With `hard_light`
            the illumination is the nearest soft light.
        rotation: (3, 3).
        translation: (3,) mm.
        intrinsics: (3, 3) px.
        vertices: (V, 3) mm in the face model's frame.
        depth: (S, S) mm along z of the bare model, nan where it is not.
        normals: (3, S, S) unit normals in viewer axes (y up, z towards the viewer), 0 where the model is not.
        bump: (S, S) mm along the line of sight, positive towards the camera: wrinkles beyond the model.
        kind: occluders that were put on, joined by "+", or "none".
        hard_light: whether the main light casts shadows.
        seed: seed of the set.
        index: number of the sample in the set.
    """

    photo: np.ndarray
    clean: np.ndarray
    occluder: np.ndarray
    face: np.ndarray
    matte: np.ndarray
    shadow: np.ndarray
    labels: np.ndarray
    clean_labels: np.ndarray
    landmarks: np.ndarray
    outline: np.ndarray
    visible: np.ndarray
    coefficients: dict[str, np.ndarray]
    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    vertices: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    bump: np.ndarray
    kind: str
    hard_light: bool
    seed: int
    index: int

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.photo.shape[-1])

    @property
    def label_names(self) -> tuple[str, ...]:
        """Name of each code in `labels`."""
        return LABEL_NAMES

    @property
    def occluded_fraction(self) -> float:
        """Share of the face region that is hidden, 0 to 1."""
        return float(self.matte.sum() / max(float(self.face.sum()), 1e-6))

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, the coefficients flat, as arrays and plain values: what a data loader collates."""
        out: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(type(self))
            if field.name != "coefficients"
        }
        return out | dict(self.coefficients)

    def as_landmarks(self) -> Landmarks:
        """Return the landmarks as a stage would hand them on, B = 1."""
        import torch

        from occface_core.types import Landmarks

        return Landmarks(
            points=torch.as_tensor(self.landmarks)[None], visible=torch.as_tensor(self.visible)[None].float()
        )

    def as_matte(self) -> Matte:
        """Return the true matte as a stage would hand it on, B = 1."""
        import torch

        from occface_core.types import Matte

        return Matte(
            alpha=torch.as_tensor(self.matte)[None, None],
            face=torch.as_tensor(self.face)[None, None],
            labels=torch.as_tensor(self.labels)[None],
            label_names=LABEL_NAMES,
        )

    def as_shape(self, model: FaceModel | None = None) -> FaceShape:
        """Return the true shape as a stage would hand it on, B = 1; the embedded model if none is given."""
        import torch

        from occface_core.facemodel import FaceModel
        from occface_core.types import FaceShape

        return FaceShape(
            vertices=torch.as_tensor(self.vertices)[None],
            coefficients={name: torch.as_tensor(value)[None] for name, value in self.coefficients.items()},
            rotation=torch.as_tensor(self.rotation)[None],
            translation=torch.as_tensor(self.translation)[None],
            intrinsics=torch.as_tensor(self.intrinsics)[None],
            model=FaceModel.embedded() if model is None else model,
            size=self.size,
        )
