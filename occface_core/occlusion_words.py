"""An occlusion report in a few plain sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FREE, MOSTLY = 0.05, 0.75
"""Below FREE a part counts as free, from MOSTLY on as hidden, between the two as partly hidden."""


def in_words(
    fraction: float | None,
    parts: Mapping[str, float | None],
    *,
    guessed: Sequence[int] = (),
    outside: Sequence[int] = (),
    beyond: float = 0.0,
) -> list[str]:
    """Return sentences: how much in all, what is hidden, what is free, which landmarks are guesses.

    Args:
        fraction: hidden share of the face; None where none of it is in the photo.
        parts: hidden share of each part, None where it is not in the photo; names such as "left_eye".
        guessed: numbers of landmarks behind something.
        outside: numbers of landmarks beyond the photo's edge.
        beyond: share of the face beyond the photo's edge.
    """
    known = {name: share for name, share in parts.items() if share is not None}
    hidden = _together({name: None for name, share in known.items() if share >= MOSTLY})
    partly = _together({name: share for name, share in known.items() if FREE <= share < MOSTLY})
    free = _together({name: None for name, share in known.items() if share < FREE})
    sentences = []
    if fraction is None:
        sentences.append("No part of the face is in the photo.")
    elif fraction < 0.005:
        sentences.append("Next to nothing hides the face." if guessed else "Nothing hides the face.")
    else:
        what = [", ".join(hidden)] if hidden else []
        what += ["partly " + ", ".join(partly)] if partly else []
        sentences.append(f"{fraction:.0%} of the face is hidden" + (f": {'; '.join(what)}." if what else "."))
        if free:
            sentences.append(f"Free: {', '.join(free)}.")
    if guessed:
        sentences.append(f"{_points(guessed)} hidden, so {'its place is' if len(guessed) == 1 else 'their places are'} "
                         f"guessed.")  # fmt: skip
    if beyond >= 0.005:
        sentences.append(f"{beyond:.0%} of the face lies beyond the photo's edge.")
    if outside:
        sentences.append(f"{_points(outside)} beyond the photo's edge.")
    return sentences


def ranges(numbers: Sequence[int]) -> str:
    """Return sorted numbers as text, runs joined: 31-35, 48-67."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _points(numbers: Sequence[int]) -> str:
    if len(numbers) == 68:
        return "All 68 landmarks are"
    return f"Landmark {numbers[0]} is" if len(numbers) == 1 else f"Landmarks {ranges(numbers)} are"


def _together(shares: Mapping[str, float | None]) -> list[str]:
    """Return names for a person; left and right of one part are one name where both are there."""
    found: list[str] = []
    for name, share in shares.items():
        side, _, part = name.partition("_")
        if side == "left" and f"right_{part}" in shares:
            continue  # said with the right one
        percent = "" if share is None else f" ({share:.0%})"
        if side == "right" and f"left_{part}" in shares:
            other = shares[f"left_{part}"]
            if share is not None and other is not None:
                percent = f" (right {share:.0%}, left {other:.0%})"
            found.append(f"both {part}s{percent}")
        else:
            found.append(name.replace("_", " ") + percent)
    return found
