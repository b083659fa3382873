"""The stage `mobilenet_v3`: photo -> 68 landmarks of every face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs import validators

from occface_core.errors import StageError
from occface_core.stages import LandmarkDetector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from occface_core.types import Landmarks
    from occface_paper.faces.find import FoundFaces
    from occface_paper.landmarks.predict import Look

#: The finder's answers from this score up are looked at by the verifier, at most so many of a photo.
CANDIDATE, MAX_CANDIDATES = 0.2, 256
#: A face's logit: the finder's, plus these shares of the verifier's and of the points' mean confidence, plus a
#: constant. Chosen on the validation half of the photos, validation photos behind occluders, and drawn faces.
VERIFIER_SHARE, CONFIDENCE_SHARE, CONSTANT = 0.5, 1.0, -1.75
#: Name of the weights whose network gives the last looks.
REFINER = "heatmap"
#: The last network looks at most so often at a doubtful face before it answers: on 72 doubtful training crops, four
#: looks (9.4 % error) are worse than eight or nine (8.5 to 9.0), of which most faces need three.
LOOKS = 8
#: Candidates whose finder and verifier together stay below this logit get no landmarks.
HOPELESS = -1.5


def _largest_first(sides: Iterable[int]) -> tuple[int, ...]:
    given = tuple(sides)
    return tuple(sorted(given, reverse=True)) if all(isinstance(side, int) for side in given) else given


@attrs.define(kw_only=True)
class MobileNetV3Landmarks(LandmarkDetector):
    """Face finder, then the paper's MobileNetV3 landmark network (3.1, eq. 1), looked at twice.

    Attributes:
        score_threshold: faces with a lower score, the opinions of finder, verifier and landmark network
            together, are dropped; 0 to 1.
        max_faces: at most so many faces, the best.
        passes: how often each face is looked at; each pass after the first crops by the last one's points.
        mirrored: look at the mirrored crop too in each network's last look, and take the mean: 2 % less error,
            some 13 ms a face.
        careful: look at a doubtful face until its points stay where they are.
        refine: give two more looks to the `heatmap` network, which sees the crop finer and keeps what it sees in
            place. Off: the paper's network alone.
        scan_sides: longer sides in px at which the photo is searched, 32 or more each. A first side of 1280
            finds faces half as large as the default, at about three times the cost.
        weights: folder of `faces`, `verifier`, `landmarks` and `heatmap.safetensors`; None for the installed ones.
    """

    licence: ClassVar[str] = "Apache-2.0; weights trained on research-only photos, see the model card"
    head: ClassVar[str] = "landmarks"

    score_threshold: float = attrs.field(default=0.5, validator=[validators.ge(0.0), validators.le(1.0)])
    max_faces: int = attrs.field(default=32, validator=validators.ge(1))
    passes: int = attrs.field(default=2, validator=validators.ge(1))
    mirrored: bool = True
    careful: bool = True
    refine: bool = True
    scan_sides: tuple[int, ...] = attrs.field(
        default=(640, 320, 160),
        converter=_largest_first,
        validator=[
            validators.min_len(1),
            validators.deep_iterable(validators.and_(validators.instance_of(int), validators.ge(32))),
        ],
    )
    weights: str | None = None
    _finder: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _verifier: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _looks: tuple[Look, ...] = attrs.field(default=(), init=False, repr=False, eq=False)

    def setup(self, device: str = "cpu") -> None:
        """Read the networks' weights.

        Raises:
            WeightsMissing: a weights file is not there or not whole.
        """
        import torch

        from occface_paper.faces.network import FaceNetwork
        from occface_paper.faces.verifier import FaceVerifier
        from occface_paper.fuse import folded
        from occface_paper.landmarks.predict import Look
        from occface_paper.weights import load_weights, weights_path

        state, metadata = load_weights(weights_path("faces", self.weights))
        finder = FaceNetwork.of(metadata)
        finder.load_state_dict(state)
        state, metadata = load_weights(weights_path("verifier", self.weights))
        verifier = FaceVerifier(int(metadata.get("width", 16)))
        verifier.load_state_dict(state)
        self._looks = tuple(Look.of(name, self.weights, device) for name in self._heads())
        self._finder = folded(finder).to(device).to(memory_format=torch.channels_last)
        self._verifier = folded(verifier).to(device).to(memory_format=torch.channels_last)

    def _heads(self) -> tuple[str, ...]:
        """Names of the networks that answer for a crop: the first look's and, if another, the last one's."""
        return (self.head, REFINER) if self.refine and self.head != REFINER else (self.head,)

    def weights_sha256(self) -> str | None:
        """Return the hash of all networks' weights."""
        from occface_paper.weights import sha256_of, weights_path

        names = ("faces", "verifier", *self._heads())
        return sha256_of(*(weights_path(name, self.weights) for name in names))

    def find(self, photo: Tensor) -> FoundFaces:
        """Candidates of a photo (1, 3, H, W) with the finder's and the verifier's common score, before any landmark."""
        import torch

        from occface_paper.faces.find import FoundFaces, find_faces
        from occface_paper.faces.verifier import opinions

        with torch.inference_mode():
            faces = find_faces(
                self._finder,
                photo,
                score_threshold=CANDIDATE,
                scan_sides=self.scan_sides,
                max_faces=MAX_CANDIDATES,
            )
            logit = torch.logit(faces.scores, eps=1e-4)
            logit = logit + VERIFIER_SHARE * opinions(self._verifier, photo, faces)
        faces = FoundFaces(boxes=faces.boxes, points=faces.points, scores=logit.sigmoid())
        return faces[logit > HOPELESS]

    def run(self, photo: Tensor) -> Landmarks:
        """Find every face and its points.

        Args:
            photo: (1, 3, H, W) float32 RGB in [0, 1], any size from 1x1.

        Returns:
            `Landmarks` in photo pixels, best first: by score times the root of the face's size. `confidence`
            is the network's estimate of the chance that a point is within 10 % of the inter-ocular distance.

        Raises:
            StageError: `setup` was not called.
        """
        if not self._looks:
            raise StageError(
                "MobileNetV3Landmarks.run was called before setup(device); call setup once first"
            )
        return self.place(photo, self.find(photo))

    def place(self, photo: Tensor, faces: FoundFaces) -> Landmarks:
        """Points of those candidates of a photo (1, 3, H, W) that are faces, each once, best first."""
        import torch

        from occface_core.types import Landmarks
        from occface_paper.landmarks.predict import (
            DOUBTFUL,
            Halvings,
            distinct,
            last_looks,
            predict_landmarks,
        )

        if not len(faces):
            return Landmarks(points=photo.new_zeros(0, 68, 2), confidence=photo.new_zeros(0, 68))
        first, last, seen = self._looks[0], self._looks[-1], Halvings(photo)
        with torch.inference_mode():
            points, confidence = predict_landmarks(
                first, seen, faces, passes=self.passes, mirrored=self.mirrored
            )
            logit = torch.logit(faces.scores, eps=1e-4)
            logit = logit + CONFIDENCE_SHARE * torch.logit(confidence.mean(1), eps=1e-4) + CONSTANT
            extent = (points.amax(1) - points.amin(1)).clamp_min(1e-6).prod(1)
            order = (logit.sigmoid() * extent.pow(0.25)).argsort(descending=True)
            order = order[logit[order].sigmoid() >= self.score_threshold]
            kept = distinct(points[order].cpu().double().numpy())
            order = order[kept][: self.max_faces]
            points, confidence = points[order], confidence[order]
            doubtful = (confidence.mean(1) < DOUBTFUL) & self.careful
            again = (doubtful if last is first else torch.ones_like(doubtful)).nonzero()[:, 0]
            if len(again):
                looks = LOOKS if self.careful else 1
                points[again], confidence[again] = last_looks(
                    last, seen, points[again], looks=looks, mirrored=self.mirrored
                )
                kept = distinct(points.cpu().double().numpy())
                points, confidence = points[kept], confidence[kept]
        return Landmarks(points=points.clone(), confidence=confidence.clone())


@attrs.define(kw_only=True)
class HeatmapLandmarks(MobileNetV3Landmarks):
    """The same finder, then integral regression: each point is the mean of a heatmap (Sun et al. 2018).

    Attributes: as `MobileNetV3Landmarks`, but for `refine`, which has no effect; `weights` holds
        `heatmap.safetensors` instead of `landmarks`.
    """

    head: ClassVar[str] = REFINER
