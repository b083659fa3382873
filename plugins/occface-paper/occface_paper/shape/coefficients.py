"""What the shape network gives: named groups of coefficients in one vector, and how sure it is of each group."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.geometry.camera import NOMINAL_DISTANCE, rotation_from_angles

#: Groups in the order of the network's output, with the sizes of the embedded face model.
GROUPS = {"identity": 80, "expression": 51, "albedo": 40, "angles": 3, "translation": 3, "illumination": 27}
#: Usual spread of each group: identity and albedo in standard deviations, expression in units of the ARKit
#: weights, angles (pitch, yaw, roll) in rad, translation in mm.
SPREAD = {
    "identity": (0.9,),
    "expression": (0.14,),
    "albedo": (0.98,),
    "angles": (0.2, 0.6, 0.07),
    "translation": (8.0, 8.0, 70.0),
    "illumination": (0.27, *[0.08] * 8) * 3,
}
#: Where the network begins: an expression at rest, a face straight ahead at the nominal distance, even light.
CENTRE = {"translation": (0.0, 0.0, NOMINAL_DISTANCE)}


def split(vector: Tensor, sizes: dict[str, int] | None = None) -> dict[str, Tensor]:
    """(B, 204) -> name -> (B, size)."""
    sizes = sizes or GROUPS
    return dict(zip(sizes, vector.split(list(sizes.values()), 1), strict=True))


def spread_vector() -> Tensor:
    """Usual spread (204,) of every coefficient."""
    parts = [torch.tensor(SPREAD[name]).expand(size) for name, size in GROUPS.items()]
    return torch.cat(parts)


def centre_vector() -> Tensor:
    """Usual value (204,) of every coefficient."""
    parts = [torch.tensor(CENTRE.get(name, (0.0,))).expand(size) for name, size in GROUPS.items()]
    return torch.cat(parts)


@attrs.define(frozen=True, kw_only=True, eq=False)
class Estimate:
    """One batch of estimates in the nominal camera of the crop.

    Attributes:
        identity: (B, 80).
        expression: (B, 51).
        albedo: (B, 40).
        angles: (B, 3) pitch, yaw, roll in rad.
        translation: (B, 3) mm.
        illumination: (B, 27).
        log_variance: (B, 6) log of the expected squared error of each of `GROUPS`, relative to the usual one.
    """

    identity: Tensor
    expression: Tensor
    albedo: Tensor
    angles: Tensor
    translation: Tensor
    illumination: Tensor
    log_variance: Tensor

    def __len__(self) -> int:
        return len(self.identity)

    def rotation(self) -> Tensor:
        """(B, 3, 3), face to camera."""
        return rotation_from_angles(self.angles)

    def vector(self) -> Tensor:
        """(B, 204), all groups in order."""
        return torch.cat([getattr(self, name) for name in GROUPS], 1)

    def rows(self, chosen: slice) -> Estimate:
        """Some of the faces."""
        return Estimate(**{f.name: getattr(self, f.name)[chosen] for f in attrs.fields(Estimate)})
