"""Many synthetic faces at once, with all that is known about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from torch import Tensor

from occface_core.synthetic.labels import LABEL_NAMES
from occface_core.synthetic.sample import SyntheticFace

if TYPE_CHECKING:
    from occface_core.facemodel import FaceModel
    from occface_core.types import FaceShape, Landmarks, Matte


@attrs.define(frozen=True, kw_only=True, eq=False)
class SyntheticBatch:
    """What `SyntheticFace` holds of one face, of B faces, as tensors of one device; S is the pictures' size.

    Attributes:
        photo: (B, 3, S, S) RGB in [0, 1].
        clean: (B, 3, S, S), without the occluder and its shadow.
        occluder: (B, S, S) in [0, 1].
        face: (B, S, S) in [0, 1].
        matte: (B, S, S) in [0, 1].
        shadow: (B, S, S) in (0, 1].
        labels: (B, S, S) uint8.
        clean_labels: (B, S, S) uint8.
        landmarks: (B, 68, 2) px.
        outline: (B, 68, 2) px.
        visible: (B, 68).
        coefficients: identity (B, K), expression (B, E), albedo (B, A), illumination (B, 27).
        rotation: (B, 3, 3).
        translation: (B, 3) mm.
        intrinsics: (B, 3, 3) px.
        vertices: (B, V, 3) mm.
        depth: (B, S, S) mm, nan where the bare model is not.
        normals: (B, 3, S, S), 0 where it is not.
        bump: (B, S, S) mm.
        kind: occluders of each face, joined by "+", or "none".
        hard_light: (B,) bool.
        seed: seed of the set.
        index: number of each face in the set.
    """

    photo: Tensor
    clean: Tensor
    occluder: Tensor
    face: Tensor
    matte: Tensor
    shadow: Tensor
    labels: Tensor
    clean_labels: Tensor
    landmarks: Tensor
    outline: Tensor
    visible: Tensor
    coefficients: dict[str, Tensor]
    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    vertices: Tensor
    depth: Tensor
    normals: Tensor
    bump: Tensor
    kind: tuple[str, ...]
    hard_light: Tensor
    seed: int
    index: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.photo)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.photo.shape[-1])

    @property
    def label_names(self) -> tuple[str, ...]:
        """Name of each code in `labels`."""
        return LABEL_NAMES

    def __getitem__(self, number: int) -> SyntheticFace:
        """Return one face as `generate` would, its arrays on the CPU."""
        one: dict[str, Any] = {
            field.name: value[number].cpu().numpy()
            for field in attrs.fields(type(self))
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        one["hard_light"] = bool(one["hard_light"])
        coefficients = {name: value[number].cpu().numpy() for name, value in self.coefficients.items()}
        return SyntheticFace(
            **one, coefficients=coefficients, kind=self.kind[number], seed=self.seed, index=self.index[number]
        )

    def as_landmarks(self) -> Landmarks:
        """Return the landmarks as a stage would hand them on."""
        from occface_core.types import Landmarks

        return Landmarks(points=self.landmarks, visible=self.visible)

    def as_matte(self) -> Matte:
        """Return the true matte as a stage would hand it on."""
        from occface_core.types import Matte

        return Matte(
            alpha=self.matte[:, None], face=self.face[:, None], labels=self.labels, label_names=LABEL_NAMES
        )

    def as_shape(self, model: FaceModel | None = None) -> FaceShape:
        """Return the true shape as a stage would hand it on; the embedded model if none is given."""
        from occface_core.facemodel import FaceModel
        from occface_core.types import FaceShape

        return FaceShape(
            vertices=self.vertices,
            coefficients=self.coefficients,
            rotation=self.rotation,
            translation=self.translation,
            intrinsics=self.intrinsics,
            model=FaceModel.embedded() if model is None else model,
            size=self.size,
        )
