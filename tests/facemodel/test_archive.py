from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from occface_core.errors import FaceModelError, RecordError
from occface_core.facemodel import FaceModel


def small_model() -> FaceModel:
    generator = np.random.default_rng(0)
    count = 70
    return FaceModel(
        name="small",
        licence="CC0-1.0",
        mean=generator.normal(size=(count, 3)).astype(np.float32),
        identity=generator.normal(size=(4, count, 3)).astype(np.float32),
        expression=generator.normal(size=(2, count, 3)).astype(np.float32),
        albedo_mean=np.full((count, 3), 0.5, np.float32),
        albedo=np.zeros((0, count, 3), np.float32),
        triangles=generator.integers(0, count, (9, 3)),
        uv=generator.uniform(size=(count, 2)).astype(np.float32),
        landmarks68=np.arange(68),
        regions={"face": np.arange(count) < 60, "lips": np.arange(count) > 60},
        expression_names=("open", "shut"),
        expression_std=np.ones(2, np.float32),
        weld=np.arange(count),
    )


def test_round_trip(tmp_path: Path) -> None:
    model = small_model()
    model.save(tmp_path / "small.npz")
    again = FaceModel.load(tmp_path / "small.npz")
    for field in attrs.fields(FaceModel):
        if field.name.startswith("_"):
            continue
        old, new = getattr(model, field.name), getattr(again, field.name)
        if isinstance(old, np.ndarray):
            np.testing.assert_array_equal(old, new)
            assert old.dtype == new.dtype, field.name
        elif isinstance(old, dict):
            assert list(old) == list(new)
            for name in old:
                np.testing.assert_array_equal(old[name], new[name])
        else:
            assert old == new, field.name


def test_embedded_round_trip(tmp_path: Path) -> None:
    model = FaceModel.embedded()
    model.save(tmp_path / "model.npz")
    again = FaceModel.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.identity, model.identity)
    np.testing.assert_array_equal(again.region("jaw"), model.region("jaw"))
    assert again.expression_names == model.expression_names


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(FaceModelError, match="no face model at"):
        FaceModel.load(tmp_path / "none.npz")
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(FaceModelError, match="not a readable"):
        FaceModel.load(broken)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(FaceModelError, match="format 'nothing'"):
        FaceModel.load(tmp_path / "other.npz")
    np.savez(tmp_path / "half.npz", format=np.array("occface face model, 1"))
    with pytest.raises(FaceModelError, match="lacks"):
        FaceModel.load(tmp_path / "half.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uv": np.zeros((3, 2), np.float32)}, r"FaceModel.uv must have shape \(70, 2\), got \(3, 2\)"),
        ({"landmarks68": np.full(68, 70)}, "FaceModel.landmarks68 names vertices outside 0 … 69"),
        ({"regions": {"face": np.zeros(70)}}, r"FaceModel.regions\['face'\] must be bool"),
        ({"expression_names": ("open",)}, "FaceModel.expression must have shape"),
    ],
)
def test_shapes_are_checked(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        attrs.evolve(small_model(), **change)


def test_a_field_the_model_lacks() -> None:
    with pytest.raises(FaceModelError, match="has no contour"):
        small_model().tensor("contour")
