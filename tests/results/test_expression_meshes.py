from __future__ import annotations

import json

import attrs
import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.expression_meshes import albedo_mesh, expression_mesh, without_light
from occface_core.facemodel import FaceModel
from occface_core.geometry.illumination import light
from occface_core.geometry.morph import read_glb
from occface_core.geometry.normals import to_viewer, vertex_normals
from occface_core.geometry.rasterise import interpolate
from occface_core.geometry.texture import texel_fragments
from occface_core.results import save

MODEL = FaceModel.embedded()


@pytest.fixture
def face(result):
    """One face with an open mouth under light from the side."""
    shape = result.faces[0].shape
    expression = torch.zeros(1, len(MODEL.expression))
    expression[0, MODEL.expression_names.index("jawOpen")] = 0.6
    lamp = torch.zeros(1, 27)
    lamp[:, [3, 12, 21]] = 0.2
    vertices = MODEL.vertices(shape.coefficients["identity"], expression)
    coefficients = {**shape.coefficients, "expression": expression, "illumination": lamp}
    shape = attrs.evolve(shape, vertices=vertices, coefficients=coefficients)
    return attrs.evolve(result.faces[0], shape=shape, detail=None)


def test_expressions_take_the_face_at_rest_to_what_was_seen(face) -> None:
    mesh = expression_mesh(face)
    assert tuple(mesh.morph_targets) == MODEL.expression_names and len(mesh.morph_targets) == 51
    rest = MODEL.vertices(face.shape.coefficients["identity"], None)[0].numpy()
    assert np.abs(mesh.vertices - rest).max() < 1e-3
    seen = mesh.vertices + sum(
        mesh.morph_weights[name] * mesh.morph_targets[name] for name in mesh.morph_targets
    )
    assert np.abs(seen - face.shape.vertices[0].numpy()).max() < 1e-3


def test_the_light_of_a_painted_texture_is_taken_out(face) -> None:
    shape = face.shape
    triangles = MODEL.tensor("triangles")
    normals = to_viewer(vertex_normals(shape.camera_vertices(), triangles, weld=MODEL.tensor("weld")))
    lit = light(normals, shape.coefficients["illumination"])
    texels = texel_fragments(MODEL.tensor("uv"), triangles, 128)
    shaded = 0.5 * interpolate(texels, triangles, lit)
    found = without_light(shaded, shape)
    bright = texels.mask[:, None] & (shaded > 0.2)
    assert (found[bright] - 0.5).abs().max() < 0.02
    assert (shaded[bright] - 0.5).abs().max() > 0.1
    assert albedo_mesh(face).texture.shape == (512, 512, 3)


def test_both_are_saved_when_asked_for(face, tmp_path) -> None:
    folder = save(face, tmp_path / "a", ("expressions", "albedo"))
    content, _ = read_glb((folder / "face_0" / "expressions.glb").read_bytes())
    mesh = content["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(MODEL.expression_names)
    assert len(mesh["primitives"][0]["targets"]) == 51 and max(mesh["weights"]) == pytest.approx(0.6)
    assert (folder / "face_0" / "albedo.glb").is_file() and not list(folder.rglob("*.expressions"))
    one = json.loads((folder / "faces.json").read_text())["faces"][0]
    points = np.array(one["landmarks_3d"])
    assert np.allclose(points, face.shape.vertices[0].numpy()[MODEL.landmarks68], atol=1e-3)
    plain = save(face, tmp_path / "b")
    assert not (plain / "face_0" / "expressions.glb").exists()


def test_more_than_one_face_is_told(result) -> None:
    for maker in (expression_mesh, albedo_mesh):
        with pytest.raises(RecordError, match="takes one face"):
            maker(result.faces[:0])
        with pytest.raises(RecordError, match="needs a shape"):
            maker(attrs.evolve(result.faces[0], shape=None, detail=None))
