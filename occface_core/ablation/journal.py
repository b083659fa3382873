"""What has been measured, appended to a file line by line, so that a killed run loses at most the line at work."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from occface_core.errors import OutputError
from occface_core.results.writing import output_errors


class Journal:
    """Append-only lines of JSON; each is on disk before `append` returns.

    Args:
        path: the file; a last line that a kill cut off is removed.

    Attributes:
        lines: what the file holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        with output_errors(path):
            data = path.read_bytes() if path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]
            for number, line in enumerate(whole.splitlines(), 1):
                try:
                    self.lines.append(json.loads(line))
                except ValueError as error:
                    raise OutputError(
                        f"{path}: line {number} is damaged ({error}). Give another output folder, or start anew"
                    ) from error
            if len(whole) < len(data):
                os.truncate(path, len(whole))

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line and wait until it is on disk."""
        text = json.dumps(line, separators=(",", ":"))
        with output_errors(self.path), self.path.open("ab") as file:
            file.write(text.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(dict(line))
