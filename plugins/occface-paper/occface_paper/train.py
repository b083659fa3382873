"""`occface train STAGE`: training of the networks of this distribution, also as `python -m occface_paper.train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Train the networks of the paper's stages.", no_args_is_help=True)

Data = Annotated[
    Path,
    typer.Option(envvar="OCCFACE_DATA", help="Folder of the training data.", exists=True, file_okay=False),
]
Out = Annotated[Path, typer.Option(help="Folder for checkpoints, weights and the log.", file_okay=False)]
Minutes = Annotated[float, typer.Option(help="Length of the schedule, earlier runs included.")]
Steps = Annotated[int | None, typer.Option(help="Stop after so many steps, if that comes first.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in OUT.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Seed = Annotated[int, typer.Option(help="Seed of the samples and the first weights.")]
Threads = Annotated[int | None, typer.Option(help="Threads of torch.")]
Mixed = Annotated[
    Path | None,
    typer.Option("--synthetic", help="Folder of synthetic faces drawn before, to mix in.", file_okay=False),
]

Context = Annotated[
    Path | None,
    typer.Option(
        help="torchvision's mobilenet_v2-b0353104.pth, to begin a second path with.", dir_okay=False
    ),
]


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
    occluders: Annotated[int, typer.Option(help="Occluders drawn before the first step.")] = 2000,
    start: Annotated[Path | None, typer.Option(help="Weights (.safetensors) to begin with.")] = None,
    synthetic: Mixed = None,
) -> None:
    """Train the landmark network (eq. 1) on face crops with 68 points."""
    from occface_paper.landmarks.train import LandmarkTraining, train_landmarks

    settings = LandmarkTraining(width=width, batch=batch, rate=rate, sizes=tuple(size or (128,)))
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
        occluders=occluders,
        start=start,
        synthetic=synthetic,
    )


@app.command()
def heatmap(
    data: Data,
    out: Out = Path("runs/heatmap"),
    minutes: Minutes = 60.0,
    steps: Steps = None,
    resume: Resume = False,
    device: Device = "cpu",
    seed: Seed = 0,
    threads: Threads = None,
    width: Annotated[float, typer.Option(help="Width of the MobileNetV3 trunk.")] = 0.75,
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 32,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 1.2e-3,
    size: Annotated[int, typer.Option(help="Crop side in px.")] = 128,
    occluders: Annotated[int, typer.Option(help="Occluders drawn before the first step.")] = 2000,
    start: Annotated[
        Path | None, typer.Option(help="Weights (.safetensors) of either landmark network to begin with.")
    ] = None,
    frozen: Annotated[bool, typer.Option("--frozen", help="Leave the trunk as it begins.")] = False,
    context: Context = None,
    synthetic: Mixed = None,
) -> None:
    """Train the alternate landmark network: integral regression on the same trunk."""
    from occface_paper.landmarks.train import LandmarkTraining, train_landmarks

    settings = LandmarkTraining(
        head="heatmap",
        frozen=frozen,
        width=width,
        batch=batch,
        rate=rate,
        sizes=(size,),
        context=bool(context),
    )
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
        occluders=occluders,
        start=start,
        context=context,
        synthetic=synthetic,
    )


@app.command()
def parsing(
    data: Data,
    labels: Annotated[
        Path, typer.Option(help="Labelled crops, made by tools/label_faces.py.", dir_okay=False)
    ],
    out: Out = Path("runs/parsing"),
    minutes: Minutes = 100.0,
    steps: Steps = None,
    resume: Resume = False,
    device: Device = "cpu",
    seed: Seed = 0,
    threads: Threads = None,
    width: Annotated[float, typer.Option(help="Width of the network.")] = 1.0,
    batch: Annotated[int, typer.Option(help="Samples a step.")] = 10,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 2e-3,
    size: Annotated[int, typer.Option(help="Side of the crops, px; a multiple of 32.")] = 256,
    occluders: Annotated[int, typer.Option(help="Occluders drawn before the first step.")] = 1400,
    synthetic: Annotated[int, typer.Option(help="Synthetic faces drawn before the first step.")] = 900,
    start: Annotated[Path | None, typer.Option(help="Weights to begin with.", dir_okay=False)] = None,
    context: Context = None,
) -> None:
    """Train the face parsing network on labelled crops, pasted occluders and synthetic faces."""
    from occface_paper.parsing.train import ParsingTraining, train_parsing

    settings = ParsingTraining(
        width=width, batch=batch, rate=rate, size=size, occluders=occluders, synthetic=synthetic
    )
    train_parsing(
        data,
        labels,
        out,
        minutes=minutes,
        steps=steps,
        resume=resume,
        device=device,
        seed=seed,
        threads=threads,
        settings=settings,
        start=start,
        context=context,
    )


@app.command()
def inpainter(
    data: Data,
    out: Out = Path("runs/inpainter"),
    features: Annotated[
        Path | None,
        typer.Option(help="Folder of vgg16.ckpt and alexnet.ckpt, for the losses.", file_okay=False),
    ] = None,
    bank: Annotated[Path | None, typer.Option(help="Occluders drawn before (.npz).", dir_okay=False)] = None,
    minutes: Minutes = 90.0,
    steps: Steps = None,
    resume: Resume = False,
    device: Device = "cpu",
    seed: Seed = 0,
    threads: Threads = None,
    bf16: Annotated[bool, typer.Option(help="bfloat16 arithmetic: for GPUs, and for CPUs with AMX.")] = False,
    paper: Annotated[bool, typer.Option(help="The paper's network, losses and rates, for a GPU.")] = False,
    size: Annotated[int | None, typer.Option(help="Side of the network's pictures, px.")] = None,
    width: Annotated[int | None, typer.Option(help="Channels at that side.")] = None,
    depth: Annotated[int | None, typer.Option(help="Halvings of the side.")] = None,
    blocks: Annotated[int | None, typer.Option(help="Residual blocks.")] = None,
    refine: Annotated[
        int | None, typer.Option(help="Channels of the output of twice the side; 0: none.")
    ] = None,
    components: Annotated[int | None, typer.Option(help="Of the texture prior; 0: no hints.")] = None,
    landmarks: Annotated[bool, typer.Option(help="Give the landmarks to both networks.")] = True,
    attention: Annotated[bool, typer.Option(help="Attention block of the generator.")] = True,
    batch: Annotated[int | None, typer.Option(help="Samples a step.")] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    style: Annotated[float | None, typer.Option(help="Weight of the style loss, eq. 3.")] = None,
    adversarial: Annotated[float | None, typer.Option(help="Weight of the adversarial loss.")] = None,
    perceptual: Annotated[float | None, typer.Option(help="Weight of the perceptual loss.")] = None,
    fine_from: Annotated[float | None, typer.Option(help="Share of the run before the large output.")] = None,
    adversary_from: Annotated[
        float | None, typer.Option(help="Share of the run before the discriminator.")
    ] = None,
    occluders: Annotated[
        int, typer.Option(help="Occluders drawn before the first step, without a bank.")
    ] = 2000,
    limit: Annotated[int | None, typer.Option(help="At most so many faces of each folder.")] = None,
) -> None:
    """Train the face synthesis network (eq. 2-4) on clean faces behind drawn occluders."""
    import attrs

    from occface_paper.inpainting.train import InpainterTraining, train_inpainter

    def given(**values: float | None) -> dict[str, float]:
        return {name: value for name, value in values.items() if value is not None}

    settings = InpainterTraining.paper() if paper else InpainterTraining()
    network = given(size=size, width=width, depth=depth, blocks=blocks, refine=refine, components=components)
    generator = attrs.evolve(settings.generator, landmarks=landmarks, attention=attention, **network)
    settings = attrs.evolve(
        settings,
        generator=generator,
        **given(
            batch=batch,
            rate=rate,
            style=style,
            adversarial=adversarial,
            perceptual=perceptual,
            fine_from=fine_from,
            adversary_from=adversary_from,
        ),
    )
    train_inpainter(
        data,
        out,
        features=features,
        bank=bank,
        minutes=minutes,
        steps=steps,
        resume=resume,
        device=device,
        seed=seed,
        threads=threads,
        bf16=bf16,
        settings=settings,
        limit=limit,
        occluders=occluders,
    )


@app.command()
def texture_prior(
    data: Data,
    out: Out = Path("runs/texture_prior"),
    components: Annotated[int, typer.Option(help="Principal components.")] = 96,
    limit: Annotated[int | None, typer.Option(help="At most so many faces of each folder.")] = None,
    seed: Seed = 0,
) -> None:
    """Fit the linear texture model of clean faces, which completes a face by what is seen of it."""
    from occface_paper.inpainting.train import train_texture_prior

    print(train_texture_prior(data, out, components=components, limit=limit, seed=seed))


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
    trunk: Annotated[
        float, typer.Option(help="Size of a landmark network's trunk to look through; 0: dense convolutions.")
    ] = 0.0,
    batch: Annotated[int, typer.Option(help="Canvases a step.")] = 12,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 2e-3,
    occluders: Annotated[int, typer.Option(help="Occluders drawn before the first step.")] = 2000,
    start: Annotated[Path | None, typer.Option(help="Weights (.safetensors) to begin with.")] = None,
    synthetic: Mixed = None,
) -> None:
    """Train the face finder on canvases made of face crops and photos."""
    from occface_paper.faces.train import FinderTraining, train_faces

    settings = FinderTraining(width=width, trunk=trunk, batch=batch, rate=rate)
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
        occluders=occluders,
        start=start,
        synthetic=synthetic,
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
    synthetic: Mixed = None,
) -> None:
    """Train the second look at found faces on the finder's own false answers."""
    from occface_paper.faces.train_verifier import train_verifier

    train_verifier(
        data,
        out,
        finder,
        minutes=minutes,
        steps=steps,
        pictures=pictures,
        seed=seed,
        threads=threads,
        synthetic=synthetic,
    )


@app.command()
def detail(
    data: Data,
    out: Out = Path("runs/detail"),
    synthetic: Annotated[
        Path | None,
        typer.Option(
            help="Folder of synthetic faces drawn before; without it they are drawn into OUT.",
            file_okay=False,
        ),
    ] = None,
    faces: Annotated[int, typer.Option(help="Synthetic faces to draw.")] = 9000,
    start: Annotated[Path | None, typer.Option(help="Weights (.safetensors) to begin with.")] = None,
    minutes: Minutes = 80.0,
    steps: Steps = None,
    resume: Resume = False,
    device: Device = "cpu",
    seed: Seed = 0,
    threads: Threads = None,
    paper: Annotated[bool, typer.Option(help="The paper's network and loss weights, for a GPU.")] = False,
    widths: Annotated[str | None, typer.Option(help="Channels of every level, separated by commas.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the crops, px.")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples a step.")] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    slope: Annotated[float | None, typer.Option(help="Weight of the slope terms of eq. 8.")] = None,
    wrong: Annotated[float | None, typer.Option(help="Share of samples with a wrong base shape.")] = None,
) -> None:
    """Train the bump network (eq. 7-8) on synthetic faces."""
    import attrs

    from occface_paper.detail.train import DetailTraining, train_detail

    given: dict[str, Any] = {"size": size, "batch": batch, "rate": rate, "slope": slope, "wrong": wrong}
    given["widths"] = None if widths is None else tuple(int(w) for w in widths.split(","))
    settings = attrs.evolve(
        DetailTraining.paper() if paper else DetailTraining(),
        **{name: value for name, value in given.items() if value is not None},
    )
    train_detail(
        data,
        out,
        faces=synthetic,
        start=start,
        count=faces,
        minutes=minutes,
        steps=steps,
        resume=resume,
        device=device,
        seed=seed,
        threads=threads,
        settings=settings,
    )


@app.command()
def shape(
    data: Data,
    out: Out = Path("runs/shape"),
    synthetic: Annotated[
        Path | None,
        typer.Option(
            help="Folder of synthetic faces drawn before; without it they are drawn into OUT.",
            file_okay=False,
        ),
    ] = None,
    faces: Annotated[int, typer.Option(help="Synthetic faces to draw.")] = 9000,
    bank: Annotated[Path | None, typer.Option(help="Occluders drawn before (.npz).", dir_okay=False)] = None,
    occluders: Annotated[
        int, typer.Option(help="Occluders drawn before the first step, without a bank.")
    ] = 2000,
    start: Annotated[
        Path | None,
        typer.Option(help="Landmark weights (.safetensors) to begin with; the installed ones if not given."),
    ] = None,
    minutes: Minutes = 90.0,
    steps: Steps = None,
    resume: Resume = False,
    device: Device = "cpu",
    seed: Seed = 0,
    threads: Threads = None,
    trunk: Annotated[str | None, typer.Option(help="mobilenet_v3, resnet18 or resnet50.")] = None,
    width: Annotated[float | None, typer.Option(help="Width of the MobileNetV3 trunk.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the crops, px.")] = None,
    batch: Annotated[int | None, typer.Option(help="Synthetic faces a step.")] = None,
    pairs: Annotated[int | None, typer.Option(help="Photos a step; 0: synthetic faces alone.")] = None,
    frozen: Annotated[int | None, typer.Option(help="First blocks that stay as they begin.")] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many photos of each folder.")] = None,
) -> None:
    """Train the shape network (eq. 5-6) on synthetic faces and photos with 68 points."""
    import attrs

    from occface_paper.shape.train import ShapeTraining, train_shape
    from occface_paper.weights import weights_path

    given: dict[str, Any] = {"trunk": trunk, "width": width, "size": size, "batch": batch, "pairs": pairs}
    given |= {"frozen": frozen, "rate": rate}
    settings = attrs.evolve(
        ShapeTraining(), **{name: value for name, value in given.items() if value is not None}
    )
    if start is None and settings.trunk == "mobilenet_v3" and settings.width == ShapeTraining().width:
        start = weights_path("landmarks")
    train_shape(
        data,
        out,
        synthetic=synthetic,
        count=faces,
        occluders=bank,
        drawn=occluders,
        start=start,
        minutes=minutes,
        steps=steps,
        resume=resume,
        device=device,
        seed=seed,
        threads=threads,
        settings=settings,
        limit=limit,
    )


if __name__ == "__main__":
    app()
