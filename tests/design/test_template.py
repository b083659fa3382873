"""The template, installed as a stranger would install it: from wheels, into an environment of its own."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, **options):
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with nothing but wheels of core and template; what they depend on is lent by this one."""
    pytest.importorskip("hatchling", reason="the wheels are built with hatchling: pip install hatchling")
    folder = tmp_path_factory.mktemp("template")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", folder / "wheels",
        ROOT, ROOT / "plugins" / "occface-template")  # fmt: skip
    venv.create(folder / "env", with_pip=False)
    place = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = place / "python"
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")  # its own .pth files are not followed
    run(*pip, "--python", python, "install", "-q", "--no-index", "--no-deps", "--ignore-installed",
        *(folder / "wheels").glob("*.whl"))  # fmt: skip
    return place


def test_the_template_from_a_wheel_passes_the_kit(environment, tmp_path):
    where = "import occface_core, occface_template as t; print(t.__file__, occface_core.__file__)"
    found = run(environment / "python", "-c", where, cwd=tmp_path).split()
    assert all(str(environment.parent) in one for one in found), found
    said = run(environment / "occface", "plugins", "--check", "mean_colour", cwd=tmp_path)
    assert "failed" not in said.replace("0 failed", ""), said
