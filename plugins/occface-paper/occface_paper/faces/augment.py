"""Training canvases of the face finder: tiles with one face or none, and random windows of whole photos."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from attrs import field, frozen

from occface_paper.faces.data import Photo
from occface_paper.landmarks.augment import recoloured
from occface_paper.landmarks.crop import apply
from occface_paper.occluders import KINDS, occlude
from occface_paper.pasting import OccluderBank

#: Face sizes on the canvas (root of the box area, px), drawn log-uniformly.
SMALLEST, LARGEST = 9.0, 210.0
#: Share of the faces on tiles that get an occluder, and of these how many get one of the library's own.
OCCLUDED, OWN = 0.6, 0.75
#: The five points of the mirrored face.
MIRROR_5 = (1, 0, 2, 4, 3)


@frozen(kw_only=True, eq=False)
class CanvasSampler:
    """Draws canvases.

    Attributes:
        crops: one face each.
        photos: whole photos, some without a face.
        cutouts: RGBA occluders.
        size: side of the canvas, a multiple of 32.
        bank: occluders of the library's own generator; most occluders come from it if there is one.
    """

    crops: Sequence[Photo]
    photos: Sequence[Photo]
    cutouts: Sequence[np.ndarray] = field(factory=list)
    size: int = 256
    bank: OccluderBank | None = None
    empty: Sequence[Photo] = field(init=False)

    @empty.default
    def _without_faces(self) -> list[Photo]:
        return [p for p in self.photos if len(p.boxes) == 0]

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Canvas (S, S, 3) uint8 RGB, boxes (F, 4), points (F, 5, 2), ignored (F,)."""
        if len(self.photos) and rng.random() < 0.42:
            image, boxes, points, ignored = self._window(rng)
        else:
            image, boxes, points, ignored = self._tiles(rng)
        return finished(recoloured(image, rng), rng), boxes, points, ignored

    def _window(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        photo = self.photos[int(rng.integers(len(self.photos)))]
        extent = max(photo.image.shape[:2])
        scale = self.size / extent * np.exp(rng.uniform(-0.4, 1.5))
        centre = rng.uniform(0.15, 0.85, 2) * np.array(photo.image.shape[1::-1])
        if len(photo.boxes) and rng.random() < 0.45:
            box = photo.boxes[int(rng.integers(len(photo.boxes)))]
            centre = (box[:2] + box[2:]) / 2 + rng.normal(0, 0.2, 2) * self.size / scale
        half = np.array([self.size / 2, self.size / 2])
        turn = float(rng.normal(0, 6))
        return placed(photo, None, (self.size, self.size), half, centre, scale, turn, rng)

    def _tiles(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        canvas = np.empty((self.size, self.size, 3), np.uint8)
        boxes, points, ignored = [np.zeros((0, 4))], [np.zeros((0, 5, 2))], [np.zeros(0, bool)]
        for x, y, w, h in split(self.size, int(rng.choice([1, 2, 4, 7], p=[0.3, 0.3, 0.25, 0.15])), rng):
            with_face = rng.random() < 0.65
            tile, b, p, i = (
                self._face_tile(w, h, rng) if with_face else (self.background(w, h, rng), *boxless())
            )
            canvas[y : y + h, x : x + w] = tile
            boxes.append(b + np.array([x, y, x, y]))
            points.append(p + np.array([x, y]))
            ignored.append(i)
        return canvas, np.concatenate(boxes), np.concatenate(points), np.concatenate(ignored)

    def _face_tile(
        self, width: int, height: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        photo = self.crops[int(rng.integers(len(self.crops)))]
        box = photo.boxes[0]
        size = float(np.sqrt(np.prod(box[2:] - box[:2])))
        top = min(LARGEST, 1.1 * min(width, height))
        want = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(max(top, SMALLEST * 1.5)))))
        turn = float(rng.normal(0, 10)) if rng.random() < 0.75 else float(rng.uniform(-60, 60))
        place = np.array([rng.uniform(0.08, 0.92) * width, rng.uniform(0.08, 0.92) * height])
        if want > 0.6 * min(width, height):
            place = np.array([width / 2, height / 2]) + rng.normal(0, 0.12, 2) * min(width, height)
        image = photo.image
        if photo.landmarks is not None and rng.random() < OCCLUDED:
            image = self._occluded(image, photo.landmarks[0], rng)
        back = self.background(width, height, rng)
        centre = (box[:2] + box[2:]) / 2
        source = Photo(
            image=image,
            boxes=photo.boxes,
            points=photo.points,
            ignored=photo.ignored,
            landmarks=None,
            valid=photo.valid,
        )
        return placed(source, back, (width, height), place, centre, want / size, turn, rng)

    def _occluded(self, image: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.bank and rng.random() < OWN:
            return self.bank.paste(image, points, rng)[0]
        return occlude(
            image,
            points,
            KINDS[int(rng.integers(len(KINDS)))],
            rng,
            severity=float(rng.uniform(0.05, 0.5)),
            cutouts=self.cutouts,
            others=[self.crops[int(rng.integers(len(self.crops)))].image[:64, :64]],
        )[0]

    def background(self, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
        """Something without a face: a photo without one, a piece of skin or cloth, a colour, noise."""
        pick = rng.random()
        if len(self.empty) and pick < 0.6:
            image = self.empty[int(rng.integers(len(self.empty)))].image
            scale = max(width / image.shape[1], height / image.shape[0]) * np.exp(rng.uniform(0, 1.3))
            image = cv2.resize(
                image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else 1
            )
        elif pick < 0.8:
            image = self._part_of_a_face(rng)
            scale = max(width / image.shape[1], height / image.shape[0]) * 1.01
            image = cv2.resize(image, None, fx=scale, fy=scale)
        else:
            cells = rng.uniform(0, 255, (int(rng.integers(1, 9)), int(rng.integers(1, 9)), 3)).astype(
                np.uint8
            )
            return cv2.resize(cells, (width, height), interpolation=int(rng.choice([0, 1])))
        x = int(rng.integers(0, max(1, image.shape[1] - width + 1)))
        y = int(rng.integers(0, max(1, image.shape[0] - height + 1)))
        image = image[y : y + height, x : x + width]
        image = cv2.resize(image, (width, height)) if image.shape[:2] != (height, width) else image
        image = image[:, ::-1] if rng.random() < 0.5 else image
        return image[::-1] if rng.random() < 0.15 else image

    def _part_of_a_face(self, rng: np.random.Generator) -> np.ndarray:
        """A cheek, an eye, hair, a collar: a piece of a crop too small or too far off to be a face."""
        photo = self.crops[int(rng.integers(len(self.crops)))]
        box = photo.boxes[0]
        side = float(min(box[2:] - box[:2]))
        if rng.random() < 0.5:
            span = side * rng.uniform(0.15, 0.35)
            corner = box[:2] + rng.uniform(0, 1, 2) * (box[2:] - box[:2] - span)
        else:
            span = side * rng.uniform(0.25, 0.5)
            below = min(box[3] + 0.03 * side, photo.valid[3] - span)
            corner = np.array([rng.uniform(box[0], box[2] - span), below])
            if below < box[3] - 0.15 * side:
                corner = box[:2] + 0.3 * side
        x, y, s = (int(max(v, 0)) for v in (*corner, max(span, 8)))
        return (
            photo.image[y : y + s, x : x + s]
            if photo.image[y : y + s, x : x + s].size
            else photo.image[:8, :8]
        )


def boxless() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, points and ignored of no face."""
    return np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0, bool)


def split(size: int, count: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Cut a square into about ``count`` rectangles (x, y, w, h), always the largest one next."""
    tiles = [(0, 0, size, size)]
    while len(tiles) < count:
        tiles.sort(key=lambda t: t[2] * t[3])
        x, y, w, h = tiles.pop()
        part = rng.uniform(0.3, 0.7)
        if w >= h:
            cut = int(w * part)
            tiles += [(x, y, cut, h), (x + cut, y, w - cut, h)]
        else:
            cut = int(h * part)
            tiles += [(x, y, w, cut), (x, y + cut, w, h - cut)]
    return tiles


def placed(
    photo: Photo,
    back: np.ndarray | None,
    size: tuple[int, int],
    place: np.ndarray,
    centre: np.ndarray,
    scale: float,
    turn: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw a photo turned (degrees) and scaled so that its point ``centre`` lies at ``place``.

    A turned face's box is that of the turned ellipse in its box. Faces whose centre leaves the picture are
    dropped, those cut by more than about a third are ignored.

    Returns:
        Picture of this (width, height), boxes, points, ignored.
    """
    image, shrink = photo.image, 1.0
    while scale / shrink < 0.6 and min(image.shape[:2]) > 8:
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        shrink *= 0.5
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    c, s = scale * np.cos(np.radians(turn)), scale * np.sin(np.radians(turn))
    warp = np.eye(3)
    warp[:2, :2] = [[c * mirror, -s], [s * mirror, c]]
    warp[:2, 2] = place - warp[:2, :2] @ centre
    enlarge = np.array(
        [[1 / shrink, 0, (1 / shrink - 1) / 2], [0, 1 / shrink, (1 / shrink - 1) / 2], [0, 0, 1]]
    )
    if back is None:
        back = np.full((size[1], size[0], 3), rng.integers(0, 256), np.uint8) * int(rng.random() < 0.5)
    drawn = cv2.warpAffine(image, (warp @ enlarge)[:2], size, flags=cv2.INTER_LINEAR)
    x0, y0, x1, y1 = photo.valid - 0.5 + np.array([0.5, 0.5, -0.5, -0.5]) / shrink
    corners = apply(warp, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    inside = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), 1)
    drawn = np.where(inside[..., None] > 0, drawn, back)
    if not len(photo.boxes):
        return drawn, *boxless()
    middle = apply(warp, (photo.boxes[:, :2] + photo.boxes[:, 2:]) / 2)
    w, h = (photo.boxes[:, 2:] - photo.boxes[:, :2]).T
    half = np.stack([np.hypot(w * c, h * s), np.hypot(w * s, h * c)], 1) / 2
    points = apply(warp, photo.points)
    points = points[:, list(MIRROR_5)] if mirror < 0 else points
    boxes = np.concatenate([middle - half, middle + half], 1)
    seen = np.minimum(boxes[:, 2:], np.array(size)) - np.maximum(boxes[:, :2], 0)
    share = np.prod(np.clip(seen, 0, None), 1) / np.prod(2 * half, 1)
    root = 2 * np.sqrt(np.prod(half, 1))
    ignored = photo.ignored | (share < 0.65) | (root < 0.8 * SMALLEST) | (root > 1.2 * LARGEST)
    keep = share > 0.1
    return drawn, boxes[keep], points[keep], ignored[keep]


def finished(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, noise and compression that leave a face of ten pixels visible. uint8 in and out."""
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.1)))
    if rng.random() < 0.25:
        noise = rng.standard_normal(image.shape[:2], dtype=np.float32)[..., None] * rng.uniform(2, 12)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image
