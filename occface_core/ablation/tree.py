"""The prefix tree of combinations: what several of them begin with is one node, and is run once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import attrs

from occface_core.ablation.choices import Candidate
from occface_core.ablation.design import Combination


@attrs.define(kw_only=True, eq=False)
class Node:
    """One stage of all combinations that agree up to it.

    Attributes:
        candidate: what stands there.
        key: name of the prefix that ends here; the same in every run of the same combinations.
        parent: the stage before, None for the first.
        children: what follows, in the order of the rows.
        rows: numbers of the combinations that end here.
    """

    candidate: Candidate
    key: str
    parent: Node | None = None
    children: list[Node] = attrs.field(factory=list)
    rows: list[int] = attrs.field(factory=list)

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def path(self) -> list[Node]:
        """Return the nodes from the first stage to this one."""
        return [*(self.parent.path() if self.parent else []), self]


def build_tree(combinations: Sequence[Combination]) -> list[Node]:
    """Return the nodes of the first stage with all that follows."""
    roots: list[Node] = []
    for number, combination in enumerate(combinations):
        level, parent, prefix = roots, None, ""
        for candidate in combination.candidates.values():
            prefix = hashlib.sha256(f"{prefix}\n{candidate.key}".encode()).hexdigest()[:16]
            node = next((one for one in level if one.key == prefix), None)
            if node is None:
                node = Node(candidate=candidate, key=prefix, parent=parent)
                level.append(node)
            level, parent = node.children, node
        if parent is not None:
            parent.rows.append(number)
    return roots
