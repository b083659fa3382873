"""Makes synthetic faces: sample, render, occlude, degrade, label."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from occface_core.facemodel import FaceModel
from occface_core.geometry.align import mean_landmarks
from occface_core.geometry.illumination import AMBIENT
from occface_core.synthetic.degrade import degrade
from occface_core.synthetic.labels import LABELS
from occface_core.synthetic.occluders.compose import Occlusion, occlude
from occface_core.synthetic.occluders.face_frame import FaceFrame
from occface_core.synthetic.options import SynthOptions
from occface_core.synthetic.render import Figure, render
from occface_core.synthetic.sample import SyntheticFace
from occface_core.synthetic.sampler import draw_parameters
from occface_core.synthetic.seeds import chance, sample_generator

HIDDEN = 0.5
"""Alpha from which an occluder hides a landmark or takes a pixel's label."""


@lru_cache(maxsize=1)
def embedded() -> FaceModel:
    """Return the embedded face model, loaded once."""
    return FaceModel.embedded()


def generate(
    seed: int, index: int, options: SynthOptions | None = None, *, model: FaceModel | None = None
) -> SyntheticFace:
    """Return one synthetic face; the same seed, index and options give the same bits in any process.

    Args:
        seed: seed of the set, at least 0.
        index: number of the sample in the set, at least 0.
        options: ranges and choices; None = all defaults.
        model: face model to draw; None = the embedded one.
    """
    options = SynthOptions() if options is None else options
    model = embedded() if model is None else model
    face = draw_parameters(model, sample_generator(seed, index, "face"), options)
    figure = render(model, face, sample_generator(seed, index, "figure"), options)
    done = _occlusions(figure, sample_generator(seed, index, "occluder"), options)
    size = options.size
    alpha, shadow = np.zeros((size, size), np.float32), np.ones((size, size), np.float32)
    labels, photo = figure.labels.copy(), figure.image
    for one in done:
        alpha = 1 - (1 - alpha) * (1 - one.alpha)
        shadow = shadow * one.shadow
        labels[one.alpha > HIDDEN] = LABELS[one.label]
        photo = one.image
    pictures = [photo, figure.image] if done else [figure.image]
    degraded = degrade(pictures, sample_generator(seed, index, "camera"), options.degrade)
    photo, clean = degraded[0], degraded[-1]
    return SyntheticFace(
        photo=np.ascontiguousarray(photo.transpose(2, 0, 1)),
        clean=np.ascontiguousarray(clean.transpose(2, 0, 1)),
        occluder=alpha,
        face=figure.face,
        matte=alpha * figure.face,
        shadow=shadow,
        labels=labels,
        clean_labels=figure.labels,
        landmarks=figure.landmarks,
        outline=figure.outline,
        visible=_visible(figure, alpha),
        coefficients={
            "identity": face.identity,
            "expression": face.expression,
            "albedo": face.albedo,
            "illumination": _exposed(face.illumination, figure.exposure),
        },
        rotation=figure.rotation,
        translation=figure.translation,
        intrinsics=figure.intrinsics,
        vertices=figure.vertices,
        depth=figure.depth,
        normals=np.ascontiguousarray(figure.normals.transpose(2, 0, 1)),
        bump=figure.bump,
        kind="+".join(one.kind for one in done) or "none",
        hard_light=face.hard,
        seed=seed,
        index=index,
    )


def _occlusions(figure: Figure, rng: np.random.Generator, options: SynthOptions) -> list[Occlusion]:
    """Put none, one or two occluders on the figure; the last one's image shows all of them."""
    if not options.occluders or not chance(rng, options.occluded):
        return []
    count = min(2 if chance(rng, options.second_occluder) else 1, len(options.occluders))
    done: list[Occlusion] = []
    image = figure.image
    frame = frame_of(figure.rotation, figure.translation, figure.intrinsics, figure.outline)
    for kind in rng.permutation(len(options.occluders))[:count]:
        one = occlude(
            image, figure.outline, options.occluders[int(kind)], rng, frame=frame, folder=options.cutouts
        )
        image = one.image
        done.append(one)
    return done


def frame_of(
    rotation: np.ndarray, translation: np.ndarray, intrinsics: np.ndarray, outline: np.ndarray
) -> FaceFrame:
    """Return where the face is, from its pose: what `FaceFrame.fit` would estimate."""
    scale = float(intrinsics[0, 0] / translation[2])
    middle = intrinsics[:2, 2] + scale * translation[:2]
    return FaceFrame(
        scale=scale,
        rotation=np.diag([1.0, 1.0, -1.0]) @ rotation,
        offset=middle.astype(np.float64),
        landmarks=outline.astype(np.float64),
        reference=mean_landmarks().numpy(),
    )


def _exposed(illumination: np.ndarray, factor: float) -> np.ndarray:
    """Return the coefficients (27,) of a light `factor` times as strong, the even light included."""
    even = np.zeros((3, 9), np.float32)
    even[:, 0] = AMBIENT
    return np.asarray((illumination.reshape(3, 9) + even) * factor - even, np.float32).reshape(27)


def _visible(figure: Figure, alpha: np.ndarray) -> np.ndarray:
    """Return (68,) float32, 1 where a landmark can be seen in the photo."""
    height, width = alpha.shape
    x, y = figure.landmarks.T
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    at = cv2.remap(alpha, x[None].astype(np.float32), y[None].astype(np.float32), cv2.INTER_LINEAR,
                   borderMode=cv2.BORDER_REPLICATE)[0]  # fmt: skip
    return np.asarray((inside & figure.seen & (at < HIDDEN)).astype(np.float32))
