"""What `occface demo` does: hide a part of a known face, reconstruct it, and compare."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from occface_core.commands.console import fail, print_warning, remarks
from occface_core.errors import PhotoError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from occface_core.types import FaceBatch

PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.jpg"
"""NASA's portrait of Eileen Collins, public domain; it comes with the sources, not with installed packages."""


def demonstrate(output: Path, *, photo: Path | None, occluder: str, seed: int, config: str) -> None:
    """Write OUT/original.png, OUT/occluded.png, OUT/<photo>/… and OUT/report.html, and say where they lie.

    Args:
        output: folder for the results.
        photo: portrait of one unoccluded face; the astronaut's if None.
        occluder: kind of occluder, as `occface_core.synthetic` knows them.
        seed: seed of the occluder's shape.
        config: preset, or path of a configuration.

    Raises:
        PhotoError: the photo cannot be read.
        typer.Exit: code 1 if no face is found.
    """
    import numpy as np

    from occface_core.commands.settings import settings, with_timing
    from occface_core.engines import make_pipeline
    from occface_core.photo import read_photo, to_tensor
    from occface_core.results import check_folder, save, write_report
    from occface_core.results.writing import write_picture
    from occface_core.synthetic import add_occluder

    if photo is None and not PORTRAIT.is_file():
        raise PhotoError(f"{PORTRAIT}: the demo's portrait is not there. Give another with --photo FILE")
    source = photo or PORTRAIT
    original = read_photo(source)
    check_folder(output)
    configuration = with_timing(settings(config, []))
    with remarks().status("loading the networks") as status:
        pipeline = make_pipeline(configuration, "cpu")
        status.update("finding the face")
        found = pipeline.stage("landmark_detector").run(to_tensor(original))
        if not len(found):
            fail(f"{source}: no face was found. Give a portrait with --photo FILE", code=1)
        points = found.points[0].cpu().numpy()
        occluded, alpha = add_occluder(original, points, occluder, np.random.default_rng(seed))
        write_picture(output / "original.png", original)
        write_picture(output / "occluded.png", occluded)
        status.update("reconstructing the face behind the " + occluder)
        start = time.perf_counter()
        faces = pipeline(occluded)
        seconds = time.perf_counter() - start
        if not len(faces):
            fail(
                f"{output / 'occluded.png'}: no face was found behind the {occluder}. Try another --seed",
                code=1,
            )
        faces = faces[:1]
        status.update("writing pictures and meshes")
        folder = save(
            faces,
            output / source.stem,
            photo=occluded,
            reference=original,
            source=str(output / "occluded.png"),
            configuration=pipeline.to_config(),
            seconds=seconds,
        )
        report = write_report(output)
    article = "an" if occluder[0] in "aeiou" else "a"
    for text in faces.warnings:
        print_warning(text)
    typer.echo(f"{source} with {article} {occluder} in front, reconstructed in {seconds:.1f} s:")
    typer.echo(f"  {_comparison(faces, original, alpha)}")
    rows = {
        "photo and result": folder / "face_0" / "sheet.png",
        "turn it in a browser": report,
        "3D face": folder / "face_0" / "mesh.glb",
        "all figures": folder / "faces.json",
        "before and after": f"{output / 'original.png'}, {output / 'occluded.png'}",
    }
    for what, where in rows.items():
        typer.echo(f"  {what + ':':<22}{where}")


def _comparison(faces: FaceBatch, original: NDArray[np.uint8], alpha: NDArray[np.float32]) -> str:
    """Return one line: what was found hidden, against what was hidden, and how near the completed face came."""
    import torch

    from occface_core.geometry.align import warp_crop
    from occface_core.photo import to_tensor

    if faces.matte is None or faces.clean is None:
        return "the matte and the completed face are not known"
    size = int(faces.image.shape[-1])
    hidden = warp_crop(torch.from_numpy(alpha)[None, None], faces.crop_to_photo, size) * faces.matte.face
    truth = warp_crop(to_tensor(original), faces.crop_to_photo, size)
    share = float(hidden.sum() / faces.matte.face.sum().clamp_min(1))
    found = (faces.matte.alpha > 0.5) & (faces.matte.face > 0.5)
    wanted = hidden > 0.5
    overlap = float((found & wanted).sum() / (found | wanted).sum().clamp_min(1))
    error: Any = ((faces.clean - truth).abs() * hidden).sum() / (3 * hidden.sum().clamp_min(1e-6))
    return (
        f"{float(faces.matte.fraction()[0]):.0%} of the face found hidden, {share:.0%} is (overlap {overlap:.0%}); "
        f"hidden skin is completed with a mean colour error of {255 * float(error):.0f} of 255"
    )
