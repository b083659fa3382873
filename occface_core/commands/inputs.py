"""Photos as given on a command line → jobs: folders and patterns are expanded, names made unique."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from occface_core.engines import Job
from occface_core.photo import PHOTO_SUFFIXES
from occface_core.results.saving import DOCUMENT


def find_photos(given: Sequence[str], *, leave_out: Path | None = None) -> list[Path]:
    """Return the photos that files, folders and patterns name, each once, in the order given.

    Args:
        given: paths of files, folders (searched through, files by their endings, results of earlier runs left
            out) or patterns with `*`.
        leave_out: folder whose files are not taken: where results are written.

    Returns:
        Paths; a file or pattern that matches nothing is kept, so that reading it fails with its name.
    """
    own = leave_out.resolve() if leave_out else None
    found: dict[Path, Path] = {}
    for text in given:
        for path in _expand(text):
            real = Path(os.path.realpath(path))  # links that lead in a circle are no error here
            if own is None or own not in real.parents or str(path) == text:
                found.setdefault(real, path)
    return list(found.values())


def _expand(text: str) -> Iterator[Path]:
    path = Path(text)
    if os.path.isdir(path):
        yield from _photos_in(path)
    elif not os.path.exists(path) and glob.has_magic(text):
        matches = sorted(Path(match) for match in glob.glob(text, recursive=True))
        for match in matches or [path]:
            yield from _photos_in(match) if match.is_dir() else [match]
    else:
        yield path


def _photos_in(folder: Path) -> list[Path]:
    results = {path.parent for path in folder.rglob(DOCUMENT)}  # of an earlier run: no photos
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES
        and path.is_file()
        and results.isdisjoint(path.parents)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def name_jobs(photos: Sequence[Path], mask: Path | None = None) -> list[Job]:
    """Return one job a photo, named after the file; photos of one name get their folder's name before it.

    Names are the same whenever the same photos are given, so that a run can be resumed. They hold letters
    and digits, "-", "_" and "." only, and differ even where capitals do not count.
    """
    candidates = [_candidates(photo.absolute()) for photo in photos]
    names = [choices[0] for choices in candidates]
    for level in range(1, len(candidates[0]) if candidates else 0):
        count = Counter(name.lower() for name in names)
        clashing = [i for i, name in enumerate(names) if count[name.lower()] > 1]
        for i in clashing:
            names[i] = candidates[i][level]
    taken: set[str] = set()
    for i, name in enumerate(names):
        k = 2
        while names[i].lower() in taken:
            names[i], k = f"{name}-{k}", k + 1
        taken.add(names[i].lower())
    return [Job(photo=photo, name=name, mask=mask) for photo, name in zip(photos, names, strict=True)]


def _candidates(photo: Path) -> list[str]:
    """Return ever longer names for a photo; the last one is its whole path."""
    kind, parent = photo.suffix[1:].lower(), photo.parent.name
    longer = (
        photo.stem,
        f"{photo.stem}-{kind}",
        f"{parent}-{photo.stem}",
        f"{parent}-{photo.stem}-{kind}",
        "-".join(photo.parts[1:]),
    )
    return [_clean(name) for name in longer]


def _clean(name: str) -> str:
    cleaned = re.sub(r"[^\w.-]+", "_", name).strip("._")[:120]
    return cleaned or "photo"
