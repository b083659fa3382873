"""Draw random heads from MakeHuman's macro targets and modifiers."""

from __future__ import annotations

import attrs
import numpy as np

from .makehuman import Wheel, pair_targets

FOLDERS = (
    "head",
    "forehead",
    "eyebrows",
    "eyes",
    "nose",
    "mouth",
    "chin",
    "cheek",
    "ears",
    "neck",
    "asym",
)
RACES = ("african", "asian", "caucasian")
GENDERS = ("female", "male")
AGES = ("young", "old")
LEVELS = ("min", "average", "max")
SIGMA = 0.19
ASYMMETRY_SIGMA = 0.15
# Heads drawn around the base mesh's own shape have broad, square jaws: measured against hand-placed
# landmarks of real faces, 6 to 12 mm too broad a side below the mouth. These means take that back.
MEANS = {
    "head-invertedtriangular": 0.5,
    "head-diamond": 0.1,
    "head-triangular": -0.25,
    "head-fat-incr": -0.3,
    "chin-width-incr": -0.3,
    "head-scale-horiz-incr": -0.05,
}
RARE = {"head-triangular": 0.4, "head-rectangular": 0.4}


@attrs.define(frozen=True, kw_only=True, eq=False)
class TargetBank:
    """All displacements that shape a head, restricted to the vertices kept.

    Attributes:
        race: (3, 2, 2, N, 3) by race, gender, age.
        universal: (2, 2, 3, 3, N, 3) by gender, age, muscle, weight.
        negative: (M, N, 3) modifier at -1.
        positive: (M, N, 3) modifier at +1.
        names: M names; a one-sided modifier is drawn >= 0, its mean apart.
        one_sided: (M,) bool.
    """

    race: np.ndarray
    universal: np.ndarray
    negative: np.ndarray
    positive: np.ndarray
    names: tuple[str, ...]
    one_sided: np.ndarray


def load_bank(wheel: Wheel, keep: np.ndarray, vertex_count: int) -> TargetBank:
    """Read every target needed, keeping the vertices ``keep`` (N,)."""

    def read(folder: str, name: str) -> np.ndarray:
        return wheel.target(folder, name, vertex_count)[keep]

    race = np.stack(
        [
            np.stack([np.stack([read("macrodetails", f"{r}-{g}-{a}") for a in AGES]) for g in GENDERS])
            for r in RACES
        ]
    )
    universal = np.stack(
        [
            np.stack(
                [
                    np.stack(
                        [
                            np.stack(
                                [
                                    read("macrodetails", f"universal-{g}-{a}-{m}muscle-{w}weight")
                                    for w in LEVELS
                                ]
                            )
                            for m in LEVELS
                        ]
                    )
                    for a in AGES
                ]
            )
            for g in GENDERS
        ]
    )
    names, negatives, positives, one_sided = [], [], [], []
    for folder in FOLDERS:
        available = [name for name in wheel.target_names(folder) if not name.startswith("asymm-")]
        for low, high in pair_targets(available):
            positive = read(folder, high)
            negative = -positive if low is None else read(folder, low)
            if not positive.any() and not negative.any():
                continue
            names.append(high)
            positives.append(positive)
            negatives.append(negative)
            one_sided.append(low is None)
    return TargetBank(
        race=race,
        universal=universal,
        negative=np.stack(negatives),
        positive=np.stack(positives),
        names=tuple(names),
        one_sided=np.array(one_sided),
    )


def modifier_scales(names: tuple[str, ...]) -> np.ndarray:
    """Return the (M,) standard deviation of every modifier."""
    scales = np.full(len(names), SIGMA)
    for index, name in enumerate(names):
        if name.startswith("asym"):
            scales[index] = ASYMMETRY_SIGMA
        elif name in RARE:
            scales[index] = SIGMA * RARE[name]
        elif name.startswith(("head-angle", "head-trans")):
            scales[index] = SIGMA * 0.3
        elif name.startswith(("nose-trans", "mouth-trans")) and name.endswith(("in", "out")):
            scales[index] = SIGMA * 0.2
    return scales


def draw_modifiers(
    names: tuple[str, ...], one_sided: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw (count, M) modifier values in [-1, 1]; left and right share theirs up to a little noise."""
    scales = modifier_scales(names)
    values = generator.normal(size=(count, len(names))) * scales
    column = {name: index for index, name in enumerate(names)}
    for name, index in column.items():
        if name.startswith("l-") and f"r-{name[2:]}" in column:
            right = column[f"r-{name[2:]}"]
            values[:, right] = values[:, index] + generator.normal(scale=0.08, size=count)
    values[:, one_sided] = np.abs(values[:, one_sided])
    for name, mean in MEANS.items():
        if name in column:
            values[:, column[name]] += mean
    return np.clip(values, -1.0, 1.0)


def three_level_weights(value: np.ndarray) -> np.ndarray:
    """Return (B, 3) weights of the levels min, average and max for values (B,) in [0, 1]."""
    value = np.clip(value, 0.0, 1.0)
    low = np.clip(1.0 - 2.0 * value, 0.0, 1.0)
    high = np.clip(2.0 * value - 1.0, 0.0, 1.0)
    return np.stack([low, 1.0 - low - high, high], axis=-1)


def draw_heads(base: np.ndarray, bank: TargetBank, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw random heads.

    Args:
        base: (N, 3) neutral positions, decimetres.
        bank: the targets.
        count: how many heads.
        generator: source of randomness.

    Returns:
        (count, N, 3) float32 positions.
    """
    gender = generator.beta(0.5, 0.5, count)
    age = 0.85 * generator.beta(1.2, 2.0, count)
    race = generator.dirichlet((0.5, 0.5, 0.5), count)
    muscle = three_level_weights(generator.normal(0.5, 0.2, count))
    weight = three_level_weights(generator.normal(0.5, 0.2, count))
    values = draw_modifiers(bank.names, bank.one_sided, count, generator)

    genders = np.stack([1.0 - gender, gender], axis=-1)
    ages = np.stack([1.0 - age, age], axis=-1)
    by_race = np.einsum("br,bg,ba->brga", race, genders, ages).reshape(count, -1)
    by_build = np.einsum("bg,ba,bm,bw->bgamw", genders, ages, muscle, weight).reshape(count, -1)
    weights = np.concatenate([by_race, by_build, np.maximum(-values, 0), np.maximum(values, 0)], axis=1)
    size = base.size
    table = np.concatenate(
        [
            bank.race.reshape(-1, size),
            bank.universal.reshape(-1, size),
            bank.negative.reshape(-1, size),
            bank.positive.reshape(-1, size),
        ]
    )
    heads = weights.astype(np.float32) @ table.astype(np.float32) + base.reshape(1, -1).astype(np.float32)
    return heads.reshape(count, -1, 3)
