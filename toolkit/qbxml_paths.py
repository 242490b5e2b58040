"""The places of elements in a document, numbered: each path once, whatever stands there."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_columns import KEPT, Node, root
from toolkit.qbxml_tokens import Ints, Names, Tokens

__all__ = ["ANSWER", "IGNORED", "Paths", "Use"]

IGNORED = 0
"""The path of everything that is not looked at."""
ANSWER = 1
"""The path of a response: what stands in it is a Ret, or a field beside them."""

MOST = 40_000  # in one document; one that holds every kind of Ret has some 4,000
_DENSE = 1 << 22  # pairs of path and name that are counted in an array


class Use(IntEnum):
    """What the element at a path is for."""

    NOTHING = 0  # nobody looks
    LEFT = 1  # its value is counted as left behind
    PART = 2  # it holds values of a row
    VALUE = 3  # it is one
    ROW = 4
    OTHER = 5  # a Ret of no table
    BESIDE = 6  # a value, or part of one, that stands beside the Rets


class Paths:
    """Numbers for the paths of one document.

    Parameters
    ----------
    names : Names
        Of its elements.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._line = 1  # of the piece at hand
        self._numbers: dict[tuple[int, int], int] = {}
        self.names = ["", ""]
        self.uses = [Use.NOTHING, Use.NOTHING]
        self.nodes: list[Node | None] = [None, None]
        self.above = [IGNORED, IGNORED]
        self.rows = [IGNORED, IGNORED]  # the path of the row that a value belongs to

    def __len__(self) -> int:
        return len(self.names)

    def left(self, name: str) -> int:
        """Return the path of an element that stands where a response should."""
        return self._number(IGNORED, self._names.number(name) or 0, f"QBXMLMsgsRs/{name}", Use.LEFT, None)

    def of(self, tokens: Tokens, starts: Ints, contexts: Ints, line: int) -> Ints:
        """Return the path of every element.

        Parameters
        ----------
        starts, contexts : array of int
            The elements from which on something stands in another response, and that one's path. The first
            is 0: what is open where the piece begins.
        line : int
            Of the piece, for errors.
        """
        self._line = line
        paths = np.full(len(tokens.opens), IGNORED, np.int64)
        thirds = np.flatnonzero(tokens.depth == 3)
        paths[thirds] = contexts[np.searchsorted(starts, thirds, "right") - 1]
        paths[paths == ANSWER] = IGNORED
        # One level after the other: an element's parent is the last one before it of the level above.
        above, above_paths = starts, contexts
        for depth in range(4, int(tokens.depth.max(initial=0)) + 1):
            here = np.flatnonzero(tokens.depth == depth)
            parents = above_paths[np.searchsorted(above, here, "right") - 1]
            paths[here] = self._below(parents, tokens.name[here])
            above, above_paths = here, paths[here]
        return paths

    def _below(self, parents: Ints, names: Ints) -> Ints:
        """Return the paths of elements, from those of their parents and their names."""
        width = len(self._names.known)
        codes = parents * width + names
        span = len(self) * width
        if span <= _DENSE:
            met = np.flatnonzero(np.bincount(codes, minlength=span))
            table = np.zeros(span, np.int64)
            table[met] = [self._child(*divmod(code, width)) for code in met.tolist()]
            found: Ints = table[codes]
            return found
        met, inverse = np.unique(codes, return_inverse=True)
        found = np.array([self._child(*divmod(code, width)) for code in met.tolist()], np.int64)
        return found[inverse]

    def _child(self, above: int, name: int) -> int:
        known = self._numbers.get((above, name))
        if known is not None:
            return known
        called = self._names.known[name]
        use, node = self._use(above, called)
        if use is Use.NOTHING:
            self._numbers[above, name] = IGNORED
            return IGNORED
        path = f"{self.names[above]}/{called}" if above != ANSWER else called
        return self._number(above, name, path, use, node)

    def _use(self, above: int, name: str) -> tuple[Use, Node | None]:
        if above == ANSWER:
            if name in KEPT:
                return Use.ROW, root(name)
            return (Use.OTHER if name.endswith("Ret") else Use.BESIDE), None
        holder = self.uses[above]
        if holder in (Use.NOTHING, Use.OTHER):
            return Use.NOTHING, None
        if holder is Use.BESIDE:
            return Use.BESIDE, None
        found = self.nodes[above]
        node = found.below.get(name) if found else None
        if node is None:
            return Use.LEFT, None
        if node.kind:
            return Use.ROW, node
        return (Use.VALUE if node.slot >= 0 else Use.PART), node

    def _number(self, above: int, name: int, path: str, use: Use, node: Node | None) -> int:
        known = self._numbers.get((above, name))
        if known is not None:
            return known
        if len(self) == MOST:
            raise QbxmlParseError("it holds more kinds of elements than qbXML has", self._line)
        number = self._numbers[above, name] = len(self)
        self.names.append(path)
        self.uses.append(use)
        self.nodes.append(node)
        self.above.append(above)
        self.rows.append(number if use is Use.ROW else self.rows[above])
        return number
