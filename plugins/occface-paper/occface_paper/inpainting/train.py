"""Training of the generator: `occface train inpainter`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from occface_paper.inpainting.data import CROP, CleanFaces, Sampler, load_clean_faces
from occface_paper.inpainting.discriminator import PatchDiscriminator
from occface_paper.inpainting.evaluate import validate
from occface_paper.inpainting.features import FeatureNetwork
from occface_paper.inpainting.hints import landmark_map
from occface_paper.inpainting.losses import (
    PERCEPTUAL_LAYERS,
    STYLE_LAYERS,
    adversarial_loss,
    discriminator_loss,
    perceptual_loss,
    pixel_loss,
    style_loss,
    synthesis_loss,
    total_variation,
)
from occface_paper.inpainting.network import Generator, GeneratorSize
from occface_paper.inpainting.prior import TEXTURE, TexturePrior
from occface_paper.inpainting.warps import face_maps, pulled, to_units
from occface_paper.pasting import OccluderBank
from occface_paper.training import Clock, WeightAverage, ahead, export_half, save_checkpoint, saved_run

#: Name of checkpoint and weights.
NAME = "landmark_gan"


@attrs.frozen(kw_only=True)
class InpainterTraining:
    """Settings of one run.

    Attributes:
        generator: what is trained.
        batch: samples a step.
        rate: peak learning rate.
        style: weight of eq. 3, lambda_sty.
        adversarial: weight of the adversarial loss, lambda_adv.
        perceptual: weight of the perceptual loss.
        learned: the perceptual loss is LPIPS on AlexNet, a twentieth of the cost; else VGG16 features.
        variation: weight of the total variation.
        style_every: steps between two with a style loss, which counts as often the more.
        window: side of the part that style, perceptual and adversarial losses see, px; the pixel loss sees all.
        style_window: side of the part that the style loss sees, px.
        fine_from: share of the run after which the second output is trained.
        adversary_from: share of the run after which the discriminator plays.
        discriminator: its width.
        discriminator_rate: its learning rate over the generator's.
    """

    generator: GeneratorSize = attrs.field(factory=GeneratorSize)
    batch: int = 8
    rate: float = 3e-4
    style: float = 10.0
    adversarial: float = 0.01
    perceptual: float = 1.5
    learned: bool = True
    variation: float = 0.02
    style_every: int = 4
    window: int = 128
    style_window: int = 64
    fine_from: float = 0.4
    adversary_from: float = 0.5
    discriminator: int = 24
    discriminator_rate: float = 0.5

    @classmethod
    def paper(cls) -> InpainterTraining:
        """The reference configuration: the paper's network and losses, for a GPU."""
        return cls(
            generator=GeneratorSize.paper(),
            rate=1e-4,
            style=250.0,
            perceptual=0.1,
            variation=0.1,
            learned=False,
            style_every=1,
            window=256,
            style_window=256,
            fine_from=0.0,
            adversary_from=0.0,
            discriminator=64,
            discriminator_rate=0.1,
        )


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """Tensors of one step: pictures (B, 3, S, S) in [0, 1], maps (B, 1, S, S) of 0 and 1, points (B, 68, 2) px."""

    image: Tensor
    truth: Tensor
    hole: Tensor
    photo: Tensor
    points: Tensor

    @classmethod
    def of(cls, arrays: tuple[Any, ...], device: str) -> Batch:
        """From what `Sampler.batch` returns."""
        image, truth, hole, photo, points = (torch.as_tensor(a).to(device) for a in arrays)
        picture, flat = (lambda x: x.float().div_(255).permute(0, 3, 1, 2)), (lambda x: x[:, None].float())
        return cls(
            image=picture(image), truth=picture(truth), hole=flat(hole), photo=flat(photo), points=points
        )


def learn_prior(prior: TexturePrior, faces: CleanFaces, limit: int = 3000, seed: int = 0) -> None:
    """Fit the linear texture model to training faces: their mean shape, mean texture and components."""
    chosen = np.flatnonzero(~faces.is_val)
    rng = np.random.default_rng(seed)
    if len(chosen) > limit:
        chosen = np.sort(rng.choice(chosen, limit, replace=False))
    size = faces.images.shape[1]
    units = torch.stack([_crop_units(faces.points[i], size) for i in chosen])
    prior.mean_shape.copy_(units.mean(0))
    rim = torch.from_numpy(_mean_face(prior.mean_shape.numpy()))
    prior.face.copy_(rim)
    textures, seen = [], []
    offset = (size - CROP) // 2
    inside = slice(offset, offset + CROP)
    for part in np.array_split(np.arange(len(chosen)), max(len(chosen) // 32, 1)):
        rows = chosen[part]
        pictures = torch.from_numpy(faces.images[rows][:, inside, inside]).permute(0, 3, 1, 2).float() / 255
        known = torch.from_numpy(faces.photo[rows]).float()[:, None] / 255
        known = F.interpolate(known, size=(size, size), mode="bilinear")[..., inside, inside]
        pictures, known = F.avg_pool2d(pictures, 2), (F.avg_pool2d(known, 2) > 0.95).float()
        places = face_maps(units[part], prior.mean_shape)[2]
        textures.append(pulled(pictures, places, TEXTURE, "border"))
        seen.append(pulled(known, places, TEXTURE))
    prior.learn(torch.cat(textures), torch.cat(seen), seed=seed)


def train_texture_prior(
    data: Path, out: Path, *, components: int = 96, limit: int | None = None, seed: int = 0
) -> str:
    """Fit the linear texture model and write ``out``/texture_prior.safetensors (float16); returns its SHA-256.

    Args:
        data: folder of the training data.
        out: folder to write to.
        components: of the model.
        limit: at most so many faces a folder.
        seed: of the choice of faces and of the decomposition.
    """
    faces = load_clean_faces(data, limit=limit)
    prior = TexturePrior(components)
    learn_prior(prior, faces, seed=seed)
    return export_half(out / "texture_prior.safetensors", prior.state_dict(), {"components": str(components)})


def _crop_units(points: np.ndarray, canvas: int) -> Tensor:
    """Canvas pixels (68, 2) -> crop units."""
    return to_units(torch.from_numpy(points)[None] - (canvas - CROP) / 2, CROP)[0]


def _mean_face(mean_shape: np.ndarray) -> np.ndarray:
    """(1, TEXTURE, TEXTURE) float32: the face region of the mean face and a soft rim."""
    from occface_core.face_region import face_region

    side = 4 * TEXTURE
    region = face_region(torch.from_numpy(mean_shape * side - 0.5)[None], side)[0, 0].numpy()
    region = cv2.GaussianBlur(cv2.dilate(region, np.ones((13, 13))), (0, 0), 3.0)
    return cv2.resize(region, (TEXTURE, TEXTURE), interpolation=cv2.INTER_AREA)[None].astype(np.float32)


def train_inpainter(
    data: Path,
    out: Path,
    *,
    features: Path | None = None,
    bank: Path | None = None,
    minutes: float = 90.0,
    steps: int | None = None,
    resume: bool = False,
    device: str = "cpu",
    seed: int = 0,
    threads: int | None = None,
    bf16: bool = False,
    settings: InpainterTraining | None = None,
    limit: int | None = None,
    occluders: int = 2000,
    checkpoint_seconds: float = 150.0,
    validate_every: int = 2,
) -> dict[str, Any]:
    """Train until the time or the steps are used up.

    Args:
        data: folder of the training data.
        out: folder of the run.
        features: folder of vgg16.ckpt and alexnet.ckpt; None: without the style and perceptual losses.
        bank: occluders drawn before (.npz); None: ``out``/occluders.npz, drawn if it is not there.
        minutes: length of the schedule, earlier runs included.
        steps: stop after so many steps, if that comes first.
        resume: go on from the checkpoint in ``out``.
        device: of the networks.
        seed: of the samples and the first weights.
        threads: of torch.
        bf16: bfloat16 arithmetic in the networks; pays on GPUs and on processors with AMX.
        settings: of the run.
        limit: at most so many faces a folder.
        occluders: how many are drawn if there is no bank; 0: none.
        checkpoint_seconds: between two checkpoints.
        validate_every: checkpoints between two validations.

    Writes to ``out``: ``landmark_gan.pt`` (checkpoint), ``landmark_gan.safetensors`` (averaged weights, float16),
    ``log.jsonl`` and ``sheets/STEP.jpg``. Returns the last log line.
    """
    settings = settings or InpainterTraining()
    options = settings.generator
    cv2.setNumThreads(1)  # before the fork: a pool of threads does not survive it
    if threads:
        torch.set_num_threads(threads)
    faces = load_clean_faces(data, limit=limit)
    clock = Clock(minutes=minutes, steps=steps)
    saved = saved_run(out, NAME, resume, device)
    if saved:
        clock.spent, clock.step = saved["seconds"], saved["step"]
    occluder_bank = (
        _bank(bank or out / "occluders.npz", faces, occluders, seed) if occluders or bank else None
    )
    sampler = Sampler(faces=faces, bank=occluder_bank, size=options.output)
    first = clock.step

    def make(index: int) -> tuple[np.ndarray, ...]:
        return sampler.batch(np.random.default_rng((seed, first + index)), settings.batch)

    batches = iter(ahead(make))
    batch = _next(batches, device)  # forks here

    torch.manual_seed(seed)
    network = Generator(options)
    if network.prior is not None and not saved:
        learn_prior(network.prior, faces, seed=seed)
    network = network.to(device).to(memory_format=torch.channels_last)
    game = _Game.begin(network, settings, features, device, bf16)
    average = WeightAverage(network=network)
    if saved:
        game.load(saved)
        average = WeightAverage(network=network, steps=saved["step"], state=saved["average"])
    out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {}
    history: list[dict[str, float]] = []
    saves, last_save = 0, time.monotonic()
    clock.started = time.monotonic()
    while True:
        done = clock.progress() >= 1
        if done or time.monotonic() - last_save > checkpoint_seconds:
            saves, last_save = saves + 1, time.monotonic()
            record = {"step": clock.step, "minutes": round(clock.seconds() / 60, 2)}
            record |= {
                f"loss_{name}": round(float(np.mean([h[name] for h in history if name in h])), 5)
                for name in sorted({name for h in history for name in h})
            }
            history.clear()
            if faces.is_val.any() and (done or saves % validate_every == 0):
                averaged = _averaged(average, options, device)
                sheet = out / "sheets" / f"{clock.step:06d}.jpg"
                record |= validate(
                    averaged, sampler, game.metric, sheet, fine=clock.progress() > settings.fine_from
                )
            save_checkpoint(
                out / f"{NAME}.pt",
                **game.state(),
                average=average.state,
                seconds=clock.seconds(),
                step=clock.step,
            )
            metadata = {"generator": options.to_json(), "step": str(clock.step)}
            export_half(out / f"{NAME}.safetensors", average.state, metadata)
            with (out / "log.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
            print(json.dumps(record), flush=True)
        if done:
            break
        history.append(game.play(batch, clock))
        clock.step += 1
        average.update()
        batch = _next(batches, device)
    return record


@attrs.define(kw_only=True, eq=False)
class _Game:
    """Generator against discriminator: one step at a time."""

    network: Generator
    judge: PatchDiscriminator
    optimizer: torch.optim.Optimizer
    judge_optimizer: torch.optim.Optimizer
    settings: InpainterTraining
    vgg: FeatureNetwork | None
    metric: FeatureNetwork | None
    device: str
    bf16: bool

    @classmethod
    def begin(
        cls, network: Generator, settings: InpainterTraining, features: Path | None, device: str, bf16: bool
    ) -> _Game:
        """Fresh discriminator and optimisers."""
        layout: Any = torch.channels_last
        judge = PatchDiscriminator(settings.discriminator, settings.generator.landmarks).to(device)
        betas = (0.9, 0.99) if settings.learned else (0.0, 0.9)
        needs_vgg = settings.style or (settings.perceptual and not settings.learned)
        vgg = FeatureNetwork.read(features, "vgg16") if features and needs_vgg else None
        metric = FeatureNetwork.read(features, "alexnet") if features else None
        return cls(
            network=network,
            judge=judge.to(memory_format=layout),
            optimizer=torch.optim.Adam(network.parameters(), lr=settings.rate, betas=betas),
            judge_optimizer=torch.optim.Adam(judge.parameters(), lr=settings.rate, betas=betas),
            settings=settings,
            vgg=vgg.to(device).to(memory_format=layout) if vgg else None,
            metric=metric.to(device).to(memory_format=layout) if metric else None,
            device=device,
            bf16=bf16,
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of the game."""
        parts = ("network", "judge", "optimizer", "judge_optimizer")
        return {part: getattr(self, part).state_dict() for part in parts}

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for part in ("network", "judge", "optimizer", "judge_optimizer"):
            getattr(self, part).load_state_dict(saved[part])

    def play(self, batch: Batch, clock: Clock) -> dict[str, float]:
        """One step of both; returns the losses."""
        s, progress = self.settings, clock.progress()
        fine = bool(s.generator.refine) and progress >= s.fine_from
        adversary = s.adversarial > 0 and progress >= s.adversary_from
        for group in self.optimizer.param_groups:
            group["lr"] = clock.learning_rate(s.rate)
        for group in self.judge_optimizer.param_groups:
            group["lr"] = clock.learning_rate(s.rate) * s.discriminator_rate
        given = self.network.inputs(batch.image, batch.hole, batch.points, batch.photo)
        given = given.contiguous(memory_format=torch.channels_last)
        arithmetic = torch.autocast(self.device.split(":")[0], torch.bfloat16) if self.bf16 else nullcontext()
        with arithmetic:
            coarse, second = self.network(
                batch.image, batch.hole, batch.points, batch.photo, given=given, fine=fine
            )
            size = s.generator.size
            hole_at = 3 if self.network.prior is not None else 4
            small_truth = _shrunk(batch.truth, size)
            small_mask = given[:, hole_at : hole_at + 1] * (_shrunk(batch.photo, size) > 0.99)
            mask = batch.hole * batch.photo
            terms = {"pixel": pixel_loss(coarse.float(), small_truth, small_mask)}
            if second is not None:
                terms["pixel_fine"] = pixel_loss(second.float(), batch.truth, mask)
            # windows of the finest answer, or of the coarse one: every other step either
            whole = second is None or (clock.step % 2 == 0 and not adversary)
            found, truth, hidden, points = (
                (coarse, small_truth, small_mask, to_units(batch.points, batch.truth.shape[-1]) * size - 0.5)
                if whole or second is None
                else (second, batch.truth, mask, batch.points)
            )
            found = torch.where(hidden > 0.5, found.float(), truth)
            found, truth, hidden, drawn = _windows(found, truth, hidden, points, s.window)
            terms |= self._feature_terms(found, truth, hidden, clock.step)
            if s.variation:
                terms["variation"] = total_variation(found, hidden)
            report: dict[str, float] = {}
            if adversary:
                report["judge"] = self._judge_step(found.detach(), truth, drawn)
                self.judge.requires_grad_(False)
                terms["adversarial"] = adversarial_loss(self.judge(found, drawn).float())
                self.judge.requires_grad_(True)
        weights = {
            "style": s.style * s.style_every,
            "perceptual": s.perceptual,
            "variation": s.variation,
            "adversarial": s.adversarial,
        }
        loss = synthesis_loss(terms, weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
        return report | {name: float(term.detach()) for name, term in terms.items()}

    def _feature_terms(self, found: Tensor, truth: Tensor, hidden: Tensor, step: int) -> dict[str, Tensor]:
        """Style and perceptual losses of pictures that differ in the hole only."""
        s = self.settings
        terms: dict[str, Tensor] = {}
        if s.perceptual and s.learned and self.metric is not None:
            terms["perceptual"] = self.metric.lpips(found, truth).mean()
        elif s.perceptual and self.vgg is not None:
            with torch.no_grad():
                wanted = self.vgg(truth, PERCEPTUAL_LAYERS)
            terms["perceptual"] = perceptual_loss(self.vgg(found, PERCEPTUAL_LAYERS), wanted)
        if s.style and self.vgg is not None and step % s.style_every == 0:
            found, truth, hidden, _ = _windows(found, truth, hidden, None, s.style_window)
            layers = STYLE_LAYERS if s.style_window > 64 else STYLE_LAYERS[:2]
            with torch.no_grad():
                wanted = self.vgg(truth * hidden, layers)
            terms["style"] = style_loss(self.vgg(found * hidden, layers), wanted)
        return terms

    def _judge_step(self, fake: Tensor, real: Tensor, drawn: Tensor) -> float:
        """One step of the discriminator."""
        loss = discriminator_loss(self.judge(real, drawn).float(), self.judge(fake, drawn).float())
        self.judge_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.judge_optimizer.step()
        return float(loss.detach())


def _windows(
    found: Tensor, truth: Tensor, hidden: Tensor, points: Tensor | None, side: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same random window of each picture, around a pixel of its hole, with the landmark map there.

    Args:
        found: (B, 3, S, S).
        truth: (B, 3, S, S).
        hidden: (B, 1, S, S).
        points: (B, 68, 2) px, or None.
        side: of the windows, px.

    Returns:
        Pictures (B, 3, side, side), hole (B, 1, side, side) and landmark map (B, 1, side, side), 0 without points.
    """
    size = found.shape[-1]
    side = min(side, size)
    corners = []
    for hole in hidden[:, 0]:
        places = hole.nonzero()
        middle = places[int(torch.randint(len(places), ()))] if len(places) else torch.full((2,), size // 2)
        corners.append([min(max(int(v) - side // 2, 0), size - side) for v in middle])
    cut = [
        torch.stack([x[..., y : y + side, z : z + side] for x, (y, z) in zip(t, corners, strict=True)])
        for t in (found, truth, hidden)
    ]
    if points is None:
        return cut[0], cut[1], cut[2], torch.zeros_like(cut[2])
    shift = points.new_tensor(corners)[:, None].flip(-1)
    return cut[0], cut[1], cut[2], landmark_map((points - shift + 0.5) / side, side)


def _shrunk(values: Tensor, size: int) -> Tensor:
    return F.avg_pool2d(values, values.shape[-1] // size) if values.shape[-1] > size else values


def _bank(path: Path, faces: CleanFaces, count: int, seed: int) -> OccluderBank:
    """The bank that lies at ``path``, or a new one, drawn on the training faces and kept there."""
    train = np.flatnonzero(~faces.is_val)
    return OccluderBank.kept(
        path, lambda: OccluderBank.build(faces.images[train], faces.points[train], count, seed)
    )


def _next(batches: Iterator[Any], device: str) -> Batch:
    return Batch.of(next(batches), device)


def _averaged(average: WeightAverage, options: GeneratorSize, device: str) -> Generator:
    """A network with the averaged weights, ready to measure."""
    network = Generator(options)
    network.load_state_dict(average.state)
    return network.to(device).to(memory_format=torch.channels_last).eval()
