"""CelebAMask-HQ: portraits with hand-made masks of 18 parts (Lee et al. 2020).

    FOLDER/CelebA-HQ-img/0.jpg                           1024 x 1024
    FOLDER/CelebAMask-HQ-mask-anno/0/00000_skin.png …    512 x 512, one file a part, 2000 faces a folder

Its only things in front of a face are glasses, hats and hair: they are the true matte, inside the region of the
landmarks found, since the data set has no points. Hands and masks have no label there.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from occface_core.ablation.sample import Sample
from occface_core.ablation.suites.folder import FolderSuite
from occface_core.photo import read_photo

_MASKS, _PHOTOS = "CelebAMask-HQ-mask-anno", "CelebA-HQ-img"
_A_FOLDER = 2000


@attrs.define(kw_only=True)
class CelebAMask(FolderSuite):
    """Portraits whose glasses, hats and hair are known.

    Attributes:
        in_front: parts that count as occluders.
    """

    name: ClassVar[str] = "celebamask-hq"

    in_front: tuple[str, ...] = ("eye_g", "hat", "hair")

    def find(self) -> list[Path]:
        """Return the photos that have a mask of the skin."""
        photos = [path for path in (self.folder / _PHOTOS).glob("*.jpg") if path.stem.isdigit()]
        return sorted(
            (path for path in photos if self._mask(path, "skin").is_file()), key=lambda path: int(path.stem)
        )

    def read(self, item: Path) -> Sample:
        """Return a photo and what is in front of the face."""
        photo = read_photo(item)
        matte = np.zeros(photo.shape[:2], np.float32)
        for part in self.in_front:
            matte = np.maximum(matte, self._part(item, part, photo.shape[:2]))
        return Sample(name=item.stem, photo=photo, matte=matte)

    def layout(self) -> str:
        """Say what the folder should hold."""
        return f"{_PHOTOS}/0.jpg … and {_MASKS}/0/00000_skin.png …"

    def _mask(self, photo: Path, part: str) -> Path:
        number = int(photo.stem)
        return self.folder / _MASKS / str(number // _A_FOLDER) / f"{number:05d}_{part}.png"

    def _part(self, photo: Path, part: str, size: tuple[int, ...]) -> NDArray[np.float32]:
        path = self._mask(photo, part)
        if not path.is_file():
            return np.zeros(size, np.float32)
        pixels = read_photo(path)[..., 0].astype(np.float32) / 255
        return np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
