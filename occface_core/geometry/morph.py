"""Morph targets (blend shapes) written into a binary glTF file.

The file comes from trimesh, which does not write them: its JSON chunk gets one target a name, as sparse accessors,
because an expression moves a part of the face only (glTF 2.0 specification, 3.6.2.3 and 3.7.2.2).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occface_core.errors import OutputError

STILL = 1e-3
"""Vertices that move by less than this, mm, are left out of a target."""

_MAGIC, _JSON, _BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
_FLOAT, _UINT = 5126, 5125


def add_morph_targets(
    glb: bytes, targets: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float] | None = None
) -> bytes:
    """Return a .glb file whose mesh has morph targets.

    Args:
        glb: file of one mesh of one primitive.
        targets: name to (N, 3) offsets, in the order of the file's vertices.
        weights: name to how far a target is on when the file is opened; 0 if left out.

    Raises:
        OutputError: the file holds something else, or other numbers of vertices.
    """
    content, binary = read_glb(glb)
    meshes = content.get("meshes", [])
    if len(meshes) != 1 or len(meshes[0]["primitives"]) != 1:
        raise OutputError(f"morph targets go into files of one mesh of one piece, got {len(meshes)} meshes")
    primitive = meshes[0]["primitives"][0]
    count = int(content["accessors"][primitive["attributes"]["POSITION"]]["count"])
    chunks = [bytes(binary)]
    names = list(targets)
    primitive["targets"] = [
        {"POSITION": _sparse(content, chunks, name, np.asarray(targets[name], np.float32), count)}
        for name in names
    ]
    on = weights or {}
    meshes[0]["weights"] = [float(on.get(name, 0.0)) for name in names]
    meshes[0].setdefault("extras", {})["targetNames"] = names
    whole = b"".join(chunks)
    content["buffers"][0]["byteLength"] = len(whole)
    return _write_glb(content, whole)


def read_glb(glb: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the JSON and the binary chunk of a .glb file.

    Raises:
        OutputError: it is none.
    """
    if len(glb) < 20 or struct.unpack_from("<II", glb) != (_MAGIC, 2):
        raise OutputError("not a binary glTF 2.0 file")
    place, content, binary = 12, None, b""
    while place + 8 <= len(glb):
        length, kind = struct.unpack_from("<II", glb, place)
        chunk = glb[place + 8 : place + 8 + length]
        if kind == _JSON:
            content = json.loads(chunk)
        elif kind == _BINARY:
            binary = chunk
        place += 8 + length
    if content is None:
        raise OutputError("a binary glTF file without JSON chunk")
    return content, binary


def _sparse(
    content: dict[str, Any], chunks: list[bytes], name: str, offsets: NDArray[np.float32], count: int
) -> int:
    """Append an accessor of offsets (N, 3) that stores moved vertices only; return its number."""
    if offsets.shape != (count, 3):
        raise OutputError(
            f"morph target {name!r} must have shape ({count}, 3) like the vertices, got {offsets.shape}"
        )
    moved = np.flatnonzero(np.linalg.norm(offsets, axis=1) > STILL)
    if not len(moved):  # a sparse accessor holds at least one element
        moved = np.array([0])
        offsets = np.zeros_like(offsets)
    kept = np.zeros_like(offsets)
    kept[moved] = offsets[moved]
    indices = _view(content, chunks, moved.astype("<u4").tobytes())
    values = _view(content, chunks, kept[moved].astype("<f4").tobytes())
    content["accessors"].append(
        {
            "componentType": _FLOAT,
            "type": "VEC3",
            "count": count,
            "min": kept.min(0).tolist(),
            "max": kept.max(0).tolist(),
            "sparse": {
                "count": len(moved),
                "indices": {"bufferView": indices, "componentType": _UINT},
                "values": {"bufferView": values},
            },
        }
    )
    return len(content["accessors"]) - 1


def _view(content: dict[str, Any], chunks: list[bytes], data: bytes) -> int:
    """Append data to the buffer, on a multiple of four bytes; return the number of its view."""
    chunks.append(b"\0" * (-sum(map(len, chunks)) % 4))
    offset = sum(map(len, chunks))
    chunks.append(data)
    content["bufferViews"].append({"buffer": 0, "byteOffset": offset, "byteLength": len(data)})
    return len(content["bufferViews"]) - 1


def _write_glb(content: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    length = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<III", _MAGIC, 2, length)
    return b"".join(
        (head, struct.pack("<II", len(text), _JSON), text, struct.pack("<II", len(binary), _BINARY), binary)
    )
