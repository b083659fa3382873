"""Import one module in a fresh interpreter and say what that did: `python -m … NAME FILE PACKAGE_FOLDER`."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import sys
import threading

from occface_core.testing.watch import watch

HEAVY = (
    "gradio",
    "jax",
    "lightning",
    "matplotlib",
    "mediapipe",
    "onnxruntime",
    "open3d",
    "pandas",
    "pytorch_lightning",
    "ray",
    "sklearn",
    "tensorflow",
    "torchvision",
    "transformers",
)
"""Packages that take long to import and that not every user of a plugin's module needs."""


def probe(name: str, file: str, package: str) -> dict[str, list[str]]:
    """Import a module by name, or by file where the name cannot be found; return what was noticed."""
    before = set(sys.modules)
    threads = {thread.name for thread in threading.enumerate()}
    with contextlib.redirect_stdout(io.StringIO()) as printed, watch(package) as touched:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not error.name or not (name + ".").startswith(error.name + "."):
                raise
            spec = importlib.util.spec_from_file_location(name, file)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
    return {
        "heavy": sorted({m.split(".")[0] for m in set(sys.modules) - before} & set(HEAVY)),
        "touched": touched,
        "printed": printed.getvalue().splitlines()[:3],
        "threads": sorted({thread.name for thread in threading.enumerate()} - threads),
    }


if __name__ == "__main__":
    print(json.dumps(probe(*sys.argv[1:4])))
