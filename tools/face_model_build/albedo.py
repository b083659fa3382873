"""Procedural skin, lips, brows, beard, hair and eye colours, drawn per vertex."""

from __future__ import annotations

import numpy as np

from occface_core.facemodel.regions import distance_to_polyline

# sRGB-coded albedo of skin from light to dark, chosen by eye.
TONES = np.array(
    [
        (0.93, 0.79, 0.71),
        (0.89, 0.72, 0.62),
        (0.84, 0.64, 0.52),
        (0.75, 0.54, 0.41),
        (0.63, 0.43, 0.31),
        (0.49, 0.32, 0.23),
        (0.36, 0.23, 0.165),
        (0.255, 0.165, 0.125),
    ]
)
HAIR = np.array(
    [(0.08, 0.065, 0.06), (0.17, 0.115, 0.085), (0.31, 0.21, 0.14), (0.52, 0.39, 0.25), (0.55, 0.53, 0.51)]
)
IRIS = np.array(
    [(0.21, 0.12, 0.07), (0.33, 0.21, 0.11), (0.36, 0.36, 0.22), (0.33, 0.43, 0.50), (0.42, 0.46, 0.48)]
)


def smooth_noise(
    points: np.ndarray, count: int, wavelength: float, generator: np.random.Generator
) -> np.ndarray:
    """Return (count, V) zero-mean, unit-variance noise over (V, 3) points (random Fourier features)."""
    features = 48
    frequency = generator.normal(size=(features, 3)) * (2.0 * np.pi / wavelength / 1.7)
    phase = generator.uniform(0, 2 * np.pi, features)
    waves = np.cos(points @ frequency.T + phase).astype(np.float32)
    gains = generator.normal(size=(count, features)).astype(np.float32)
    return gains @ waves.T * np.float32(np.sqrt(2.0 / features))


def smooth_step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise from 0 at ``low`` to 1 at ``high`` (or fall, when low > high)."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def blob(points: np.ndarray, centre: np.ndarray, radius: np.ndarray | float) -> np.ndarray:
    """Return a Gaussian bump (V,) around a point; the radius may differ by axis."""
    return np.exp(-0.5 * (((points - centre) / radius) ** 2).sum(axis=1))


def skin_tone(value: np.ndarray) -> np.ndarray:
    """Return (B, 3) skin colours for (B,) values from 0 (light) to 1 (dark)."""
    at = value * (len(TONES) - 1)
    return np.stack([np.interp(at, np.arange(len(TONES)), TONES[:, k]) for k in range(3)], axis=1)


def _mix(base: np.ndarray, colour: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Blend (B, V, 3) towards (B, 3) by (B, V)."""
    return base + amount[..., None] * (colour[:, None] - base)


def draw_albedo(
    points: np.ndarray,
    landmarks: np.ndarray,
    masks: dict[str, np.ndarray],
    regions: dict[str, np.ndarray],
    eye_angle: np.ndarray,
    count: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """Draw (count, V, 3) float32 sRGB-coded albedo.

    Args:
        points: (V, 3) mean positions, mm.
        landmarks: (68, 3) mm.
        masks: "lips", "eyelids", "ears" (V,) in [0, 1]; "lid_rim" (V,) mm from the rim of the eyelids;
            "upper_lid" (V,) bool, above the line between the eye's corners.
        regions: the named regions.
        eye_angle: (V,) degrees from the optical axis on the eyeballs, NaN elsewhere.
        count: how many.
        generator: source of randomness.
    """
    lm = landmarks
    z = points[:, 2]
    tone = generator.beta(1.0, 1.25, count)
    skin = skin_tone(tone) * (1.0 + generator.normal(scale=0.015, size=(count, 3)))
    skin *= 1.0 + generator.normal(scale=0.04, size=(count, 1))
    colour = np.repeat(skin[:, None].astype(np.float32), len(points), axis=1)

    coarse = smooth_noise(points, count, 70.0, generator)
    middle = smooth_noise(points, count, 26.0, generator)
    brightness = 1.0 + 0.022 * coarse + 0.014 * middle
    colour *= brightness[..., None]

    # Blood under the skin: cheeks, nose, ears, chin and a little everywhere.
    flush = np.zeros((count, len(points)), np.float32)
    centres = [
        (0.5 * (lm[36] + lm[48]) + [-9, -2, 0], (17, 14, 30), 0.9),
        (0.5 * (lm[45] + lm[54]) + [9, -2, 0], (17, 14, 30), 0.9),
        (lm[30], (11, 9, 14), 1.0),
        (lm[8] + [0, 8, 0], (14, 9, 25), 0.5),
    ]
    strength = np.abs(generator.normal(scale=0.6, size=(count, 1))) + 0.35
    for centre, radius, gain in centres:
        own = strength * gain * (1.0 + 0.3 * generator.normal(size=(count, 1)))
        flush += own * blob(points, centre, np.array(radius, float))
    flush += strength * 0.8 * regions["ears"]
    flush += 0.25 * smooth_noise(points, count, 40.0, generator)
    redness = np.stack([0.05 * flush * 0.4, -0.085 * flush, -0.075 * flush], axis=-1)
    colour *= 1.0 + redness * (1.0 - 0.45 * tone[:, None, None])

    # Darker around the eyes.
    below = np.array([0.0, 3.0, 0.0])
    around_eye = blob(points, lm[36:42].mean(axis=0) - below, np.array([17, 12, 25.0]))
    around_eye = around_eye + blob(points, lm[42:48].mean(axis=0) - below, np.array([17, 12, 25.0]))
    shade = np.abs(generator.normal(0.07, 0.06, (count, 1))) * around_eye + 0.10 * masks["eyelids"]
    colour *= 1.0 - shade[..., None] * np.array([0.75, 1.0, 0.9], np.float32)

    # Lips: redder skin, sometimes painted.
    lip = skin * np.array([0.86, 0.60, 0.60]) + np.array([0.035, 0.0, 0.015])
    lip *= 1.0 + generator.normal(scale=0.06, size=(count, 3))
    painted = generator.random(count) < 0.14
    lipstick = np.stack(
        [
            generator.uniform(0.45, 0.8, count),
            generator.uniform(0.08, 0.3, count),
            generator.uniform(0.12, 0.35, count),
        ],
        axis=1,
    )
    lip = np.where(painted[:, None], 0.3 * lip + 0.7 * lipstick, lip)
    seam = np.concatenate([lm[60:65], lm[64:68], lm[60:61]])
    inner = smooth_step(distance_to_polyline(points, seam), 5.5, 2.0) * regions["lips"]
    lip_amount = generator.uniform(0.6, 1.0, (count, 1)) * np.maximum(
        smooth_step(masks["lips"], 0.2, 0.75), inner
    )
    colour = _mix(colour, lip, lip_amount)

    # Hair colour goes with the skin, brows and beard with the hair.
    shade_of_hair = (
        np.clip(generator.beta(1.1, 1.6, count) * (1.25 - 1.15 * np.minimum(tone * 1.6, 1.0)), 0.0, 1.0) * 3.0
    )
    grey = generator.random(count) < 0.12
    shade_of_hair = np.where(grey, generator.uniform(3.0, 4.0, count), shade_of_hair)
    hair = np.stack([np.interp(shade_of_hair, np.arange(len(HAIR)), HAIR[:, k]) for k in range(3)], axis=1)
    hair *= 1.0 + generator.normal(scale=0.05, size=(count, 3))
    lashes = smooth_step(masks["lid_rim"], 1.5, 0.3) * np.where(masks["upper_lid"], 0.7, 0.25)
    colour = _mix(colour, hair * 0.4 + skin * 0.1, lashes * generator.uniform(0.4, 1.0, (count, 1)))
    colour = _paint_brows(colour, points, lm, regions, hair * 0.55 + skin * 0.12, generator)
    colour = _paint_beard(colour, points, lm, masks, regions, hair * 0.7 + skin * 0.15, generator)
    colour = _paint_scalp(colour, points, lm, masks, regions, hair, skin, generator)
    colour = _paint_eyes(colour, regions, eye_angle, generator)

    cavity = np.array([0.36, 0.14, 0.13]) * (1.0 + generator.normal(scale=0.05, size=(count, 3)))
    tongue = np.array([0.68, 0.36, 0.35]) * (1.0 + generator.normal(scale=0.05, size=(count, 3)))
    teeth = np.array([0.86, 0.82, 0.74]) * (1.0 + generator.normal(scale=0.03, size=(count, 3)))
    # Little light reaches the back of the mouth, and spherical harmonics know no shadows: paint it dark.
    for name, tint, dark in (("mouth_cavity", cavity, 0.25), ("tongue", tongue, 0.35), ("teeth", teeth, 0.2)):
        inside = regions[name]
        front = z[inside].max()
        lit = np.interp(z[inside], [front - 30.0, front - 6.0], [dark, 1.0])[:, None]
        colour[:, inside] = (tint[:, None] * lit).astype(np.float32)
    return np.clip(colour, 0.0, 1.0).astype(np.float32)


def _paint_brows(colour, points, lm, regions, tint, generator):
    count = len(colour)
    out = colour
    skin = (regions["face"] | regions["scalp"]) & ~regions["eyeballs"]
    width = generator.uniform(2.2, 4.2, (count, 1))
    strength = generator.uniform(0.45, 0.95, (count, 1))
    for ids in (range(17, 22), range(22, 27)):
        line = lm[list(ids)][:, :2] + [0.0, -1.0]
        distance = distance_to_polyline(points[:, :2], line)
        # Thinner at the outer end.
        inner = np.abs(points[:, 0]) / np.abs(lm[17, 0])
        half_width = width * np.interp(inner, [0.2, 0.5, 1.0], [1.0, 1.0, 0.55])
        amount = strength * smooth_step_rows(distance, half_width + 1.4, half_width - 1.2)
        texture = 1.0 + 0.15 * smooth_noise(points, count, 6.0, generator)
        out = _mix(out, tint, np.clip(amount * texture, 0.0, 1.0) * skin)
    return out


def smooth_step_rows(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """``smooth_step`` of (V,) values with (B, V) edges."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _paint_beard(colour, points, lm, masks, regions, tint, generator):
    count = len(colour)
    x, y, z = points.T
    u = np.abs(x)
    mouth_y, half, chin_y = lm[48, 1], np.abs(lm[54, 0]), lm[8, 1]
    # Moustache: a band over the upper lip that thins out past the mouth's corners.
    band = distance_to_polyline(points[:, :2], lm[48:55, :2])
    moustache = smooth_step(band, 9.5, 4.5) * smooth_step(y, mouth_y - 3.0, mouth_y + 2.0)
    moustache = moustache * smooth_step(y, lm[33, 1] - 0.5, lm[33, 1] - 4.0)
    moustache = moustache * smooth_step(u, half + 9.0, half - 1.0)
    # Beard: below a line that runs from under the lip over the cheek to the front of the ear.
    eye_y = lm[36:48, 1].mean()
    edge = np.interp(
        u,
        [0, 9, 18, half + 6, half + 18, half + 32, 72],
        [lm[57, 1] - 5, lm[57, 1] - 6, lm[57, 1] + 2, mouth_y - 4, mouth_y - 3, mouth_y + 12, eye_y - 8],
    )
    beard = smooth_step(y, edge + 4.0, edge - 7.0) * smooth_step(y, chin_y - 34.0, chin_y - 10.0)
    beard = beard * smooth_step(z, lm[3, 2] - 14.0, lm[3, 2] + 4.0) * smooth_step(masks["ears"], 0.3, 0.05)
    beard = beard * (regions["neck"] | regions["face"] | regions["scalp"])
    moustache = moustache * regions["face"]
    clear = smooth_step(masks["lips"], 0.35, 0.05)
    male = generator.random(count) < 0.5
    full = (male * (generator.random(count) < 0.4))[:, None]
    density = generator.uniform(0.15, 0.9, (count, 1))
    shadow = (male * generator.uniform(0.0, 0.2, count))[:, None]
    only_moustache = (male * (generator.random(count) < 0.12))[:, None]
    goatee = (generator.random(count) < 0.35)[:, None]
    around_mouth = smooth_step(u, half + 9.0, half - 2.0)
    lower = beard * np.where(goatee, around_mouth, 1.0)
    shape = np.maximum(lower, moustache)
    amount = np.maximum(full * density * shape, only_moustache * density * moustache)
    amount = np.maximum(amount, shadow * np.maximum(beard, moustache))
    texture = 1.0 + 0.12 * smooth_noise(points, count, 9.0, generator)
    return _mix(colour, tint, np.clip(amount * clear * texture, 0.0, 0.95))


def _paint_scalp(colour, points, lm, masks, regions, hair, skin, generator):
    count = len(colour)
    _, y, z = points.T
    eye_y = lm[36:48, 1].mean()
    brow_y = lm[17:27, 1].mean()
    hairline = generator.normal(61.0, 3.0, (count, 1)) + brow_y - eye_y
    # Over the forehead the height counts, at the temples the depth behind the outer brow.
    back = np.maximum(lm[17, 2] - z - 2.0, 0.0) / 30.0
    up = np.maximum(y - eye_y, 0.0)
    reach = np.sqrt((up / hairline) ** 2 + back**2)
    over = smooth_step_rows(reach, np.full((count, 1), 0.92), np.full((count, 1), 1.12))
    behind_ear = smooth_step(z, lm[3, 2] - 2.0, lm[3, 2] - 22.0)
    lowest = (1.0 - behind_ear) * lm[29, 1] + behind_ear * (lm[33, 1] - 22.0)
    amount = over * smooth_step(y, lowest - 5.0, lowest + 5.0) * smooth_step(masks["ears"], 0.3, 0.05)
    amount = amount * (regions["scalp"] | regions["face"] | regions["neck"])
    bald = generator.random((count, 1)) < 0.10
    texture = 1.0 + 0.08 * smooth_noise(points, count, 12.0, generator)
    amount = np.clip(amount * np.where(bald, 0.15, 0.95) * texture, 0.0, 1.0)
    return _mix(colour, hair, amount)


def _paint_eyes(colour, regions, eye_angle, generator):
    count = len(colour)
    out = colour
    on_eye = regions["eyeballs"]
    angle = np.where(on_eye, np.nan_to_num(eye_angle, nan=90.0), 90.0)
    kind = generator.choice(len(IRIS), count, p=(0.42, 0.25, 0.13, 0.13, 0.07))
    iris = IRIS[kind] * (1.0 + generator.normal(scale=0.10, size=(count, 3)))
    sclera = np.array([0.84, 0.80, 0.77]) * (1.0 + generator.normal(scale=0.03, size=(count, 3)))
    rows = np.ones((count, 1), np.float32)
    out = _mix(out, sclera, rows * on_eye)
    out = _mix(out, sclera * [0.86, 0.68, 0.64], rows * (on_eye * smooth_step(angle, 38.0, 75.0)))
    out = _mix(out, iris, rows * (on_eye * (angle < 23.0)))
    out = _mix(out, iris * 0.45, rows * (on_eye * (angle > 20.0) * (angle < 23.0)))
    return _mix(out, np.full((count, 3), 0.025), rows * (on_eye * (angle < 9.5)))
