"""Every stage and the generator on a GPU: on a real one where there is one, else on one that is pretended.

The pretended GPU (pretend_gpu.py) finds code that would fail on a real one; only a real one shows its rounding.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pretend_gpu import PretendTensor, pretended_gpu

from occface_core import STAGES, Pipeline, Registry
from occface_core.errors import PackageMissing
from occface_core.synthetic import SynthOptions, generate_batch
from occface_core.testing.inputs import everyday
from occface_core.testing.subject import Subject, tensors

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: none is present")
NONE_HERE = pytest.mark.skipif(
    torch.cuda.is_available(), reason="a real GPU is present; it is tested instead"
)
STAGE_PLUGINS = [(entry.kind, entry.name) for kind in STAGES for entry in Registry().entries(kind)]
NEEDS_A_FILE = {("face_inpainter", "lama")}
#: How far answers of the two devices may lie apart: a median, since a threshold may fall to the other side.
ROUNDING = 2e-3


def run(kind: str, name: str, device: str):
    """Return the tensors of a plugin's answer on a device, by path."""
    subject = Subject(Registry().get(kind, name))
    try:
        stage = subject.ready(device)
    except PackageMissing as error:
        pytest.skip(str(error))
    return dict(tensors(subject.run(everyday(kind, device), stage)))


def test_the_pretended_gpu_refuses_what_cuda_refuses():
    with pretended_gpu() as put:
        there, here = put(torch.ones(3)), torch.ones(3)
        assert there.is_cuda and (there + 1).is_cuda and not there.cpu().is_cuda
        assert torch.zeros(2, device="cuda").device == torch.device("cuda:0")
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(RuntimeError, match="indices"):
            here[there.long()]
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        with pytest.raises(TypeError, match="numpy"):
            np.asarray(there)
        layer = torch.nn.Linear(3, 2)
        with pytest.raises(RuntimeError, match="same device"):
            layer(there)
        assert layer.to("cuda")(there).is_cuda


@NONE_HERE
@pytest.mark.parametrize(("kind", "name"), STAGE_PLUGINS)
def test_a_stage_keeps_to_the_device(kind, name):
    if (kind, name) in NEEDS_A_FILE:
        pytest.skip("needs a network of the user's own")
    here = run(kind, name, "cpu")
    with pretended_gpu():
        there = run(kind, name, "cuda")
        for path, value in there.items():
            assert isinstance(value, PretendTensor), f"{path} is not on the GPU"
            same = np.nanmedian((value.cpu().double() - here[path].double()).abs()) if value.numel() else 0
            assert same < ROUNDING, path
    assert set(here) == set(there)


@NONE_HERE
def test_the_generator_keeps_to_the_device():
    options = SynthOptions(size=64, occluded=1)
    here = generate_batch(41, range(4), options)
    with pretended_gpu():
        there = generate_batch(41, range(4), options, device="cuda")
        assert isinstance(there.photo, PretendTensor) and isinstance(there.vertices, PretendTensor)
        assert (there.photo.cpu() - here.photo).abs().mean() < 1e-4
        assert (there.labels.cpu() != here.labels).float().mean() < 1e-3


@GPU
@pytest.mark.parametrize("preset", ["paper", "classic"])
def test_a_gpu_gives_the_cpus_answer(preset):
    face = generate_batch(42, [1], SynthOptions(size=384, yaw=0.3, occluders=("mask",), degrade=0))
    photo = (face.photo[0].permute(1, 2, 0) * 255).byte().numpy()
    given = {"landmarks": face.landmarks[0]}
    here = Pipeline.from_config(preset)(photo, given)
    there = Pipeline.from_config(preset, device="cuda")(photo, given)
    assert there.image.is_cuda and there.shape.vertices.is_cuda
    near = {
        "crop_to_photo": 1e-3, "image": 1e-3, "matte.alpha": 1e-2, "clean": 1e-2, "shape.vertices": 0.5,
        "detail.bump": 0.05,
    }  # fmt: skip
    found = dict(tensors(there, ""))
    for path, value in tensors(here, ""):
        limit = near.get(path.strip("."))
        if limit is not None:
            difference = (found[path].cpu().double() - value.double()).abs()
            assert float(difference[torch.isfinite(difference)].median()) < limit, path
