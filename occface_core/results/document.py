"""faces.json: everything that is known of the faces of one photo, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from occface_core import __version__
from occface_core.types import PROVENANCE

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import FaceBatch, FaceDetail, FaceShape, StageRecord

FORMAT = "occface faces, 1"


def document(
    faces: FaceBatch,
    *,
    source: str | None,
    configuration: Mapping[str, Any] | None,
    warnings: Sequence[str],
    seconds: float | None,
    files: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """Return what faces.json holds.

    Args:
        faces: every face of one photo.
        source: path of the photo.
        configuration: resolved configuration; taken from the lineage if None.
        warnings: what the user must know.
        seconds: wall time in all.
        files: names of the files written, by face.
    """
    height, width = faces.photo_size or (None, None)
    timings = {
        record.stage: _number(record.seconds) for record in faces.lineage if record.seconds is not None
    }
    if seconds is not None:
        timings["total"] = _number(seconds)
    return {
        "format": FORMAT,
        "occface": __version__,
        "photo": {"source": source, "width": width, "height": height},
        "units": "pixels of the upright photo, (0, 0) the centre of its top-left pixel; mm; radians; seconds",
        "faces": [_face(face, i, files[i]) for i, face in enumerate(faces)],
        "warnings": list(warnings),
        "timings": timings,
        "lineage": [_record(record) for record in faces.lineage],
        "config": dict(configuration) if configuration is not None else from_lineage(faces.lineage),
    }


def from_lineage(lineage: Sequence[StageRecord]) -> dict[str, Any]:
    """Return the configuration that made a result, as far as its lineage tells."""
    return {r.stage: {"plugin": r.plugin, **_plain(r.options)} for r in lineage if r.plugin != "given"}


def _face(face: FaceBatch, index: int, files: Sequence[str]) -> dict[str, Any]:
    points = face.photo_landmarks()[0]
    low, high = points.amin(0).tolist(), points.amax(0).tolist()
    visible = face.landmarks.visible
    found: dict[str, Any] = {
        "folder": f"face_{index}",
        "files": list(files),
        "box": [_number(v) for v in (*low, high[0] - low[0], high[1] - low[1])],
        "landmarks": _numbers(points, 2),
        "confidence": _numbers(face.landmarks.confidence[0]),
        "visible": None if visible is None else _numbers(visible[0]),
        "crop_to_photo": _numbers(face.crop_to_photo[0], 6),
        "crop_size": int(face.image.shape[-1]),
    }
    if face.matte is not None:
        found["occlusion"] = face.occlusion_report(0)
    if face.shape is not None:
        found.update(_shape(face.shape, face.crop_to_photo))
    if face.detail is not None:
        found["detail"] = _detail(face.detail)
    return found


def _shape(shape: FaceShape, crop_to_photo: Tensor) -> dict[str, Any]:
    from occface_core.geometry.camera import angles_from_rotation

    pitch, yaw, roll = angles_from_rotation(shape.rotation)[0].tolist()
    turn = math.atan2(float(crop_to_photo[0, 1, 0]), float(crop_to_photo[0, 0, 0]))
    coefficients: dict[str, Any] = {name: _numbers(value[0]) for name, value in shape.coefficients.items()}
    names = shape.model.expression_names
    if len(names) == len(coefficients["expression"]):
        coefficients["expression"] = dict(zip(names, coefficients["expression"], strict=True))
    return {
        "coefficients": coefficients,
        "pose": {
            "pitch": _number(pitch, 5),
            "yaw": _number(yaw, 5),
            "roll": _number(roll, 5),
            "roll_in_photo": _number(math.remainder(roll - turn, 2 * math.pi), 5),
            "rotation": _numbers(shape.rotation[0], 6),
            "translation": _numbers(shape.translation[0]),
            "intrinsics": _numbers(shape.intrinsics[0]),
        },
        "landmarks_3d": _numbers(
            shape.vertices[0, shape.model.tensor("landmarks68", shape.vertices.device)], 3
        ),
        "face_model": {"name": shape.model.name, "licence": shape.model.licence},
    }


def _detail(detail: FaceDetail) -> dict[str, Any]:
    bump = detail.bump[0].abs()
    found: dict[str, Any] = {
        "bump_encoding": "bump.png holds round(257 Φ); mm towards the camera = (value / 257 - 127) / 9.6",
        "bump_mean_mm": _number(float(bump.mean())),
        "bump_max_mm": _number(float(bump.max())),
    }
    if detail.provenance is not None:
        found["provenance"] = provenance_shares(detail.provenance[0])
    return found


def provenance_shares(codes: Tensor) -> dict[str, float]:
    """Return the share of vertices that rest on each kind of evidence."""
    count = max(int(codes.numel()), 1)
    return {name: round(int((codes == code).sum()) / count, 4) for code, name in enumerate(PROVENANCE)}


def _record(record: StageRecord) -> dict[str, Any]:
    return {
        "stage": record.stage,
        "plugin": record.plugin,
        "distribution": record.distribution,
        "options": _plain(record.options),
        "weights_sha256": record.weights_sha256,
        "seconds": _number(record.seconds),
        "warning": record.warning,
    }


def _number(value: float | None, digits: int = 4) -> float | None:
    return round(float(value), digits) if value is not None and math.isfinite(value) else None


def _numbers(values: Tensor, digits: int = 4) -> Any:
    """Return nested lists of rounded numbers; what is not finite is None."""

    def walk(item: Any) -> Any:
        return [walk(part) for part in item] if isinstance(item, list) else _number(item, digits)

    return walk(values.detach().cpu().double().tolist())


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)
