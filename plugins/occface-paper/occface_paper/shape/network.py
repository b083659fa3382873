"""The shape network: completed crop, landmarks and their closed-form fit -> coefficients, pose and light (eq. 5-6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from occface_core.geometry.align import mean_landmarks
from occface_core.geometry.camera import NOMINAL_DISTANCE, frontal_rotation, intrinsics, project, to_camera
from occface_paper.shape.coefficients import GROUPS, Estimate, centre_vector, split, spread_vector
from occface_paper.shape.trunks import MobileTrunk, build_trunk

#: Values that each of the 68 points brings in: its place beside the mean face's, and the trust in it.
POINT_VALUES = 3
#: Points lie within about a quarter of the crop of the mean face's.
POINT_SCALE = 4.0


def mean_places() -> Tensor:
    """(68, 2) of the frontal mean face's landmarks, in units of the crop: -1 and 1 at its edges."""
    face = mean_landmarks().float()
    place = face.new_tensor([0.0, 0.0, NOMINAL_DISTANCE])
    pixels = project(to_camera(face[None], frontal_rotation(face)[None], place[None]), intrinsics(256))[0]
    return (2 * pixels + 1) / 256 - 1


class CoefficientNetwork(nn.Module):
    """Crop and 68 points -> coefficients, pose, light, and how sure each group of them is.

    The trunk sees the crop; a small branch sees the points and what a closed-form fit to them gives, which knows
    the pose and the outline better than a small network reads them from pixels. What comes out is that fit plus a
    correction. Crops without points (trust 0 everywhere) are estimated from pixels.

    Args:
        trunk: "mobilenet_v3", "resnet18" or "resnet50".
        width: multiplier of MobileNetV3's channel counts.
    """

    def __init__(self, trunk: str = "mobilenet_v3", width: float = 0.75) -> None:
        super().__init__()
        self.trunk_name, self.width = trunk, width
        self.trunk = build_trunk(trunk, width)
        self.points = nn.Sequential(
            nn.Linear(68 * POINT_VALUES + sum(GROUPS.values()), 256),
            nn.Hardswish(),
            nn.Linear(256, 192),
            nn.Hardswish(),
        )
        self.mixed = nn.Sequential(nn.Linear(self.trunk.channels + 192, 448), nn.Hardswish())
        self.head = nn.Linear(448 + 192, sum(GROUPS.values()))
        self.doubt = nn.Linear(448 + 192, len(GROUPS))
        self.register_buffer("spread", spread_vector())
        self.register_buffer("centre", centre_vector())
        self.register_buffer("mean_places", mean_places())
        #: Usual squared error of every coefficient, in squared spreads; followed in training by `observe`.
        self.register_buffer("usual", torch.ones(sum(GROUPS.values())))
        for module in self.trunk.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        for head in (self.head, self.doubt):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def begin_with(self, state: dict[str, Tensor]) -> None:
        """Take over the trunk of a landmark network's weights.

        Raises:
            ValueError: the trunk is another one.
        """
        if not isinstance(self.trunk, MobileTrunk):
            raise ValueError("only the mobilenet_v3 trunk can begin with the weights of the landmark network")
        own = self.trunk.state_dict()
        given = {name: value for name, value in state.items() if name in own}
        self.trunk.load_state_dict(own | given)

    def forward(self, crop: Tensor, points: Tensor, trust: Tensor, start: Tensor) -> Estimate:
        """Estimate faces.

        Args:
            crop: (B, 3, S, S) RGB in [0, 1], S = 128.
            points: (B, 68, 2) in units of the crop: x and y from -1 to 1 between its edges.
            trust: (B, 68) in [0, 1].
            start: (B, 204) from `occface_paper.shape.refine.closed_form`.
        """
        beside = (points - self.mean_places) * POINT_SCALE * (trust[..., None] > 0)
        fitted = (start - self.centre) / self.spread
        outline = self.points(torch.cat([beside.flatten(1), trust, fitted], 1))
        mixed = torch.cat([self.mixed(torch.cat([self.trunk(crop), outline], 1)), outline], 1)
        vector = start + self.spread * self.head(mixed)
        return Estimate(**split(vector), log_variance=self.doubt(mixed).clamp(-4, 4))

    @torch.no_grad()
    def observe(self, squared: Tensor, share: float = 0.005) -> None:
        """Follow the usual squared error; ``squared`` (204,) in squared spreads, nan where unknown."""
        known = torch.isfinite(squared)
        self.usual.copy_(
            torch.where(known, self.usual.lerp(torch.where(known, squared, 0), share), self.usual)
        )

    def variance(self, estimate: Estimate) -> Tensor:
        """(B, 204) expected squared error of every coefficient, in its own units."""
        sizes = torch.tensor(list(GROUPS.values()), device=self.usual.device)
        relative = estimate.log_variance.exp().repeat_interleave(sizes, dim=1)
        variance: Tensor = relative * self.usual * self.spread**2
        return variance
