"""Finding, checking and reading the trained weights that come with this distribution."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from occface_core.errors import WeightsMissing

#: The weights that are installed with the package.
FOLDER = Path(__file__).parent / "weights"

#: Training commands whose name is not that of their weights.
COMMANDS = {
    "landmark_gan": "inpainter",
    "texture_prior": "texture-prior",
    "coefficient_net": "shape",
    "bump_unet": "detail",
}


def weights_path(name: str, folder: str | Path | None = None) -> Path:
    """Path of the weights file ``name``.safetensors in ``folder``, or in the package's own.

    Raises:
        WeightsMissing: the file is not there.
    """
    path = Path(folder or FOLDER) / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsMissing(
            f"the weights {path.name} are not in {path.parent}: reinstall occface-paper, train them by "
            f"`occface train {COMMANDS.get(name, name)} --data DIR --out {path.parent}`, or give their folder by "
            f"the option `weights`"
        )
    return path


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read a safetensors file: float32 tensors on the CPU, and its metadata.

    Raises:
        WeightsMissing: the file is not there, or not a whole safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            metadata = dict(file.metadata() or {})
    except OSError as error:
        raise WeightsMissing(f"{path} cannot be read: {error}") from error
    except SafetensorError as error:
        raise WeightsMissing(
            f"{path} is not a whole safetensors file ({error}); copy or train it again"
        ) from error
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}, metadata


def sha256_of(*paths: Path) -> str:
    """SHA-256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
