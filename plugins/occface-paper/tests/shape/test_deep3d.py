"""The published ResNet-50 form: names and shapes of its checkpoint, and its camera said in ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from occface_core.errors import WeightsMissing
from occface_core.facemodel import FaceModel
from occface_core.geometry.align import mean_landmarks
from occface_core.types import Landmarks
from occface_paper.shape.deep3d import HEADS, Deep3DNetwork, crop_of, load_deep3d
from occface_paper.shape.stage import CoefficientNet
from occface_paper.weights import sha256_of

COUNT = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A Basel model's front in the published format with made components, and a checkpoint with made weights."""
    root = tmp_path_factory.mktemp("bfm")
    rng = np.random.default_rng(0)
    marks = mean_landmarks().numpy()
    mean = np.concatenate([marks, marks[17:39] + np.array([0, 3, -6])]) + np.array([0, 8.0, -20.0])

    def columns(number: int, size: float) -> np.ndarray:
        return rng.normal(size=(3 * COUNT, number)) * size

    triangles = np.array([[i, i + 1, 30] if k else [i + 1, i, 30] for i, k in ((i, 0) for i in range(27))])
    savemat(
        root / "BFM_model_front.mat",
        {
            "meanshape": mean.reshape(1, -1) / 100,
            "idBase": columns(80, 0.001),
            "exBase": columns(64, 0.001),
            "meantex": np.full((1, 3 * COUNT), 127.5),
            "texBase": columns(80, 1.0),
            "tri": triangles + 1,
            "keypoints": np.arange(1, 69)[None],
        },
    )
    torch.manual_seed(0)
    network = Deep3DNetwork()
    for head in network.final_layers:
        torch.nn.init.normal_(head.weight, std=0.003)
        torch.nn.init.normal_(head.bias, std=0.1)
    torch.save({"net_recon": network.state_dict()}, root / "epoch_20.pth")
    return root


@pytest.fixture(scope="module")
def stage(folder: Path) -> CoefficientNet:
    made = CoefficientNet(deep3d=str(folder / "epoch_20.pth"), bfm=str(folder))
    made.setup("cpu")
    return made


def test_names_and_shapes_are_the_releases():
    state = Deep3DNetwork().state_dict()
    assert state["backbone.conv1.weight"].shape == (64, 3, 7, 7)
    assert state["backbone.layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert state["backbone.layer1.0.downsample.1.running_mean"].shape == (256,)
    assert state["backbone.layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)
    assert state["backbone.layer3.5.bn2.num_batches_tracked"].shape == ()
    for index, size in enumerate((80, 64, 80, 3, 27, 2, 1)):
        assert state[f"final_layers.{index}.weight"].shape == (size, 2048, 1, 1)
        assert state[f"final_layers.{index}.bias"].shape == (size,)
    assert sum(HEADS.values()) == 257
    assert {name.split(".")[0] for name in state} == {"backbone", "final_layers"}


def points_of(batch: int = 1) -> torch.Tensor:
    marks = mean_landmarks().float()
    return (marks[:, :2] * torch.tensor([1.15, -1.15]) + torch.tensor([120.0, 131.0])).repeat(batch, 1, 1)


def test_it_runs_on_the_users_model(stage: CoefficientNet):
    image = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    shape = stage.run(image, Landmarks(points=points_of(2)))
    assert shape.model.name == "bfm2009" and shape.vertices.shape == (2, COUNT, 3)
    sizes = {name: value.shape[1] for name, value in shape.coefficients.items()}
    assert sizes == {"identity": 80, "expression": 64, "albedo": 80, "illumination": 27}
    assert not torch.equal(shape.vertices[0], shape.vertices[1])


def test_the_projection_is_the_releases(stage: CoefficientNet, folder: Path):
    """Vertices in 100 mm about their mean, p = R x + t, depth 10 - p_z, 1015 p / depth + 112 with y upwards."""
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    shape = stage.run(image, Landmarks(points=points_of()))
    model = FaceModel.from_bfm2009(folder)
    matrix = crop_of(points_of(), model)[0].double().numpy()
    local = (shape.vertices[0].double().numpy() - model.mean.mean(0)) / 100
    turn = np.diag([1.0, -1.0, -1.0]) @ shape.rotation[0].double().numpy()  # R of the release, y up
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
    move = shape.translation[0].double().numpy() + shape.rotation[0].double().numpy() @ model.mean.mean(0)
    move = np.array([move[0], -move[1], 1000 - move[2]]) / 100
    place = local @ turn.T + move
    across = 1015 * place[:, :2] / (10 - place[:, 2:]) + 112
    crop = np.stack([across[:, 0], 223 - across[:, 1], np.ones(COUNT)], 1)
    np.testing.assert_allclose(shape.project()[0].numpy(), (crop @ matrix.T)[:, :2], atol=0.02)


def test_the_crop_shows_a_unit_at_102_pixels(folder: Path):
    model = FaceModel.from_bfm2009(folder)
    points = points_of()
    matrix = crop_of(points, model)[0]
    # the made points are the model's at 1.15 px a mm: 100 mm are 115 px of the picture and 102 of the crop
    assert float(matrix[0, 0]) == pytest.approx(115 / 102, rel=1e-3)
    assert float(matrix[0, 1]) == 0
    centre = model.mean.mean(0)[:2] * (1.15, -1.15) + (120, 131)
    middle = matrix[:2, :2].numpy() @ (112.0, 111.0) + matrix[:2, 2].numpy()
    np.testing.assert_allclose(middle, centre, atol=0.05)


def test_no_face(stage: CoefficientNet):
    shape = stage.run(torch.zeros(0, 3, 256, 256), Landmarks(points=torch.zeros(0, 68, 2)))
    assert len(shape) == 0


def test_a_bare_state_dict_and_other_files(folder: Path, tmp_path: Path):
    state = torch.load(folder / "epoch_20.pth", weights_only=True)["net_recon"]
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "bare.pth")
    load_deep3d(tmp_path / "bare.pth")
    torch.save({"net_recon": {"fc.weight": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(WeightsMissing, match="does not hold"):
        load_deep3d(tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("nothing")
    with pytest.raises(WeightsMissing, match="not a readable"):
        load_deep3d(tmp_path / "text.pth")
    with pytest.raises(WeightsMissing, match="not a readable"):
        load_deep3d(tmp_path / "none.pth")


def test_checkpoint_and_model_go_together(stage: CoefficientNet, folder: Path):
    with pytest.raises(ValueError, match="go together"):
        CoefficientNet(deep3d=str(folder / "epoch_20.pth"))
    assert stage.weights_sha256() == sha256_of(folder / "epoch_20.pth")
