"""How much of a face is hidden: in all, by part, by half, by landmark, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from occface_core.errors import RecordError
from occface_core.face_region import face_halves, face_parts
from occface_core.landmark_visibility import inside_photo, landmark_visibility
from occface_core.occlusion_words import in_words

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import FaceBatch, Landmarks, Matte

LANDMARK_STATES = ("seen", "guessed", "outside")
"""What a landmark is: seen in the photo, guessed behind an occluder, or beyond the photo's edge (guessed too);
the index is the code in `OcclusionReport.states`."""

SEEN, GUESSED, OUTSIDE = range(len(LANDMARK_STATES))

_LEAST_AREA, _LEAST_SHARE = 4.0, 0.1  # pixels, and share of a part; if less is shown, nothing is said of it


@attrs.define(frozen=True, kw_only=True, eq=False)
class OcclusionReport:
    """What is hidden of each face. Shares are of what lies in the photo; left and right are the person's.

    Attributes:
        fraction: (B,) hidden share of the face region; NaN where no part of it is in the photo.
        beyond: (B,) share of the face region that lies beyond the photo's edge.
        parts: name → (B,) hidden share of every part (`face_region.PARTS`); NaN where not in the photo.
        halves: "right_half" and "left_half" → (B,), the same.
        visible: (B, 68) in [0, 1]: how free of the matte the surroundings of each landmark are; 0 beyond the
            photo's edge.
        states: (B, 68) uint8, index into `LANDMARK_STATES`.
        confidence: (B, 68) in [0, 1], the detector's.
    """

    fraction: Tensor
    beyond: Tensor
    parts: Mapping[str, Tensor]
    halves: Mapping[str, Tensor]
    visible: Tensor
    states: Tensor
    confidence: Tensor

    def __len__(self) -> int:
        return int(self.fraction.shape[0])

    def landmarks(self, i: int, state: str) -> list[int]:
        """Return the numbers (0 to 67) of face `i`'s landmarks that are "seen", "guessed" or "outside".

        Raises:
            RecordError: there is no such state.
        """
        if state not in LANDMARK_STATES:
            raise RecordError(f"a landmark is one of {', '.join(LANDMARK_STATES)}, not '{state}'")
        return [k for k, code in enumerate(self.states[i].tolist()) if code == LANDMARK_STATES.index(state)]

    def summary(self, i: int) -> list[str]:
        """Return a few sentences about face `i`, for a person."""
        return in_words(
            _share(self.fraction[i]),
            {name: _share(value[i]) for name, value in self.parts.items()},
            guessed=self.landmarks(i, "guessed"),
            outside=self.landmarks(i, "outside"),
            beyond=_share(self.beyond[i]) or 0.0,
        )

    def as_dict(self, i: int) -> dict[str, Any]:
        """Return face `i` as plain data, ready for JSON; see `occlusion_report`."""
        return {
            "fraction": _share(self.fraction[i]),
            "beyond_photo": _share(self.beyond[i]),
            "parts": {name: _share(value[i]) for name, value in self.parts.items()},
            "halves": {name: _share(value[i]) for name, value in self.halves.items()},
            "landmarks_visible": [_share(value) for value in self.visible[i]],
            "landmarks_hidden": len(self.landmarks(i, "guessed")),
            "landmarks": {state: self.landmarks(i, state) for state in LANDMARK_STATES},
            "summary": self.summary(i),
        }


def report(
    matte: Matte, landmarks: Landmarks, *, covered: Tensor | None = None, inside: Tensor | None = None
) -> OcclusionReport:
    """Say what the matte hides of each face.

    Args:
        matte: of B faces, in crops of S pixels.
        landmarks: of the same faces, in pixels of the same crops.
        covered: (B, 1, S, S) 1 where the crop shows the photo, 0 beyond its edge; all 1 if None.
        inside: (B, 68) bool, whether a landmark lies in the photo; all do if None.

    Raises:
        RecordError: the records do not hold the same number of faces.
    """
    import torch

    if len(matte) != len(landmarks):
        raise RecordError(
            f"report: matte and landmarks must be of the same faces, got {len(matte)} and {len(landmarks)}"
        )
    points, size = landmarks.points, int(matte.alpha.shape[-1])
    shown = torch.ones_like(matte.face) if covered is None else covered
    visible = landmark_visibility(matte, points)
    states = (visible < 0.5).to(torch.uint8) * GUESSED
    if inside is not None:
        visible = visible * inside
        states = torch.where(inside, states, torch.full_like(states, OUTSIDE))
    whole = matte.face.sum((1, 2, 3)).clamp_min(1e-6)
    parts, halves = face_parts(points, size), face_halves(points, size, matte.face)
    return OcclusionReport(
        fraction=_hidden(matte.alpha, matte.face, shown),
        beyond=(1 - (matte.face * shown).sum((1, 2, 3)) / whole).clamp(0, 1),
        parts={name: _hidden(matte.alpha, region, shown) for name, region in parts.items()},
        halves={name: _hidden(matte.alpha, region, shown) for name, region in halves.items()},
        visible=visible,
        states=states,
        confidence=landmarks.confidence,
    )


def report_faces(faces: FaceBatch) -> OcclusionReport:
    """Say what is hidden of each face of a photo; `FaceBatch.occlusion` calls this.

    Raises:
        RecordError: the matte is not known.
    """
    if faces.matte is None:
        raise RecordError("occlusion_report needs a matte; run the occlusion_matting stage first")
    size = int(faces.matte.alpha.shape[-1])
    scale = size / int(faces.image.shape[-1])
    to_photo = faces.crop_to_photo
    inside = inside_photo(faces.landmarks.points, to_photo, faces.photo_size)
    covered = None
    if faces.photo_size is not None:
        from occface_core.geometry.align import photo_cover

        step, shift = 1 / scale, 0.5 / scale - 0.5
        matrix = to_photo.new_tensor([[step, 0, shift], [0, step, shift], [0, 0, 1]])
        covered = photo_cover(to_photo @ matrix, faces.photo_size, size)
    landmarks = attrs.evolve(faces.landmarks, points=(faces.landmarks.points + 0.5) * scale - 0.5)
    return report(faces.matte, landmarks, covered=covered, inside=inside)


def occlusion_report(faces: FaceBatch) -> dict[str, Any]:
    """Say what of one face is hidden.

    Args:
        faces: a batch of one face whose matte is known.

    Returns:
        Plain data, ready for JSON; shares are in [0, 1] and None where nothing of it is in the photo; left and
        right are the person's. "fraction": hidden share of the face region in the photo; "beyond_photo": share
        of the face region beyond the photo's edge; "parts" and "halves": hidden share of each;
        "landmarks_visible": 68 numbers in [0, 1]; "landmarks": which are "seen", "guessed" (behind something)
        and "outside" the photo; "landmarks_hidden": how many are guessed; "summary": sentences for a person.

    Raises:
        RecordError: not exactly one face, or no matte.
    """
    if len(faces) != 1:
        raise RecordError(f"occlusion_report takes one face, got {len(faces)}; take one with faces[i]")
    return report_faces(faces).as_dict(0)


def _hidden(alpha: Tensor, region: Tensor, shown: Tensor) -> Tensor:
    """Return (B,) the mean of alpha over what is shown of regions (B, 1, S, S), NaN where that is little."""
    weight = region * shown
    area, whole = weight.sum((1, 2, 3)), region.sum((1, 2, 3))
    share = ((alpha * weight).sum((1, 2, 3)) / area.clamp_min(1e-6)).clamp(0, 1)
    return share.masked_fill(area < (_LEAST_SHARE * whole).clamp_min(_LEAST_AREA), math.nan)


def _share(value: Tensor) -> float | None:
    number = float(value)
    return round(min(max(number, 0.0), 1.0), 4) if math.isfinite(number) else None
