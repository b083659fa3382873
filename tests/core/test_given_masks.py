from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image

from occface_core.errors import GivenError, PhotoError
from occface_core.photo import read_mask
from occface_core.pipeline import Pipeline
from occface_core.stages import STAGES

HEIGHT, WIDTH = 200, 300
PHOTO = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
FACE = (slice(100, 160), slice(110, 190))  # within the face that "none" sees in the middle


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline.from_config(dict.fromkeys(STAGES, "none"))


def mask(kind=np.float32, level=1) -> np.ndarray:
    drawn = np.zeros((HEIGHT, WIDTH), kind)
    drawn[FACE] = level
    return drawn


@pytest.mark.parametrize(
    "given",
    [mask(), mask(np.uint8, 255), mask(np.uint8, 1), mask(bool), mask(np.int64, 255), mask(np.float64)],
    ids=["float", "uint8", "zeros and ones", "bool", "int64", "double"],
)
def test_the_same_mask_in_many_kinds(pipeline, given):
    faces = pipeline(PHOTO, given={"matte": given})
    back = faces.photo_matte(0, HEIGHT, WIDTH)
    assert faces.lineage[1].plugin == "given"
    assert faces.warnings == ()
    assert back[105:155, 115:185].min() > 0.99
    assert back[:95].max() < 0.01
    torch.testing.assert_close(
        faces.landmarks.visible, pipeline(PHOTO, given={"matte": mask()}).landmarks.visible
    )


def test_the_path_of_a_picture(pipeline, tmp_path):
    path = tmp_path / "mask.png"
    Image.fromarray(mask(np.uint8, 255)).save(path)
    by_path = pipeline(PHOTO, given={"matte": path})
    assert torch.equal(by_path.matte.alpha, pipeline(PHOTO, given={"matte": mask()}).matte.alpha)


def test_a_soft_mask_stays_soft(pipeline):
    faces = pipeline(PHOTO, given={"matte": mask(np.float32, 0.4)})
    assert faces.matte.alpha.max() == pytest.approx(0.4, abs=1e-5)
    assert faces.occlusion_report(0)["landmarks_hidden"] == 0


def test_every_face_gets_its_part_of_the_mask(pipeline):
    points = pipeline(PHOTO).photo_landmarks().numpy()
    two = np.concatenate([points * 0.4 + [10, 60], points * 0.4 + [170, 60]]).astype(np.float32)
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    drawn[:, :150] = 255
    faces = pipeline(PHOTO, given={"landmarks": two, "matte": drawn})
    report = faces.occlusion()
    assert report.fraction.tolist() == pytest.approx([1, 0], abs=0.01)
    assert report.landmarks(0, "guessed") == list(range(68))
    assert report.landmarks(1, "seen") == list(range(68))
    assert faces.warnings == ()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (mask().T, r"\(200, 300\), got \(300, 200\). Width and height are exchanged"),
        (mask()[..., None], r"mask\[\.\.\., 0\]"),
        (mask()[None], r"mask\[0\]"),
        (mask()[:50], "photo's full size"),
        (mask(np.float32, np.nan), r"\[0, 1\]"),
        (mask(np.float32, 255), r"\[0, 1\]"),
        (mask(np.float32, -1), r"\[0, 1\]"),
        (object(), "array or the path"),
        ([[1, 2], [3]], "array or the path"),
    ],
)
def test_what_does_not_fit_says_how_to_mend_it(pipeline, given, says):
    with pytest.raises(GivenError, match=says):
        pipeline(PHOTO, given={"matte": given})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (1 - mask(), "white all around .* may be inverted"),
        (np.ones((HEIGHT, WIDTH)), "inverted"),
        (mask() * 0, "is black"),
        (mask() * 0.004, "is black"),
        (np.pad(np.ones((4, 4)), ((0, HEIGHT - 4), (0, WIDTH - 4))), "lies on no face"),
        (np.pad(np.ones((HEIGHT - 2, WIDTH - 2)), 1), "hides the whole face"),
        (np.full((HEIGHT, WIDTH), 0.5), "is grey in 100%"),
    ],
)
def test_what_looks_wrong_is_done_but_said(pipeline, given, says):
    faces = pipeline(PHOTO, given={"matte": given})
    (warning,) = faces.warnings
    assert re.search(says, warning), warning


def test_pictures_of_masks_in_many_kinds(tmp_path):
    def read(image: Image.Image) -> np.ndarray:
        path = tmp_path / "mask.png"
        image.save(path)
        return read_mask(path, HEIGHT, WIDTH)

    grey = Image.fromarray(mask(np.uint8, 255))
    red_paint = Image.new("RGBA", (WIDTH, HEIGHT), (255, 255, 255, 0))
    red_paint.paste((255, 0, 0, 255), (110, 100, 190, 160))
    palette = grey.convert("P")
    for image in (grey, grey.convert("1"), grey.convert("RGB"), palette, red_paint,
                  Image.fromarray(mask(np.uint8, 1)), Image.fromarray(mask(np.uint16, 65535))):  # fmt: skip
        np.testing.assert_array_equal(read(image), mask(), err_msg=image.mode)
    np.testing.assert_allclose(read(Image.fromarray(mask(np.uint8, 102))), mask(np.float32, 0.4), atol=1e-6)


def test_sizes_of_pictures_of_masks(tmp_path):
    path = tmp_path / "mask.png"
    for size, says in (((200, 300), "on its side"), ((150, 100), "scale it"), ((99, 98), "at full size")):
        Image.new("L", size).save(path)
        with pytest.raises(PhotoError, match=rf"{size[0]} x {size[1]} pixels, its photo 300 x 200.*{says}"):
            read_mask(path, HEIGHT, WIDTH)
    with pytest.raises(PhotoError, match="no such file"):
        read_mask(tmp_path / "absent.png", HEIGHT, WIDTH)


def test_the_mask_of_a_reduced_photo_is_reduced_alike(tmp_path, recwarn):
    path = tmp_path / "mask.png"
    Image.fromarray(mask(np.uint8, 255)).save(path)
    small = read_mask(path, HEIGHT // 2, WIDTH // 2, max_pixels=HEIGHT * WIDTH // 4)
    assert small.shape == (HEIGHT // 2, WIDTH // 2)
    np.testing.assert_array_equal(small, mask()[::2, ::2])
    assert not list(recwarn)
