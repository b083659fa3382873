"""What an installation is made of and whether it works; the facts behind `occface doctor`."""

from __future__ import annotations

import os
import platform
import tempfile
import warnings
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Literal

import attrs

from occface_core.errors import OccfaceError
from occface_core.presets import PRESETS
from occface_core.registry import Registry
from occface_core.stages import STAGES

NEEDED = ("torch", "numpy", "opencv-python", "pillow", "scipy", "kornia", "numba", "trimesh", "safetensors")


@attrs.define(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        what: the thing.
        state: "ok", "note" (works, but you should know) or "bad".
        found: what it is.
        advice: what to do, or "".
    """

    what: str
    state: Literal["ok", "note", "bad"]
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return plain data for JSON."""
        return attrs.asdict(self)


def examine() -> list[Finding]:
    """Look at everything; takes some seconds, because torch and every plugin are imported."""
    return [*_versions(), *_torch(), *_plugins(), *_presets(), *_face_model(), *_optional(), *_writing()]


def _import_problem(registry: Registry, kind: str, name: str) -> str:
    try:
        registry.get(kind, name)
    except OccfaceError as error:
        return str(error)
    return ""


def _versions() -> Iterator[Finding]:
    from occface_core import __version__

    system = f"{platform.system()} {platform.machine()}"
    yield Finding("occface", "ok", f"{__version__} on Python {platform.python_version()}, {system}")
    found = []
    for name in NEEDED:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding(name, "bad", "not installed", f"python -m pip install {name}")
    yield Finding("packages", "ok", ", ".join(found))
    both = [name for name in ("opencv-python", "opencv-python-headless") if _installed(name)]
    if len(both) == 2:
        advice = "They overwrite each other: uninstall both, then install opencv-python alone"
        yield Finding("opencv", "note", " and ".join(both), advice)


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:
        yield Finding("torch", "bad", f"cannot be imported ({error})", "Install it again")
        return
    threads = f"{torch.get_num_threads()} threads on {os.cpu_count()} processors"
    yield Finding("cpu", "ok", threads + f" (OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')})")
    if torch.cuda.is_available():
        yield Finding("gpu", "ok", f"{torch.cuda.get_device_name(0)}; use --device cuda")
    else:
        yield Finding("gpu", "ok", "none that torch can use; everything runs on the processor")


def _plugins() -> Iterator[Finding]:
    registry = Registry()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        entries = registry.entries()
    for problem in registry.problems:
        yield Finding("discovery", "note", problem)
    good = 0
    for entry in entries:
        problem = entry.problem or _import_problem(registry, entry.kind, entry.name)
        good += not problem
        if problem:
            advice = f"Reinstall or uninstall {entry.distribution or entry.value}; the other plugins work without it"
            yield Finding(f"{entry.kind} '{entry.name}'", "bad", problem, advice)
    yield Finding("plugins", "ok" if good else "bad", f"{good} of {len(entries)} can be used")


def _presets() -> Iterator[Finding]:
    """Make every preset and set up its stages, which loads their weights."""
    from occface_core.config import resolve

    for name in PRESETS:
        try:
            stages, _ = resolve(name, Registry())
        except OccfaceError as error:
            advice = "Install the distributions that offer these plugins (occface-paper, occface-classic)"
            yield Finding(f"preset '{name}'", "bad", str(error), advice)
            continue
        missing = []
        for stage in STAGES:
            try:
                stages[stage].instance.setup("cpu")
            except Exception as error:
                missing.append(f"{stage} '{stages[stage].name}': {error}")
        fallbacks = any(choice.warning for choice in stages.values())
        if missing:
            yield Finding(f"preset '{name}'", "bad", "; ".join(missing), "Reinstall the distribution named")
        elif fallbacks:
            pairs = (
                f"{choice.name} for {PRESETS[name][stage]}"
                for stage, choice in stages.items()
                if choice.warning
            )
            advice = "Results name these stand-ins too. Install distributions that offer the missing networks"
            yield Finding(f"preset '{name}'", "note", f"works with stand-ins: {', '.join(pairs)}", advice)
        else:
            plugins = ", ".join(stages[stage].name for stage in STAGES)
            yield Finding(f"preset '{name}'", "ok", f"{plugins}; weights are there")


def _face_model() -> Iterator[Finding]:
    try:
        from occface_core.facemodel import FaceModel

        model: Any = FaceModel.embedded()
    except Exception as error:
        yield Finding("face model", "bad", f"{type(error).__name__}: {error}", "Reinstall occface-core")
        return
    sizes = (
        f"{len(model.mean)} vertices, {len(model.identity)} identity and {len(model.expression)} expression"
    )
    yield Finding("face model", "ok", f"{sizes} components; licence {model.licence}")


def _optional() -> Iterator[Finding]:
    if not find_spec("open3d"):
        advice = "Only wanted for its viewer and some checks: python -m pip install 'occface-core[open3d]'"
        yield Finding("open3d", "ok", "not installed (optional)", advice)
        return
    try:
        import open3d

        yield Finding("open3d", "ok", f"{open3d.__version__} (optional)")
    except Exception as error:
        advice = "Optional. Version 0.19 needs no libusb: python -m pip install 'open3d<0.20'"
        yield Finding("open3d", "note", f"is installed but cannot be imported ({error})", advice)


def _writing() -> Iterator[Finding]:
    try:
        with tempfile.TemporaryDirectory(prefix="occface-") as folder:
            from occface_core.results import check_folder

            check_folder(folder)
            yield Finding("writing", "ok", f"temporary files in {tempfile.gettempdir()}")
    except OSError as error:
        yield Finding(
            "writing", "bad", str(error), "Free some space, or set TMPDIR to a folder that can be written"
        )
