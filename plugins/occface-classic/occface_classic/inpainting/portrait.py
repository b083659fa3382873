"""What a fitted face model looks like under the light of a photo: the picture that a hole is filled from."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from occface_classic.shape.appearance import fit_appearance, skin_vertices
from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import scale_intrinsics
from occface_core.geometry.illumination import light
from occface_core.geometry.normals import to_viewer, vertex_normals
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.types import FaceShape

_OVERSAMPLING = 2  # lids and the line between the lips are thinner than a pixel
_LIP_STRENGTH = 0.75  # the model's mean lips are made up; share of their difference from skin that is kept
_BROW_STRENGTH = 0.8  # the model's brows are those of dark hair
_WHITE, _LID_SHADOW = (
    0.75,
    0.88,
)  # lids shade the white of the eye, which a light without shadows does not know
_LIP_GAP = 0.45  # of the lips' colour, where closed lips of a model leave a slit
_DARKEST, _BRIGHTEST = 0.02, 1.0
_LEAST_LIGHT = 0.15  # of the light on the skin in view: a fit to little skin goes astray elsewhere
_MOST_LIGHT = 1.6
_LIGHT_HUE = 0.4  # share of the fitted light's change of hue over the face that is kept


@attrs.define(frozen=True, kw_only=True, eq=False)
class Portrait:
    """A drawn face.

    Attributes:
        colour: (S, S, 3) in [0, 1], 0 off the face.
        light: (S, S) brightness of the light that falls on each pixel's surface, 0 off the face.
        cover: (S, S) in [0, 1], share of the pixel that the face covers, without scalp.
        skin: (S, S) bool, bare skin: neither eyes, brows nor lips.
    """

    colour: NDArray[np.float32]
    light: NDArray[np.float32]
    cover: NDArray[np.float32]
    skin: NDArray[np.bool_]


def draw_portrait(image: Tensor, seen: Tensor, shape: FaceShape, *, closed: bool) -> Portrait:
    """Draw a fitted face in the light and with the skin colour of what is seen of it.

    Args:
        image: (1, 3, S, S) in [0, 1].
        seen: (1, 1, S, S) bool, pixels that show the face.
        shape: of one face.
        closed: whether to paint over the slit between closed lips.
    """
    model, size = shape.model, int(image.shape[-1])
    # black pixels are ignored by the fit of light and skin colour
    shape = fit_appearance(image * seen, shape)
    triangles = model.tensor("triangles")
    camera = shape.camera_vertices()
    normals = to_viewer(vertex_normals(camera, triangles, weld=model.tensor("weld")))
    lit = light(normals, shape.coefficients["illumination"])
    chosen = skin_vertices(model)
    typical = lit[:, chosen].clamp_min(1e-3).median(1, keepdim=True).values
    vivid = _saturation(model, shape, image, seen)
    change = (lit.maximum(_LEAST_LIGHT * typical).minimum(_MOST_LIGHT * typical) / typical).log()
    tone = change.mean(-1, keepdim=True)
    lit = typical * (tone + _LIGHT_HUE * vivid * (change - tone)).exp()
    albedo = _believable(model, shape, vivid, closed)
    bare = torch.zeros(len(model.mean))
    bare[torch.as_tensor(_bare(model))] = 1
    kept = torch.ones(len(model.mean))
    if "scalp" in model.regions:
        kept[torch.as_tensor(model.region("scalp"))] = 0
    layers = torch.cat(
        (albedo * lit, lit.mean(-1, keepdim=True), bare[None, :, None], kept[None, :, None]), -1
    )
    fine = size * _OVERSAMPLING
    fragments = rasterise(camera, scale_intrinsics(shape.intrinsics, _OVERSAMPLING), triangles, fine, fine)
    drawn = interpolate(fragments, triangles, layers)[0].permute(1, 2, 0).numpy()
    present = fragments.mask[0].numpy() & (drawn[..., 5] > 0.5)
    drawn = drawn * present[..., None]
    small = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(present.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    share = np.maximum(cover, 1e-6)[..., None]
    small = np.where(share > 1e-5, small / share, 0).astype(np.float32)
    return Portrait(
        colour=np.clip(small[..., :3], 0, 1),
        light=np.maximum(small[..., 3], 0),
        cover=cover.astype(np.float32),
        skin=(small[..., 4] > 0.9) & (cover > 0.99),
    )


def _bare(model: FaceModel) -> NDArray[np.bool_]:
    bare = model.region("face").copy()
    for name in ("lips", "eyeballs", "eyes", "brows", "interior", "mouth_cavity", "scalp", "ears", "neck"):
        if name in model.regions:
            bare &= ~model.regions[name]
    return bare


def _saturation(model: FaceModel, shape: FaceShape, image: Tensor, seen: Tensor) -> float:
    """Return how colourful the photo's skin is, against the model's: 0 for a grey photo, at most 1."""
    observed = image[0][:, seen[0, 0]]
    if not observed.shape[1]:
        return 1.0
    typical = observed.median(1).values.clamp_min(0.02).log()
    usual = model.albedo_colours(shape.coefficients["albedo"])[0, skin_vertices(model)]
    usual = usual.clamp(_DARKEST, _BRIGHTEST).mean(0).log()
    return float(((typical.max() - typical.min()) / (usual.max() - usual.min()).clamp_min(0.05)).clamp(0, 1))


def _believable(model: FaceModel, shape: FaceShape, vivid: float, closed: bool) -> Tensor:
    """Return (1, V, 3) albedo whose features are as colourful as the photo's skin.

    A grey photo has grey lips: how far features differ from skin in hue is scaled by `vivid`.
    """
    albedo = model.albedo_colours(shape.coefficients["albedo"]).clamp(_DARKEST, _BRIGHTEST)
    skin = albedo[:, skin_vertices(model)].mean(1, keepdim=True)
    difference = (albedo / skin).log()
    tone = difference.mean(-1, keepdim=True)
    difference = tone + vivid * (difference - tone)
    if "brows" in model.regions:
        difference[:, torch.as_tensor(model.region("brows"))] *= _BROW_STRENGTH
    if "lips" in model.regions:
        lips = torch.as_tensor(model.region("lips"))
        difference[:, lips] *= _LIP_STRENGTH
        if closed and "interior" in model.regions:
            inside = torch.as_tensor(model.region("interior"))
            corners = model.tensor("triangles")
            # the rims of the lips, which touch: the dark line between them
            meeting = corners[(inside[corners].any(1)) & (lips[corners].any(1))]
            inside = inside.index_fill(0, meeting.flatten(), True)
            difference[:, inside] = difference[:, lips].mean(1, keepdim=True) + float(np.log(_LIP_GAP))
    if "eyeballs" in model.regions:
        eyes = torch.as_tensor(model.region("eyeballs"))
        ball = difference[:, eyes]
        difference[:, eyes] = torch.where(ball > 0, _WHITE * ball, ball) + float(np.log(_LID_SHADOW))
    return (skin * difference.exp()).clamp(_DARKEST, _BRIGHTEST)
