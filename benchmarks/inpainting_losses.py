"""Do the parts of the synthesis network help? Each variant trained alike, at a small budget, and measured.

    python benchmarks/inpainting_losses.py --data DIR --features DIR --runs DIR [--steps 1500] [--variant NAME]...

The variants follow eq. 2-4: the pixel loss alone; with the style loss; with both and the discriminator; all with
the perceptual loss besides; and the last without landmarks, without attention, and without hints (the mirrored
face and the texture prior, which the paper does not have). All see the same samples in the same order. Figures are
those of the last validation of `occface train inpainter`: 70 photos that are not trained on, each behind the same
occluder, PSNR in the hole and LPIPS of the crop. Rows of variants that are not run anew are kept.
"""

from __future__ import annotations

import csv
import datetime
import os
import platform
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer
from table import commit

from occface_paper.inpainting.network import GeneratorSize
from occface_paper.inpainting.train import InpainterTraining, train_inpainter

PIXEL = {"style": 0.0, "adversarial": 0.0, "perceptual": 0.0, "variation": 0.0}
VARIANTS: dict[str, tuple[dict[str, float], dict[str, Any]]] = {
    "pixel": (PIXEL, {}),
    "pixel+style": (PIXEL | {"style": 10.0}, {}),
    "pixel+style+adversarial": (PIXEL | {"style": 10.0, "adversarial": 0.01}, {}),
    "all": ({}, {}),
    "all, no landmarks": ({}, {"landmarks": False}),
    "all, no attention": ({}, {"attention": False}),
    "all, no hints": ({}, {"components": 0}),
}
"""Name -> changes of the losses' weights and of the generator."""


def main(
    data: Annotated[Path, typer.Option(envvar="OCCFACE_DATA", help="Folder of the data pack.")],
    features: Annotated[Path, typer.Option(help="Folder of vgg16.ckpt and alexnet.ckpt.")],
    runs: Annotated[Path, typer.Option(help="Folder of the runs; finished ones are not repeated.")],
    out: Path = Path(__file__).parent / "results" / "inpainting_losses.csv",
    bank: Annotated[Path | None, typer.Option(help="Occluders drawn before (.npz).")] = None,
    steps: int = 1500,
    batch: int = 8,
    size: Annotated[int, typer.Option(help="Side of the generator's pictures, px.")] = 64,
    variant: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    device: str = "cpu",
    threads: int = 1,
    seed: int = 0,
) -> None:
    """Train and measure the variants."""
    rows: list[dict[str, Any]] = []
    if out.exists():
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
    for name in variant or VARIANTS:
        weights, network = VARIANTS[name]
        settings = attrs.evolve(
            InpainterTraining(batch=batch, fine_from=0.3, adversary_from=0.3, **weights),
            generator=attrs.evolve(GeneratorSize(size=size), **network),
        )
        folder = runs / name.replace(", ", "-").replace(" ", "_").replace("+", "-")
        record = train_inpainter(
            data,
            folder,
            features=features,
            bank=bank or runs / "occluders.npz",
            minutes=1e6,
            steps=steps,
            resume=True,
            device=device,
            seed=seed,
            threads=threads,
            settings=settings,
        )
        rows = [row for row in rows if row["variant"] != name]
        rows.append(
            {
                "date": datetime.date.today().isoformat(),
                "commit": commit(),
                "hardware": f"{platform.machine()}, {os.cpu_count()} CPU cores, {device}",
                "seed": seed,
                "variant": name,
                "steps": record["step"],
                "batch": batch,
                "size": size,
                "minutes": record["minutes"],
                "psnr_db": record["psnr"],
                "lpips": record["lpips"],
                "prefilled_psnr_db": record["prefilled_psnr"],
                "prefilled_lpips": record["prefilled_lpips"],
            }
        )
        rows.sort(key=lambda row: list(VARIANTS).index(row["variant"]))
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        print(rows[-1], flush=True)


if __name__ == "__main__":
    typer.run(main)
