from __future__ import annotations

import numpy as np
import pytest
import trimesh

from occface_core.errors import OutputError, RecordError
from occface_core.geometry.mesh import Mesh
from occface_core.geometry.morph import add_morph_targets, read_glb


def sheet(**extra) -> Mesh:
    """Four vertices, two triangles, textured."""
    return Mesh(
        vertices=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]),
        triangles=np.array([[0, 1, 2], [1, 3, 2]]),
        uv=extra.pop("uv", np.array([[0, 0], [1, 0], [0, 1], [1, 1.0]])),
        texture=np.zeros((8, 8, 3), np.uint8),
        **extra,
    )


def offsets() -> dict[str, np.ndarray]:
    up, none = np.zeros((4, 3)), np.zeros((4, 3))
    up[3] = [0, 0.5, 2]
    return {"jawOpen": up, "still": none}


def targets_of(path) -> tuple[list[np.ndarray], dict, dict]:
    """Read the targets of a file as a viewer does, from its JSON and its binary chunk alone."""
    content, binary = read_glb(path.read_bytes())
    mesh = content["meshes"][0]

    def view(number, dtype):
        place = content["bufferViews"][number]
        start = place.get("byteOffset", 0)
        return np.frombuffer(binary[start : start + place["byteLength"]], dtype)

    out = []
    for target in mesh["primitives"][0]["targets"]:
        accessor = content["accessors"][target["POSITION"]]
        assert accessor["componentType"] == 5126 and accessor["type"] == "VEC3"
        sparse, dense = accessor["sparse"], np.zeros((accessor["count"], 3), np.float32)
        ids = view(sparse["indices"]["bufferView"], "<u4")
        assert len(ids) == sparse["count"] and (np.diff(ids.astype(int)) > 0).all()
        dense[ids] = view(sparse["values"]["bufferView"], "<f4").reshape(-1, 3)
        assert np.allclose(accessor["min"], dense.min(0)) and np.allclose(accessor["max"], dense.max(0))
        out.append(dense)
    assert all(place.get("byteOffset", 0) % 4 == 0 for place in content["bufferViews"])
    assert content["buffers"][0]["byteLength"] <= len(binary)
    return out, mesh, content


def test_targets_are_read_back_from_the_file(tmp_path) -> None:
    path = sheet(morph_targets=offsets(), morph_weights={"jawOpen": 0.25}).export(tmp_path / "a.glb")
    found, mesh, _ = targets_of(path)
    assert mesh["extras"]["targetNames"] == ["jawOpen", "still"] and mesh["weights"] == [0.25, 0.0]
    for given, read in zip(offsets().values(), found, strict=True):
        assert np.allclose(given, read)
    plain = trimesh.load(path, force="mesh", process=False)
    assert np.allclose(plain.vertices, sheet().vertices)
    assert plain.visual.material.baseColorTexture.size == (8, 8)


def test_vertices_that_seams_double_move_together(tmp_path) -> None:
    corners = np.array([[[0, 0], [1, 0], [0, 1]], [[0.1, 0], [1, 1], [0.2, 1]]])
    path = sheet(uv=corners, morph_targets=offsets()).export(tmp_path / "a.glb")
    found, _, content = targets_of(path)
    count = content["accessors"][content["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]["count"]
    assert count == 6 and len(found[0]) == 6
    places = trimesh.load(path, force="mesh", process=False).vertices
    assert np.allclose(found[0][np.isclose(places, [1, 1, 0]).all(1)], [0, 0.5, 2])
    assert np.count_nonzero(found[0].any(1)) == 1


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(RecordError, match="no morph target"):
        sheet(morph_targets=offsets(), morph_weights={"smile": 1.0})
    with pytest.raises(OutputError, match="not a binary glTF"):
        add_morph_targets(b"no file at all, far from it", {})


def test_a_target_of_another_size_is_told(tmp_path) -> None:
    path = sheet().export(tmp_path / "a.glb")
    with pytest.raises(OutputError, match=r"shape \(4, 3\)"):
        add_morph_targets(path.read_bytes(), {"wide": np.zeros((5, 3), np.float32)})
