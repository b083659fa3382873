"""The records passed between stages: frozen, keyword-only, and checked when made.

Conventions: float32; batch first, one face an item; pixel (0, 0) is the centre of the top-left pixel;
lengths in mm, angles in radians; landmarks in iBUG-68 order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from occface_core.errors import RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from occface_core.facemodel import FaceModel
    from occface_core.geometry.mesh import Mesh
    from occface_core.occlusion import OcclusionReport

PROVENANCE = ("seen", "completed", "mirrored", "prior")
"""What a vertex of the detailed mesh rests on; the index is the code in `FaceDetail.provenance`."""


def _check(
    record: object, field: str, value: Any, pattern: tuple[str | int, ...], sizes: dict[str, int]
) -> None:
    """Raise `RecordError` unless `value` has the shape `pattern`; letters are sizes shared by a record."""
    shape = getattr(value, "shape", ())
    if hasattr(value, "new_ones") and len(shape) == len(pattern):
        for wanted, size in zip(pattern, shape, strict=True):
            if (wanted if isinstance(wanted, int) else sizes.setdefault(wanted, size)) != size:
                break
        else:
            return
    where = f"{type(record).__name__}.{field}"
    want = "(" + ", ".join(map(str, pattern)) + ("," if len(pattern) == 1 else "") + ")"
    if not hasattr(value, "shape") or not hasattr(value, "new_ones"):
        raise RecordError(f"{where} must be a torch tensor of shape {want}, got {type(value).__name__}")
    shape = tuple(shape)
    if len(shape) != len(pattern) or any(
        isinstance(p, int) and p != s for p, s in zip(pattern, shape, strict=True)
    ):
        raise RecordError(f"{where} must have shape {want}, got {shape}")
    letter = next(p for p, s in zip(pattern, shape, strict=True) if isinstance(p, str) and sizes[p] != s)
    raise RecordError(
        f"{where} must have shape {want} with {letter} = {sizes[letter]} as in the record's "
        f"other fields, got {shape}"
    )


def _ones(record: object, field: str, value: Any, pattern: tuple[str | int, ...], axes: int) -> Tensor:
    """Return ones in the shape of the first `axes` axes of a field, which is checked first."""
    _check(record, field, value, pattern, {})
    return value.new_ones(tuple(value.shape)[:axes])  # type: ignore[no-any-return]


def _check_float(record: object, **values: Any) -> None:
    for field, value in values.items():
        if value is not None and not value.dtype.is_floating_point:
            raise RecordError(
                f"{type(record).__name__}.{field} must be a floating-point tensor, got {value.dtype}; "
                f"convert it with .float()"
            )


@attrs.define(frozen=True, kw_only=True, eq=False)
class Landmarks:
    """68 points of each face, in iBUG order.

    Attributes:
        points: (B, 68, 2) pixels, x right and y down.
        confidence: (B, 68) in [0, 1]; 1 where a detector gives none.
        visible: (B, 68) in [0, 1], 0 = behind an occluder; None until a matte is known.
    """

    points: Tensor
    confidence: Tensor = attrs.field(
        default=attrs.Factory(
            lambda self: _ones(self, "points", self.points, ("B", 68, 2), 2), takes_self=True
        )
    )
    visible: Tensor | None = None

    def __attrs_post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check(self, "points", self.points, ("B", 68, 2), sizes)
        _check(self, "confidence", self.confidence, ("B", 68), sizes)
        if self.visible is not None:
            _check(self, "visible", self.visible, ("B", 68), sizes)
        _check_float(self, points=self.points, confidence=self.confidence, visible=self.visible)

    def __len__(self) -> int:
        return int(self.points.shape[0])

    def weights(self) -> Tensor:
        """Return (B, 68) in [0, 1]: confidence times visibility, for fitting."""
        return self.confidence if self.visible is None else self.confidence * self.visible


@attrs.define(frozen=True, kw_only=True, eq=False)
class Matte:
    """What lies in front of each face.

    Attributes:
        alpha: (B, 1, S, S) in [0, 1], 1 = occluder inside the face region.
        face: (B, 1, S, S) in [0, 1], the face region in which it was judged; all ones if not given.
        labels: optional (B, S, S) uint8 parsing labels.
        label_names: names of the labels, by code.
    """

    alpha: Tensor
    face: Tensor = attrs.field(
        default=attrs.Factory(
            lambda self: _ones(self, "alpha", self.alpha, ("B", 1, "S", "S"), 4), takes_self=True
        )
    )
    labels: Tensor | None = None
    label_names: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check(self, "alpha", self.alpha, ("B", 1, "S", "S"), sizes)
        _check(self, "face", self.face, ("B", 1, "S", "S"), sizes)
        if self.labels is not None:
            _check(self, "labels", self.labels, ("B", "S", "S"), sizes)
        _check_float(self, alpha=self.alpha, face=self.face)

    def __len__(self) -> int:
        return int(self.alpha.shape[0])

    def hollow(self, image: Tensor) -> Tensor:
        """Return I ⊙ (1 - m), the hollowed photo of paper 3.2: (B, 3, S, S)."""
        return image * (1 - self.alpha)

    def fraction(self) -> Tensor:
        """Return (B,) in [0, 1]: hidden share of the face region."""
        area = self.face.sum((1, 2, 3)).clamp_min(1e-6)
        return ((self.alpha * self.face).sum((1, 2, 3)) / area).clamp(0, 1)


@attrs.define(frozen=True, kw_only=True, eq=False)
class FaceShape:
    """Parametric face with pose and light (paper eq. 5-6).

    Attributes:
        vertices: (B, V, 3) mm in the face model's frame (y up, z towards the viewer).
        coefficients: identity (B, K), expression (B, E), albedo (B, A), illumination (B, 27).
        rotation: (B, 3, 3); diag(1, -1, -1) is a frontal upright face.
        translation: (B, 3) mm in camera space (x right, y down, z away).
        intrinsics: (B, 3, 3) of the crop, pixels.
        model: the face model that `vertices` belong to.
        size: crop size S in pixels that `intrinsics` belong to.
    """

    vertices: Tensor
    coefficients: Mapping[str, Tensor]
    rotation: Tensor
    translation: Tensor
    intrinsics: Tensor
    model: FaceModel
    size: int = 256

    def __attrs_post_init__(self) -> None:
        sizes: dict[str, int] = {"V": len(self.model.mean)}
        _check(self, "vertices", self.vertices, ("B", "V", 3), sizes)
        _check(self, "rotation", self.rotation, ("B", 3, 3), sizes)
        _check(self, "translation", self.translation, ("B", 3), sizes)
        _check(self, "intrinsics", self.intrinsics, ("B", 3, 3), sizes)
        for name, letter in (("identity", "K"), ("expression", "E"), ("albedo", "A"), ("illumination", 27)):
            if name not in self.coefficients:
                raise RecordError(
                    f"FaceShape.coefficients must hold 'identity', 'expression', 'albedo' and "
                    f"'illumination'; '{name}' is missing"
                )
            _check(self, f"coefficients[{name!r}]", self.coefficients[name], ("B", letter), sizes)

    def __len__(self) -> int:
        return int(self.vertices.shape[0])

    def camera_vertices(self) -> Tensor:
        """Return (B, V, 3) mm in camera space: vertices · rotationᵀ + translation."""
        return self.vertices @ self.rotation.transpose(1, 2) + self.translation[:, None]

    def project(self) -> Tensor:
        """Return (B, V, 2) crop pixels of every vertex."""
        from occface_core.geometry.camera import project

        return project(self.camera_vertices(), self.intrinsics)

    def landmarks(self) -> Tensor:
        """Return (B, 68, 2) crop pixels of the model's 68 landmark vertices."""
        return self.project()[:, self.model.tensor("landmarks68", self.vertices.device)]

    def scaled_intrinsics(self, size: int) -> Tensor:
        """Return (B, 3, 3) intrinsics of the same view drawn at `size` pixels."""
        from occface_core.geometry.camera import scale_intrinsics

        return scale_intrinsics(self.intrinsics, size / self.size)

    def depth(self, size: int = 256) -> Tensor:
        """Return (B, 1, size, size) mm along z, NaN where there is no surface."""
        from occface_core.geometry.surface import depth_map

        triangles = self.model.tensor("triangles", self.vertices.device)
        return depth_map(self.camera_vertices(), triangles, self.scaled_intrinsics(size), size)


@attrs.define(frozen=True, kw_only=True, eq=False)
class FaceDetail:
    """Displacement of the surface from the base shape (paper eq. 7).

    Attributes:
        bump: (B, 1, S, S) mm along the line of sight, positive towards the camera.
        shape: the base shape that the bump belongs to.
        valid: optional (B, 1, S, S) in [0, 1], where the bump was estimated.
        matte: what hid the faces, for `provenance`; the pipeline fills it in.
        provenance: optional (B, V) uint8, index into `PROVENANCE`; a plugin that knows better may give it.
    """

    bump: Tensor
    shape: FaceShape
    valid: Tensor | None = None
    matte: Matte | None = None
    _provenance: Tensor | None = None
    _derived: Tensor | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        sizes: dict[str, int] = {"B": len(self.shape), "V": len(self.shape.model.mean)}
        _check(self, "bump", self.bump, ("B", 1, "S", "S"), sizes)
        if self.valid is not None:
            _check(self, "valid", self.valid, ("B", 1, "S", "S"), sizes)
        if self.matte is not None:
            _check(self, "matte.alpha", self.matte.alpha, ("B", 1, "M", "M"), sizes)
        if self._provenance is not None:
            _check(self, "provenance", self._provenance, ("B", "V"), sizes)
        _check_float(self, bump=self.bump)

    def __len__(self) -> int:
        return int(self.bump.shape[0])

    @property
    def provenance(self) -> Tensor | None:
        """(B, V) uint8, index into `PROVENANCE`: what each vertex rests on; None where no matte is known.

        Drawing the face to see which vertices are hidden takes longer than all else that the pipeline adds to
        its stages, so it is done when first asked for, and kept.
        """
        if self._provenance is not None or self.matte is None:
            return self._provenance
        if self._derived is None:
            from occface_core.provenance import provenance

            object.__setattr__(self, "_derived", provenance(self.shape, self.matte))
        return self._derived

    def encoded(self) -> Tensor:
        """Return Φ = φ(d' - d) of eq. 7: (B, 1, S, S) in [0, 255], 127 = no displacement."""
        from occface_core.geometry.bump import encode

        return encode(self.bump)

    def depth(self, size: int = 256) -> Tensor:
        """Return d' (B, 1, size, size) mm along z: base depth moved by the bump, NaN off the face."""
        from occface_core.geometry.bump import detailed_depth

        return detailed_depth(self.shape.depth(size), self.bump, self.shape.scaled_intrinsics(size))


@attrs.define(frozen=True, kw_only=True, eq=False)
class StageRecord:
    """One line of a result's lineage: which plugin made a field, and how.

    Attributes:
        stage: stage name.
        plugin: name of the plugin, or "given" where the caller gave the value.
        distribution: distribution and version that the plugin comes from.
        options: every option in use.
        weights_sha256: hash of the weights in use, None without weights.
        seconds: wall time of the stage for the whole batch; None unless the timing hook is on.
        warning: what the user must know (a fall-back that was taken), or "".
    """

    stage: str
    plugin: str
    distribution: str = ""
    options: Mapping[str, Any] = attrs.field(factory=dict)
    weights_sha256: str | None = None
    seconds: float | None = None
    warning: str = ""


@attrs.define(frozen=True, kw_only=True, eq=False)
class FaceBatch:
    """Every face of a photo with every intermediate result.

    Attributes:
        image: (B, 3, S, S) aligned crops, RGB in [0, 1].
        crop_to_photo: (B, 3, 3) similarity from crop pixels to photo pixels.
        landmarks: points in crop pixels.
        matte: what hides the face; None until known.
        clean: (B, 3, S, S) completed face; None until known.
        shape: base shape; None until known.
        detail: bump map; None until known.
        lineage: one `StageRecord` a stage that has run.
        photo_size: (height, width) of the photo, pixels.
    """

    image: Tensor
    crop_to_photo: Tensor
    landmarks: Landmarks
    matte: Matte | None = None
    clean: Tensor | None = None
    shape: FaceShape | None = None
    detail: FaceDetail | None = None
    lineage: tuple[StageRecord, ...] = ()
    photo_size: tuple[int, int] | None = None

    def __attrs_post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check(self, "image", self.image, ("B", 3, "S", "S"), sizes)
        _check(self, "crop_to_photo", self.crop_to_photo, ("B", 3, 3), sizes)
        if self.clean is not None:
            _check(self, "clean", self.clean, ("B", 3, "S", "S"), sizes)
        _check_float(self, image=self.image, crop_to_photo=self.crop_to_photo, clean=self.clean)
        for name in ("landmarks", "matte", "shape", "detail"):
            record = getattr(self, name)
            if record is not None and len(record) != sizes["B"]:
                raise RecordError(
                    f"FaceBatch.{name} must hold {sizes['B']} faces as FaceBatch.image does, got {len(record)}"
                )

    def __len__(self) -> int:
        return int(self.image.shape[0])

    def __getitem__(self, index: int | slice) -> FaceBatch:
        from occface_core.batching import select

        return select(self, index)

    def __iter__(self) -> Iterator[FaceBatch]:
        return (self[i] for i in range(len(self)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user must know about this result: fall-backs taken."""
        return tuple(record.warning for record in self.lineage if record.warning)

    def to(self, device: str) -> FaceBatch:
        """Return the same faces with every tensor on `device`."""
        from occface_core.batching import to_device

        return to_device(self, device)

    def photo_landmarks(self) -> Tensor:
        """Return (B, 68, 2) points in photo pixels."""
        from occface_core.geometry.align import transform_points

        return transform_points(self.crop_to_photo, self.landmarks.points)

    def photo_matte(self, i: int, height: int, width: int) -> Tensor:
        """Return (height, width) alpha of face `i` in photo pixels, 1 = occluder, 0 outside the crop."""
        from occface_core.geometry.align import warp_back

        if self.matte is None:
            raise RecordError("FaceBatch.photo_matte needs a matte; run the occlusion_matting stage first")
        return warp_back(self.matte.alpha[i : i + 1], self.crop_to_photo[i : i + 1], height, width)[0, 0]

    def occlusion(self) -> OcclusionReport:
        """Return what is hidden of every face: in all, by part, by half, by landmark, and in words."""
        from occface_core.occlusion import report_faces

        return report_faces(self)

    def occlusion_report(self, i: int) -> dict[str, Any]:
        """Return what `occlusion` says of face `i` as plain data, as in faces.json."""
        from occface_core.occlusion import occlusion_report

        return occlusion_report(self[i])

    def mesh(self, i: int, detailed: bool = True) -> Mesh:
        """Return the textured mesh of face `i`; `detailed` adds the bump map's displacement."""
        from occface_core.reconstruction import build_mesh

        return build_mesh(self[i], detailed=detailed)

    def save(self, folder: str | Path, formats: tuple[str, ...] = ("glb",)) -> Path:
        """Write faces.json and a folder a face with all pictures and meshes; return the folder."""
        from occface_core.results import save

        return save(self, folder, formats=formats)
