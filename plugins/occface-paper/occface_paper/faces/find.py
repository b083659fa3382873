"""Every face of a photo of any size: the network on a pyramid, then non-maximum suppression."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor, nn

from occface_paper.faces.network import STRIDES, FaceNetwork, decode

#: Longer sides (px) at which a photo is scanned; the smaller ones are for faces that fill the photo.
SCAN_SIDES = (640, 320, 160)
#: A photo smaller than the first scan is enlarged, by at most this, for its tiny faces.
ENLARGE = 2.0


@frozen(kw_only=True, eq=False)
class FoundFaces:
    """Faces of one photo, best first.

    Attributes:
        boxes: (F, 4) x0, y0, x1, y1 in photo pixels.
        points: (F, 5, 2): right eye, left eye, nose tip, right and left mouth corner (the person's right).
        scores: (F,) in [0, 1].
    """

    boxes: Tensor
    points: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return int(self.scores.shape[0])

    def __getitem__(self, which: slice | Tensor) -> FoundFaces:
        return FoundFaces(boxes=self.boxes[which], points=self.points[which], scores=self.scores[which])


@torch.inference_mode()
def find_faces(
    network: FaceNetwork,
    photo: Tensor,
    *,
    score_threshold: float = 0.5,
    scan_sides: Sequence[int] = SCAN_SIDES,
    max_faces: int | None = None,
) -> FoundFaces:
    """Find the faces of one photo.

    Args:
        network: a trained `FaceNetwork`, in evaluation mode, on the photo's device.
        photo: (1, 3, H, W) float32 RGB in [0, 1], any size from 1x1.
        score_threshold: faces below it are dropped.
        scan_sides: longer sides to scan at, px, largest first.
        max_faces: keep the best so many.
    """
    boxes, points, scores = [], [], []
    height, width = photo.shape[-2:]
    extent = max(height, width)
    level = photo
    for number, side in enumerate(scan_sides):
        scale = min(side / extent, ENLARGE)
        if number and scale >= min(scan_sides[number - 1] / extent, ENLARGE):
            continue
        h, w = max(1, round(height * scale)), max(1, round(width * scale))
        level = resized(thinned(level, h, w), h, w)
        padded = nn.functional.pad(level, (0, -w % 32, 0, -h % 32))
        for raw, stride in zip(
            network(padded.contiguous(memory_format=torch.channels_last)), STRIDES, strict=True
        ):
            score, box, point = decode(raw.float(), stride)
            keep = score[0] > score_threshold
            ratio = box.new_tensor([width / w, height / h])
            boxes.append((box[0][keep] + 0.5) * ratio.repeat(2) - 0.5)
            points.append((point[0][keep] + 0.5) * ratio - 0.5)
            scores.append(score[0][keep])
    box, point, score = torch.cat(boxes), torch.cat(points), torch.cat(scores)
    keep = suppress(box, score)[:max_faces]
    return FoundFaces(boxes=box, points=point, scores=score)[keep]


def thinned(image: Tensor, height: int, width: int) -> Tensor:
    """A large photo's every n-th pixel, still three times finer than (height, width): much faster to shrink."""
    stride = max(1, min(image.shape[-2] // height, image.shape[-1] // width) // 3)
    return image[..., stride // 2 :: stride, stride // 2 :: stride]


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """(1, 3, H, W) -> (1, 3, height, width); each target pixel is the mean of what it covers when shrinking."""
    h, w = image.shape[-2:]
    if (h, w) == (height, width):
        return image
    if height < h or width < w:
        return nn.functional.interpolate(image, (height, width), mode="area")
    return nn.functional.interpolate(image, (height, width), mode="bilinear", align_corners=False)


def suppress(boxes: Tensor, scores: Tensor, overlap: float = 0.4, limit: int = 2000) -> Tensor:
    """Greedy non-maximum suppression: indices of the kept boxes (n, 4), best first.

    Two boxes are of one face when their intersection exceeds ``overlap`` of their union, or 0.8 of the smaller
    one (a face found again inside itself at another scale).
    """
    order = scores.argsort(descending=True)[:limit]
    if not len(order):
        return order
    b = boxes[order]
    area = (b[:, 2:] - b[:, :2]).clamp_min(1e-6).prod(1)
    inner = (
        torch.minimum(b[:, None, 2:], b[None, :, 2:]) - torch.maximum(b[:, None, :2], b[None, :, :2])
    ).clamp_min(0)
    shared = inner.prod(2)
    union = area[:, None] + area[None] - shared
    same = (shared / union > overlap) | (shared / torch.minimum(area[:, None], area[None]) > 0.8)
    same_rows = same.cpu().numpy()
    kept: list[int] = []
    gone = same_rows[0] & False
    for i in range(len(b)):
        if not gone[i]:
            kept.append(i)
            gone |= same_rows[i]
    return order[torch.as_tensor(kept, device=order.device)]
