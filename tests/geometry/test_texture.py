from __future__ import annotations

import pytest
import torch

from occface_core.geometry.camera import intrinsics
from occface_core.geometry.illumination import shade
from occface_core.geometry.normals import to_viewer, vertex_normals
from occface_core.geometry.rasterise import interpolate, rasterise
from occface_core.geometry.texture import (
    COMPLETED,
    MIRRORED,
    NOTHING,
    PRIOR,
    SEEN,
    bake_texture,
    fill_outside,
    texel_fragments,
)


@pytest.fixture(scope="module")
def turned_face(head, view):
    """Return a shaded face turned by half a radian, its picture, and what baking needs."""
    vertices = view(head["mean"], 0.0, 0.5)
    normals = to_viewer(vertex_normals(vertices, head["triangles"], weld=head["weld"]))
    light = torch.zeros(1, 27)
    light[0, [2, 11, 20]] = 0.2
    colours = shade(head["albedo_mean"][None], normals, light).clamp(0, 1)
    k = intrinsics(256)[None]
    fragments = rasterise(vertices, k, head["triangles"], 256, 256)
    drawn = interpolate(fragments, head["triangles"], colours)
    image = torch.where(fragments.mask[:, None], drawn, torch.tensor([0.0, 0, 1])[:, None, None])
    return {
        "image": image,
        "vertices": vertices,
        "triangles": head["triangles"],
        "intrinsics": k,
        "uv": head["uv"],
        "prior": colours,
        "mirror": head["mirror"],
        "weld": head["weld"],
        "size": 256,
    }


def difference(texture, face, head):
    """Return (N, N) largest colour difference to the true texture, and the texels in charts."""
    texels = texel_fragments(head["uv"], head["triangles"], face["size"])
    truth = interpolate(texels, head["triangles"], face["prior"])
    return (texture.picture - truth).abs().amax(1)[0], texels.mask[0]


def test_texels_lie_where_uv_says(head):
    """Interpolating uv itself over the texels must give each texel's own place."""
    texels = texel_fragments(head["uv"], head["triangles"], 128)
    place = interpolate(texels, head["triangles"], head["uv"])[0]
    step = (torch.arange(128) + 0.5) / 128
    inside = texels.mask[0]
    assert (place[0] - step[None]).abs()[inside].max() < 1e-3
    assert (place[1] - step.flip(0)[:, None]).abs()[inside].max() < 1e-3


def test_texture_is_the_truth_where_photo_and_model_agree(turned_face, head):
    texture = bake_texture(**turned_face)
    error, inside = difference(texture, turned_face, head)
    assert error[inside].median() < 0.01
    assert error[inside].quantile(0.99) < 0.08
    codes = set(texture.provenance.unique().tolist())
    assert codes == {SEEN, MIRRORED, PRIOR, NOTHING}
    assert (texture.provenance[0] == NOTHING).equal(~inside)


def test_a_tint_of_the_photo_spreads_without_a_seam(turned_face, head):
    """The photo is redder than the model by a constant: so must be the whole skin, seen or not."""
    tint = torch.tensor([0.08, -0.05, -0.05])
    face = {**turned_face, "image": turned_face["image"] + tint[:, None, None]}
    texture = bake_texture(**face)
    texels = texel_fragments(head["uv"], head["triangles"], 256)
    expected = interpolate(texels, head["triangles"], (face["prior"] + tint).clamp(0, 1))
    error = (texture.picture - expected).abs().amax(1)[0]
    for code in (SEEN, MIRRORED):
        assert error[texture.provenance[0] == code].quantile(0.95) < 0.03


def test_hidden_skin_comes_from_the_completed_face(turned_face, head):
    matte = torch.zeros(1, 1, 256, 256)
    matte[..., 140:200, 60:200] = 1
    covered = turned_face["image"] * (1 - matte)
    face = {**turned_face, "image": covered}
    texture = bake_texture(**face, clean=turned_face["image"], matte=matte)
    assert (texture.provenance == COMPLETED).sum() > 500
    error, inside = difference(texture, face, head)
    assert error[inside].quantile(0.99) < 0.08
    assert (texture.vertex_provenance == COMPLETED).any()


def test_without_a_completed_face_the_occluder_is_not_painted(turned_face, head):
    matte = torch.zeros(1, 1, 256, 256)
    matte[..., 140:200, 60:200] = 1
    covered = torch.where(matte > 0, torch.tensor([0.0, 1, 0])[:, None, None], turned_face["image"])
    texture = bake_texture(**{**turned_face, "image": covered}, matte=matte)
    assert not (texture.provenance == COMPLETED).any()
    error, inside = difference(texture, turned_face, head)
    assert error[inside].quantile(0.97) < 0.12


def test_background_is_not_painted(turned_face):
    """The blue behind the head must not be found on its side."""
    picture = bake_texture(**turned_face).picture[0]
    assert (picture[2] - picture[0]).max() < 0.4


def test_what_lies_beyond_the_photo_is_not_painted(turned_face, head):
    """The photo ends above the brows; what repeats its edge there must not count as seen."""
    covered = torch.ones(1, 1, 256, 256)
    covered[:, :, :70] = 0
    image = torch.where(covered > 0, turned_face["image"], torch.tensor([0.0, 1, 0])[:, None, None])
    texture = bake_texture(**{**turned_face, "image": image}, covered=covered)
    error, inside = difference(texture, turned_face, head)
    assert error[inside].quantile(0.98) < 0.1
    top = head["mean"][:, 1] > 60
    assert not (texture.vertex_provenance[0][top] == SEEN).any()


def test_inside_of_the_mouth_keeps_its_colours_to_itself(head, view):
    """A white patch where an open mouth shows teeth: painted there, and without a trace on hidden parts."""
    import numpy as np

    from occface_core.facemodel import FaceModel

    model = FaceModel.embedded()
    inner = torch.tensor(np.array(model.regions["interior"]))
    jaw = model.expression_names.index("jawOpen")
    opened = torch.zeros(1, len(model.expression_names))
    opened[0, jaw] = 1.0
    points = torch.as_tensor(model.vertices(torch.zeros(1, model.identity.shape[0]), opened))[0]
    vertices = view(points)
    k = intrinsics(256)[None]
    fragments = rasterise(vertices, k, head["triangles"], 256, 256)
    prior = head["albedo_mean"][None]
    image = interpolate(fragments, head["triangles"], prior)
    drawn = interpolate(fragments, head["triangles"], inner[:, None].float())
    image = torch.where(drawn > 0.99, 1.0, image)
    face = {"vertices": vertices, "triangles": head["triangles"], "intrinsics": k, "uv": head["uv"]}
    texture = bake_texture(image, **face, prior=prior, weld=head["weld"], inner=inner, size=256)
    assert (texture.vertex_provenance[0][inner] == SEEN).sum() > 20
    texels = texel_fragments(head["uv"], head["triangles"], 256)
    truth = interpolate(texels, head["triangles"], prior)
    error = (texture.picture - truth).abs().amax(1)[0]
    hidden = (texture.provenance[0] == PRIOR) & texels.mask[0]
    assert error[hidden].quantile(0.98) < 0.1


def test_clothes_are_not_painted_on_an_untrusted_neck(turned_face, head):
    """A green collar in front of the neck stays out of the texture; a tint of all skin does not count as one."""
    trust = (head["mean"][:, 1] > -75).float()
    rows = torch.arange(256)[:, None]
    collar = torch.where(
        rows > 225, torch.tensor([0.0, 0.9, 0])[:, None, None], turned_face["image"][0] + 0.1
    )
    face = {**turned_face, "image": collar[None].clamp(0, 1)}
    area = []
    for given in (None, trust):
        picture = bake_texture(**face, trust=given).picture[0]
        area.append(((picture[1] - picture[0]) > 0.25).float().mean())
    assert area[0] > 0.03 and area[1] < 0.1 * area[0]


def test_each_face_of_a_batch_is_painted_alone(turned_face):
    face = {**turned_face}
    other = turned_face["image"].flip(1)
    for name in ("vertices", "prior", "intrinsics"):
        face[name] = torch.cat((turned_face[name],) * 2)
    both = bake_texture(**{**face, "image": torch.cat((turned_face["image"], other))})
    alone = bake_texture(**{**turned_face, "image": other})
    assert torch.allclose(both.picture[1], alone.picture[0], atol=1e-5)
    assert not torch.allclose(both.picture[0], both.picture[1], atol=0.05)


def test_filling_keeps_the_inside_and_stays_in_its_range():
    picture = torch.rand(2, 3, 37, 37, generator=torch.manual_seed(0)) * 0.5 + 0.25
    inside = torch.zeros(1, 1, 37, 37, dtype=torch.bool)
    inside[..., 10:20, 5:9] = True
    filled = fill_outside(picture, inside)
    assert torch.equal(filled[..., 10:20, 5:9], picture[..., 10:20, 5:9])
    assert filled.min() >= 0.25 - 1e-6 and filled.max() <= 0.75 + 1e-6
    constant = fill_outside(torch.full((1, 1, 16, 16), 0.3), inside[..., 4:20, :16])
    assert torch.allclose(constant, torch.full_like(constant, 0.3))
    assert (fill_outside(picture, inside & False) == 0).all()
