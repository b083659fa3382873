"""`occface demo`: a portrait, something put in front of the face, and what the library makes of it."""

from __future__ import annotations

from pathlib import Path

import typer


def demo(
    output: Path = typer.Option(
        Path("demo-output"), "--output", "--out", "-o", help="Folder for the results."
    ),
    photo: Path | None = typer.Option(None, "--photo", help="Another portrait than the astronaut's."),
    occluder: str = typer.Option(
        "mask", "--occluder", help="What is put in front: mask, microphone, sunglasses, …"
    ),
    seed: int = typer.Option(2, "--seed", min=0, help="Another seed draws the occluder in another way."),
    config: str = typer.Option(
        "paper", "--config", "-c", help="Preset (paper, classic) or a .toml/.json file."
    ),
) -> None:
    """Hide a part of a portrait, reconstruct the face, and show the original beside the result."""
    from occface_core.commands.demonstration import demonstrate
    from occface_core.errors import RecordError
    from occface_core.synthetic.options import SynthOptions

    try:
        SynthOptions(occluders=(occluder,))
    except RecordError as error:
        raise typer.BadParameter(str(error), param_hint="--occluder") from error
    demonstrate(output, photo=photo, occluder=occluder, seed=seed, config=config)
