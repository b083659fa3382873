from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from occface_core.errors import RecordError
from occface_core.geometry.mesh import Mesh

SQUARE = {"vertices": [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], "triangles": [[0, 1, 2], [0, 2, 3]]}


def test_arrays_lists_and_tensors_are_taken():
    mesh = Mesh(
        vertices=torch.tensor(SQUARE["vertices"], dtype=torch.float64, requires_grad=True),
        triangles=np.array(SQUARE["triangles"], np.int32),
        colours=[[0, 0.5, 1]] * 4,
    )
    assert mesh.vertices.dtype == np.float32 and mesh.triangles.dtype == np.int64
    assert mesh.colours.shape == (4, 3)
    assert repr(mesh) == "Mesh(4 vertices, 2 triangles, colours)"


def test_floating_point_texture_becomes_levels():
    mesh = Mesh(**SQUARE, uv=np.zeros((4, 2)), texture=np.array([[[0, 0.5, 1], [-1, 2, np.nan]]]))
    assert mesh.texture.dtype == np.uint8
    assert mesh.texture.tolist() == [[[0, 128, 255], [0, 255, 0]]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertices": np.zeros((4, 2))}, r"vertices must have shape \(V, 3\), got \(4, 2\)"),
        ({"triangles": [[0, 1, 4]]}, "vertices 0 to 3, got 0 to 4"),
        ({"triangles": [[0.0, 1, 2]]}, "whole numbers"),
        ({"vertices": np.full((4, 3), np.nan)}, "finite"),
        ({"uv": np.zeros((3, 2))}, r"uv must have shape \(V, 2\) or \(T, 3, 2\), got \(3, 2\)"),
        ({"texture": np.zeros((4, 4, 3), np.uint8)}, "needs Mesh.uv"),
        ({"uv": np.zeros((4, 2)), "texture": np.zeros((4, 4), np.uint8)}, "texture must have shape"),
        ({"uv": np.zeros((4, 2)), "texture": np.zeros((4, 4, 3), np.int32)}, "uint8"),
        ({"normals": np.zeros((2, 3))}, "normals must have shape"),
        ({"morph_targets": {"smile": np.zeros((2, 3))}}, "morph_targets"),
    ],
)
def test_wrong_fields_are_named(change, message):
    with pytest.raises(RecordError, match=message):
        Mesh(**{**SQUARE, **change})


def test_the_record_needs_neither_torch_nor_trimesh():
    code = (
        "import sys; from occface_core.geometry.mesh import Mesh; "
        "print([m for m in ('torch', 'trimesh', 'open3d', 'numba', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
