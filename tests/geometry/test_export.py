from __future__ import annotations

import os

import numpy as np
import pytest
import trimesh

from occface_core.errors import OutputError
from occface_core.geometry.export import split_seams
from occface_core.geometry.mesh import Mesh

SUFFIXES = [".glb", ".obj", ".ply", ".stl"]


@pytest.fixture(scope="module")
def mesh(head):
    """Return the mean face with a texture whose red and green are its own coordinates."""
    steps = (np.arange(64) + 0.5) / 64
    right, up = np.meshgrid(steps, steps[::-1])
    texture = np.stack((right, up, np.full_like(up, 0.5)), -1)
    return Mesh(vertices=head["mean"], triangles=head["triangles"], uv=head["uv"], texture=texture)


@pytest.fixture(scope="module")
def written(mesh, tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    return {suffix: mesh.export(folder / f"face one{suffix}") for suffix in SUFFIXES}


def corners(vertices, triangles):
    return np.asarray(vertices)[np.asarray(triangles)]


def only_geometry(path):
    """Return the one mesh in a file as it stands there; joining scenes drops normals."""
    loaded = trimesh.load(path, process=False)
    return next(iter(loaded.geometry.values())) if isinstance(loaded, trimesh.Scene) else loaded


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_trimesh_reads_the_same_surface(written, mesh, suffix):
    again = trimesh.load(written[suffix], force="mesh", process=False)
    want = corners(mesh.vertices, mesh.triangles)
    assert np.allclose(corners(again.vertices, again.faces), want, atol=1e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_open3d_reads_the_same_surface(written, mesh, suffix, open3d):
    again = open3d.io.read_triangle_mesh(str(written[suffix]), True)
    want = corners(mesh.vertices, mesh.triangles)
    assert np.allclose(corners(again.vertices, again.triangles), want, atol=1e-3)
    if suffix == ".obj":
        assert again.has_triangle_uvs() and np.asarray(again.textures[0]).shape == (64, 64, 3)
    if suffix == ".ply":
        assert again.has_vertex_colors()


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_the_texture_lies_where_it_lay(written, mesh, suffix):
    """The texture's colours say their own coordinates: what is found at a vertex's place must be that place."""
    again = trimesh.load(written[suffix], force="mesh", process=False)
    material = again.visual.material
    picture = np.asarray(getattr(material, "baseColorTexture", None) or material.image)
    uv = again.visual.uv
    column = (uv[:, 0] * 64).astype(int).clip(0, 63)
    row = ((1 - uv[:, 1]) * 64).astype(int).clip(0, 63)
    assert np.abs(picture[row, column, :2] / 255 - uv).max() < 0.02
    assert np.allclose(uv[np.asarray(again.faces)], mesh.uv[mesh.triangles], atol=1e-4)


def test_ply_has_the_texture_at_its_vertices(written, mesh):
    again = trimesh.load(written[".ply"], process=False)
    colour = again.visual.vertex_colors[:, :2] / 255
    assert np.abs(colour - mesh.uv).max() < 0.02


def test_normals_are_written(mesh, written, tmp_path):
    given = Mesh(
        vertices=mesh.vertices,
        triangles=mesh.triangles,
        normals=np.tile([0, 0, 1.0], (len(mesh.vertices), 1)),
    )
    for suffix in (".glb", ".obj", ".ply"):
        again = only_geometry(given.export(tmp_path / f"n{suffix}"))
        assert np.allclose(again.vertex_normals, [0, 0, 1], atol=1e-4), suffix
        computed = only_geometry(written[suffix])
        assert np.allclose(np.linalg.norm(computed.vertex_normals, axis=1), 1, atol=1e-3)


def test_obj_comes_with_files_of_its_own_name(mesh, written, tmp_path):
    folder = written[".obj"].parent
    assert "mtllib face one.mtl" in written[".obj"].read_text() or "face one.mtl" in os.listdir(folder)
    assert (folder / "face one.png").exists()
    mesh.export(tmp_path / "a.obj")
    mesh.export(tmp_path / "b.obj")
    assert sorted(os.listdir(tmp_path)) == ["a.mtl", "a.obj", "a.png", "b.mtl", "b.obj", "b.png"]


def test_places_at_corners_double_the_vertices_of_a_seam(tmp_path):
    square = {"vertices": np.eye(4)[:, :3], "triangles": np.array([[0, 1, 2], [0, 2, 3]])}
    uv = np.array([[[0, 0], [1, 0], [1, 1]], [[0.5, 0], [1, 1], [0, 1]]])
    source, triangles, places = split_seams(square["triangles"], uv)
    assert sorted(source.tolist()) == [0, 0, 1, 2, 3]
    assert np.array_equal(source[triangles], square["triangles"])
    assert np.allclose(places[triangles], uv)
    mesh = Mesh(**square, uv=uv, texture=np.zeros((8, 8, 3), np.uint8))
    for suffix in SUFFIXES:
        again = trimesh.load(mesh.export(tmp_path / f"seam{suffix}"), force="mesh", process=False)
        assert np.allclose(corners(again.vertices, again.faces), corners(*square.values()))


def test_colours_alone_are_written(tmp_path):
    colours = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    mesh = Mesh(vertices=np.eye(3), triangles=[[0, 1, 2]], colours=colours)
    for suffix in (".glb", ".obj", ".ply"):
        again = trimesh.load(mesh.export(tmp_path / f"c{suffix}"), force="mesh", process=False)
        assert np.allclose(again.visual.vertex_colors[:, :3] / 255, colours), suffix


def test_folders_are_made_and_strings_are_paths(mesh, tmp_path):
    path = mesh.export(str(tmp_path / "new" / "folder" / "face.STL"))
    assert path.exists() and path.name == "face.STL"


def test_unknown_suffix_says_which_are_known(mesh, tmp_path):
    with pytest.raises(OutputError, match=r"\.glb, \.obj, \.ply or \.stl, not as '\.gltf'"):
        mesh.export(tmp_path / "face.gltf")
    with pytest.raises(OutputError, match=r"not as ''"):
        mesh.export(tmp_path / "face")


def test_a_folder_that_cannot_be_written_is_said(mesh, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        mesh.export(tmp_path / "file" / "face.stl")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said(mesh, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Choose a folder that you may write to"):
        mesh.export(tmp_path / "face.stl")
