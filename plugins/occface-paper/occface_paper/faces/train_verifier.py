"""Training of the verifier: `occface train verifier`, after the finder.

True faces are the labelled boxes with disturbed points; the others are the finder's own strongest wrong answers on
training canvases and photos, and windows that hold only a part of a face.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from occface_paper.faces.augment import CanvasSampler
from occface_paper.faces.data import Photo, load_crops, load_photos
from occface_paper.faces.evaluate import overlaps
from occface_paper.faces.find import find_faces
from occface_paper.faces.network import FaceNetwork
from occface_paper.faces.verifier import SIZE, FaceVerifier, alignments
from occface_paper.fuse import folded
from occface_paper.landmarks.augment import recoloured
from occface_paper.landmarks.predict import cut_out
from occface_paper.occluders import load_cutouts
from occface_paper.pasting import OccluderBank
from occface_paper.training import Clock, WeightAverage, export_half
from occface_paper.weights import load_weights

#: Candidates taken from a picture at most, true and false.
FACES_A_PICTURE, FALSE_A_PICTURE = 4, 8


def candidates(
    finder: FaceNetwork, picture: Photo, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Crops (n, SIZE, SIZE, 3) uint8 and whether each is a face, of the finder's answers on a picture."""
    tensor = torch.from_numpy(np.ascontiguousarray(picture.image)).permute(2, 0, 1)[None].float() / 255
    found = find_faces(finder, tensor, score_threshold=0.05, scan_sides=(max(picture.image.shape[:2]),))
    boxes, points = found.boxes.double().numpy(), found.points.double().numpy()
    share = overlaps(boxes, picture.boxes).max(1) if len(picture.boxes) else np.zeros(len(boxes))
    false = np.flatnonzero(share < 0.2)[:FALSE_A_PICTURE]
    true = np.flatnonzero(~picture.ignored)[:FACES_A_PICTURE]
    found_true = np.flatnonzero(share > 0.5)[:FACES_A_PICTURE]
    size = np.sqrt(np.prod(picture.boxes[true, 2:] - picture.boxes[true, :2], 1))
    noisy = picture.points[true] + rng.normal(0, 0.03, (len(true), 5, 2)) * size[:, None, None]
    all_boxes = np.concatenate([boxes[false], boxes[found_true], picture.boxes[true]])
    all_points = np.concatenate([points[false], points[found_true], noisy])
    label = np.arange(len(all_boxes)) >= len(false)
    if len(true):
        box, point = off_target(picture, int(true[rng.integers(len(true))]), rng)
        all_boxes, all_points = (
            np.concatenate([all_boxes, box[None]]),
            np.concatenate([all_points, point[None]]),
        )
        label = np.append(label, False)
    if not len(all_boxes):
        return np.zeros((0, SIZE, SIZE, 3), np.uint8), np.zeros(0, bool)
    matrices = alignments(torch.from_numpy(all_boxes), torch.from_numpy(all_points))
    crops = torch.stack([cut_out(tensor, m, SIZE) for m in matrices])
    return (crops * 255).round().byte().permute(0, 2, 3, 1).numpy(), label


def off_target(picture: Photo, i: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Box (4,) and points (5, 2) beside face ``i``, or of twice or half its size: not an answer either."""
    corners = picture.boxes[i].reshape(2, 2)
    middle, size = corners.mean(0), float(np.sqrt(np.prod(np.ptp(corners, axis=0))))
    zoom, shift = 1.0, np.zeros(2)
    if rng.random() < 0.6:
        shift = rng.choice([-1, 1], 2) * rng.uniform(0.35, 0.8, 2) * size
    else:
        zoom = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.6, 1.1)))
    return ((corners - middle) * zoom + middle + shift).ravel(), (
        picture.points[i] - middle
    ) * zoom + middle + shift


def train_verifier(
    data: Path,
    out: Path,
    finder_weights: Path,
    *,
    minutes: float = 10.0,
    steps: int | None = None,
    pictures: int = 2500,
    seed: int = 0,
    threads: int | None = None,
    limit: int | None = None,
    batch: int = 128,
    synthetic: Path | None = None,
) -> dict[str, Any]:
    """Collect candidates from ``pictures`` canvases and photos, then train for the given minutes.

    With ``synthetic``, a folder of synthetic faces, some of the canvases show those. Faces are hidden by the occluders
    that the finder's run drew, if they still lie beside its weights.
    Writes ``verifier.safetensors`` and a line to ``log.jsonl`` in ``out``; returns the line.
    """
    cv2.setNumThreads(1)
    torch.manual_seed(seed)
    if threads:
        torch.set_num_threads(threads)
    state, metadata = load_weights(finder_weights)
    finder = FaceNetwork.of(metadata)
    finder.load_state_dict(state)
    finder = folded(finder).to(memory_format=torch.channels_last)
    crops, _ = load_crops(data, limit, synthetic)
    photos, _ = load_photos(data)
    drawn = finder_weights.parent / "occluders.npz"
    bank = OccluderBank.load(drawn) if drawn.exists() else None
    if bank is None:
        print(f"no {drawn}: the library's drawn occluders are left out; give the finder of a training run")
    sampler = CanvasSampler(crops=crops, photos=photos, cutouts=load_cutouts(data / "occluders"), bank=bank)
    rng = np.random.default_rng(seed)
    images, labels = [], []
    for _ in range(pictures):
        image, boxes, points, ignored = sampler.draw(rng)
        picture = Photo(
            image=image, boxes=boxes, points=points, ignored=ignored, landmarks=None, valid=np.zeros(4)
        )
        found, label = candidates(finder, picture, rng)
        images.append(found)
        labels.append(label)
    image, label = np.concatenate(images), np.concatenate(labels)
    print(json.dumps({"faces": int(label.sum()), "false": int((~label).sum())}), flush=True)
    held_out = np.arange(len(label)) >= int(0.9 * len(label))
    groups = [np.flatnonzero(label & ~held_out), np.flatnonzero(~label & ~held_out)]
    verifier = FaceVerifier().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(verifier.parameters(), lr=2e-3, weight_decay=0.02)
    average, clock = WeightAverage(network=verifier, decay=0.998), Clock(minutes=minutes, steps=steps)
    while clock.progress() < 1:
        chosen = np.concatenate([rng.choice(g, batch // 2) for g in groups if len(g)])
        seen = np.stack([varied(image[i], rng) for i in chosen])
        crop = (
            torch.from_numpy(seen)
            .permute(0, 3, 1, 2)
            .float()
            .div(255)
            .contiguous(memory_format=torch.channels_last)
        )
        for group in optimizer.param_groups:
            group["lr"] = clock.learning_rate(2e-3, 100)
        truth = torch.from_numpy(label[chosen]).float()
        loss = F.binary_cross_entropy_with_logits(
            verifier(crop.contiguous(memory_format=torch.channels_last)), 0.02 + 0.96 * truth
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        clock.step += 1
        average.update()
    verifier.load_state_dict(average.state)
    verifier.eval()
    record: dict[str, Any] = {"step": clock.step, "loss": float(loss.detach())}
    if held_out.any():
        with torch.inference_mode():
            rest = torch.from_numpy(image[held_out]).permute(0, 3, 1, 2).float() / 255
            answer = verifier(rest).numpy() > 0
        record["held_out_right"] = float((answer == label[held_out]).mean())
    out.mkdir(parents=True, exist_ok=True)
    export_half(
        out / "verifier.safetensors", average.state, {"width": str(verifier.width), "step": str(clock.step)}
    )
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)
    return record


def varied(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop mirrored, slightly moved and recoloured at random, sometimes partly covered."""
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.5:
        matrix = cv2.getRotationMatrix2D(
            (SIZE / 2, SIZE / 2), rng.normal(0, 5), float(np.exp(rng.normal(0, 0.05)))
        )
        matrix[:, 2] += rng.normal(0, 1.0, 2)
        crop = cv2.warpAffine(
            np.ascontiguousarray(crop), matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE
        )
    if rng.random() < 0.2:
        crop = crop.copy()
        x, y = rng.integers(0, SIZE, 2)
        w, h = rng.integers(4, SIZE // 2, 2)
        crop[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return recoloured(np.ascontiguousarray(crop), rng) if rng.random() < 0.6 else np.ascontiguousarray(crop)
