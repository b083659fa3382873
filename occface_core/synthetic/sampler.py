"""Draws what a face is, where it looks, and how it is lit."""

from __future__ import annotations

import attrs
import numpy as np

from occface_core.facemodel import FaceModel
from occface_core.synthetic.options import SynthOptions
from occface_core.synthetic.seeds import between, chance, pick

# Units that move together in usual expressions, with their largest weights.
EXPRESSIONS: dict[str, dict[str, float]] = {
    "rest": {},
    "smile": {"mouthSmile": 0.8, "cheekSquint": 0.4, "mouthDimple": 0.3},
    "laugh": {"mouthSmile": 0.9, "cheekSquint": 0.6, "jawOpen": 0.45, "mouthUpperUp": 0.4, "eyeSquint": 0.4,
              "mouthLowerDown": 0.3},
    "surprise": {"jawOpen": 0.8, "browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.7},
    "shout": {"jawOpen": 1.0, "browDown": 0.6, "mouthStretch": 0.5, "mouthUpperUp": 0.5, "mouthLowerDown": 0.5},
    "speak": {"jawOpen": 0.35, "mouthFunnel": 0.5, "mouthLowerDown": 0.4, "mouthStretch": 0.2},
    "anger": {"browDown": 0.9, "noseSneer": 0.6, "mouthPress": 0.6, "eyeSquint": 0.4},
    "sorrow": {"mouthFrown": 0.8, "browInnerUp": 0.8, "mouthShrugLower": 0.5},
    "kiss": {"mouthPucker": 0.9, "mouthFunnel": 0.3},
    "disgust": {"noseSneer": 0.9, "mouthUpperUp": 0.6, "browDown": 0.5, "eyeSquint": 0.4},
    "press": {"mouthPress": 0.7, "mouthRollLower": 0.5, "mouthRollUpper": 0.4},
    "puff": {"cheekPuff": 0.9, "mouthPucker": 0.3},
}  # fmt: skip
ODDS = {"rest": 5.0, "smile": 4.0, "laugh": 3.0, "speak": 3.0, "surprise": 1.5}


@attrs.define(frozen=True, kw_only=True, eq=False)
class FaceParameters:
    """All that is drawn about a face before it is rendered.

    Attributes:
        identity: (K,) coefficients.
        expression: (E,) weights in [0, 1].
        albedo: (A,) coefficients.
        angles: (3,) pitch, yaw, roll in radians.
        shift: (2,) share of the picture's size by which the crop strays.
        zoom: factor by which the crop's scale strays.
        distance: camera distance, mm.
        illumination: (27,) spherical harmonics, colour by colour.
        key: (3,) direction to the main light in viewer axes (y up, z towards the viewer).
        key_colour: (3,) RGB strength of the main light.
        hard: whether the main light is a point far away that casts shadows; the harmonics are then its
            nearest soft equivalent.
        gloss: strength of highlights on skin.
        age: 0 to 1, depth of wrinkles.
    """

    identity: np.ndarray
    expression: np.ndarray
    albedo: np.ndarray
    angles: np.ndarray
    shift: np.ndarray
    zoom: float
    distance: float
    illumination: np.ndarray
    key: np.ndarray
    key_colour: np.ndarray
    hard: bool
    gloss: float
    age: float


def draw_parameters(model: FaceModel, rng: np.random.Generator, options: SynthOptions) -> FaceParameters:
    """Return the parameters of one face.

    Args:
        model: face model whose coefficients are drawn.
        rng: source of randomness.
        options: ranges.
    """
    identity = np.clip(rng.standard_normal(len(model.identity)) * between(rng, 0.7, 1.1), -2.6, 2.6)
    albedo = np.clip(rng.standard_normal(len(model.albedo)), -2.2, 2.2)
    if len(albedo):
        albedo[0] = between(rng, -1.95, 1.7)  # the tone, from dark to pale, all alike
    expression = _expression(model.expression_names, rng) * options.expression
    jitter = options.jitter
    yaw = options.yaw * rng.choice([-1, 1]) * rng.random() ** 1.5
    pitch = (
        float(np.clip(rng.normal(0, 0.16), -1, 1))
        if chance(rng, 0.8)
        else between(rng, -1, 1) * options.pitch
    )
    roll = jitter * np.radians(6) * between(rng, -1, 1)
    near, far = options.distance
    illumination, key, key_colour = draw_light(rng, _brightness(model, albedo))
    return FaceParameters(
        identity=identity.astype(np.float32),
        expression=np.clip(expression, 0, 1).astype(np.float32),
        albedo=albedo.astype(np.float32),
        angles=np.array([np.clip(pitch, -options.pitch, options.pitch), yaw, roll]),
        shift=jitter * 0.06 * rng.uniform(-1, 1, 2),
        zoom=float(np.exp(jitter * 0.08 * between(rng, -1, 1))),
        distance=float(np.exp(between(rng, np.log(near), np.log(far)))),
        illumination=illumination,
        key=key,
        key_colour=key_colour,
        hard=chance(rng, options.hard_light),
        gloss=between(rng, 0.0, 0.3) * rng.random(),
        age=float(rng.random() ** 1.5),
    )


def _expression(names: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Return (E,) weights: one usual expression, a little asymmetric, with gaze, blinks and small extras."""
    kinds = tuple(EXPRESSIONS)
    odds = np.array([ODDS.get(kind, 1.0) for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=odds / odds.sum()))]
    weights = dict.fromkeys(names, 0.0)
    strength = rng.beta(2, 1.6)

    def add(unit: str, weight: float, lopsided: float = 0.15) -> None:
        for side in ("", "Left", "Right"):
            if unit + side in weights:
                weights[unit + side] += max(weight * (1 + lopsided * float(rng.standard_normal())), 0)

    for unit, most in EXPRESSIONS[kind].items():
        add(unit, most * strength * between(rng, 0.7, 1.1))
    for _ in range(int(rng.integers(0, 4))):
        unit = names[int(rng.integers(len(names)))] if names else ""
        if unit and unit != "mouthClose" and not unit.startswith("eyeLook"):
            weights[unit] += 0.45 * float(rng.random()) ** 2
    if chance(rng, 0.12):
        add("eyeBlink", between(rng, 0.5, 1.0), 0.02)
    elif chance(rng, 0.3):
        add("eyeBlink", between(rng, 0.05, 0.4), 0.05)
    _gaze(weights, rng)
    if "mouthClose" in weights:  # only ever together with an open jaw
        weights["mouthClose"] = weights.get("jawOpen", 0.0) * (
            between(rng, 0, 0.9) if chance(rng, 0.15) else 0.0
        )
    return np.array([min(weights[name], 1.0) for name in names])


def _gaze(weights: dict[str, float], rng: np.random.Generator) -> None:
    """Turn both eyes alike, in place."""
    across, up = 0.45 * rng.standard_normal(2) * (chance(rng, 0.7))
    sides = ("Left", "Right") if across > 0 else ("Right", "Left")
    moves = {f"eyeLookOut{sides[0]}": abs(across), f"eyeLookIn{sides[1]}": abs(across)}
    for side in ("Left", "Right"):
        moves[f"eyeLook{'Up' if up > 0 else 'Down'}{side}"] = abs(up) * 0.7
    for unit, weight in moves.items():
        if unit in weights:
            weights[unit] = float(min(weight, 0.9))


def _brightness(model: FaceModel, albedo: np.ndarray) -> float:
    """Return the mean brightness of a skin, 0 to 1."""
    nose = np.flatnonzero(model.regions["nose"])[::16]
    change = (albedo[:, None] * model.albedo[:, nose].mean(2)).sum(0).mean()
    return float(np.clip(model.albedo_mean[nose].mean() + change, 0.08, 0.95))


def draw_light(rng: np.random.Generator, skin: float = 0.45) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return illumination (27,), direction of the main light (3,) in viewer axes, and its colour (3,).

    Args:
        rng: source of randomness.
        skin: brightness of the skin; dark skin gets some more light, as a camera's exposure would give it.
    """
    azimuth = float(rng.normal(0, 0.8)) if chance(rng, 0.8) else between(rng, -np.pi, np.pi)
    height = float(np.clip(rng.normal(0.45, 0.45), -0.7, 1.45))
    key = np.array([np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)])
    share = between(rng, 0.2, 0.75)
    exposure = between(rng, 0.75, 1.3) * (0.5 / skin) ** 0.45
    warm = between(rng, -1, 1)
    tint = np.array([1 + 0.14 * warm, 1.0, 1 - 0.2 * warm]) ** (2.0 if chance(rng, 0.1) else 1.0)
    other = np.array([1 - 0.08 * warm, 1.0, 1 + 0.1 * warm])
    key_colour = exposure * share * 1.15 * tint
    gamma = np.zeros((3, 9))
    ambient = exposure * (1 - share) * other * between(rng, 0.9, 1.1)
    gamma[:, 0] += ambient / harmonics(np.array([0.0, 0.0, 1.0]))[0]
    gamma += directed(key, key_colour)
    for _ in range(int(rng.integers(0, 3))):
        way = rng.standard_normal(3)
        way /= np.linalg.norm(way)
        colour = exposure * between(rng, 0.05, 0.35) * (1 + 0.25 * rng.standard_normal(3))
        gamma += directed(way, np.maximum(colour, 0))
    gamma[:, 0] -= 0.8
    return gamma.reshape(27).astype(np.float32), key, key_colour


def harmonics(normals: np.ndarray) -> np.ndarray:
    """Return (..., 9) spherical harmonics of unit normals (..., 3), as geometry.illumination defines them."""
    import torch

    from occface_core.geometry.illumination import basis

    return np.asarray(basis(torch.as_tensor(normals)).numpy())


# The cosine lobe's response over the squared factor that the basis already carries, by band.
_BAND = np.array([np.pi / np.pi**2] + [(2 * np.pi / 3) / (4 * np.pi**2 / 3)] * 3
                 + [(np.pi / 4) / (4 * np.pi**2 / 8)] * 5)  # fmt: skip


def directed(way: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return (3, 9) coefficients whose light is nearest to colour · max(0, n · way)."""
    return np.asarray(np.asarray(colour)[:, None] * (_BAND * harmonics(np.asarray(way, float)))[None])


def hair_style(rng: np.random.Generator) -> str:
    """Return a style of hair."""
    return pick(rng, "bald", "cropped", "short", "short", "short", "long", "long", "long", "bun", "curly")
