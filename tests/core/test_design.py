"""What must stay true of the core as a whole."""

import subprocess
import sys

import pytest

import occface_core


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize(
    "statement", ["import occface_core", "from occface_core import Registry; Registry().names('hooks')"]
)
def test_listing_loads_nothing_heavy(statement):
    heavy = (
        "[m for m in ('torch', 'cv2', 'open3d', 'numba', 'kornia', 'trimesh', 'scipy') if m in sys.modules]"
    )
    assert run(f"import sys; {statement}; print({heavy})") == "[]"


def test_import_time():
    code = "import time; t = time.process_time(); import occface_core; print(time.process_time() - t)"
    assert min(float(run(code)) for _ in range(5)) < 0.15


def test_every_public_name_exists_and_is_documented():
    for name in occface_core.__all__:
        value = getattr(occface_core, name)
        assert name in ("PROVENANCE", "STAGES", "__version__") or value.__doc__, name


def test_the_core_names_no_plugin_distribution():
    from pathlib import Path

    for path in Path(occface_core.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import occface_paper" not in text and "from occface_paper" not in text, path
        assert "import occface_classic" not in text and "from occface_classic" not in text, path


def test_stages_are_in_the_papers_order():
    assert list(occface_core.STAGES) == [
        "landmark_detector",
        "occlusion_matting",
        "face_inpainter",
        "shape_regressor",
        "detail_recoverer",
    ]


def test_every_hook_is_documented_and_used():
    import inspect
    from pathlib import Path

    from occface_core import hookspecs

    specs = [
        f for name, f in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("occface_")
    ]
    pipeline = (Path(occface_core.__file__).parent / "pipeline.py").read_text(encoding="utf-8")
    assert specs
    for spec in specs:
        assert "Args:" in spec.__doc__ and "Returns:" in spec.__doc__
        assert f"hook.{spec.__name__}" in pipeline
