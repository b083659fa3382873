"""A linear model of face shape and colour, the same class whatever file it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
import numpy as np
from numpy.typing import NDArray

from occface_core.errors import FaceModelError, RecordError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = TypeVar("Array", "Tensor", Floats)

FORMAT = "occface face model, 1"


@attrs.define(frozen=True, kw_only=True, eq=False)
class FaceModel:
    """Mean + identity + expression for the shape, mean + components for the colour.

    Frame: mm; x to the person's left (the viewer's right), y up, z towards the viewer; x = 0 is the
    symmetry plane, and the mean face's 68 landmarks have mean y = z = 0.

    Coefficients: identity and albedo have unit variance over the faces the model was built from.
    Expression coefficients of models with named units (ARKit) are the units' own weights, 0 = at
    rest and 1 = fully on; `expression_std` says how far they usually go.

    Attributes:
        name: which model this is; written into results.
        licence: licence of the model's data.
        mean: (V, 3) mm.
        identity: (K, V, 3) mm per unit coefficient.
        expression: (E, V, 3) mm per unit coefficient.
        albedo_mean: (V, 3) RGB in [0, 1], coded like a photo (sRGB).
        albedo: (A, V, 3) RGB per unit coefficient.
        triangles: (T, 3) int64, counter-clockwise seen from outside.
        uv: (V, 2) in [0, 1], v up; row 0 of a texture is v = 1.
        landmarks68: (68,) int64, the vertices of the iBUG points; the jaw (0-16) is the frontal contour.
        regions: name -> (V,) bool. Always there: face, lips, eyes, nose, brows, jaw, ears (all False
            where the model has no such part). left_… and right_… are the person's.
        expression_names: E names.
        expression_std: (E,) usual size of the coefficients.
        mirror: (V,) int64, every vertex's mirror image; None when the model is not known to be symmetric.
        weld: (V,) int64, the first vertex at the same place: differs from the own id on texture seams
            only. ``weld[triangles]`` is the closed surface, for smooth normals.
        contour: (17, S) int64, candidates for each jaw landmark, from behind it to in front of it; at
            large yaw the outermost one is what a person marks. None when not known.
    """

    name: str
    licence: str
    mean: Floats
    identity: Floats
    expression: Floats
    albedo_mean: Floats
    albedo: Floats
    triangles: Ids
    uv: Floats
    landmarks68: Ids
    regions: dict[str, Mask]
    expression_names: tuple[str, ...]
    expression_std: Floats
    weld: Ids
    mirror: Ids | None = None
    contour: Ids | None = None
    _tensors: dict[Any, Any] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        vertices = len(self.mean)
        expressions = len(self.expression_names)
        want: dict[str, tuple[int | None, ...]] = {
            "mean": (vertices, 3),
            "identity": (None, vertices, 3),
            "expression": (expressions, vertices, 3),
            "albedo_mean": (vertices, 3),
            "albedo": (None, vertices, 3),
            "triangles": (None, 3),
            "uv": (vertices, 2),
            "landmarks68": (68,),
            "expression_std": (expressions,),
            "weld": (vertices,),
            "mirror": (vertices,),
            "contour": (17, None),
        }
        for field, shape in want.items():
            value = getattr(self, field)
            if value is None and field in ("mirror", "contour"):
                continue
            if value.ndim != len(shape) or any(
                size is not None and size != found for size, found in zip(shape, value.shape, strict=True)
            ):
                text = tuple("any" if size is None else size for size in shape)
                raise RecordError(f"FaceModel.{field} must have shape {text}, got {value.shape}")
        for field in ("triangles", "landmarks68", "weld", "mirror", "contour"):
            ids = getattr(self, field)
            if ids is not None and ids.size and not 0 <= ids.min() <= ids.max() < vertices:
                raise RecordError(f"FaceModel.{field} names vertices outside 0 … {vertices - 1}")
        for region, mask in self.regions.items():
            if mask.shape != (vertices,) or mask.dtype != np.bool_:
                raise RecordError(
                    f"FaceModel.regions[{region!r}] must be bool of shape ({vertices},), "
                    f"got {mask.dtype} {mask.shape}"
                )

    # Evaluation

    def vertices(self, identity: Array | None = None, expression: Array | None = None) -> Array:
        """Return the shape for a batch of coefficients (MATHS eq. 5-6).

        Args:
            identity: (B, K) tensor or array; may hold fewer components than the model. None = zero.
            expression: (B, E), likewise.

        Returns:
            (B, V, 3) mm, of the kind, device and dtype of the coefficients; (1, V, 3) numpy when both
            are None. Differentiable for tensors.
        """
        return cast("Array", self._combine("mean", (("identity", identity), ("expression", expression))))

    def albedo_colours(self, albedo: Array | None = None) -> Array:
        """Return (B, V, 3) RGB for (B, A) coefficients, not clipped; the mean (1, V, 3) for None."""
        return cast("Array", self._combine("albedo_mean", (("albedo", albedo),)))

    def landmark_positions(self, identity: Array | None = None, expression: Array | None = None) -> Array:
        """Return (B, 68, 3) mm, the landmarks of `vertices` without computing the other vertices."""
        terms = (("identity", identity), ("expression", expression))
        return cast("Array", self._combine("mean", terms, only=self.landmarks68))

    def tensor(self, field: str, device: Any = "cpu", dtype: Any = None) -> Tensor:
        """Return one array field as a tensor; made once for every device and dtype."""
        value = getattr(self, field)
        if value is None:
            raise FaceModelError(f"the face model {self.name!r} has no {field}")
        import torch

        device = torch.device(device)
        key = (field, device, dtype)
        if key not in self._tensors:
            # inference_mode(False): a cached tensor must stay usable where gradients are wanted. A copy,
            # because torch warns of arrays that are read-only.
            with torch.inference_mode(False):
                self._tensors[key] = torch.tensor(value).to(device=device, dtype=dtype)
        return cast("Tensor", self._tensors[key])

    def region(self, name: str) -> Mask:
        """Return the (V,) mask of a region; an unknown name is an error that lists the known ones."""
        if name not in self.regions:
            raise FaceModelError(
                f"the face model {self.name!r} has no region {name!r}; it has {', '.join(sorted(self.regions))}"
            )
        return self.regions[name]

    def _combine(self, mean: str, terms: tuple[tuple[str, Any], ...], only: Ids | None = None) -> Any:
        given = [(field, value) for field, value in terms if value is not None]
        for field, value in given:
            basis = getattr(self, field)
            if value.ndim != 2 or value.shape[1] > len(basis):
                raise RecordError(
                    f"{field} coefficients must have shape (B, ≤{len(basis)}) for the face model "
                    f"{self.name!r}, got {tuple(value.shape)}"
                )
        if any(len(value) != len(given[0][1]) for _, value in given):
            sizes = ", ".join(f"{field} {len(value)}" for field, value in given)
            raise RecordError(f"coefficients must agree in batch size, got {sizes}")
        like: Any = given[0][1] if given else None
        tensors = like is not None and not isinstance(like, np.ndarray)

        def array(field: str) -> Any:
            if not tensors:
                return getattr(self, field)
            return self.tensor(field, like.device, like.dtype)

        def pick(values: Any) -> Any:
            if only is None:
                return values
            index = self.tensor("landmarks68", like.device) if tensors else only
            return values[..., index, :]

        centre = pick(array(mean))
        batch = 1 if like is None else len(like)
        result = centre.reshape(1, -1)
        for field, value in given:
            basis = pick(array(field)[: value.shape[1]]).reshape(value.shape[1], -1)
            if tensors:
                result = result + value @ basis
            else:  # einsum, not BLAS, whose sums depend on the number of threads
                result = result + np.einsum("bk,kn->bn", np.asarray(value, np.float32), basis)
        if like is None:
            result = result.copy()
        return result.reshape(batch, *centre.shape)

    # Files

    def save(self, path: str | Path) -> None:
        """Write the model as one .npz (not compressed: it loads faster) that `load` reads."""
        fields: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(type(self))
            if field.name not in ("regions", "expression_names", "_tensors")
            and getattr(self, field.name) is not None
        }
        np.savez(
            Path(path),
            format=np.array(FORMAT),
            expression_names=np.array(self.expression_names, dtype=np.str_),
            region_names=np.array(list(self.regions), dtype=np.str_),
            region_masks=np.array(list(self.regions.values()), dtype=bool).reshape(-1, len(self.mean)),
            **fields,
        )

    @classmethod
    def load(cls, path: str | Path) -> FaceModel:
        """Read a model that `save` wrote.

        Raises:
            FaceModelError: the file is missing or is not such a model.
        """
        from occface_core.facemodel.archive import read_archive

        return read_archive(Path(path))

    @classmethod
    def embedded(cls) -> FaceModel:
        """Return the model that comes with the library (CC0; 80 identity, 51 expression, 40 albedo).

        Loaded once in a process; everybody gets the same object, whose arrays are read-only.
        """
        from occface_core.facemodel.embedded import embedded_model

        return embedded_model()

    @classmethod
    def from_bfm2009(cls, path: str | Path) -> FaceModel:
        """Read the user's Basel Face Model 2009 folder; see `occface_core.facemodel.loaders.bfm`."""
        from occface_core.facemodel.loaders.bfm import load_bfm2009

        return load_bfm2009(Path(path))

    @classmethod
    def from_ict(cls, path: str | Path) -> FaceModel:
        """Read the user's ICT-FaceKit folder of OBJ files; see `occface_core.facemodel.loaders.ict`."""
        from occface_core.facemodel.loaders.ict import load_ict

        return load_ict(Path(path))

    @classmethod
    def from_flame(cls, path: str | Path) -> FaceModel:
        """Read the user's FLAME pickle without executing it; see `occface_core.facemodel.loaders.flame`."""
        from occface_core.facemodel.loaders.flame import load_flame

        return load_flame(Path(path))
