"""occlusion.png: one picture that tells what of a face is hidden and which landmarks are guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from occface_core.occlusion import LANDMARK_STATES, report_faces
from occface_core.results.colours import HIDDEN, SURE, UNSURE
from occface_core.results.pictures import rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from occface_core.occlusion import OcclusionReport
    from occface_core.types import FaceBatch

    Picture = NDArray[np.uint8]
    Colour = tuple[int, int, int]

_DARK, _PALE, _INK, _GROUND = (20, 20, 20), (95, 98, 104), (25, 25, 25), (255, 255, 255)
_TINT = 0.5
_LEGEND = 58  # height of the legend, pixels


def occlusion_picture(face: FaceBatch, *, scale: int = 3, legend: bool = True) -> Picture:
    """Return the crop with its hidden area tinted and outlined, and each landmark marked by its state.

    A disc is a landmark that is seen, a ring one that is guessed behind something, a cross one beyond the
    photo's edge; its colour goes from orange, unsure, to green, sure. The border of the face region is a thin
    white line; what lies beyond the photo's edge is darkened.

    Args:
        face: a batch of one face whose matte is known.
        scale: by how much the crop is enlarged.
        legend: whether the key to the marks stands below.

    Returns:
        (H, S * scale, 3) uint8; H is S * scale, and more with a legend.

    Raises:
        RecordError: the matte is not known.
    """
    from PIL import Image, ImageDraw

    report = report_faces(face)
    assert face.matte is not None
    size = int(face.image.shape[-1]) * scale
    image = Image.fromarray(rgb(face.image)).resize((size, size), Image.Resampling.BICUBIC)
    pixels = _darkened(np.asarray(image, dtype=np.float32), face)
    alpha, region = _enlarged(face.matte.alpha, size), _enlarged(face.matte.face, size)
    tint = _TINT * alpha[..., None]
    pixels = pixels * (1 - tint) + np.array(HIDDEN, np.float32) * tint
    image = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image, "RGBA")
    _outline(draw, region, (255, 255, 255, 150), 1)
    _outline(draw, alpha, (255, 255, 255, 255), max(2, scale))
    _outline(draw, alpha, (*HIDDEN, 255), max(1, scale // 2))
    points = (face.landmarks.points[0].cpu().double().numpy() + 0.5) * scale - 0.5
    _landmarks(draw, points.clip(-size, 2 * size), report, radius=1.7 * scale)
    return _with_legend(image, report) if legend else np.asarray(image)


def _darkened(pixels: NDArray[np.float32], face: FaceBatch) -> NDArray[np.float32]:
    """Return the enlarged crop, darker where it shows nothing of the photo but its repeated edge."""
    if face.photo_size is None:
        return pixels
    from occface_core.geometry.align import photo_cover

    cover = photo_cover(face.crop_to_photo, face.photo_size, int(face.image.shape[-1]))
    return pixels * (0.35 + 0.65 * _enlarged(cover, pixels.shape[0])[..., None])


def _enlarged(mask: Tensor, size: int) -> NDArray[np.float32]:
    """Return (size, size) of a mask (1, 1, S, S)."""
    import torch

    mask = mask.float().cpu()
    if mask.shape[-1] != size:
        mask = torch.nn.functional.interpolate(mask, (size, size), mode="bilinear", align_corners=False)
    return np.asarray(mask[0, 0].numpy(), dtype=np.float32)


def _outline(draw: Any, mask: NDArray[np.float32], colour: tuple[int, ...], width: int) -> None:
    """Draw the border of what is above a half; where it runs along the picture's edge there is no line."""
    import cv2

    inside = (mask > 0.5).astype(np.uint8)
    if inside.all():
        return
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        if len(contour) >= 12:
            corners = [(int(x), int(y)) for x, y in contour[:, 0]]
            draw.line([*corners, corners[0]], fill=colour, width=width, joint="curve")


def _landmarks(draw: Any, points: NDArray[np.float64], report: OcclusionReport, radius: float) -> None:
    states, trust = report.states[0].tolist(), report.confidence[0].tolist()
    for (x, y), state, confidence in zip(points, states, trust, strict=True):
        _mark(draw, float(x), float(y), LANDMARK_STATES[state], confidence_colour(confidence), radius)


def confidence_colour(confidence: float) -> Colour:
    """Return orange for 0 to green for 1."""
    part = min(max(confidence, 0.0), 1.0)
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(UNSURE, SURE, strict=True))
    return red, green, blue


def _mark(draw: Any, x: float, y: float, state: str, colour: Colour, radius: float) -> None:
    """Draw one landmark, dark-rimmed so that it stands out on any ground."""
    if state == "outside":
        for ink, width in ((_DARK, 0.9 * radius), (colour, 0.45 * radius)):
            for sign in (-1, 1):
                ends = (x - radius, y - sign * radius, x + radius, y + sign * radius)
                draw.line(ends, fill=(*ink, 255), width=max(1, round(width)))
        return
    rim = radius + 1
    if state == "seen":
        draw.ellipse((x - rim, y - rim, x + rim, y + rim), fill=(*_DARK, 255))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*colour, 255))
        return
    for ink, reach in (
        (_DARK, rim + 0.5),
        (colour, radius + 0.5),
        (_DARK, 0.62 * radius),
        (_GROUND, 0.42 * radius),
    ):
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(*ink, 255))


def _with_legend(image: Any, report: OcclusionReport) -> Picture:
    """Return the picture with what its marks mean below it, in two lines."""
    from PIL import Image, ImageDraw, ImageFont

    size, scale = image.width, image.width / 768
    height = round(_LEGEND * scale)
    sheet = Image.new("RGB", (size, size + height), _GROUND)
    sheet.paste(image)
    draw = ImageDraw.Draw(sheet, "RGBA")
    font = ImageFont.load_default(max(8, round(16 * scale)))
    gap, radius = 10 * scale, 5.5 * scale
    rows = [size + height * share for share in (0.28, 0.73)]
    fraction = float(report.fraction[0])
    share = "no face in the photo" if np.isnan(fraction) else f"{fraction:.0%} hidden"
    x = gap
    box = (x, rows[0] - 7 * scale, x + 22 * scale, rows[0] + 7 * scale)
    draw.rectangle(box, fill=(*HIDDEN, 140), outline=(*HIDDEN, 255), width=max(1, round(2 * scale)))
    draw.text((x + 22 * scale + gap, rows[0]), share, font=font, fill=_INK, anchor="lm")
    x = size * 0.30
    draw.text((x, rows[0]), "unsure", font=font, fill=_PALE, anchor="lm")
    left = x + font.getlength("unsure") + gap
    for i in range(steps := 40):
        edge = left + i * 3 * scale
        ramp = (edge, rows[0] - 6 * scale, edge + 3 * scale, rows[0] + 6 * scale)
        draw.rectangle(ramp, fill=confidence_colour(i / (steps - 1)))
    words = "sure of a landmark's place"
    draw.text((left + steps * 3 * scale + gap, rows[0]), words, font=font, fill=_PALE, anchor="lm")
    x = gap
    words_of = {"seen": "seen", "guessed": "hidden, guessed", "outside": "beyond the photo's edge"}
    for state in LANDMARK_STATES:
        count = len(report.landmarks(0, state))
        _mark(draw, x + radius + 2, rows[1], state, SURE if count else (190, 190, 190), radius)
        text = f"{count} {words_of[state]}"
        draw.text(
            (x + 2 * radius + gap, rows[1]), text, font=font, fill=_INK if count else _PALE, anchor="lm"
        )
        x += 2 * radius + 3.5 * gap + font.getlength(text)
    return np.asarray(sheet)
