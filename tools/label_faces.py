"""Label face crops for training the parsing network: two teachers' opinions, merged where they are right.

    python tools/label_faces.py --data DIR --checkpoint 79999_iter.pth --out parsing.npz

DIR holds, for each folder, ``images/``, points (``landmarks.npz`` or ``mediapipe478.npz``) and the selfie segmenter's
classes (``classes256.npz``). The checkpoint is the public CelebAMask-HQ BiSeNet, whose data are non-commercial; it is
needed here only, never to use the library. Crops are aligned as the pipeline aligns them, with a margin on all sides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from rich.progress import track

from occface_core.face_region import face_region
from occface_core.geometry.align import crop_to_photo
from occface_paper.landmarks.crop import apply
from occface_paper.landmarks.data import filled, labelled_rows
from occface_paper.parsing.bisenet import BiSeNet, load_bisenet, to_library_labels
from occface_paper.parsing.data import LabelledCrops
from occface_paper.parsing.teachers import UNKNOWN, merged_labels

#: Side of the crops, px: 256 and a margin of 32 all around.
SIDE = 320
#: Side at which the BiSeNet looks, px; larger is slower and hardly better.
LOOK = 384
#: At most so many crops of each folder; "occluded" in a name says that its faces wear masks.
FOLDERS = {"faces68": 870, "faces_clean": 600, "faces_occluded": 800, "faces_more": 1500}


def main(
    data: Annotated[Path, typer.Option(file_okay=False, exists=True)],
    checkpoint: Annotated[Path, typer.Option(dir_okay=False, exists=True)],
    out: Annotated[Path, typer.Option(dir_okay=False)] = Path("parsing.npz"),
    part: Annotated[int, typer.Option(help="Which of the equal parts of the work to do.")] = 0,
    parts: Annotated[int, typer.Option(help="How many parts.")] = 1,
    threads: Annotated[int | None, typer.Option(help="Threads of torch.")] = None,
) -> None:
    """Write a file of labelled crops for `occface train parsing`."""
    if threads:
        torch.set_num_threads(threads)
    network = load_bisenet(checkpoint).to(memory_format=torch.channels_last)
    jobs = [
        (folder, *row, classes)
        for folder, limit in FOLDERS.items()
        for row, classes in _rows(data, folder, limit)
    ]
    order = np.random.default_rng(0).permutation(len(jobs))[part::parts]
    made = []
    for index in track(order, "labelling"):
        folder, name, points, rect, is_val, classes = jobs[index]
        photo = _read(data / folder / "images" / f"{name}.jpg", rect)
        to_photo = _frame(points)
        crop = _cut(photo, to_photo)
        local = apply(np.linalg.inv(to_photo), points)
        region = face_region(torch.as_tensor(local[None], dtype=torch.float32), SIDE)[0, 0].numpy() > 0.5
        masked = "occluded" in folder
        selfie = _classes(classes, to_photo, len(photo))
        labels = merged_labels(crop, _parts(network, crop), selfie, region, local, masked)
        made.append((crop, labels, local.astype(np.float32), is_val, masked, f"{folder}/{name}"))
    images, labels_, points_, vals, masks, names = (np.stack(column) for column in zip(*made, strict=True))
    LabelledCrops(images=images, labels=labels_, points=points_, is_val=vals, masked=masks, names=names).save(
        out
    )
    typer.echo(
        f"{len(images)} crops, {100 * (labels_ == UNKNOWN).mean():.0f} % of the pixels unlabelled: {out}"
    )


def _rows(data: Path, folder: str, limit: int):
    root = data / folder
    if not root.is_dir():
        return
    with np.load(root / "classes256.npz") as file:
        where = {str(name): row for row, name in enumerate(file["names"])}
        classes = file["classes"]
    rows = labelled_rows(data, root)
    for index in np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int)):
        yield rows[index], classes[where[rows[index][0]]]


def _read(path: Path, rect: np.ndarray) -> np.ndarray:
    image = cv2.imread(str(path))
    if image is None:
        raise typer.BadParameter(f"{path} is not a readable picture")
    return cv2.cvtColor(filled(image, rect), cv2.COLOR_BGR2RGB)


def _frame(points: np.ndarray) -> np.ndarray:
    """(3, 3) from pixels of the crop with its margin to pixels of the photo."""
    inner = crop_to_photo(torch.as_tensor(points[None], dtype=torch.float32))[0].double().numpy()
    margin = (SIDE - 256) / 2
    return inner @ np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1.0]])


def _cut(photo: np.ndarray, to_photo: np.ndarray) -> np.ndarray:
    step = float(np.sqrt(abs(np.linalg.det(to_photo[:2, :2]))))
    source = cv2.GaussianBlur(photo, (0, 0), 0.4 * step) if step > 1.4 else photo
    return cv2.warpAffine(
        source,
        to_photo[:2],
        (SIDE, SIDE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )


def _classes(classes: np.ndarray, to_photo: np.ndarray, side: int) -> np.ndarray:
    """The selfie segmenter's codes in the crop; 255 outside the photo."""
    scale = len(classes) / side
    resize = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    return cv2.warpAffine(
        classes,
        (resize @ to_photo)[:2],
        (SIDE, SIDE),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=UNKNOWN,
    )


@torch.inference_mode()
def _parts(network: BiSeNet, crop: np.ndarray) -> np.ndarray:
    large = cv2.resize(crop, (LOOK, LOOK), interpolation=cv2.INTER_CUBIC)
    batch = torch.from_numpy(large).permute(2, 0, 1)[None].float() / 255
    classes = network(batch.contiguous(memory_format=torch.channels_last))[0].argmax(0)
    labels = to_library_labels(classes).numpy().astype(np.uint8)
    return cv2.resize(labels, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)


if __name__ == "__main__":
    typer.run(main)
