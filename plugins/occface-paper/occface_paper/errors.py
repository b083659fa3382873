"""Errors of training and measuring."""

from __future__ import annotations

from occface_core.errors import OccfaceError


class DataMissing(OccfaceError, FileNotFoundError):
    """A folder or file of the training data is not there."""
