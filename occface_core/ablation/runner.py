"""Walk down the prefix tree: every node once on the whole suite, every finished combination a row."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from occface_core.ablation.design import Combination
from occface_core.ablation.journal import Journal
from occface_core.ablation.metrics.shape import shape_figures
from occface_core.ablation.samples import Samples
from occface_core.ablation.stage_run import ChunkResult, StageRunner
from occface_core.ablation.store import Store
from occface_core.ablation.tree import Node, build_tree
from occface_core.errors import OccfaceError
from occface_core.facemodel import FaceModel
from occface_core.pipeline import Pipeline

REFERENCE = "reference"
"""Key of the lines about the mean face, which no combination changes."""

Listener = Callable[[str, int, int], None]
"""Told what is at work, how many chunks of the tree are done, and how many there are."""


@attrs.define(kw_only=True, eq=False)
class Work:
    """What a run has done: proof that shared prefixes run once.

    Attributes:
        prefixes: distinct prefixes of the combinations, that is nodes of the tree.
        stages: stages that would run if every combination ran alone.
        executed: prefix key → samples that its stage ran on in this run; nothing that was resumed.
        resumed: prefixes that an earlier run had finished.
    """

    prefixes: int = 0
    stages: int = 0
    executed: dict[str, int] = attrs.field(factory=dict)
    resumed: int = 0


class Runner:
    """Runs combinations on samples; what is in the journal is not run again.

    Args:
        combinations: rows of the table.
        samples: photos with truth.
        journal: what is known already, and where new figures go.
        folder: for faces between stages; emptied bit by bit as the run goes on.
        stage_runner: runs and measures one stage.
        chunk: samples between two lines of the journal.
        listener: told about progress.
    """

    def __init__(
        self,
        combinations: Sequence[Combination],
        samples: Samples,
        journal: Journal,
        folder: Path,
        stage_runner: StageRunner,
        *,
        chunk: int = 8,
        listener: Listener | None = None,
    ) -> None:
        self.combinations = combinations
        self.samples = samples
        self.journal = journal
        self.store = Store(folder / "faces")
        self.folder = folder
        self.stage_runner = stage_runner
        self.roots = build_tree(combinations)
        size = max(chunk, stage_runner.batch_size)
        self.chunks = [range(i, min(i + size, len(samples))) for i in range(0, len(samples), size)]
        self.done: dict[tuple[str, int], dict[str, Any]] = {}
        self.failures: dict[str, str] = {}
        for line in journal.lines:
            if "failed" in line:
                self.failures[line["node"]] = line["failed"]
            else:
                self.done[line["node"], line["chunk"]] = line
        nodes = [node for root in self.roots for node in root.walk()]
        self.work = Work(
            prefixes=len(nodes),
            stages=sum(len(one.candidates) for one in combinations),
            resumed=sum(self._finished(node) for node in nodes),
        )
        self._nodes = nodes
        self._listener = listener
        self._pipelines: dict[str, Pipeline] = {}

    def run(self) -> Iterator[int]:
        """Yield the number of each combination when its figures are complete or it has failed."""
        with torch.inference_mode():
            self._reference()
            for root in self.roots:
                yield from self._visit(root, "")
        shutil.rmtree(self.folder, ignore_errors=True)

    def complete(self, number: int) -> bool:
        """Say whether the journal knows all of a combination, or why it failed."""
        return bool(self.failure(number)) or all(self._finished(node) for node in self._path(number))

    def failure(self, number: int) -> str:
        """Return why a combination failed, or ""."""
        return next((self.failures[node.key] for node in self._path(number) if node.key in self.failures), "")

    def lines(self, number: int) -> dict[str, list[dict[str, Any]]]:
        """Return stage → lines of the journal of one combination."""
        return {
            node.candidate.stage: [
                self.done[node.key, chunk]
                for chunk in range(len(self.chunks))
                if (node.key, chunk) in self.done
            ]
            for node in self._path(number)
        }

    def leaf(self, number: int) -> Node:
        """Return the node that a combination ends in."""
        return next(node for node in self._nodes if number in node.rows)

    def reference(self) -> list[dict[str, Any]]:
        """Return the journal's lines about the mean face."""
        return [line for (key, _), line in self.done.items() if key == REFERENCE]

    def _path(self, number: int) -> list[Node]:
        return self.leaf(number).path()

    def _finished(self, node: Node) -> bool:
        return all((node.key, chunk) in self.done for chunk in range(len(self.chunks)))

    def _visit(self, node: Node, failure: str) -> Iterator[int]:
        """Run a node and what is below it."""
        failure = failure or self.failures.get(node.key, "")
        if not failure and not all(self._finished(one) or self._lost(one) for one in node.walk()):
            failure = self._run(node)
        if failure:
            for one in node.walk():
                self.failures.setdefault(one.key, failure)
        yield from node.rows
        for child in node.children:
            yield from self._visit(child, failure)
        self.store.drop(node)

    def _lost(self, node: Node) -> bool:
        """Say whether a node or one above it has failed."""
        return any(one.key in self.failures for one in node.path())

    def _run(self, node: Node) -> str:
        """Run what is left of a node's chunks; return why it failed, or ""."""
        candidate = node.candidate
        if candidate.choice is None:
            return self._fail(node, candidate.problem)
        for chunk, numbers in enumerate(self.chunks):
            known = (node.key, chunk) in self.done
            if known and (not node.children or self.store.has(node, chunk)):
                continue
            self._tell(f"{candidate.stage}: {candidate.label}")
            samples = {number: self.samples[number] for number in numbers}
            try:
                result = self._run_chunk(node, chunk, samples)
            except OccfaceError as error:
                return self._fail(node, str(error))
            except Exception as error:  # setting a plugin up may raise anything
                return self._fail(node, f"{candidate.stage} plugin '{candidate.label}': "
                                        f"{type(error).__name__}: {error}")  # fmt: skip
            if node.children:
                self.store.write(node, chunk, result.faces, result.samples)
            self.work.executed[node.key] = self.work.executed.get(node.key, 0) + len(result.milliseconds)
            line = {"node": node.key, "chunk": chunk, "figures": result.figures, "ms": result.milliseconds,
                    "mb": round(result.megabytes, 1)}  # fmt: skip
            self._note(line)
        return ""

    def _run_chunk(self, node: Node, chunk: int, samples: dict[int, Any]) -> ChunkResult:
        pipeline = self._pipeline(node)
        if node.parent is None:
            return self.stage_runner.detect(pipeline, node, samples)
        faces, numbers = self.store.read(node.parent, chunk, self.stage_runner.device)
        if faces is None:
            return ChunkResult()
        return self.stage_runner.run(pipeline, node, samples, faces, numbers)

    def _pipeline(self, node: Node) -> Pipeline:
        """Return a pipeline whose stage is set up; one for all nodes with the same plugin and options."""
        key = node.candidate.key
        if key not in self._pipelines:
            assert node.candidate.choice is not None
            stages = {node.candidate.stage: node.candidate.choice}
            self._pipelines[key] = Pipeline(stages, [], self.stage_runner.device)
            self._pipelines[key].stage(node.candidate.stage)
        return self._pipelines[key]

    def _fail(self, node: Node, reason: str) -> str:
        self.journal.append({"node": node.key, "failed": reason})
        self.failures[node.key] = reason
        return reason

    def _note(self, line: dict[str, Any]) -> None:
        """Keep a line in the journal; the numbers of samples become texts there as in a file read again."""
        figures = {str(number): values for number, values in line.get("figures", {}).items()}
        line |= {"figures": figures, "ms": {str(number): round(ms, 4) for number, ms in line["ms"].items()}}
        self.journal.append(line)
        self.done[line["node"], line["chunk"]] = line

    def _reference(self) -> None:
        """Measure the mean face, the null method of every shape."""
        model = FaceModel.embedded()
        for chunk, numbers in enumerate(self.chunks):
            if (REFERENCE, chunk) in self.done:
                continue
            self._tell("samples and their truth")
            figures: dict[int, dict[str, float]] = {}
            about: dict[str, Any] = {}
            for number in numbers:
                sample = self.samples[number]
                about[str(number)] = [sample.name, sample.kind, sample.hidden_fraction()]
                if sample.surface is not None:
                    figures[number] = shape_figures(sample.surface, model.mean, model, prefix="mean_face_")
            self._note({"node": REFERENCE, "chunk": chunk, "figures": figures, "ms": {}, "about": about})

    def _tell(self, what: str) -> None:
        if self._listener is not None:
            total = len(self._nodes) * len(self.chunks)
            finished = sum(key != REFERENCE for key, _ in self.done)
            lost = sum(
                (node.key, chunk) not in self.done
                for node in self._nodes if node.key in self.failures for chunk in range(len(self.chunks))
            )  # fmt: skip
            self._listener(what, finished + lost, total)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a folder for one process; the system lets go of it when the process ends, however it ends.

    Raises:
        OccfaceError: another process works there.
    """
    try:
        import fcntl
    except ImportError:  # not there on Windows
        yield
        return
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OccfaceError(
                f"{folder}: another ablation is running there. Wait for it, or give another folder"
            ) from error
        yield
