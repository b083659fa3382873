"""The stage `dlib`: HOG face finder and ensemble of regression trees (Kazemi and Sullivan 2014), both dlib's."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import numpy as np
from attrs import validators

from occface_core.errors import StageError, WeightsMissing
from occface_core.stages import LandmarkDetector
from occface_dlib.model_file import load_dlib, model_path
from occface_dlib.predict import STARTS, confidence, predict

if TYPE_CHECKING:
    from torch import Tensor

    from occface_core.types import Landmarks

#: Width in px of the smallest face that dlib's finder sees.
SMALLEST = 80


@attrs.define(kw_only=True)
class DlibLandmarks(LandmarkDetector):
    """Frontal faces by dlib's finder, then its 68-point predictor from several slightly different boxes.

    Works on the processor only; answers are put on the photo's device. Points are in iBUG order as they are.

    Attributes:
        model: path of a 68-point dlib shape predictor; None for the one in the package
            face-recognition-models.
        min_face: width in px of the smallest face looked for, at least 20. Half of it takes four times as long.
        scan_side: the photo is searched with its longer side at most this many px, at least 80.
        score_threshold: faces with a lower score of the finder are dropped; 0 is dlib's choice, lower finds
            more.
        starts: boxes from which each face's points are predicted, 1 to 9; the answer is their mean, and a
            point's confidence falls with their spread (one start: all confidences are 1).
        max_faces: at most so many faces, the best.
    """

    licence: ClassVar[str] = "Apache-2.0; dlib BSL-1.0; model trained on 300-W, research only"

    model: str | None = None
    min_face: int = attrs.field(default=40, validator=validators.ge(20))
    scan_side: int = attrs.field(default=1280, validator=validators.ge(SMALLEST))
    score_threshold: float = 0.0
    starts: int = attrs.field(default=5, validator=[validators.ge(1), validators.le(len(STARTS))])
    max_faces: int = attrs.field(default=32, validator=validators.ge(1))
    _dlib: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _finder: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _predictor: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    _sha256: str | None = attrs.field(default=None, init=False, repr=False, eq=False)

    def setup(self, device: str = "cpu") -> None:
        """Import dlib and read the model.

        Raises:
            PackageMissing: dlib or the package with the model is not installed.
            WeightsMissing: `model` is no file, or no shape predictor.
        """
        dlib = load_dlib()
        path = model_path(self.model)
        try:
            self._predictor = dlib.shape_predictor(str(path))
        except RuntimeError as error:
            raise WeightsMissing(f"{path} is no dlib shape predictor ({error}); unpack it again") from error
        self._dlib, self._finder = dlib, dlib.get_frontal_face_detector()

    def weights_sha256(self) -> str | None:
        """Return the hash of the model's file; None while there is none."""
        if self._sha256 is None:
            try:
                with model_path(self.model).open("rb") as file:
                    self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            except (ImportError, WeightsMissing):
                return None
        return self._sha256

    def run(self, photo: Tensor) -> Landmarks:
        """Find every frontal face.

        Args:
            photo: (1, 3, H, W) float32 RGB in [0, 1], any size.

        Returns:
            `Landmarks` in photo pixels, by the finder's score. `confidence` says how well the starts agree;
            it was not calibrated.

        Raises:
            StageError: `setup` was not called, or the model has another number of points than 68.
        """
        if self._predictor is None:
            raise StageError("DlibLandmarks.run was called before setup(device); call setup once first")
        from occface_core.types import Landmarks

        pixels = (photo[0] * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().contiguous().numpy()
        found = [
            predict(self._dlib, self._predictor, pixels, box, self.starts) for box in self._boxes(pixels)
        ]
        if not found:
            return Landmarks(points=photo.new_zeros(0, 68, 2), confidence=photo.new_zeros(0, 68))
        points = np.stack([each for each, _ in found])
        if points.shape[1] != 68:
            raise StageError(
                f"the model of the landmark detector 'dlib' has {points.shape[1]} points, not 68"
            )
        sure = confidence(np.stack([spread for _, spread in found]))
        return Landmarks(points=photo.new_tensor(points), confidence=photo.new_tensor(sure))

    def _boxes(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return boxes (4,) of faces in px of the photo, best first."""
        import cv2

        height, width = pixels.shape[:2]
        scale = min(SMALLEST / self.min_face, self.scan_side / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(pixels, size, interpolation=way)
        boxes, scores, _ = self._finder.run(small, 0, self.score_threshold)
        order = np.argsort(-np.asarray(scores), kind="stable")[: self.max_faces]
        ratio = np.array([width / size[0], height / size[1]] * 2)
        corners = [(boxes[i].left(), boxes[i].top(), boxes[i].right(), boxes[i].bottom()) for i in order]
        return [(np.array(corner) + 0.5) * ratio - 0.5 for corner in corners]
