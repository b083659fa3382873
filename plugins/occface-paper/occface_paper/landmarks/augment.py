"""One training sample of the landmark network: a warped, recoloured, degraded and half of the time occluded crop."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from attrs import field, frozen

from occface_paper.landmarks.crop import apply, similarity, to_pixels
from occface_paper.landmarks.data import FaceCrops
from occface_paper.landmarks.symmetry import MIRROR_68
from occface_paper.occluders import occlude
from occface_paper.pasting import OccluderBank
from occface_paper.synthetic_bank import SyntheticBank

#: Rotation (degrees), log scale, shift (crop units) and squeeze (log) of the crop: a second pass's, a finder's, any.
JITTER = ((4.0, 0.05, 0.03, 0.04), (12.0, 0.12, 0.08, 0.06), (40.0, 0.25, 0.15, 0.10))
JITTER_SHARE = (0.6, 0.34, 0.06)
#: How often each kind of occluder is drawn: half blocks and irregular shapes as in the paper, half real things.
OCCLUDER_SHARE = {"block": 0.15, "irregular": 0.17, "patch": 0.18, "hand": 0.2, "glasses": 0.12, "mask": 0.18}
#: Share of the occluders that are taken from the bank where there is one.
BANK_SHARE = 0.55
#: Share of the samples that are drawn faces where there are any.
DRAWN_SHARE = 0.22


@frozen(kw_only=True, eq=False)
class Sampler:
    """Draws training samples from crops in memory.

    Attributes:
        crops: the training crops.
        mean_shape: (68, 2) in crop units.
        size: side of the samples, px.
        cutouts: RGBA occluder cut-outs.
        occluded: share of the samples that get an occluder.
        bank: occluders of the library's own generator; half of the occluders come from it if there is one.
        drawn: synthetic faces; they turn further than photos do, and their points are exact behind what hides them.
    """

    crops: FaceCrops
    mean_shape: np.ndarray
    size: int = 128
    cutouts: Sequence[np.ndarray] = field(factory=list)
    occluded: float = 0.6
    bank: OccluderBank | None = None
    drawn: SyntheticBank | None = None
    chance: np.ndarray = field(init=False)
    chosen: np.ndarray = field(init=False)

    @chosen.default
    def _training_faces(self) -> np.ndarray:
        return np.zeros(0, int) if self.drawn is None else self.drawn.for_landmarks()

    @chance.default
    def _cumulative_chance(self) -> np.ndarray:
        weight = np.where(self.crops.is_val, 0.0, self.crops.weight)
        return np.cumsum(weight / weight.sum())

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One sample: crop (size, size, 3) uint8 RGB, points (68, 2) float32 in crop units."""
        hidden = rng.random() < self.occluded
        if len(self.chosen) and rng.random() < DRAWN_SHARE:
            image, points = self._drawn_face(hidden, rng)
            hidden = False
        else:
            index = self._pick(rng)
            face = self.crops.images[index], self.crops.points[index], self.crops.valid[index]
            image, points = self._warped(*face, rng)
        if hidden:
            for _ in range(1 + (rng.random() < 0.15)):
                image = self._occluded(image, apply(to_pixels(self.size), points), rng)
        return degraded(recoloured(image, rng), rng), points.astype(np.float32)

    def _occluded(self, image: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.bank and rng.random() < BANK_SHARE:
            return self.bank.paste(image, points, rng)[0]
        kinds, share = list(OCCLUDER_SHARE), np.array(list(OCCLUDER_SHARE.values()))
        return occlude(
            image,
            points,
            kinds[int(rng.choice(len(kinds), p=share))],
            rng,
            severity=float(rng.uniform(0.05, 0.5)),
            cutouts=self.cutouts,
            others=[self.crops.images[self._pick(rng)]],
        )[0]

    def batch(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(count, 3, size, size) uint8 and (count, 68, 2) float32."""
        images, points = zip(*(self.draw(rng) for _ in range(count)), strict=True)
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)), np.stack(points)

    def _pick(self, rng: np.random.Generator) -> int:
        return min(int(np.searchsorted(self.chance, rng.random())), len(self.crops) - 1)

    def _drawn_face(self, hidden: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A synthetic face, with its own occluder if hidden."""
        assert self.drawn is not None
        index = int(self.chosen[rng.integers(len(self.chosen))])
        picture = (self.drawn.photo if hidden else self.drawn.clean)[index].transpose(1, 2, 0)
        valid = np.array([0, 0, *picture.shape[1::-1]], np.float32)
        return self._warped(np.ascontiguousarray(picture), self.drawn.outline[index], valid, rng)

    def _warped(
        self, image: np.ndarray, points: np.ndarray, valid: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        source = points.astype(np.float64)
        turn, zoom, shift, squeeze = JITTER[int(rng.choice(len(JITTER), p=JITTER_SHARE))]
        mirror = rng.random() < 0.5
        change = jitter_matrix(rng, turn, zoom, shift, squeeze, mirror)
        to_crop = change @ similarity(source, self.mean_shape)
        warp = to_pixels(self.size) @ to_crop
        step = np.sqrt(abs(np.linalg.det(warp[:2, :2])))
        if step < 0.6:
            image = cv2.GaussianBlur(image, (0, 0), 0.4 / step)
        size = (self.size, self.size)
        drawn = cv2.warpAffine(
            image, warp[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        if rng.random() < 0.4:
            drawn = outside_filled(drawn, valid, warp, rng)
        moved = apply(to_crop, source)
        return drawn, moved[list(MIRROR_68)] if mirror else moved


def jitter_matrix(
    rng: np.random.Generator, turn: float, zoom: float, shift: float, squeeze: float, mirror: bool
) -> np.ndarray:
    """Random (3, 3) change of crop coordinates: normal deviates of these sizes, cut at two sigma."""
    angle, scale, dx, dy, ratio = np.clip(rng.normal(size=5), -2, 2) * (
        np.radians(turn),
        zoom,
        shift,
        shift,
        squeeze,
    )
    c, s, k = np.cos(angle), np.sin(angle), np.exp(scale)
    sx, sy = k * np.exp(ratio / 2) * (-1 if mirror else 1), k * np.exp(-ratio / 2)
    return np.array([[c * sx, -s * sy, dx], [s * sx, c * sy, dy], [0, 0, 1.0]])


def outside_filled(
    drawn: np.ndarray, valid: np.ndarray, warp: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Paint what lies outside the photo in one colour, mostly black, as photos' borders look in a crop."""
    x0, y0, x1, y1 = valid - 0.5
    corners = apply(warp, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    inside = np.zeros(drawn.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), 1)
    if inside.all():
        return drawn
    colour = np.zeros(3) if rng.random() < 0.6 else rng.uniform(0, 255, 3)
    return np.where(inside[..., None], drawn, colour.astype(np.uint8))


def recoloured(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change gamma, gain, colour balance and saturation; sometimes grey. uint8 in and out."""
    if rng.random() < 0.85:
        ramp = np.arange(256) / 255.0
        gains = rng.normal(1, 0.06, 3) * np.exp(rng.normal(0, 0.2))
        curve = ramp[:, None] ** np.exp(rng.normal(0, 0.25)) * gains + rng.normal(0, 0.06)
        table = np.clip(curve * 255, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table[None])
    grey = rng.random()
    if grey < 0.3:
        level = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = 0.0 if grey < 0.1 else float(rng.uniform(0.2, 1.5))
        image = cv2.addWeighted(image, keep, level, 1 - keep, 0)
    if rng.random() < 0.25:
        cells = rng.uniform(0.4, 1.3, (2, 2)).astype(np.float32)
        light = cv2.resize(cells, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
        image = np.clip(image * light, 0, 255).astype(np.uint8)
    return image


def degraded(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur, lower the resolution, add noise and compress, each now and then. uint8 in and out."""
    size = image.shape[0]
    if rng.random() < 0.2:
        small = int(size * rng.uniform(0.2, 0.7))
        how = cv2.INTER_AREA if rng.random() < 0.7 else cv2.INTER_LINEAR
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=how), (size, size))
    elif rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 2.0)))
    elif rng.random() < 0.08:
        kernel = np.zeros((7, 7), np.float32)
        angle, reach = rng.uniform(0, np.pi), rng.uniform(1.5, 3.5)
        delta = (reach * np.cos(angle), reach * np.sin(angle))
        cv2.line(
            kernel,
            (round(3 - delta[0]), round(3 - delta[1])),
            (round(3 + delta[0]), round(3 + delta[1])),
            1.0,
        )
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    if rng.random() < 0.25:
        noise = rng.standard_normal(image.shape[:2], dtype=np.float32)[..., None] * rng.uniform(2, 18)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image
