from __future__ import annotations

from types import SimpleNamespace

import attrs
import numpy as np
import pytest
import torch

from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import intrinsics
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.photo import read_photo
from occface_core.pipeline import Pipeline
from occface_core.stages import DetailRecoverer, FaceInpainter, OcclusionMatting
from occface_core.types import FaceDetail, Matte

SIZE = 256
HIDDEN_FROM_ROW = 150


@attrs.define(kw_only=True)
class LowerFace(OcclusionMatting):
    def run(self, image, landmarks):
        from occface_core.face_region import face_region

        region = face_region(landmarks.points, image.shape[-1])
        below = torch.zeros_like(region)
        below[:, :, HIDDEN_FROM_ROW:] = 1
        return Matte(alpha=below * (region > 0.5), face=region)


@attrs.define(kw_only=True)
class Paint(FaceInpainter):
    def run(self, image, matte, landmarks):
        colour = image.new_tensor([0.2, 0.8, 0.4]).reshape(1, 3, 1, 1)
        return image * (1 - matte.alpha) + colour * matte.alpha


@attrs.define(kw_only=True)
class Raised(DetailRecoverer):
    height: float = 0.75

    def run(self, clean, shape, matte):
        bump = clean.new_full((len(clean), 1, *clean.shape[-2:]), self.height)
        return FaceDetail(bump=bump, shape=shape)


def draw_mean_face() -> tuple[np.ndarray, np.ndarray]:
    """Return the mean face at the nominal pose as a photo (256, 256, 3), and its landmarks (68, 2)."""
    model = FaceModel.embedded()
    camera = torch.tensor(model.mean)[None] * torch.tensor([1.0, -1.0, -1.0]) + torch.tensor([0, 0, 1000.0])
    triangles = torch.tensor(model.triangles)
    fragments = rasterise(camera, intrinsics(SIZE), triangles, SIZE, SIZE)
    colours = interpolate(fragments, triangles, torch.tensor(model.albedo_mean)[None])
    picture = torch.where((fragments.triangle >= 0)[:, None], colours, 0.5)[0].permute(1, 2, 0)
    projected = camera[0] @ intrinsics(SIZE).T
    points = (projected[:, :2] / projected[:, 2:])[model.landmarks68]
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).numpy(), points.numpy()


@pytest.fixture(scope="session")
def result():
    photo, points = draw_mean_face()
    photo = read_photo(photo)
    pipeline = Pipeline.from_config(
        {
            "landmark_detector": "none",
            "occlusion_matting": LowerFace,
            "face_inpainter": Paint,
            "shape_regressor": "none",
            "detail_recoverer": Raised,
            "hooks": ["timing"],
        }
    )
    faces = pipeline(photo, given={"landmarks": np.stack([points, points + np.float32([12, -4])])})
    return SimpleNamespace(photo=photo, points=points, faces=faces, configuration=pipeline.to_config())


@pytest.fixture(scope="session")
def saved(result, tmp_path_factory):
    from occface_core.results import save

    return save(
        result.faces,
        tmp_path_factory.mktemp("results") / "portrait",
        formats=("glb", "obj", "ply", "stl"),
        photo=result.photo,
        reference=result.photo,
        source="portrait.jpg",
        configuration=result.configuration,
        seconds=1.5,
    )
