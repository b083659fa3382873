"""Checks of a plugin's class: its options, its constructor, how it is imported, saved and sent elsewhere."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs

from occface_core import config, null
from occface_core.errors import OccfaceError
from occface_core.registry import Registry
from occface_core.stages import Stage
from occface_core.testing.failure import require
from occface_core.testing.inputs import everyday
from occface_core.testing.subject import Subject
from occface_core.testing.watch import watch

_NONE = {
    "landmark_detector": null.NoLandmarks,
    "occlusion_matting": null.NoMatting,
    "face_inpainter": null.NoInpainting,
    "shape_regressor": null.NoShape,
    "detail_recoverer": null.NoDetail,
}

FILES = ("weights", "model")
"""Options that name a file or folder of trained weights, by convention."""


def constructor_does_no_io(subject: Subject) -> None:
    """Making an instance opens no file, starts no program and calls no host: `setup` does that."""
    with watch() as seen:
        subject.fresh()
    require(not seen, "a constructor without input or output", "; ".join(seen[:3]),
            "load weights and data in setup(device), which the pipeline calls once before the first run")  # fmt: skip


def options_explicit(subject: Subject) -> None:
    """Every option is a keyword-only attrs field with a type, named in the class's docstring."""
    cls = type(subject.fresh())
    require(attrs.has(cls) and "__attrs_attrs__" in vars(cls), "a class decorated with @attrs.define(kw_only=True)",
            "none", "decorate the class; its fields are its options")  # fmt: skip
    kinds = {parameter.kind for parameter in inspect.signature(cls).parameters.values()}
    require(not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL},
            "options by name", "*args or **kwargs in the constructor", "make each option a field")  # fmt: skip
    text = "\n".join(inspect.getdoc(base) or "" for base in cls.__mro__ if attrs.has(base))
    for name, field in config.option_fields(cls).items():
        require(
            field.kw_only,
            f"the option '{name}' keyword-only",
            "a positional one",
            "use attrs.define(kw_only=True)",
        )
        require(
            field.type is not None, f"a type for the option '{name}'", "none", f"write `{name}: type = …`"
        )
        require(name in text, f"the option '{name}' in the docstring of {cls.__name__}", "no mention of it",
                "add it under 'Attributes:' with unit and range")  # fmt: skip


def licence_stated(subject: Subject) -> None:
    """The class says under which licence its code and its weights may be used."""
    licence = subject.fresh().licence
    require(licence.strip() not in ("", "unknown"), "a class attribute `licence`", repr(licence),
            'write, for example, licence = "Apache-2.0; weights CC-BY-4.0"')  # fmt: skip


def config_round_trip(subject: Subject) -> None:
    """The instance's options go into a configuration and through JSON, and make an equal instance."""
    stage = subject.fresh()
    options = config.unstructure(stage)
    try:
        plain = json.loads(json.dumps(options, allow_nan=False))
        chosen = {name: {"plugin": cls} for name, cls in _NONE.items()}
        chosen[subject.kind] = {"plugin": type(stage), **plain}
        again = config.resolve(chosen, Registry(discover=False))[0][subject.kind].instance
        found = config.unstructure(again)
    except (TypeError, ValueError) as error:
        require(False, "options that survive JSON", f"{type(error).__name__}: {error}",
                "keep options plain: numbers, truth values, text, lists and paths")  # fmt: skip
        return
    require(found == options, f"the options {options}", f"{found} after a round trip",
            "a converter or an __attrs_post_init__ must not change a value that it made itself")  # fmt: skip


def picklable(subject: Subject) -> None:
    """An instance that is not set up can be sent to another process."""
    stage = subject.fresh()
    try:
        again = pickle.loads(pickle.dumps(stage))
    except Exception as error:
        require(False, "an instance that pickles", f"{type(error).__name__}: {error}",
                "make networks, locks, open files and lambdas in setup(device), not in the constructor")  # fmt: skip
        return
    same = type(again) is type(stage) and config.unstructure(again) == config.unstructure(stage)
    require(
        same,
        "the same class and options after pickling",
        repr(again),
        "leave __reduce__ and __getstate__ alone",
    )


def errors_of_the_right_kind(subject: Subject) -> None:
    """`run` before `setup`, and weights that are not where an option says, are told by an OccfaceError."""
    stage = subject.fresh()
    _answers_or_says(lambda: subject.run(everyday(subject.kind), stage), "run before setup",
                     "call setup yourself, or raise occface_core.errors.StageError")  # fmt: skip
    nowhere = str(Path(os.devnull) / "nowhere")
    cls = type(stage)
    for name in FILES:
        if name not in config.option_fields(cls):
            continue

        def set_up(option: str = name) -> None:
            cls(**{**_given(stage), option: nowhere}).setup("cpu")

        said = _answers_or_says(set_up, f"setup with {name}={nowhere!r}",
                                "look for the file first and raise occface_core.errors.WeightsMissing")  # fmt: skip
        require(said, f"an OccfaceError from setup with {name}={nowhere!r}", "none",
                "read the file that the option names in setup")  # fmt: skip


def _given(stage: Stage) -> dict[str, object]:
    """Return the options of an instance as its constructor takes them."""
    return {alias: getattr(stage, field.name) for alias, field in config.option_fields(type(stage)).items()}


def _answers_or_says(act: Callable[[], object], what: str, mend: str) -> bool:
    """Do something that may fail with an OccfaceError only; return whether it did."""
    try:
        act()
    except OccfaceError:
        return True
    except Exception as error:
        require(False, f"an answer or an OccfaceError from {what}", f"{type(error).__name__}: {error}", mend)
    return False


def import_light(subject: Subject) -> None:
    """Importing the plugin's module opens no file, prints nothing, starts no thread, and loads little."""
    cls = type(subject.fresh())
    module = sys.modules[cls.__module__]
    if not getattr(module, "__file__", None) or module.__name__ == "__main__":
        return  # typed in by hand: nothing that could be imported
    file = Path(inspect.getfile(cls)).resolve()
    top = getattr(sys.modules.get(cls.__module__.split(".")[0]), "__file__", None)
    folder = Path(top).resolve().parent if top else file.parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-m", "occface_core.testing.import_probe", module.__name__, str(file), str(folder)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    require(done.returncode == 0, f"{module.__name__} to import", (done.stderr.strip().splitlines() or ["?"])[-1],
            "import it in a fresh interpreter and see")  # fmt: skip
    noticed = json.loads(done.stdout.splitlines()[-1])
    require(not noticed["heavy"], "an import without heavy packages", ", ".join(noticed["heavy"]),
            "import them in setup() or in the function that needs them")  # fmt: skip
    require(not noticed["touched"], "an import that opens no files", "; ".join(noticed["touched"][:3]),
            "read data in setup(device)")  # fmt: skip
    require(
        not noticed["printed"], "an import that prints nothing", " ".join(noticed["printed"]), "remove it"
    )
    require(not noticed["threads"], "an import that starts no thread", ", ".join(noticed["threads"]),
            "start threads in setup(device) or not at all")  # fmt: skip
