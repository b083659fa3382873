"""Meshes and views that the geometry tests share."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
import trimesh

from occface_core.geometry.camera import intrinsics, rotation_from_angles, to_camera

SEMI_AXES = (70.0, 95.0, 80.0)


@pytest.fixture(scope="session")
def open3d():
    """Return open3d, or skip: it is an extra, and minimal systems lack the libraries that it loads."""
    try:
        return importlib.import_module("open3d")
    except (ImportError, OSError) as error:
        pytest.skip(f"open3d cannot be imported here: {error}")


@pytest.fixture(scope="session")
def camera_matrix():
    return intrinsics(256)


@pytest.fixture(scope="session")
def ellipsoid():
    """Return vertices (V, 3) mm in the face's frame and triangles (T, 3) of a head-sized ellipsoid."""
    ball = trimesh.creation.icosphere(subdivisions=5)
    vertices = torch.tensor(np.array(ball.vertices) * SEMI_AXES, dtype=torch.float64)
    return vertices, torch.tensor(np.array(ball.faces), dtype=torch.int64)


@pytest.fixture(scope="session")
def head():
    """Return the embedded face model as tensors: vertices, triangles, uv, mirror, weld, albedo."""
    from occface_core.facemodel import FaceModel

    model = FaceModel.embedded()
    names = ("mean", "triangles", "uv", "mirror", "weld", "albedo_mean")
    return {name: torch.tensor(np.array(getattr(model, name))) for name in names}


@pytest.fixture(scope="session")
def view():
    """Return a function that brings face points (V, 3) before the camera: (1, V, 3)."""

    def look(vertices, pitch=0.0, yaw=0.0, roll=0.0, shift=(0.0, 0.0, 1000.0)):
        rotation = rotation_from_angles(vertices.new_tensor([[pitch, yaw, roll]]))
        return to_camera(vertices[None], rotation, vertices.new_tensor([shift]))

    return look
