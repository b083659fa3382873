"""The published ResNet-50 of Deng et al. 2019, in its public PyTorch form: 257 coefficients of the user's Basel model.

Facts used (state-dict names, the order of the heads, crop and camera) are those of the public release
Deep3DFaceRecon_pytorch; lengths there are in units of 100 mm, about the mean of the model's vertices.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from occface_core.errors import WeightsMissing
from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import NOMINAL_DISTANCE, rotation_from_angles
from occface_core.geometry.resample import resample
from occface_core.types import FaceShape
from occface_paper.shape.coefficients import split
from occface_paper.shape.trunks import ResNet

#: Heads of the network in the order of the checkpoint's ``final_layers``.
HEADS = {
    "identity": 80,
    "expression": 64,
    "albedo": 80,
    "angles": 3,
    "illumination": 27,
    "across": 2,
    "depth": 1,
}
#: Side of its crops, focal length and principal point, px; the picture's y runs up there, so the row is 223 - y.
SIDE, FOCAL, CENTRE = 224, 1015.0, (112.0, 111.0)
#: Size of a unit (100 mm) in its crops, px.
SCALE = 102.0
UNIT = 100.0
#: The five points of its alignment as means of the 68: eyes, nose tip, corners of the mouth.
FIVE = ((36, 39), (42, 45), (30,), (48,), (54,))


class Deep3DNetwork(nn.Module):
    """Crop (B, 3, 224, 224) RGB in [0, 1] -> (B, 257); modules are called as in the published checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet(50, spatial=False)
        self.final_layers = nn.ModuleList(
            nn.Conv2d(self.backbone.channels, size, 1) for size in HEADS.values()
        )

    def forward(self, crop: Tensor) -> Tensor:
        """(B, 3, 224, 224) -> (B, 257), the groups of `HEADS` in order."""
        feature = self.backbone(crop)[..., None, None]
        return torch.cat([head(feature) for head in self.final_layers], 1).flatten(1)


def load_deep3d(path: Path) -> Deep3DNetwork:
    """Read a checkpoint of the public release: a dict with ``net_recon``, or that state dict itself.

    Raises:
        WeightsMissing: there is no such file, or it is another network's.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise WeightsMissing(
            f"{path} is not a readable PyTorch checkpoint ({error}); give the .pth of the public "
            f"Deep3DFaceRecon_pytorch release"
        ) from error
    state = content.get("net_recon", content) if isinstance(content, dict) else {}
    state = {name.removeprefix("module."): value for name, value in state.items()}
    network = Deep3DNetwork()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsMissing(
            f"{path} does not hold the ResNet-50 of the public release: {str(error)[:300]}"
        ) from error
    return network.eval()


def crop_of(points: Tensor, model: FaceModel) -> Tensor:
    """Similarity (B, 3, 3) from crop pixels of the published network to pixels of the picture with these points.

    The five points are fitted by an affine camera to the model's; its scale becomes 102 px for 100 mm and its
    origin, the mean of the model's vertices, the middle of the crop. The picture is not turned.

    Args:
        points: (B, 68, 2) px.
        model: the Basel model.
    """
    mean = model.tensor("mean", points.device)
    marks = mean[model.tensor("landmarks68", points.device)]
    reference = five(marks - mean.mean(0)) / UNIT * points.new_tensor([1.0, -1.0, 1.0])
    design = torch.cat([reference, torch.ones_like(reference[:, :1])], 1).double()
    solved = torch.linalg.lstsq(design.expand(len(points), -1, -1), five(points).double()).solution
    scale = (solved[:, :3, 0].norm(dim=1) + solved[:, :3, 1].norm(dim=1)) / 2 / SCALE
    matrix = torch.eye(3, dtype=torch.float64, device=points.device).repeat(len(points), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = scale
    matrix[:, :2, 2] = solved[:, 3] - scale[:, None] * solved.new_tensor(CENTRE)
    return matrix.to(points)


def five(points: Tensor) -> Tensor:
    """(..., 68, D) -> (..., 5, D)."""
    return torch.stack([points[..., list(ids), :].mean(-2) for ids in FIVE], -2)


@torch.no_grad()
def deep3d_shape(network: Deep3DNetwork, model: FaceModel, image: Tensor, points: Tensor) -> FaceShape:
    """Estimate faces by the published network.

    Args:
        network: of the published release.
        model: the user's Basel model (`FaceModel.from_bfm2009`), 80 identity, 64 expression and 80 albedo components.
        image: (B, 3, S, S) RGB in [0, 1].
        points: (B, 68, 2) px.

    Returns:
        Shapes whose camera is the network's own crop, expressed in pixels of ``image``.
    """
    matrix = crop_of(points, model)
    crops = [resample(picture, each, SIDE, SIDE) for picture, each in zip(image, matrix, strict=True)]
    crop = torch.stack(crops) if crops else image.new_zeros(0, 3, SIDE, SIDE)
    found = split(network(crop), HEADS)
    rotation = rotation_from_angles(found["angles"])
    middle = model.tensor("mean", image.device).mean(0)
    moved = torch.cat([found["across"], found["depth"]], 1) * UNIT * image.new_tensor([1.0, -1.0, -1.0])
    translation = moved + image.new_tensor([0.0, 0.0, NOMINAL_DISTANCE]) - rotation @ middle
    camera = image.new_tensor([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
    parts = {name: found[name].contiguous() for name in ("identity", "expression", "albedo", "illumination")}
    return FaceShape(
        vertices=model.vertices(parts["identity"], parts["expression"]),
        coefficients=parts,
        rotation=rotation,
        translation=translation,
        intrinsics=matrix @ camera,
        model=model,
        size=int(image.shape[-1]),
    )
