"""Test-time refinement by colours: the network's estimate as a prior, the skin's shading and contrasts as measurements.

Landmarks are placed by people and networks within some pixels; the picture itself says more surely how a nose is
bent and where a mouth ends. On held-out synthetic faces these steps take a tenth to a fifth of the network's error.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from occface_core.facemodel import FaceModel
from occface_core.fitting.analysis import Analysis, Belief, PointEquations, calm
from occface_core.fitting.colour_term import ColourTerm, View
from occface_core.fitting.limits import coefficient_limits
from occface_core.geometry.camera import angles_from_rotation, intrinsics
from occface_paper.shape.basis import FaceBasis
from occface_paper.shape.coefficients import GROUPS, Estimate, split
from occface_paper.shape.point_term import PointTerm

#: Triangles of the skin that are looked at.
SAMPLES = 800
#: How much the colours of a face in full view count, see `Analysis.share`. With more, real faces' shapes begin to
#: explain make-up and shadows.
SHARE = 8.0
#: How much completed skin counts beside skin that is seen.
HIDDEN = 0.02
#: The expected squared errors of the network's pose count so many times: colours decide where they can.
LOOSER_POSE = 2.0
#: Standard deviation of a landmark that was found, not placed by hand, px of 256.
FOUND_NOISE = 5.0


@attrs.define(frozen=True, kw_only=True, eq=False)
class Photometric:
    """Refines estimates of the embedded face model.

    Attributes:
        model: the face model.
        basis: of the landmarks.
        term: of the colours.
    """

    model: FaceModel
    basis: FaceBasis
    term: ColourTerm

    @classmethod
    def of(cls, model: FaceModel) -> Photometric:
        """Choose the triangles to look at."""
        return cls(model=model, basis=FaceBasis.of(model), term=ColourTerm.of(model, SAMPLES))

    def refined(
        self,
        found: Estimate,
        variance: Tensor,
        image: Tensor,
        points: Tensor,
        trust: Tensor,
        visible: Tensor | None,
        *,
        noise: float,
        steps: int,
    ) -> Estimate:
        """Maximum a posteriori estimates by Gauss-Newton steps on colours, landmarks and the network's estimate.

        Args:
            found: the network's estimates.
            variance: (B, 204) their expected squared errors.
            image: (B, 3, S, S) in [0, 1].
            points: (B, 68, 2) px of 256.
            trust: (B, 68) in [0, 1]; 1 only for points placed by hand.
            visible: (B, 68) in [0, 1], or None where nothing is known to be hidden.
            noise: standard deviation of a point placed by hand, px of 256.
            steps: how many.

        Returns:
            Estimates; where the steps went astray, the one that was given.
        """
        if not len(found) or not steps:
            return found
        device = found.identity.device
        placed = torch.where(trust < 1, (noise / FOUND_NOISE) ** 2, 1.0)
        matrix = intrinsics(image.shape[-1]).float()
        views = []
        for i in range(len(found)):
            one = [x[i : i + 1].detach().cpu() for x in (points, trust * placed, image, variance)]
            start = view_of(found, i)
            term = PointTerm.of(self.basis, start.rotation[None], one[0], one[1], noise)
            seen = calm(self.term, self.model, None if visible is None else visible[i], HIDDEN)
            analysis = Analysis(
                model=self.model, term=self.term, steps=steps, share=SHARE * float(seen.mean())
            )
            belief = belief_of(self.model, start, one[3])
            views.append(analysis.fit(one[2].float(), start, belief, seen, matrix, _pull_of(term)))
        return _with_views(found, views, device)


def _pull_of(term: PointTerm) -> PointEquations:
    def pull(view: View) -> tuple[Tensor, Tensor]:
        given = (x[None].double() for x in (view.rotation, view.translation, view.shape))
        normal, gradient = term.equations(*given)
        return normal[0], gradient[0]

    return pull


def view_of(found: Estimate, i: int) -> View:
    """Face ``i`` of the estimates."""
    one = found.rows(slice(i, i + 1))
    values = {
        "rotation": one.rotation(),
        "translation": one.translation,
        "shape": torch.cat([one.identity, one.expression], 1),
        "albedo": one.albedo,
        "light": one.illumination,
    }
    return View(**{name: value[0].detach().cpu().float() for name, value in values.items()})


def belief_of(model: FaceModel, start: View, variance: Tensor) -> Belief:
    """The network's estimate as a prior; ``variance`` (1, 204). Gaze and closed lips stay as they are."""
    parts = {name: value[0].double() for name, value in split(variance).items()}
    spread = [LOOSER_POSE * parts["angles"], LOOSER_POSE * parts["translation"]]
    spread += [parts[name] for name in ("identity", "expression", "albedo")]
    usual, lower, upper = coefficient_limits(model)
    # where the network left the bounds, the colours need not come back
    begin = start.shape.double()
    return Belief(
        view=start,
        precision=1 / torch.cat(spread).clamp_min(1e-8),
        lower=lower.minimum(begin),
        upper=upper.maximum(begin),
        free=(usual > 0).double(),
    )


def _with_views(found: Estimate, views: list[View], device: torch.device) -> Estimate:
    def stack(name: str) -> Tensor:
        return torch.stack([getattr(view, name) for view in views]).to(device)

    rotation = stack("rotation")
    identity, expression = stack("shape").split([GROUPS["identity"], GROUPS["expression"]], 1)
    new = {
        "identity": identity,
        "expression": expression,
        "albedo": stack("albedo"),
        "angles": angles_from_rotation(rotation),
        "translation": stack("translation"),
        "illumination": stack("light"),
    }
    sound = torch.isfinite(torch.cat(list(new.values()), 1)).all(1)
    kept = {k: torch.where(sound[:, None], v.to(found.identity), getattr(found, k)) for k, v in new.items()}
    return attrs.evolve(found, **kept)
