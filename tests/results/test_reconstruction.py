from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry import neighbours, subdivision
from occface_core.geometry.camera import to_camera
from occface_core.geometry.rasterise import rasterise
from occface_core.results.rendering import SIDES, render, sample_texture


def drawn(faces, mesh):
    """Return the mesh's texture as the crop's camera sees it (S, S, 3), and where it is seen."""
    shape = faces.shape
    camera = to_camera(torch.tensor(mesh.vertices)[None], shape.rotation, shape.translation)
    triangles = torch.tensor(mesh.triangles)
    fragments = rasterise(camera, shape.intrinsics, triangles, 256, 256)
    return sample_texture(mesh, fragments, triangles)[0].permute(1, 2, 0).numpy(), fragments.triangle[0] >= 0


def test_the_base_mesh_is_the_shape(result):
    mesh = result.faces.mesh(0, detailed=False)
    np.testing.assert_allclose(mesh.vertices, result.faces.shape.vertices[0].numpy(), atol=1e-5)
    np.testing.assert_array_equal(mesh.triangles, result.faces.shape.model.triangles)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
    forehead = result.faces.shape.model.regions["forehead"]
    assert mesh.normals[forehead, 2].mean() > 0.5


def test_the_detailed_mesh_is_raised_along_the_lines_of_sight(result):
    base, detailed = result.faces.mesh(0, detailed=False), result.faces.mesh(0)
    count = len(base.vertices)
    moved = np.linalg.norm(detailed.vertices[:count] - base.vertices, axis=1)
    assert moved.max() == pytest.approx(0.75, abs=1e-3)  # the bump map's height
    nose = result.faces.shape.model.landmarks68[30]
    assert moved[nose] == pytest.approx(0.75, abs=1e-3)
    camera = np.array([0, 0, 1000.0])  # of the nominal pose, in the face's frame
    before = np.linalg.norm(base.vertices[nose] - camera)
    assert before - np.linalg.norm(detailed.vertices[nose] - camera) == pytest.approx(0.75, abs=1e-3)
    back = base.vertices[:, 2] < -150
    assert moved[back].max() < 1e-3


def test_the_texture_shows_photo_where_seen_and_completed_face_where_hidden(result):
    face = result.faces[0]
    picture, covered = drawn(face, face.mesh(0, detailed=False))
    nose = picture[120:135, 118:138]
    assert np.abs(nose - face.image[0].permute(1, 2, 0).numpy()[120:135, 118:138]).mean() < 0.03
    hidden = (face.matte.alpha[0, 0] > 0.99) & covered
    chin = np.zeros_like(hidden.numpy())
    chin[165:185, 118:138] = True
    assert np.abs(picture[hidden.numpy() & chin] - [0.2, 0.8, 0.4]).mean() < 0.03


def test_a_face_that_is_hidden_all_over_has_finite_colours(result):
    face = result.faces[0]
    hidden = attrs.evolve(
        face, matte=attrs.evolve(face.matte, alpha=torch.ones_like(face.matte.alpha)), clean=None
    )
    assert hidden.mesh(0).texture.std() > 0


def test_without_detail_the_detailed_mesh_is_the_base(result):
    face = attrs.evolve(result.faces[0], detail=None)
    np.testing.assert_array_equal(face.mesh(0).vertices, face.mesh(0, detailed=False).vertices)


def test_a_bump_map_that_is_flat_leaves_the_base_as_smooth_as_it_is(result):
    detail = result.faces[0].detail
    face = attrs.evolve(result.faces[0], detail=attrs.evolve(detail, bump=torch.zeros_like(detail.bump)))
    base, fine = face.mesh(0, detailed=False), face.mesh(0)
    count = len(base.vertices)
    assert len(fine.vertices) > 3 * count
    np.testing.assert_allclose(fine.vertices[:count], base.vertices, atol=1e-3)
    np.testing.assert_allclose(fine.normals[:count], base.normals, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(fine.normals, axis=1), 1, atol=1e-4)
    shaded = [render(mesh, size=256).astype(int) for mesh in (base, fine)]
    assert np.percentile(abs(shaded[0] - shaded[1]), 99.9) <= 4  # flat pieces of the triangles: 10


def test_teeth_and_eyes_are_not_painted_with_the_colour_that_the_light_makes_up_for(result):
    """A grey photo: the light is blue where the model's skin is warm, so that skin comes out grey."""
    from occface_core.geometry.illumination import basis, light
    from occface_core.reconstruction import _in_light

    model = result.faces.shape.model
    albedo = model.albedo_colours(result.faces.shape.coefficients["albedo"])
    normals = torch.zeros_like(albedo)
    normals[..., 2] = 1
    skin = albedo[0, model.regions["nose"]].mean(0)
    even, response = light(normals, torch.zeros(1, 27))[0, 0, 0], basis(normals)[0, 0, 0]
    blue = torch.zeros(1, 3, 9)
    blue[0, :, 0] = (0.4 / skin - even) / response
    painted = _in_light(model, albedo, normals, blue.reshape(1, 27))[0]
    nose, teeth = (painted[model.regions[name]].mean(0) for name in ("nose", "teeth"))
    assert (nose - nose.mean()).abs().max() < 0.05
    assert (teeth - teeth.mean()).abs().max() < 0.05
    warm = _in_light(model, albedo, normals, torch.zeros(1, 27))[0]
    tongue = warm[model.regions["tongue"]].mean(0)
    assert tongue[0] > tongue[2] + 0.05  # in white light colours stay


def test_it_takes_one_face_with_a_shape(result):
    from occface_core.reconstruction import build_mesh

    with pytest.raises(RecordError, match="one face, got 2"):
        build_mesh(result.faces)
    with pytest.raises(RecordError, match="needs a shape"):
        attrs.evolve(result.faces[0], shape=None, detail=None).mesh(0)


def test_rendering_shows_the_face_from_the_side_that_is_asked(result):
    mesh = result.faces.mesh(0, detailed=False)
    front = render(mesh, size=128)
    assert front.shape == (128, 128, 3)
    assert (front[:3, :3] == round(0.97 * 255)).all()
    nose = np.where(result.faces.shape.model.regions["nose"][:, None], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    marked = attrs.evolve(mesh, uv=None, texture=None, colours=nose)
    column = {}
    for side, yaw in SIDES.items():
        picture = render(marked, yaw=yaw, size=128, surface="colours").astype(int)
        red = (picture[..., 0] > 60) & (picture[..., 2] < 40)
        column[side] = np.where(red)[1].mean()
    # Who stands on the left sees the face turned to the right.
    assert column["from the left"] > 75 > column["from the front"] > 53 > column["from the right"]


def test_the_compiled_parts_make_the_same_mesh(result, monkeypatch):
    """Edges split and colours spread by compiled code, and by torch and SuperLU."""
    fast = result.faces.mesh(0)
    for module in (neighbours, subdivision):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    slow = result.faces.mesh(0)
    np.testing.assert_array_equal(fast.triangles, slow.triangles)
    np.testing.assert_allclose(fast.vertices, slow.vertices, atol=1e-4)
    np.testing.assert_allclose(fast.normals, slow.normals, atol=1e-4)
    np.testing.assert_allclose(fast.uv, slow.uv, atol=1e-6)
    assert np.abs(fast.texture.astype(int) - slow.texture.astype(int)).max() <= 1
