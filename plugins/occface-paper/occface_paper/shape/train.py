"""Training of the shape network: `occface train shape`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from occface_core.facemodel import FaceModel
from occface_core.geometry.camera import intrinsics, project, to_camera
from occface_paper.landmarks.data import load_face_crops
from occface_paper.landmarks.train import occluder_bank
from occface_paper.pasting import OccluderBank
from occface_paper.shape.augment import AlignedFaces, SyntheticSampler
from occface_paper.shape.basis import FaceBasis
from occface_paper.shape.coefficients import GROUPS, Estimate, split
from occface_paper.shape.evaluate import noisy_rows, photo_rows, validate, with_start
from occface_paper.shape.found import FoundPoints
from occface_paper.shape.losses import (
    doubt_loss,
    form_loss,
    photo_point_loss,
    photometric_loss,
    point_loss,
    prior_loss,
    rotation_loss,
    spread_loss,
    vertex_loss,
)
from occface_paper.shape.network import CoefficientNetwork
from occface_paper.shape.refine import closed_form
from occface_paper.shape.trunks import MobileTrunk
from occface_paper.synthetic_bank import SyntheticBank
from occface_paper.training import Clock, TrainingRun, ahead, saved_run
from occface_paper.weights import load_weights

#: Folders of photos with trustworthy points and how often each is drawn.
PHOTOS = {"faces68": 3.0, "faces_clean": 1.0, "faces_more": 1.0}


@frozen(kw_only=True)
class ShapeTraining:
    """Settings of one run; the weights multiply `occface_paper.shape.losses`.

    Attributes:
        trunk: of the network.
        width: of its MobileNetV3.
        size: side of the crops, px.
        batch: synthetic faces a step.
        pairs: photos a step, each seen free and hidden; 0 for synthetic faces alone.
        frozen: blocks of a begun-with MobileNetV3 that stay as they are; the lines that they see are everybody's.
        rate: peak learning rate.
        weight_decay: of AdamW.
        vertex: weight of `vertex_loss`, per mm.
        form: of `form_loss`, per mm.
        point: of `point_loss`, per px of 256.
        rotation: of `rotation_loss`, per degree.
        coefficient: of `spread_loss` of identity, expression, translation and angles.
        light: of `spread_loss` of albedo and illumination.
        photometric: of `photometric_loss`.
        photo_point: of `photo_point_loss`, per px of 256.
        prior: of `prior_loss`, on photos.
        agreement: of the distance in mm between the shapes of a face free and hidden.
        doubt: of `doubt_loss`.
    """

    trunk: str = "mobilenet_v3"
    width: float = 0.75
    size: int = 128
    batch: int = 32
    pairs: int = 8
    frozen: int = 6
    rate: float = 1.2e-3
    weight_decay: float = 0.02
    vertex: float = 0.5
    form: float = 1.0
    point: float = 0.15
    rotation: float = 0.2
    coefficient: float = 0.3
    light: float = 0.3
    photometric: float = 4.0
    photo_point: float = 0.15
    prior: float = 0.04
    agreement: float = 0.3
    doubt: float = 0.03

    def network(self) -> CoefficientNetwork:
        """A new network."""
        return CoefficientNetwork(self.trunk, self.width)


def shape_of(found: Estimate) -> Tensor:
    """(B, K + E) identity and expression."""
    return torch.cat([found.identity, found.expression], 1)


def nominal_pixels(points: Tensor, rotation: Tensor, translation: Tensor, size: int = 256) -> Tensor:
    """(B, N, 3) mm in the face's frame -> (B, N, 2) px of the crop."""
    return project(to_camera(points, rotation, translation), intrinsics(size, device=points.device))


def colour_loss(found: Estimate, image: Tensor, basis: FaceBasis, matte: Tensor | None = None) -> Tensor:
    """`photometric_loss` of the estimated face in a picture (B, 3, S, S); where the points lie is not differentiated.

    The picture's own edges would pull the points; the light on the normals is what may change the shape.
    """
    rotation = found.rotation()
    here, normals = basis.skin_surface(shape_of(found))
    camera = to_camera(here, rotation, found.translation).detach()
    pixels = project(camera, intrinsics(image.shape[-1], device=image.device))
    return photometric_loss(
        image,
        pixels,
        camera,
        normals @ rotation.transpose(1, 2),
        basis.skin_albedo(found.albedo),
        found.illumination,
        matte,
    )


def synthetic_loss(
    found: Estimate,
    rows: dict[str, Tensor],
    image: Tensor,
    basis: FaceBasis,
    network: CoefficientNetwork,
    settings: ShapeTraining,
) -> dict[str, Tensor]:
    """Weighted losses against exact coefficients; the network takes the usual errors in."""
    shape, truth = shape_of(found), torch.cat([rows["identity"], rows["expression"]], 1)
    rotation = found.rotation()
    face, true_face = basis.face(shape), basis.face(truth)
    pixels = nominal_pixels(basis.landmarks(shape), rotation, found.translation)
    wanted = nominal_pixels(basis.landmarks(truth), rows["rotation"], rows["translation"])
    spread = split(network.spread[None])
    plain = rows["plain"]
    losses = {
        "vertex": settings.vertex * vertex_loss(face, true_face),
        "form": settings.form * form_loss(face, true_face),
        "point": settings.point * point_loss(pixels, wanted),
        "rotation": settings.rotation * rotation_loss(rotation, rows["rotation"]),
        "coefficient": settings.coefficient
        * (
            spread_loss(found.identity, rows["identity"], spread["identity"])
            + spread_loss(found.expression, rows["expression"], spread["expression"])
            + spread_loss(found.translation, rows["translation"], spread["translation"])
            + spread_loss(found.angles, rows["angles"], spread["angles"])
        ),
        "light": settings.light
        * (
            spread_loss(found.albedo, rows["albedo"], spread["albedo"], plain)
            + spread_loss(found.illumination, rows["illumination"], spread["illumination"], plain)
        ),
        "colour": settings.photometric * colour_loss(found, image, basis),
    }
    doubt = image.new_zeros(())
    usual = split(network.usual[None])
    squared = []
    for index, name in enumerate(GROUPS):
        error = ((getattr(found, name) - rows[name]) / spread[name]).square().detach()
        mask = plain if name in ("albedo", "illumination") else None
        doubt = doubt + doubt_loss(
            found.log_variance[:, index], (error / usual[name].clamp_min(1e-4)).mean(1), mask
        )
        if mask is not None:
            error = error[mask > 0]
        squared.append(error.mean(0) if len(error) else error.new_full((error.shape[1],), torch.nan))
    network.observe(torch.cat(squared))
    losses["doubt"] = settings.doubt * doubt
    return losses


def photo_loss(
    found: Estimate,
    rows: dict[str, Tensor],
    image: Tensor,
    basis: FaceBasis,
    network: CoefficientNetwork,
    settings: ShapeTraining,
) -> dict[str, Tensor]:
    """Weighted losses of photos; the second half of the rows shows the faces of the first, hidden in part."""
    shape, rotation = shape_of(found), found.rotation()
    pixels = nominal_pixels(basis.outline(shape, rotation), rotation, found.translation)
    half = len(found) // 2
    face = basis.face(shape)
    spread = split(network.spread[None])["expression"]
    prior = prior_loss(found.identity, found.expression, spread) + found.albedo.square().mean()
    return {
        "photo_point": settings.photo_point * photo_point_loss(pixels, rows["marks"], basis.far(rotation)),
        "photo_colour": settings.photometric * colour_loss(found, image, basis),
        "prior": settings.prior * prior,
        "agreement": settings.agreement * vertex_loss(face[half:], face[:half].detach()),
    }


def stacked(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Rows -> arrays with the batch first."""
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def start_of(rows: dict[str, np.ndarray], basis: FaceBasis) -> np.ndarray:
    """(B, 204) the closed-form fits to some rows."""
    points = (torch.from_numpy(rows["points"]) + 1) * 128 - 0.5
    crop = torch.from_numpy(rows["crop"]).float() / 255
    return closed_form(basis, crop, points, torch.from_numpy(rows["trust"])).numpy()


def train_shape(
    data: Path,
    out: Path,
    *,
    synthetic: Path | None = None,
    count: int = 9000,
    occluders: Path | None = None,
    minutes: float = 80.0,
    steps: int | None = None,
    resume: bool = False,
    device: str = "cpu",
    seed: int = 0,
    threads: int | None = None,
    settings: ShapeTraining | None = None,
    folders: dict[str, float] | None = None,
    limit: int | None = None,
    drawn: int = 2000,
    start: Path | None = None,
    checkpoint_seconds: float = 120.0,
    validate_every: int = 2,
) -> dict[str, Any]:
    """Train until the time or the steps are used up.

    Args:
        data: folder of the data pack: photos with points, skins for the synthetic faces.
        out: folder of the run: ``coefficient_net.pt``, ``coefficient_net.safetensors``, ``log.jsonl``, and the
            banks drawn first.
        synthetic: folder of synthetic faces drawn before; None: ``count`` are drawn and kept in ``out``.
        count: how many.
        occluders: bank of occluders drawn before (.npz); None: ``drawn`` are drawn and kept in ``out``.
        minutes: length of the schedule, earlier runs included.
        steps: stop after so many steps, if that comes first.
        resume: go on from the checkpoint in ``out``.
        device: of the network.
        seed: of the samples and the first weights.
        threads: of torch.
        settings: of the run.
        folders: of photos, and how often each is drawn.
        limit: at most so many photos a folder.
        drawn: how many occluders.
        start: landmark network's weights (.safetensors) whose trunk the MobileNetV3 trunk begins with.
        checkpoint_seconds: between two checkpoints.
        validate_every: checkpoints between two validations.

    Returns:
        The last line of the log.
    """
    settings = settings or ShapeTraining()
    cv2.setNumThreads(0)  # before the fork: a pool of threads does not survive it
    bank = (
        SyntheticBank.load(synthetic)
        if synthetic
        else SyntheticBank.kept(out / "synthetic", count, seed, skins=data / "skins")
    )
    train, held_out = bank.split()
    found = FoundPoints.kept(out / "found.npz", bank, seed)
    sampler = SyntheticSampler(bank=bank, chosen=train, size=settings.size, found=found)
    faces = photos = None
    if settings.pairs:
        crops = load_face_crops(data, folders or PHOTOS, limit)
        faces = AlignedFaces.of(crops)
        pasted = (
            OccluderBank.load(occluders)
            if occluders
            else occluder_bank(out / "occluders.npz", crops, drawn, seed)
        )
        photos = faces.sampler(pasted, settings.size)
        del crops
    saved = saved_run(out, "coefficient_net", resume, device)
    clock = Clock.of(minutes, steps, saved)
    first = clock.step
    begin = FaceBasis.of(FaceModel.embedded())

    def make(index: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        rng = np.random.default_rng((seed, first + index))
        exact = stacked([sampler.draw(rng) for _ in range(settings.batch)])
        exact["start"] = start_of(exact, begin)
        if photos is None:
            return exact, {}
        free, hidden = zip(*(photos.draw(rng) for _ in range(settings.pairs)), strict=True)
        shown = stacked([*free, *hidden])
        return exact, shown | {"start": start_of(shown, begin)}

    batches = iter(ahead(make))
    exact, shown = next(batches)  # forks here, before torch starts threads
    torch.manual_seed(seed)
    if threads:
        torch.set_num_threads(threads)
    basis = FaceBasis.of(FaceModel.embedded(), device=device)
    network = settings.network().to(device).to(memory_format=torch.channels_last)
    if start and not saved:
        network.begin_with(load_weights(start)[0])
    if start and isinstance(network.trunk, MobileTrunk):
        network.trunk.freeze(settings.frozen)
    test = {
        "exact": noisy_rows(bank, held_out, settings.size, "clean"),
        "clean": noisy_rows(bank, held_out, settings.size, "clean", found=found),
        "completed": noisy_rows(bank, held_out, settings.size, "completed", found=found),
    }
    test = {kind: with_start(rows, begin) for kind, rows in test.items()}
    test_photos = None
    if faces is not None and faces.is_val.any():
        test_photos = photo_rows(faces, np.flatnonzero(faces.is_val), settings.size)
        test_photos = with_start(test_photos, begin)
    run = TrainingRun.begin(
        "coefficient_net",
        out,
        network,
        clock,
        saved,
        settings,
        clip=5.0,
        checkpoint_seconds=checkpoint_seconds,
    )
    parts: dict[str, list[float]] = {}
    while True:
        done = run.done
        if run.due(done):
            record: dict[str, Any] = run.record()
            record |= {name: round(float(np.mean(values)), 4) for name, values in parts.items()}
            parts.clear()
            if done or run.saves % validate_every == 0:
                tested = settings.network()
                tested.load_state_dict(run.average.state)
                tested = tested.to(device).to(memory_format=torch.channels_last).eval()
                record |= validate(tested, test, test_photos, begin)
            metadata = {
                "trunk": settings.trunk,
                "width": str(settings.width),
                "size": str(settings.size),
                "face_model": FaceModel.embedded().name,
            }
            run.save(metadata, record)
        if done:
            return record
        losses = batch_losses(network, exact, shown, basis, settings, device)
        loss = torch.stack(list(losses.values())).sum()
        run.learn(loss)
        for name, value in losses.items():
            parts.setdefault(name, []).append(float(value.detach()))
        exact, shown = next(batches)


def batch_losses(
    network: CoefficientNetwork,
    exact: dict[str, Any],
    shown: dict[str, Any],
    basis: FaceBasis,
    settings: ShapeTraining,
    device: str = "cpu",
) -> dict[str, Tensor]:
    """All weighted losses of one step, synthetic faces and photos through the network together."""
    rows = {name: torch.as_tensor(value).to(device) for name, value in exact.items()}
    real = {name: torch.as_tensor(value).to(device) for name, value in shown.items()}
    both = {
        name: torch.cat([rows[name], real[name]]) if real else rows[name]
        for name in ("crop", "image", "points", "trust", "start")
    }
    crop = both["crop"].float().div_(255).contiguous(memory_format=torch.channels_last)
    image = both["image"].float().div_(255)
    found = network(crop, both["points"], both["trust"], both["start"])
    count = len(rows["crop"])
    first = slice(0, count)
    losses = synthetic_loss(found.rows(first), rows, image[first], basis, network, settings)
    if real:
        rest = slice(count, None)
        losses |= photo_loss(found.rows(rest), real, image[rest], basis, network, settings)
    return losses
