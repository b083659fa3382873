"""The same seed and index give the same bits, whoever asks, wherever, in whatever order."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import attrs
import numpy as np
import pytest

from occface_core.synthetic import SyntheticFace, SyntheticFaces, SynthOptions, generate


def digest(face: SyntheticFace) -> str:
    total = hashlib.sha256()
    for field in attrs.fields(type(face)):
        value = getattr(face, field.name)
        for part in value.values() if isinstance(value, dict) else [value]:
            total.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return total.hexdigest()


@pytest.fixture(scope="module")
def first() -> list[str]:
    return [digest(generate(11, index)) for index in range(6)]


def test_order_makes_no_difference(first):
    assert [digest(generate(11, index)) for index in (5, 2, 0)] == [first[5], first[2], first[0]]


def test_another_process_with_other_threads_draws_the_same_bits(first):
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('d', {__file__!r})\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "from occface_core.synthetic import generate\n"
        "print('\\n'.join(module.digest(generate(11, i)) for i in range(6)))\n"
    )
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
        )
        assert done.stdout.split() == first


def test_workers_of_a_loader_draw_the_same_samples(first):
    from torch.utils.data import DataLoader

    faces = SyntheticFaces(seed=11, length=6)
    batches = DataLoader(faces, batch_size=2, num_workers=2, collate_fn=list)
    assert [digest(face) for batch in batches for face in batch] == first


def test_seeds_and_indices_differ():
    assert len({digest(generate(seed, index)) for seed in (0, 1) for index in (0, 1)}) == 4


def test_the_choice_of_occluders_leaves_the_face_as_it_is():
    plain = SynthOptions(occluded=0, degrade=0)
    hidden = SynthOptions(occluded=1, occluders=("mask",), degrade=0)
    a, b = generate(3, 4, plain), generate(3, 4, hidden)
    assert np.array_equal(a.clean, b.clean) and np.array_equal(a.vertices, b.vertices)
    assert a.kind == "none" and b.kind == "mask"
    assert np.array_equal(a.photo, a.clean) and not np.array_equal(b.photo, b.clean)


def test_a_set_is_indexable_and_iterable():
    faces = SyntheticFaces(seed=11, length=3, start=2)
    assert len(faces) == 3
    assert [face.index for face in faces] == [2, 3, 4]
    assert faces[-1].index == 4
    with pytest.raises(IndexError):
        faces[3]
