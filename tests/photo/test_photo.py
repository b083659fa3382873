from __future__ import annotations

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from occface_core.errors import OccfaceError, PhotoError
from occface_core.photo import PhotoReduced, read_mask, read_photo, to_tensor

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quadrants(height: int = 32, width: int = 48) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    picture[:h, :w], picture[:h, w:], picture[h:, :w], picture[h:, w:] = RED, GREEN, BLUE, WHITE
    return picture


def png16(path: Path, values: np.ndarray, colour: int) -> None:
    """Write a 16-bit PNG by hand (colour 0 grey, 2 RGB)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + values[y].astype(">u2").tobytes() for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm"])
def test_lossless_kinds_come_back_unchanged(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(quadrants()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    photo = read_photo(path)
    assert photo.dtype == np.uint8
    assert photo.flags.c_contiguous
    np.testing.assert_array_equal(photo, quadrants())


def test_a_string_is_a_path_and_an_array_is_itself(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(quadrants()).save(path)
    np.testing.assert_array_equal(read_photo(str(path)), quadrants())
    np.testing.assert_array_equal(read_photo(quadrants()), quadrants())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(tmp_path, orientation):
    stored = {  # how an upright picture is stored so that the tag turns it upright again
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](quadrants())
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), quadrants())


def test_greyscale_becomes_three_equal_channels(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), np.repeat(grey[..., None], 3, axis=2))


def test_black_and_white_bits(tmp_path):
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png")[..., 0], np.eye(8, dtype=np.uint8) * 255)


def test_transparency_is_laid_over_white(tmp_path):
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[..., 0], picture[:2, :, 3], picture[2:, :, 3] = 200, 255, 0
    Image.fromarray(picture).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert tuple(photo[0, 0]) == (200, 0, 0)
    assert tuple(photo[3, 0]) == WHITE


def test_grey_with_alpha(tmp_path):
    Image.fromarray(np.dstack([np.full((4, 4), 90, np.uint8), np.full((4, 4), 0, np.uint8)]), "LA").save(
        tmp_path / "a.png"
    )
    assert (read_photo(tmp_path / "a.png") == 255).all()


def test_palette_with_a_transparent_colour(tmp_path):
    image = Image.fromarray(quadrants()).quantize(4)
    index = int(np.asarray(image)[0, 0])
    image.save(tmp_path / "a.png", transparency=index)
    photo = read_photo(tmp_path / "a.png")
    assert tuple(photo[0, 0]) == WHITE
    assert tuple(photo[0, -1]) == GREEN


def test_cmyk_jpeg_keeps_its_colours(tmp_path):
    Image.fromarray(quadrants(64, 64)).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    photo = read_photo(tmp_path / "a.jpg")
    for (y, x), colour in {(10, 10): RED, (10, 50): GREEN, (50, 10): BLUE, (50, 50): WHITE}.items():
        assert np.abs(photo[y, x].astype(int) - colour).max() < 12


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    png16(tmp_path / "a.png", values, 0)
    expected = np.round(values / 257).astype(int)
    assert np.abs(read_photo(tmp_path / "a.png")[..., 0].astype(int) - expected).max() <= 1


def test_sixteen_bit_colour(tmp_path):
    values = (quadrants().astype(np.uint16) // 2) * 257
    png16(tmp_path / "a.png", values, 2)
    assert np.abs(read_photo(tmp_path / "a.png").astype(int) - quadrants() // 2).max() <= 1


def test_float_tiff(tmp_path):
    Image.fromarray(np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)).save(tmp_path / "a.tiff")
    photo = read_photo(tmp_path / "a.tiff")
    assert photo.min() == 0
    assert photo.max() == 255


def test_one_pixel(tmp_path):
    Image.new("RGB", (1, 1), RED).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), [[RED]])


def test_animation_gives_its_first_frame(tmp_path):
    first, second = (Image.new("RGB", (6, 6), colour) for colour in (RED, BLUE))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert tuple(read_photo(tmp_path / "a.gif")[0, 0]) == RED


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_large_photos_are_reduced_with_a_warning(tmp_path, suffix):
    Image.fromarray(quadrants(300, 400)).save(tmp_path / f"a.{suffix}")
    with pytest.warns(PhotoReduced, match="400 x 300 pixels.* read at 200 x 150"):
        photo = read_photo(tmp_path / f"a.{suffix}", max_pixels=40_000)
    assert photo.shape == (150, 200, 3)
    assert np.abs(photo[10, 10].astype(int) - RED).max() < 5
    assert np.abs(photo[-10, 10].astype(int) - BLUE).max() < 5


def test_a_hundred_megapixels(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (12_000, 8_400), 77).save(path, compress_level=1)
    with pytest.warns(PhotoReduced):
        photo = read_photo(path)
    assert photo.shape == (4200, 6000, 3)
    assert (photo == 77).all()


def test_ordinary_photos_are_read_without_warnings(tmp_path):
    Image.fromarray(quadrants()).save(tmp_path / "a.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_photo(tmp_path / "a.jpg")


def bomb(path: Path) -> None:
    png16(path, np.zeros((1, 1), np.uint16), 0)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 30_000, 30_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(bytes(data))


def truncated(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_png(path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, "PNG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file.*Check the path"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_text("hello"), "not a picture.*JPEG or PNG"),
        (lambda path: path.write_text("<svg xmlns='x'/>"), "SVG"),
        (lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 40), "HEIC|damaged"),
        (lambda path: path.write_bytes(b"%PDF-1.4 "), "PDF"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0" + b"rubbish" * 9), "damaged|not a picture"),
        (truncated, "damaged or cut off"),
        (truncated_png, "damaged or cut off"),
        (bomb, "megapixels.*Reduce"),
    ],
    ids=[
        "missing",
        "folder",
        "empty",
        "text",
        "svg",
        "heic",
        "pdf",
        "corrupt",
        "cut jpeg",
        "cut png",
        "bomb",
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, make, says):
    path = tmp_path / "a.jpg"
    make(path)
    with pytest.raises(PhotoError, match=says) as caught:
        read_photo(path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, OccfaceError)


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "a\0b", "loop"])
def test_names_that_no_file_can_have(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(PhotoError, match="no such file"):
        read_photo(tmp_path / name)


def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", "/dev/zero"):
        with pytest.raises(PhotoError, match="pipe or a device"):
            read_photo(path)


def test_an_open_file_is_no_photo(tmp_path):
    with (tmp_path / "a.txt").open("w") as file, pytest.raises(PhotoError, match="a path or a numpy array"):
        read_photo(file)


def test_a_web_address_is_named_as_such():
    with pytest.raises(PhotoError, match="Download"):
        read_photo("https://example.org/a.jpg")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 4), np.uint8), "numpy.stack"),
        (np.zeros((4, 4, 1), np.uint8), "numpy.repeat"),
        (np.zeros((4, 4, 4), np.uint8), r"a\[..., :3\]"),
        (np.zeros((3, 4, 5), np.uint8), "transpose"),
        (np.zeros((2, 4, 4, 3), np.uint8), "pipeline.map"),
        (np.zeros((4, 0, 3), np.uint8), "at least one pixel"),
        (np.full((4, 4, 3), 0.5), r"\(a \* 255\).round"),
        (np.full((4, 4, 3), 200.0), r"a.round\(\)"),
        (np.full((4, 4, 3), -0.5), "normalisation"),
        (np.full((4, 4, 3), 60000, np.uint16), "257"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.ones((4, 4, 3), bool), "astype"),
        (np.zeros(7, np.uint8), "got shape"),
        ([[1, 2]], "got list"),
    ],
)
def test_arrays_of_another_kind_say_how_to_convert(array, says):
    with pytest.raises(PhotoError, match=says):
        read_photo(array)


def test_tensors_say_how_to_convert():
    torch = pytest.importorskip("torch")
    with pytest.raises(PhotoError, match="permute"):
        read_photo(torch.zeros(3, 4, 4))


def test_to_tensor_is_channels_first_in_unit_range():
    tensor = to_tensor(quadrants())
    assert tuple(tensor.shape) == (1, 3, 32, 48)
    assert str(tensor.dtype) == "torch.float32"
    assert tensor.is_contiguous()
    assert tensor[0, :, 0, 0].tolist() == [1, 0, 0]
    assert float(tensor.max()) == 1


def test_to_tensor_leaves_the_photo_alone():
    photo = quadrants()
    photo.flags.writeable = False
    to_tensor(photo).zero_()
    np.testing.assert_array_equal(photo, quadrants())


def test_masks_are_read_at_the_photos_size(tmp_path):
    mask = np.zeros((8, 6), np.uint8)
    mask[:, 3:] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", 8, 6), mask / np.float32(255))
    with pytest.raises(PhotoError, match="6 x 8 pixels, its photo 20 x 10"):
        read_mask(tmp_path / "m.png", 10, 20)
