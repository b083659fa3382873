"""What a reconstruction leaves on disk: faces.json, pictures, meshes, a sheet, a report in one HTML file."""

from __future__ import annotations

from occface_core.results.report import write_report
from occface_core.results.saving import FORMATS, find_results, is_complete, save
from occface_core.results.writing import check_folder

__all__ = ["FORMATS", "check_folder", "find_results", "is_complete", "save", "write_report"]
