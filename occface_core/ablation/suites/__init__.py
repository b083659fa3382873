"""Suites of photos with known truth: drawn faces, and folders in the formats that data sets are published in."""

from __future__ import annotations

from occface_core.ablation.suites.base import Suite
from occface_core.ablation.suites.making import SUITES, make_suite

__all__ = ["SUITES", "Suite", "make_suite"]
