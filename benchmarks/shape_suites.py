"""Shapes on published data sets that the user has: `shape.py --suite now:DIR`, `realy:DIR` or `aflw2000-3d:DIR`.

Scans give the estimators of `occface_core.ablation.metrics.estimators`, hand-made or fitted points the error of the
shape's points in the photo. Alignment and thinning are this library's own, so figures are not a challenge's.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from shape_faces import FIRST_STAGES

from occface_core import Pipeline
from occface_core.ablation.metrics.estimators import estimates
from occface_core.ablation.metrics.landmarks import landmark_figures, match
from occface_core.ablation.sample import Sample
from occface_core.ablation.suites import make_suite
from occface_core.geometry.align import transform_points
from occface_core.types import FaceBatch

Found = list[tuple[Sample, FaceBatch]]


def suite_faces(choice: str, count: int | None = None) -> Found:
    """Return the samples of "name:DIR" whose face is found, as far as the shape stage."""
    name, _, folder = choice.partition(":")
    suite = make_suite({"name": name, "folder": folder, "size": count})
    pipeline, faces = Pipeline.from_config(FIRST_STAGES), []
    for number in range(len(suite)):
        sample = suite.load(number)
        batch = pipeline(sample.photo)
        which = match(sample, batch.photo_landmarks().numpy()) if len(batch) else None
        if which is not None:
            faces.append((sample, batch[which]))
    return faces


def of_suite(stage: Any, faces: Found) -> list[tuple[str, str, float, int]]:
    """Return (condition, figure, mean, faces); the condition is the sample's kind."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    with torch.inference_mode():
        for sample, face in faces:
            shape = stage.run(face.clean, face.landmarks)
            figures = {}
            if sample.surface is not None:
                figures |= estimates(sample.surface, shape.vertices[0].double().numpy(), shape.model)
            if sample.points is not None:
                points = transform_points(face.crop_to_photo, shape.landmarks())[0].numpy()
                some = landmark_figures(sample, points)
                figures |= {f"projected {name}": some[name] for name in ("nme", "nme_box")}
            for name, value in figures.items():
                values[sample.kind or "all", name].append(value)
    return [(kind, name, float(np.mean(each)), len(each)) for (kind, name), each in values.items()]
