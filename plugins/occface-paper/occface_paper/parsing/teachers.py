"""Training labels from two teachers that know different things.

`BiSeNet` on CelebAMask-HQ knows the parts of a face, glasses, hats and hair, but calls masks and hands skin. The
selfie segmenter (six classes: background, hair, body skin, face skin, clothes, others) knows that masks are no skin.
Where they contradict each other and neither is known to be right, the pixel stays unlabelled.
"""

from __future__ import annotations

import cv2
import numpy as np

from occface_core.synthetic.labels import LABELS

#: Label of pixels that nobody knows.
UNKNOWN = 255
#: Label of pixels that show the face, nobody knows which part of it: what is seen through a clear lens.
SOME_FACE = 254
#: Codes of the selfie segmenter.
BACKGROUND, HAIR, BODY, FACE, CLOTHES, OTHERS = range(6)
FACE_PARTS = tuple(LABELS[n] for n in ("skin", "brows", "eyes", "nose", "mouth", "lips"))
#: Glasses count as dark ones when they are this much darker than the face's skin.
DARK = 0.45
#: Share of the face that the second teacher's "others" must cover to be believed to be a thing in front.
LEAST_OTHER = 0.05


def merged_labels(
    image: np.ndarray,
    parts: np.ndarray,
    selfie: np.ndarray,
    face: np.ndarray,
    points: np.ndarray,
    masked: bool,
) -> np.ndarray:
    """Combine the teachers' labels of one crop.

    Args:
        image: (S, S, 3) uint8 RGB.
        parts: (S, S) uint8 BiSeNet's labels in the library's codes.
        selfie: (S, S) uint8 codes of the selfie segmenter, 255 outside the photo.
        face: (S, S) bool, the face region of the landmarks.
        points: (68, 2) px.
        masked: the crop is from a set of masked faces.

    Returns:
        (S, S) uint8 library labels, `SOME_FACE` or `UNKNOWN`.
    """
    labels = parts.copy()
    skinlike = np.isin(parts, (*FACE_PARTS, LABELS["neck"], LABELS["ears"]))
    inner = cv2.erode(face.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    # Things in front: the segmenter's "others" over what BiSeNet takes for skin.
    labels[(selfie == OTHERS) & skinlike] = UNKNOWN
    if masked:
        # BiSeNet calls masks skin, cloth, glasses or nothing; the segmenter is right about them below the eyes.
        up = points[27] - points[8]
        rows, columns = np.indices(face.shape)
        below = (columns - points[28, 0]) * up[0] + (rows - points[28, 1]) * up[1] < 0
        near = cv2.dilate(face.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool) & below
        labels[near] = UNKNOWN
        things = near & ((selfie == OTHERS) | ((selfie == CLOTHES) & face))
        if (things & face).sum() > LEAST_OTHER * face.sum():
            labels[things] = LABELS["other"]
        labels[(selfie == OTHERS) & (labels == LABELS["eyeglasses"])] = UNKNOWN
    # Hands: body skin in the midst of the face.
    labels[(selfie == BODY) & inner & np.isin(parts, FACE_PARTS)] = UNKNOWN
    # Hair or skin: they must agree inside the face, but hair on cheeks and chin is a beard.
    is_hair = parts == LABELS["hair"]
    labels[((selfie == HAIR) != is_hair) & face & (is_hair | np.isin(parts, FACE_PARTS))] = UNKNOWN
    labels[inner & ~np.isin(selfie, (HAIR, OTHERS)) & np.isin(parts, (0, LABELS["cloth"]))] = UNKNOWN
    if not masked:
        labels = _glasses(image, labels, parts, selfie, face)
    labels[selfie == 255] = UNKNOWN
    return labels


def _glasses(
    image: np.ndarray, labels: np.ndarray, parts: np.ndarray, selfie: np.ndarray, face: np.ndarray
) -> np.ndarray:
    """Keep the label of dark glasses; of clear ones only the rim hides anything, which the segmenter sees."""
    glasses = parts == LABELS["eyeglasses"]
    skin = (parts == LABELS["skin"]) & face
    if not glasses.any():
        return labels
    light = image.mean(2)
    dark = skin.sum() > 50 and np.median(light[glasses]) < DARK * np.median(light[skin])
    labels[glasses] = LABELS["eyeglasses"] if dark else UNKNOWN
    if not dark:  # the rim reaches a little further than the label
        near = cv2.dilate(glasses.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
        labels[near & np.isin(labels, (*FACE_PARTS, LABELS["other"]))] = UNKNOWN
        labels[glasses & (selfie == FACE) & face] = SOME_FACE
        labels[near & (selfie == OTHERS)] = LABELS["eyeglasses"]
    return labels
