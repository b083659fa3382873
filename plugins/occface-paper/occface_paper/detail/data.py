"""One training sample of the bump network: a synthetic face with exact relief over an exact or a wrong base."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from attrs import field, frozen

from occface_core.facemodel import FaceModel
from occface_core.geometry.bump import detailed_depth
from occface_core.geometry.camera import rotation_from_angles
from occface_core.geometry.normals import depth_normals
from occface_core.synthetic.labels import LABELS
from occface_core.synthetic.surface import smooth_normals
from occface_paper.detail.base import BaseSurface, draw_base
from occface_paper.landmarks.augment import degraded, recoloured
from occface_paper.synthetic_bank import SyntheticBank

#: Parsing labels on which detail is estimated.
SKIN = (LABELS["skin"], LABELS["nose"])
#: Cosine between normal and line of sight below which a pixel spans too much surface.
STEEP = 0.25
#: How a sample is hidden: not at all, by its own occluder, by another's outline, by an occluder the matte misses.
HIDING = {"nothing": 0.52, "own": 0.26, "outline": 0.14, "missed": 0.08}
#: Weight of a pixel in the loss: seen skin, hidden skin, anything else (where the truth is flat).
WEIGHTS = (1.0, 0.35, 0.1)
#: Deviations of a wrong base: identity and expression coefficients, angles (rad), shift across (mm).
WRONG = (0.25, 0.05, 0.02, 0.6)
#: Widest part of a wrong base's error that is to be recovered, standard deviation in px.
WIDE = 9.0
#: Where the error of a wrong base saturates, mm.
MOST = 1.5
#: Share of the samples that get one more light from one side, and of those that are degraded.
RELIT, DEGRADED = 0.6, 0.6


@frozen(kw_only=True, eq=False)
class DetailSample:
    """One sample, C = side of the crop.

    Attributes:
        picture: (3, C, C) uint8 RGB.
        matte: (1, C, C) float32.
        normals: (3, C, C) float32 of the base, viewer axes.
        depth: (1, C, C) float32 mm, nan where there is no surface.
        face: (1, C, C) float32.
        centre: float32, depth of the face's origin, mm.
        bump: (1, C, C) float32 mm, the truth.
        valid: (1, C, C) float32.
        weight: (1, C, C) float32.
    """

    picture: np.ndarray
    matte: np.ndarray
    normals: np.ndarray
    depth: np.ndarray
    face: np.ndarray
    centre: np.ndarray
    bump: np.ndarray
    valid: np.ndarray
    weight: np.ndarray


@frozen(kw_only=True, eq=False)
class DetailSampler:
    """Draws training samples from synthetic faces.

    Attributes:
        bank: the faces.
        indices: of the faces to draw from.
        size: side of the crops that are cut out of the faces' pictures, px.
        wrong: share of the samples whose base shape is not the true one.
    """

    bank: SyntheticBank
    indices: np.ndarray
    size: int = 160
    wrong: float = 0.5
    model: FaceModel = field(factory=FaceModel.embedded)

    def batch(self, rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
        """Samples with the fields of `DetailSample`, each with a first axis of `count`."""
        samples = [self.draw(rng) for _ in range(count)]
        return {name: np.stack([getattr(s, name) for s in samples]) for name in DetailSample.__annotations__}

    def draw(self, rng: np.random.Generator) -> DetailSample:
        """One sample, augmented."""
        index = int(self.indices[rng.integers(len(self.indices))])
        room = self.bank.clean.shape[-1] - self.size
        corner = [round(room * rng.triangular(0, 0.5, 1)) for _ in range(2)] if room else [0, 0]
        hiding = str(rng.choice(list(HIDING), p=list(HIDING.values())))
        relit = rng.random() < RELIT
        sample = self.cut(index, *corner, rng, hiding, rng.random() < self.wrong, relit)
        picture = recoloured(np.ascontiguousarray(sample.picture.transpose(1, 2, 0)), rng)
        if rng.random() < DEGRADED:
            picture = degraded(picture, rng)
        values = {name: getattr(sample, name) for name in DetailSample.__annotations__}
        values["picture"] = np.ascontiguousarray(picture.transpose(2, 0, 1))
        if rng.random() < 0.5:
            values = {
                k: v if k == "centre" else np.ascontiguousarray(v[..., ::-1]) for k, v in values.items()
            }
            values["normals"] = values["normals"] * np.array([-1, 1, 1], np.float32)[:, None, None]
        return DetailSample(**values)

    def cut(
        self,
        index: int,
        left: int,
        top: int,
        rng: np.random.Generator,
        hiding: str,
        wrong: bool,
        relit: bool = False,
    ) -> DetailSample:
        """One sample without augmentation.

        Args:
            index: of the face.
            left: first column of the crop.
            top: first row.
            rng: source of randomness.
            hiding: a name of `HIDING`.
            wrong: whether the base shape is a wrong one.
            relit: whether a light from one side is added, as many of the faces are lit from everywhere and
                show little of their relief.
        """
        rows, columns = slice(top, top + self.size), slice(left, left + self.size)
        bank = self.bank

        def crop(array: np.ndarray) -> np.ndarray:
            return np.asarray(array[index][..., rows, columns])

        true = self._surface(index, left, top)
        base = self._surface(index, left, top, rng) if wrong else true
        bump = crop(bank.bump).astype(np.float32)[None]
        clean, photo = crop(bank.clean), crop(bank.photo)
        if relit:
            intrinsics = self._intrinsics(index, left, top)
            surface = detailed_depth(true.depth, torch.from_numpy(bump)[None], intrinsics)
            shade = side_light(depth_normals(surface, intrinsics)[0].numpy(), rng)
            front = crop(bank.occluder)[None] / np.float32(255)
            clean = np.clip(clean * shade, 0, 255).astype(np.uint8)
            photo = np.clip(photo * (shade + (1 - shade) * front), 0, 255).astype(np.uint8)
        if wrong:
            bump = bump + missing_relief(base.depth[0, 0].numpy(), true.depth[0, 0].numpy())[None]
        labels, face = crop(bank.labels), base.face[0].numpy()
        skin = (np.isin(labels, SKIN) & (base.normals[0, 2].numpy() > STEEP))[None] * face
        picture, matte = clean, np.zeros((1, self.size, self.size), np.float32)
        valid = skin
        if hiding != "nothing":
            other = index if hiding != "outline" else int(self.indices[rng.integers(len(self.indices))])
            alpha = bank.occluder[other][rows, columns].astype(np.float32)[None] / 255
            if hiding == "missed":
                picture, valid = photo, skin * (alpha < 0.3)
            else:
                matte = _grown(alpha * face, int(rng.integers(0, 4)))
                seen = picture if hiding == "outline" else photo
                crude = hiding == "outline" or rng.random() < 0.5
                inside = crude_fill(seen, matte[0], rng) if crude else picture
                cover = np.clip(2 * matte, 0, 1)
                picture = (seen * (1 - cover) + inside * cover + 0.5).astype(np.uint8)
        weight = np.where(valid > 0, np.where(matte > 0.3, WEIGHTS[1], WEIGHTS[0]), WEIGHTS[2])
        return DetailSample(
            picture=picture,
            matte=matte,
            normals=base.normals[0].numpy(),
            depth=base.depth[0].numpy(),
            face=face,
            centre=bank.translation[index, 2],
            bump=bump * (valid > 0),
            valid=valid.astype(np.float32),
            weight=weight.astype(np.float32),
        )

    def _surface(
        self, index: int, left: int, top: int, wrong: np.random.Generator | None = None
    ) -> BaseSurface:
        """The face's own base surface, or with a generator a wrong one."""
        bank = self.bank

        def value(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array[index].copy())[None]

        identity, expression = value(bank.identity), value(bank.expression)
        rotation, translation = value(bank.rotation), value(bank.translation)
        if wrong is not None:
            scale = wrong.uniform(0.2, 1.2)

            def noise(like: torch.Tensor, deviation: float) -> torch.Tensor:
                drawn = torch.from_numpy(wrong.standard_normal(tuple(like.shape)).astype(np.float32))
                return drawn * (scale * deviation)

            identity = identity + noise(identity, WRONG[0])
            expression = (expression + noise(expression, WRONG[1])).clamp(0, 1)
            rotation = rotation @ turn(noise(translation, WRONG[2]))
            translation = translation + noise(translation, WRONG[3]) * torch.tensor([1.0, 1.0, 0.0])
        intrinsics = self._intrinsics(index, left, top)
        vertices = self.model.vertices(identity, expression)
        normals = smooth_normals(vertices[0].numpy(), self.model.triangles, self.model.weld)
        normals = torch.from_numpy(normals)[None] @ rotation.transpose(1, 2)
        return draw_base(self.model, vertices, rotation, translation, intrinsics, self.size, normals=normals)

    def _intrinsics(self, index: int, left: int, top: int) -> torch.Tensor:
        intrinsics = torch.from_numpy(self.bank.intrinsics[index].copy())[None]
        intrinsics[:, 0, 2] -= left
        intrinsics[:, 1, 2] -= top
        return intrinsics


def side_light(normals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Factor (1, H, W) on a picture by one more light from a random side, about 1 in the mean.

    Args:
        normals: (3, H, W) of the true surface, viewer axes; 0 where there is none.
        rng: source of randomness.
    """
    around, front = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.8)
    out = np.sqrt(1 - front**2)
    way = np.array([out * np.cos(around), out * np.sin(around), front], np.float32)
    strength = np.float32(rng.uniform(0.3, 0.9))
    lit = np.maximum(np.einsum("c,chw->hw", way, normals), 0)
    surface = np.abs(normals).sum(0) > 0
    mean = lit[surface].mean() if surface.any() else 0.5
    factor = 1 - strength + strength * lit / max(float(mean), 0.2)
    return np.where(surface, factor, 1).astype(np.float32)[None]


def turn(angles: torch.Tensor) -> torch.Tensor:
    """Turn about the face's own axes: (B, 3) rad (pitch, yaw, roll) -> (B, 3, 3)."""
    return rotation_from_angles(torch.zeros_like(angles)).transpose(1, 2) @ rotation_from_angles(angles)


def missing_relief(base: np.ndarray, true: np.ndarray) -> np.ndarray:
    """What a wrong base lacks of the true surface, (H, W) mm towards the camera, without its wide part.

    An offset of the whole face cannot be seen in shading, so that it is no business of the bump map: the mean
    nearby is taken away. Where an edge of one surface lies in the middle of the other there is no answer: 0.

    Args:
        base: (H, W) mm depth, nan where there is no surface.
        true: (H, W) mm.
    """
    nearer = base - true
    known = np.isfinite(nearer) & (np.abs(nearer) < 3 * MOST)
    nearer = np.where(known, nearer, 0).astype(np.float32)
    weight = known.astype(np.float32)
    mean = cv2.GaussianBlur(nearer, (0, 0), WIDE) / np.maximum(cv2.GaussianBlur(weight, (0, 0), WIDE), 1e-3)
    inner = cv2.GaussianBlur(cv2.erode(weight, np.ones((5, 5), np.uint8)), (0, 0), 1.5)
    return np.asarray(MOST * np.tanh((nearer - mean) / MOST) * inner * known, dtype=np.float32)


def crude_fill(picture: np.ndarray, matte: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Fill what is hidden from its surroundings, coarse to fine: no detail of its own.

    Args:
        picture: (3, H, W) uint8.
        matte: (H, W) in [0, 1].
        rng: adds grain if given.

    Returns:
        (3, H, W) float32, 0 to 255.
    """
    values = np.ascontiguousarray(picture.transpose(1, 2, 0)).astype(np.float32)
    seen = np.clip(1 - 4 * matte, 0, 1).astype(np.float32)
    filled: np.ndarray = np.full_like(values, 128)
    known = np.concatenate((values * seen[..., None], seen[..., None]), 2)
    size = matte.shape[::-1]
    for step, sigma in ((8, 5.0), (4, 4.0), (2, 3.0)):
        small = cv2.resize(known, (size[0] // step, size[1] // step), interpolation=cv2.INTER_AREA)
        near = cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma), size, interpolation=cv2.INTER_LINEAR)
        share = np.clip(4 * near[..., 3:], 0, 1)
        filled = filled * (1 - share) + share * near[..., :3] / np.maximum(near[..., 3:], 1e-4)
    if rng is not None:
        grain = rng.standard_normal(matte.shape, dtype=np.float32) * rng.uniform(0, 6)
        filled = filled + cv2.GaussianBlur(grain, (0, 0), 0.8)[..., None]
    return np.clip(filled, 0, 255).transpose(2, 0, 1)


def _grown(alpha: np.ndarray, reach: int) -> np.ndarray:
    """Alpha (1, H, W) spread by `reach` px."""
    if not reach:
        return alpha
    return cv2.dilate(alpha[0], np.ones((2 * reach + 1,) * 2, np.uint8))[None]
