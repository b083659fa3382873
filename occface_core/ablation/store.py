"""Faces between stages, kept on disk while something below them in the tree is still to be run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from occface_core.ablation.tree import Node
from occface_core.facemodel import FaceModel
from occface_core.types import FaceBatch, FaceShape, Landmarks, Matte

_ADDED: Mapping[str, tuple[str, ...]] = {
    "landmark_detector": ("image", "crop_to_photo", "landmarks."),
    "occlusion_matting": ("matte.", "landmarks.visible"),
    "face_inpainter": ("clean",),
    "shape_regressor": ("shape.",),
    "detail_recoverer": (),
}
"""Stage → what it adds to the faces; only that is written, the rest lies with the stages before."""


class Store:
    """Reads and writes the faces of a node, a chunk of samples at a time.

    Args:
        folder: one folder a node is made in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._models: dict[str, FaceModel] = {}

    def write(self, node: Node, chunk: int, faces: FaceBatch | None, samples: Sequence[int]) -> None:
        """Write what a node's stage added to the faces of a chunk; the file is there whole or not at all."""
        path = self._path(node, chunk)
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = {"samples": json.dumps(list(samples))}
        tensors: dict[str, Tensor] = {"count": torch.tensor(len(samples))}
        if faces is not None:
            added = _ADDED[node.candidate.stage]
            tensors |= {
                name: tensor.detach().clone().cpu().contiguous()
                for name, tensor in _flat(faces).items()
                if name.startswith(added)
            }
            if faces.matte is not None:
                meta["label_names"] = json.dumps(faces.matte.label_names)
            if faces.shape is not None:
                meta["size"] = str(faces.shape.size)
                if "shape." in added:
                    meta["model"] = self._keep_model(node, faces.shape.model)
        part = path.with_suffix(".part")
        save_file(tensors, part, meta)
        part.replace(path)

    def has(self, node: Node, chunk: int) -> bool:
        """Say whether a node's faces of a chunk are there."""
        return self._path(node, chunk).exists()

    def read(self, node: Node, chunk: int, device: str) -> tuple[FaceBatch | None, list[int]]:
        """Return the faces after a node's stage, None if there are none, and the sample of each."""
        tensors: dict[str, Tensor] = {}
        meta: dict[str, str] = {}
        for one in node.path():
            with safe_open(self._path(one, chunk), framework="pt", device=device) as file:
                meta |= file.metadata()
                tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        samples: list[int] = json.loads(meta["samples"])
        return (self._faces(tensors, meta) if samples else None), samples

    def drop(self, node: Node) -> None:
        """Remove a node's faces."""
        shutil.rmtree(self.folder / node.key, ignore_errors=True)

    def _path(self, node: Node, chunk: int) -> Path:
        return self.folder / node.key / f"{chunk:06d}.safetensors"

    def _keep_model(self, node: Node, model: FaceModel) -> str:
        """Return where a face model can be found again; its file is written once for a node."""
        if model is FaceModel.embedded():
            return "embedded"
        path = self.folder / node.key / "model.npz"
        if str(path) not in self._models:
            part = path.with_name("model.part.npz")
            model.save(part)
            part.replace(path)
            self._models[str(path)] = model
        return str(path)

    def _model(self, place: str) -> FaceModel:
        if place == "embedded":
            return FaceModel.embedded()
        if place not in self._models:
            self._models[place] = FaceModel.load(place)
        return self._models[place]

    def _faces(self, tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> FaceBatch:
        def part(prefix: str) -> dict[str, Any]:
            return {
                name.removeprefix(prefix): value
                for name, value in tensors.items()
                if name.startswith(prefix) and "." not in name.removeprefix(prefix)
            }

        matte, shape = part("matte."), part("shape.")
        return FaceBatch(
            image=tensors["image"],
            crop_to_photo=tensors["crop_to_photo"],
            landmarks=Landmarks(**part("landmarks.")),
            matte=Matte(**matte, label_names=tuple(json.loads(meta["label_names"]))) if matte else None,
            clean=tensors.get("clean"),
            shape=FaceShape(
                **shape,
                coefficients=part("shape.coefficients."),
                model=self._model(meta["model"]),
                size=int(meta["size"]),
            )
            if shape
            else None,
        )


def _flat(faces: FaceBatch) -> dict[str, Tensor]:
    """Return every tensor of a batch under its dotted name."""
    found: dict[str, Tensor | None] = {
        "image": faces.image,
        "crop_to_photo": faces.crop_to_photo,
        "clean": faces.clean,
        "landmarks.points": faces.landmarks.points,
        "landmarks.confidence": faces.landmarks.confidence,
        "landmarks.visible": faces.landmarks.visible,
    }
    if faces.matte is not None:
        found |= {f"matte.{name}": getattr(faces.matte, name) for name in ("alpha", "face", "labels")}
    if faces.shape is not None:
        for name in ("vertices", "rotation", "translation", "intrinsics"):
            found[f"shape.{name}"] = getattr(faces.shape, name)
        found |= {f"shape.coefficients.{name}": value for name, value in faces.shape.coefficients.items()}
    return {name: tensor for name, tensor in found.items() if tensor is not None}
