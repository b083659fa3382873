"""`occface train STAGE`: training of the networks of this distribution, also as `python -m occface_paper.train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train the networks of the paper's stages.", no_args_is_help=True)

Data = Annotated[
    Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the training data.", file_okay=False)
]
Out = Annotated[Path, typer.Option(help="Folder for checkpoints, weights and the log.", file_okay=False)]
Minutes = Annotated[float, typer.Option(help="Length of the schedule, earlier runs included.")]
Steps = Annotated[int | None, typer.Option(help="Stop after so many steps, if that comes first.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in OUT.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Seed = Annotated[int, typer.Option(help="Seed of the samples and the first weights.")]
Threads = Annotated[int | None, typer.Option(help="Threads of torch.")]


@app.callback()
def stages() -> None:
    """Train the networks of the paper's stages; every run can be stopped and resumed."""


@app.command()
def landmarks(
    data: Data,
    out: Out = Path("runs/landmarks"),
    minutes: Minutes = 100.0,
    steps: Steps = None,
    resume: Resume = False,
    device: Device = "cpu",
    seed: Seed = 0,
    threads: Threads = None,
    width: Annotated[float, typer.Option(help="Width of the MobileNetV3 trunk.")] = 0.75,
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 32,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1.2e-3,
    size: Annotated[
        list[int] | None, typer.Option(help="Crop side in px; given twice, the second is for the last 30 %.")
    ] = None,
) -> None:
    """Train the landmark network (eq. 1) on face crops with 68 points."""
    from occface_paper.landmarks.train import LandmarkTraining, train_landmarks

    settings = LandmarkTraining(width=width, batch=batch, rate=rate, sizes=tuple(size or (96, 128)))
    train_landmarks(
        data,
        out,
        minutes=minutes,
        steps=steps,
        resume=resume,
        device=device,
        seed=seed,
        threads=threads,
        settings=settings,
    )


@app.command()
def faces(
    data: Data,
    out: Out = Path("runs/faces"),
    minutes: Minutes = 60.0,
    steps: Steps = None,
    resume: Resume = False,
    device: Device = "cpu",
    seed: Seed = 0,
    threads: Threads = None,
    width: Annotated[int, typer.Option(help="Channels of the finder.")] = 40,
    batch: Annotated[int, typer.Option(help="Canvases a step.")] = 12,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 2e-3,
) -> None:
    """Train the face finder on canvases made of face crops and photos."""
    from occface_paper.faces.train import FinderTraining, train_faces

    settings = FinderTraining(width=width, batch=batch, rate=rate)
    train_faces(
        data,
        out,
        minutes=minutes,
        steps=steps,
        resume=resume,
        device=device,
        seed=seed,
        threads=threads,
        settings=settings,
    )


@app.command()
def verifier(
    data: Data,
    finder: Annotated[Path, typer.Option(help="The trained faces.safetensors.", dir_okay=False)],
    out: Out = Path("runs/verifier"),
    minutes: Minutes = 10.0,
    steps: Steps = None,
    pictures: Annotated[int, typer.Option(help="Canvases searched for false faces.")] = 2500,
    seed: Seed = 0,
    threads: Threads = None,
) -> None:
    """Train the second look at found faces on the finder's own false answers."""
    from occface_paper.faces.train_verifier import train_verifier

    train_verifier(
        data, out, finder, minutes=minutes, steps=steps, pictures=pictures, seed=seed, threads=threads
    )


if __name__ == "__main__":
    app()
