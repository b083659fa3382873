"""See which files are opened, programs started and hosts called while a piece of code runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_EVENTS = ("open", "socket.connect", "subprocess.Popen", "os.listdir", "os.scandir", "os.mkdir", "os.remove")
_CODE = (".py", ".pyc", ".so", ".pyd", ".nbi", ".nbc")
_local = threading.local()
_installed: list[bool] = []


@contextmanager
def watch(package: str | None = None) -> Iterator[list[str]]:
    """Give a list that fills with what this thread does to files, programs and the network.

    What modules do while they are imported counts only for modules in the folder `package`. Files opened
    below Python's own `open` are seen for safetensors only.

    Args:
        package: folder whose modules' import counts too; None: no import counts.
    """
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hear)
    before = getattr(_local, "watching", None)
    seen: list[str] = []
    _local.watching = (seen, package)
    try:
        with _safetensors_named():
            yield seen
    finally:
        _local.watching = before


def _hear(event: str, details: tuple[Any, ...]) -> None:
    watching = getattr(_local, "watching", None)
    if watching is None or event not in _EVENTS:
        return
    seen, package = watching
    what = str(details[0]) if details else ""
    if event == "open" and (what.isdigit() or what.endswith(_CODE)):
        return
    importer = _imported_file(sys._getframe(1))
    if importer is None or (package and importer.startswith(package)):
        seen.append(f"{event} {what}".strip())


def _imported_file(frame: FrameType | None) -> str | None:
    """Return the module whose import runs this frame, "" for the import machinery itself, None for neither."""
    inner = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return inner
        inner, frame = name, frame.f_back
    return None


@contextmanager
def _safetensors_named() -> Iterator[None]:
    """Note reads by safetensors, whose compiled code opens files unseen."""
    module = sys.modules.get("safetensors.torch")
    if module is None:
        yield
        return
    original = module.load_file

    def load_file(filename: Any, *args: Any, **options: Any) -> Any:
        watching = getattr(_local, "watching", None)
        if watching is not None:
            watching[0].append(f"open {filename}")
        return original(filename, *args, **options)

    module.load_file = load_file  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.load_file = original  # type: ignore[attr-defined]
