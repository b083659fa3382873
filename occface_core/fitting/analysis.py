"""Analysis by synthesis: Gauss-Newton steps until the model looks like the picture, near to what is believed."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import torch
from torch import Tensor

from occface_core.facemodel import FaceModel
from occface_core.fitting.colour_term import ColourTerm, View, with_slopes
from occface_core.fitting.steps import moved, turn_between

#: Standard deviation of the light's coefficients about where they begin.
LIGHT_SPREAD = 1.0
#: Steps after which is asked again what the camera sees.
SEEN_AGAIN = 3
#: Size of the crop that `Analysis.blur` refers to, px.
REFERENCE_SIZE = 256
#: Landmarks whose visibility says how far a triangle is in view.
NEAREST_POINTS = 4

PointEquations = Callable[[View], tuple[Tensor, Tensor]]


@attrs.define(frozen=True, kw_only=True, eq=False)
class Belief:
    """What is believed of a face before its colours are looked at.

    Attributes:
        view: the most likely one.
        precision: (6 + C + A,) float64, 1 / variance of turn (rad), shift (mm), shape and albedo.
        lower: (C,) float64, bounds of the shape's coefficients.
        upper: (C,) float64.
        free: (C,) float64, 0 for coefficients that stay as they are.
    """

    view: View
    precision: Tensor
    lower: Tensor
    upper: Tensor
    free: Tensor


@attrs.define(frozen=True, kw_only=True, eq=False)
class Analysis:
    """How the steps are made.

    Attributes:
        model: the face model.
        term: its triangles.
        steps: how many.
        share: how much colours count; 1 takes a face's pixels for `INDEPENDENT` independent ones.
        blur: standard deviation of the first steps' blur, pixels at crop size 256; it shrinks to a third.
    """

    model: FaceModel
    term: ColourTerm
    steps: int
    share: float
    blur: float = 3.0

    def fit(
        self,
        picture: Tensor,
        start: View,
        belief: Belief,
        calm: Tensor,
        matrix: Tensor,
        points: PointEquations,
    ) -> View:
        """Return the estimate of one face.

        Args:
            picture: (1, 3, S, S) in [0, 1].
            start: where the steps begin.
            belief: what holds them back.
            calm: (N,) trust in each of the term's triangles.
            matrix: (3, 3) camera matrix.
            points: normal matrix and gradient of turn, shift and shape by the landmarks, at a view.
        """
        term, view, size = self.term, start, int(picture.shape[-1])
        shapes, paints = len(view.shape), len(view.albedo)
        precision = torch.cat((belief.precision, torch.full((27,), 1 / LIGHT_SPREAD**2).double()))
        light = start.light.double()
        held, trust = torch.zeros(shapes, dtype=torch.bool), calm
        inner = slice(0, 6 + shapes)
        for step in range(self.steps):
            if step % SEEN_AGAIN == 0:
                trust = calm * self._seen(view, matrix, size)
            sigma = self.blur * size / REFERENCE_SIZE * 3 ** (-step / max(self.steps - 1, 1))
            normal, gradient = term.equations(with_slopes(picture, sigma), view, trust, matrix)
            marked, pulled = points(view)
            normal, gradient = normal * self.share, gradient * self.share
            normal[inner, inner] += marked
            gradient[inner] += pulled
            gradient = gradient - precision * torch.cat((away(view, belief.view), view.light - light))
            moves = torch.cat((torch.ones(6), belief.free * ~held, torch.ones(paints + 27)))  # 0: stays
            normal, gradient = normal * moves * moves[:, None], gradient * moves
            change = torch.linalg.solve(normal + torch.diag(precision), gradient)
            view, held = _moved(view, change, belief, step)
        return view

    def _seen(self, view: View, matrix: Tensor, size: int) -> Tensor:
        count = len(self.model.identity)
        vertices = self.model.vertices(view.shape[None, :count], view.shape[None, count:])[0]
        return self.term.seen(view, vertices, self.model.tensor("triangles"), matrix, size)


def away(view: View, centre: View) -> Tensor:
    """Return (6 + C + A,) float64: how far a view is from another one."""
    turn = turn_between(centre.rotation[None], view.rotation[None])[0]
    shift, shape, albedo = (
        getattr(view, name) - getattr(centre, name) for name in ("translation", "shape", "albedo")
    )
    return torch.cat((turn, shift, shape, albedo)).double()


def calm(term: ColourTerm, model: FaceModel, visible: Tensor | None, least: float = 0.2) -> Tensor:
    """Return (N,) `least` to 1: how far what is around each triangle is in view, by the nearest landmarks.

    Args:
        term: the triangles.
        model: with 68 landmarks.
        visible: (68,) in [0, 1] or bool; None: all of them.
        least: for what is wholly hidden, and completed.
    """
    if visible is None:
        return torch.ones(len(term.middle))
    marks = torch.as_tensor(model.mean[model.landmarks68])
    nearest = torch.cdist(term.middle, marks).topk(NEAREST_POINTS, largest=False).indices
    return least + (1 - least) * visible.detach().cpu().float()[nearest].mean(1)


def _moved(view: View, change: Tensor, belief: Belief, step: int) -> tuple[View, Tensor]:
    """Return the estimate after a step, and which coefficients their bounds hold for the next one."""
    count, paints = len(view.shape), len(view.albedo)
    rotation, translation = moved(view.rotation[None].double(), view.translation[None].double(), change[None])
    wanted = view.shape.double() + change[6 : 6 + count]
    made = View(
        rotation=rotation[0].float(),
        translation=translation[0].float(),
        shape=wanted.maximum(belief.lower).minimum(belief.upper).float(),
        albedo=(view.albedo.double() + change[6 + count : 6 + count + paints]).clamp(-3, 3).float(),
        light=(view.light.double() + change[6 + count + paints :]).float(),
    )
    return made, ((wanted < belief.lower) | (wanted > belief.upper)) & (step % 2 == 0)
