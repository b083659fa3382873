"""Where figures come from: versions, hardware, commit, date."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from occface_core import __version__


def machine(device: str) -> dict[str, Any]:
    """Return hardware and software that times and last digits depend on."""
    import torch

    about: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
    }
    if hasattr(os, "getloadavg"):
        about["load"] = round(os.getloadavg()[2], 1)  # other work makes times longer
    if device.startswith("cuda"):
        about["gpu"] = torch.cuda.get_device_name(device)
    return about


def software() -> dict[str, str]:
    """Return versions."""
    found = {"python": platform.python_version(), "occface-core": __version__}
    for name in ("torch", "numpy", "scipy", "opencv-python", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit of the checkout that the library runs from, "+" after it if files differ; "" if none."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.strip()

    if not git("ls-files", "--", "__init__.py"):
        return ""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/occface_core", ":/plugins")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def today() -> str:
    """Return the date, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
