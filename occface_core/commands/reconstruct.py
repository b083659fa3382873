"""`occface reconstruct`: photos in, a folder a photo and a report out."""

from __future__ import annotations

import os
from pathlib import Path

import typer

PHOTOS = typer.Argument(
    help="Photos, folders of photos, or patterns such as 'holiday/*.jpg'.", show_default=False
)
OUTPUT = typer.Option(..., "--output", "-o", help="Folder for the results; made if it is not there.")
CONFIG = typer.Option("paper", "--config", "-c", help="Preset (paper, classic) or a .toml/.json file.")
SET = typer.Option(
    [],
    "--set",
    "-s",
    metavar="KEY=VALUE",
    help="Change one setting: face_inpainter=telea, or face_inpainter.radius=7. Repeatable.",
)
DEVICE = typer.Option("cpu", "--device", "-d", help="cpu, cuda, or auto.")
FORMAT = typer.Option(
    [],
    "--format",
    "-f",
    help="Meshes also as obj, ply or stl (glb is always there); expressions: a glb with morph targets; "
    "albedo: a glb without the photo's light. Repeatable.",
)


def reconstruct(
    photos: list[str] = PHOTOS,
    output: Path = OUTPUT,
    config: str = CONFIG,
    set_: list[str] = SET,
    mask: Path | None = typer.Option(
        None,
        "--mask",
        "-m",
        help="Picture of the photo's size, white (or grey, if half) = in front of a face, in place of the "
        "occlusion_matting; for one photo.",
    ),
    device: str = DEVICE,
    formats: list[str] = FORMAT,
    html: bool = typer.Option(True, "--report/--no-report", help="Write OUT/report.html."),
) -> None:
    """Reconstruct every face of the photos: OUT/PHOTO/faces.json, OUT/PHOTO/face_0/…, OUT/report.html."""
    from occface_core.commands.inputs import find_photos, name_jobs
    from occface_core.commands.running import run
    from occface_core.commands.settings import settings
    from occface_core.engines import Local

    configuration = settings(config, set_)
    found = find_photos(photos, leave_out=output)
    if mask and len(found) != 1:
        raise typer.BadParameter(
            f"a mask belongs to one photo, but {len(found)} are given", param_hint="--mask"
        )
    if mask and not os.path.isfile(mask):
        raise typer.BadParameter(f"there is no picture '{mask}'", param_hint="--mask")
    run(
        Local(),
        name_jobs(found, mask),
        configuration=configuration,
        device=device,
        folder=output,
        formats=formats,
        html=html,
    )
