"""From found faces to 68 points: crop, network, and again with the crop that the first answer gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from attrs import define, field, frozen
from torch import Tensor

from occface_paper.context import described
from occface_paper.faces.find import FoundFaces, resized
from occface_paper.fuse import folded
from occface_paper.landmarks.crop import apply, five_points, similarity
from occface_paper.landmarks.heatmap import HeatmapNetwork
from occface_paper.landmarks.network import LandmarkNetwork
from occface_paper.landmarks.symmetry import MIRROR_68
from occface_paper.weights import load_weights, weights_path

#: What answers for a crop.
Network = LandmarkNetwork | HeatmapNetwork
#: By the name of their weights.
NETWORKS: dict[str, type[LandmarkNetwork] | type[HeatmapNetwork]] = {
    "landmarks": LandmarkNetwork,
    "heatmap": HeatmapNetwork,
}
#: A point counts as right within this share of the inter-ocular distance: confidence is the chance of that.
TOLERANCE = 0.1
#: Points and box of a found face may disagree about its size by this factor before the box alone is believed.
DISAGREEMENT = 1.7
#: Root of the area, and centre, of a found face's box in crop units: means over the training boxes.
BOX_SIZE, BOX_CENTRE = 1.58, (0.0, -0.24)
#: Faces whose points have a lower mean confidence are doubtful.
DOUBTFUL = 0.85
#: Points that a look moves by less than this share of the face's size, about 1.3 % of the distance between the eyes'
#: outer corners, stay where they are.
STILL = 0.008
#: Faces given to the network at once.
CHUNK = 16


def start_crop(box: np.ndarray, five: np.ndarray, mean_shape: np.ndarray) -> np.ndarray:
    """(3, 3) from photo pixels to crop units for a found face, as `sane_similarity` to the mean shape."""
    return sane_similarity(box, five, five_points(mean_shape))


def sane_similarity(box: np.ndarray, five: np.ndarray, places: Sequence[Sequence[float]]) -> np.ndarray:
    """(3, 3) that takes five points to their places in a crop; by the box alone where its size contradicts them."""
    by_points, by_box = similarity(five, np.asarray(places)), box_crop(box)
    ratio = math.hypot(*by_points[:2, 0]) / by_box[0, 0]
    return by_points if 1 / DISAGREEMENT < ratio < DISAGREEMENT else by_box


def box_crop(box: np.ndarray) -> np.ndarray:
    """(3, 3) from photo pixels to crop units that lays the upright mean face into a box (x0, y0, x1, y1)."""
    scale = BOX_SIZE / math.sqrt(max(float(np.prod(box[2:] - box[:2])), 1e-6))
    shift = np.array(BOX_CENTRE) - scale * (box[:2] + box[2:]) / 2
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1.0]])


def cut_out(photo: Tensor, to_crop: np.ndarray, size: int) -> Tensor:
    """Crop (3, size, size) of a photo (1, 3, H, W); black outside. Shrinks by area where the photo is finer."""
    height, width = photo.shape[-2:]
    back = np.linalg.inv(to_crop)
    corners = apply(back, np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]))
    low = np.floor(corners.min(0)).astype(int) - 2
    high = np.ceil(corners.max(0)).astype(int) + 3
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), width), min(int(high[1]), height)
    if x1 <= x0 or y1 <= y0:
        return photo.new_zeros(3, size, size)
    region = photo[..., y0:y1, x0:x1]
    step = 2 * math.hypot(*back[:2, 0]) / size
    h, w = y1 - y0, x1 - x0
    if step > 1.5:
        h, w = max(1, round(h / step)), max(1, round(w / step))
        region = resized(region, h, w)
    # Crop units -> photo px -> edge units of the region -> [-1, 1] of grid_sample (align_corners=False).
    to_region = np.array(
        [[2 / (x1 - x0), 0, (1 - 2 * x0) / (x1 - x0) - 1], [0, 2 / (y1 - y0), (1 - 2 * y0) / (y1 - y0) - 1]]
    )
    theta = to_region[:, :2] @ back[:2, :2], to_region[:, :2] @ back[:2, 2] + to_region[:, 2]
    matrix = photo.new_tensor(np.concatenate([theta[0], theta[1][:, None]], 1))[None]
    grid = torch.nn.functional.affine_grid(matrix, [1, 3, size, size], align_corners=False)
    return torch.nn.functional.grid_sample(region, grid, align_corners=False)[0]


@define(eq=False)
class Halvings:
    """A photo (1, 3, H, W) and its halvings, each made when a crop first asks for it.

    Many looks at a face of a large photo would otherwise average the same thousands of rows again and again.
    """

    photo: Tensor
    levels: list[Tensor] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.levels = [self.photo]

    def cut_out(self, to_crop: np.ndarray, size: int) -> Tensor:
        """As `cut_out`, from the smallest halving that is as fine as the crop."""
        step = 2 * math.hypot(*np.linalg.inv(to_crop)[:2, 0]) / size
        level = max(int(math.log2(max(step, 1))), 0)
        while len(self.levels) <= level:
            halved = torch.nn.functional.avg_pool2d(
                self.levels[-1], 2, ceil_mode=True, count_include_pad=False
            )
            self.levels.append(halved)
        k = 2**level
        enlarge = np.array([[k, 0, (k - 1) / 2], [0, k, (k - 1) / 2], [0, 0, 1.0]])
        return cut_out(self.levels[level], to_crop @ enlarge, size)


@frozen(kw_only=True, eq=False)
class Look:
    """A trained network in evaluation mode and the side in px of the crops that it was trained on."""

    network: Network
    size: int

    @classmethod
    def of(cls, name: str, folder: str | None = None, device: str = "cpu") -> Look:
        """The network of the weights `name`, a key of `NETWORKS`.

        Raises:
            WeightsMissing: the weights file is not there or not whole.
        """
        state, metadata = load_weights(weights_path(name, folder))
        path = {"context": True} if described(metadata) else {}
        network = NETWORKS[name](float(metadata.get("width", 1.0)), **path)
        network.load_state_dict(state)
        ready = folded(network).to(device).to(memory_format=torch.channels_last)
        return cls(network=ready, size=int(metadata.get("size", 128)))

    def mean_shape(self) -> np.ndarray:
        """(68, 2) in crop units, float64: where its training's faces have their points in the mean."""
        return np.asarray(self.network.mean_shape.cpu().double().numpy())


@torch.inference_mode()
def predict_landmarks(
    look: Look,
    photo: Halvings,
    faces: FoundFaces,
    *,
    passes: int = 2,
    mirrored: bool = True,
) -> tuple[Tensor, Tensor]:
    """68 points of each found face.

    Args:
        look: a network on the photo's device.
        photo: float32 RGB in [0, 1].
        faces: where to look.
        passes: how often to look; each pass after the first crops by the last one's points.
        mirrored: in the last pass, look at the mirrored crop too and take the mean of both answers.

    Returns:
        Points (F, 68, 2) in photo pixels and confidence (F, 68) in [0, 1].
    """
    mean_shape = look.mean_shape()
    boxes, five = faces.boxes.cpu().double().numpy(), faces.points.cpu().double().numpy()
    crops = [start_crop(b, p, mean_shape) for b, p in zip(boxes, five, strict=True)]
    points, scale = np.zeros((len(faces), 68, 2)), np.ones((len(faces), 68))
    for index in range(passes):
        if index:
            crops = [similarity(p, mean_shape) for p in points]
        points, scale = answers(look, photo, crops, mirrored and index == passes - 1)
    return photo.photo.new_tensor(points), photo.photo.new_tensor(confidence(scale))


def answers(
    look: Look, photo: Halvings, crops: list[np.ndarray], mirrored: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 68, 2) in photo pixels and their expected distance (n, 68) by the inter-ocular distance.

    Args:
        look: a network on the photo's device.
        photo: where to look.
        crops: n matrices (3, 3) from photo pixels to crop units.
        mirrored: look at the mirrored crops too.
    """
    points, scale = np.zeros((len(crops), 68, 2)), np.ones((len(crops), 68))
    for begin in range(0, len(crops), CHUNK):
        part = slice(begin, begin + CHUNK)
        batch = torch.stack([photo.cut_out(c, look.size) for c in crops[part]])
        points[part], scale[part] = in_photo(look, batch, crops[part], mirrored)
    return points, scale


def in_photo(
    look: Look, batch: Tensor, crops: list[np.ndarray], mirrored: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """As `answers`, for crops (n, 3, S, S) that are cut out already."""
    mean_shape = look.mean_shape()
    least = 0.5 * np.linalg.norm(mean_shape[36] - mean_shape[45])  # turned faces: eyes near each other
    answer, log_scale = seen(look.network, batch, mirrored)
    local = answer.double().cpu().numpy()
    points = np.stack([apply(np.linalg.inv(crop), each) for crop, each in zip(crops, local, strict=True)])
    eyes = np.linalg.norm(local[:, 36] - local[:, 45], axis=1)[:, None]
    return points, log_scale.double().exp().cpu().numpy() / np.maximum(eyes, least)


@torch.inference_mode()
def last_looks(
    look: Look, photo: Halvings, points: Tensor, *, looks: int, mirrored: bool
) -> tuple[Tensor, Tensor]:
    """Better points of faces whose points are nearly right already.

    The network crops by its own last answer until it is sure or its points stay where they are, since what
    hides a face leads the first crop astray; then it looks once more for the answer.

    Args:
        look: a network on the photo's device.
        photo: where to look.
        points: (F, 68, 2) photo pixels.
        looks: at most so many before that for the answer, at least 1.
        mirrored: in the look for the answer, look at the mirrored crop too and take the mean of both.

    Returns:
        Points (F, 68, 2) in photo pixels and confidence (F, 68) in [0, 1].
    """
    mean_shape = look.mean_shape()
    places = points.cpu().double().numpy().copy()
    doubtful = np.arange(len(places))
    for _ in range(looks):
        before = places[doubtful]
        places[doubtful], scale = answers(look, photo, [similarity(p, mean_shape) for p in before], False)
        unsure = confidence(scale).mean(1) < DOUBTFUL
        doubtful = doubtful[unsure & (shift(before, places[doubtful]) > STILL)]
        if not len(doubtful):
            break
    better, scale = answers(look, photo, [similarity(p, mean_shape) for p in places], mirrored)
    return photo.photo.new_tensor(better), photo.photo.new_tensor(confidence(scale))


def shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(F,) mean distance between points (F, 68, 2) in parts of the square root of the box about them."""
    size = np.sqrt(np.ptp(after, axis=1).prod(1)).clip(1e-6)
    return np.asarray(np.linalg.norm(after - before, axis=2).mean(1) / size)


def confidence(scale: np.ndarray) -> np.ndarray:
    """The chance that a point lies within the tolerance: its distance follows an exponential law of this mean."""
    return 1 - np.exp(-TOLERANCE / np.maximum(scale, 1e-6))


def seen(network: Network, crops: Tensor, mirrored: bool) -> tuple[Tensor, Tensor]:
    """Points (B, 68, 2) and log scale (B, 68) of crops, averaged with those of the mirrored crops if asked."""
    batch = torch.cat([crops, crops.flip(3)]) if mirrored else crops
    points, log_scale = network(batch.contiguous(memory_format=torch.channels_last))
    if not mirrored:
        return points, log_scale
    order = torch.as_tensor(MIRROR_68, device=crops.device)
    other = points[len(crops) :, order] * points.new_tensor([-1.0, 1.0])
    return (points[: len(crops)] + other) / 2, (log_scale[: len(crops)] + log_scale[len(crops) :, order]) / 2


def distinct(points: np.ndarray, nearer: float = 0.25) -> list[int]:
    """Indices of faces (F, 68, 2), best first, without those that are nearly the same as a better one.

    Two answers are the same face when their points lie on average nearer than this share of the smaller one's size.
    """
    sizes = [math.sqrt(max(float(np.prod(np.ptp(p, axis=0))), 1e-6)) for p in points]
    kept: list[int] = []
    for i, candidate in enumerate(points):
        far = all(
            np.linalg.norm(candidate - points[k], axis=1).mean() > nearer * min(sizes[i], sizes[k])
            for k in kept
        )
        if far:
            kept.append(i)
    return kept
