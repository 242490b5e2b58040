"""A qbXML answer to typed rows and statuses, a few megabytes at a time, whatever the size of the document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from lxml import etree

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_columns import ORDER
from toolkit.qbxml_events import NO_STATUS, Batch, Bound, Envelope, Event, LeftBehind, Status
from toolkit.qbxml_paths import ANSWER, IGNORED, Paths, Use
from toolkit.qbxml_rows import Finding, Rows, rows_of
from toolkit.qbxml_text import AnswerText, line_feeds
from toolkit.qbxml_tokens import Ints, Names, Tokens, plain, tokenize
from toolkit.tables import finding

__all__ = ["CHUNK", "parse"]

CHUNK = 1 << 23  # bytes that are taken apart at once: the arrays for them take some ten times as much memory
LARGEST = 3 * CHUNK  # bytes of one record; an invoice of 1,000 lines has half a million


def parse(stream: BinaryIO, *, batch_rows: int = 10_000) -> Iterator[Event]:
    """Yield what a qbXML answer holds: an Envelope, of each response its Batches and its Status, LeftBehind.

    The document is read once, in pieces that are forgotten, so it may be larger than memory. One that turns
    out broken raises at that place, after the events before it: whoever writes collects first.

    Parameters
    ----------
    stream : binary file
        Anything with ``read(size)``; read once, from where it stands.
    batch_rows : int
        The most rows that a Batch holds.

    Raises
    ------
    QbxmlParseError
        The document is no qbXML answer, or only the first part of one.

    Notes
    -----
    A value that does not fit its column is a finding and a null, a record without its key a finding. Of an
    element that stands twice in a record the first that is not blank counts, the other is left behind.
    Times keep their wall clock. Signs are QuickBooks' own: ``AppliedAmount`` is negative.

    Source: qbXML 13.0 schema, Ret aggregates; captured answers.
    """
    text = AnswerText(stream)
    reader = _Reader(text, batch_rows)
    # It builds no tree and calls nobody: libxml2 reads on until the document is not well formed.
    # (The stubs know only targets that are told something.)
    checked = etree.XMLParser(
        target=_Nobody(),  # type: ignore[arg-type]
        encoding="utf-8",
        no_network=True,
    )
    pieces = iter(text)
    while True:
        try:
            piece = next(pieces, None)
            if piece is None:
                checked.close()
            else:
                checked.feed(piece)
        except etree.XMLSyntaxError as error:
            reason = str(error.msg).partition(", line ")[0].strip()
            raise QbxmlParseError(
                f"it is broken off or not well formed: {reason}", max(error.lineno or 1, 1)
            ) from None
        yield from reader.take(piece)
        if piece is None:
            return


class _Nobody:
    """The target of a parser whose events nobody wants."""

    def close(self) -> None:
        """Return nothing."""


@dataclass(slots=True, eq=False)
class _Response:
    """One response: what its tag says, and what came of it so far."""

    request: str
    attributes: dict[str, str]
    records: int = 0
    objects: list[Bound] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str | None:
        return self.attributes.get("requestID") or None

    @property
    def is_change(self) -> bool:
        return not self.request.endswith("Query")


@dataclass(slots=True)
class _Walk:
    """How one piece goes through the envelope: what ends and begins where.

    Parameters
    ----------
    steps : list
        An Envelope, or a response that begins or ends.
    starts : list of int
        The elements from which on another response is open, or none.
    paths : list of int
        The path of what is open then.
    responses : list
        That response.
    """

    steps: list[Envelope | tuple[bool, int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    paths: list[int] = field(default_factory=list)
    responses: list[_Response | None] = field(default_factory=list)

    def open(self, element: int, path: int, response: _Response | None) -> None:
        self.starts.append(element)
        self.paths.append(path)
        self.responses.append(response)


class _Reader:
    """What is known while one document is read."""

    def __init__(self, text: AnswerText, batch_rows: int) -> None:
        self.text = text
        self.batch_rows = batch_rows
        self.names = Names()
        self.paths = Paths(self.names)
        self.left: Counter[str] = Counter()
        self.pending: list[Finding] = []  # about the document: the next batch carries them
        self.held: list[bytes] = []
        self.size = 0
        self.wanted = CHUNK
        self.line = 1  # of the first letter that is held
        self.depth = 0  # how many elements are open there
        self.messages = ""  # the name of the second of them
        self.response: _Response | None = None
        self.path = IGNORED  # of the third
        self.answered = False

    def take(self, piece: bytes | None) -> Iterator[Event]:
        """Take a piece of the text, or None at its end, and yield what it brings."""
        if piece is not None:
            self.held.append(piece)
            self.size += len(piece)
            if self.size < self.wanted:
                return
        held = b"".join(self.held)
        data, tail = plain(held)
        tokens, whole = tokenize(data, self.depth, self.names, self.line)
        rest = data[whole:] + tail
        if len(rest) > LARGEST:
            raise QbxmlParseError(f"a record of more than {LARGEST >> 20} megabytes", self.line)
        if tokens is not None:
            yield from self._piece(tokens)
            self.line += line_feeds(held) - line_feeds(rest)
            self.depth = int(tokens.after[-1])
        self.held, self.size = [rest], len(rest)
        self.wanted = max(CHUNK, 2 * len(rest))  # what is not whole yet is not looked at for every piece
        if piece is None:
            if not self.answered:
                raise QbxmlParseError("it holds no QBXMLMsgsRs", 1)
            yield LeftBehind(dict(self.left), (*self.pending, *self.text.findings()))

    # --- one piece

    def _piece(self, tokens: Tokens) -> Iterator[Event]:
        walk = self._walk(tokens)
        starts = np.array(walk.starts, np.int64)
        places = self.paths.of(tokens, starts, np.array(walk.paths, np.int64), self.line)
        made = rows_of(tokens, places, self.paths, self.left)
        self._count(tokens, places, starts, walk)
        self.pending += self.text.findings()
        batches = _Batches(made, starts)
        for step in walk.steps:
            if isinstance(step, Envelope):
                yield step
                continue
            ends, number = step
            response = walk.responses[number]
            if response is None:
                continue
            if ends:
                yield from self._ended(response, batches, number)
            else:
                yield from self._handed(response, batches, number)

    def _walk(self, tokens: Tokens) -> _Walk:
        """Follow the tags of the envelope; what is open at the end is kept for the next piece."""
        walk = _Walk()
        walk.open(0, self.path, self.response)
        depth = np.where(tokens.closes, tokens.after + 1, tokens.after + tokens.empty)
        element = np.cumsum(~tokens.closes) - 1
        for tag in np.flatnonzero(depth <= 3).tolist():
            here = int(depth[tag])
            if not tokens.closes[tag]:
                self._opened(tokens, tag, here, int(element[tag]), walk)
            if tokens.closes[tag] or tokens.empty[tag]:
                if here == 3:
                    walk.steps.append((True, len(walk.starts) - 1))
                    self.path, self.response = IGNORED, None
                    walk.open(int(element[tag]) + 1, IGNORED, None)
                elif here == 2:
                    self.messages = ""
        if self.response is not None:
            walk.steps.append((False, len(walk.starts) - 1))
        return walk

    def _opened(self, tokens: Tokens, tag: int, depth: int, element: int, walk: _Walk) -> None:
        name = self.names.known[int(tokens.name[element])]
        if depth == 2:
            self.messages = name
            if name == "QBXMLMsgsRq":
                line = self.line + tokens.line(tag)
                raise QbxmlParseError("it is a request (QBXMLMsgsRq), not an answer", line)
            if name == "QBXMLMsgsRs":
                self.answered = True
                told = tokens.attributes(tag)
                status = _number(told.get("messageSetStatusCode"))
                walk.steps.append(Envelope(told.get("newMessageSetID"), status))
        elif depth == 3:
            self.path, self.response = IGNORED, None
            if self.messages == "QBXMLMsgsRs" and name.endswith("Rs"):
                self.response = _Response(name.removesuffix("Rs"), tokens.attributes(tag))
                self.path = ANSWER
            elif self.messages == "QBXMLMsgsRs":
                self.path = self.paths.left(name)
            walk.open(element, self.path, self.response)

    def _count(self, tokens: Tokens, places: Ints, starts: Ints, walk: _Walk) -> None:
        """Count the records of each response, and note what stands beside them."""
        uses = np.array(self.paths.uses, np.int8)[places]
        records = np.flatnonzero((tokens.depth == 4) & np.isin(uses, (Use.ROW, Use.OTHER)))
        of = np.searchsorted(starts, records, "right") - 1
        for number, count in enumerate(np.bincount(of, minlength=len(starts)).tolist()):
            response = walk.responses[number]
            if response is None or not count:
                continue
            response.records += count
            if response.is_change:
                first = int(np.searchsorted(of, number))
                for record in records[first : first + count].tolist():
                    response.objects.append(self._bound(tokens, record))
        beside = np.flatnonzero((uses == Use.BESIDE) & tokens.written)
        of = np.searchsorted(starts, beside, "right") - 1
        # The first of each that a response has; there may be a million.
        _, firsts = np.unique(of * len(self.paths) + places[beside], return_index=True)
        for first in np.sort(firsts).tolist():
            response, element = walk.responses[int(of[first])], int(beside[first])
            if response is not None:
                response.fields.setdefault(self.paths.names[places[element]], tokens.text(element))

    def _bound(self, tokens: Tokens, record: int) -> Bound:
        """Return the identity of a Ret, from the elements directly below it."""
        told: dict[str, str] = {}
        for element in range(record + 1, len(tokens.opens)):
            depth = int(tokens.depth[element])
            if depth <= 4:
                break
            if depth == 5 and tokens.written[element]:
                told.setdefault(self.names.known[int(tokens.name[element])], tokens.text(element))

        def first(*names: str) -> str | None:
            return next((told[name] for name in names if name in told), None)

        return Bound(
            self.names.known[int(tokens.name[record])],
            first("ListID", "TxnID"),
            told.get("EditSequence"),
            first("FullName", "Name", "RefNumber", "CompanyName"),
        )

    # --- events

    def _handed(self, response: _Response, batches: _Batches, number: int) -> Iterator[Event]:
        """Hand over the rows that a response has in this piece."""
        for table, rows, findings in batches.of(number, self.batch_rows):
            carried = (*findings, *self.pending)
            self.pending.clear()
            yield Batch(table, rows, response.id, carried)

    def _ended(self, response: _Response, batches: _Batches, number: int) -> Iterator[Event]:
        told = response.attributes
        code = _number(told.get("statusCode"))
        yield from self._handed(response, batches, number)
        if code is None:
            self.pending.append(_no_status(response))
            code = 0 if response.records else NO_STATUS
        yield Status(
            request=response.request,
            request_id=response.id,
            code=code,
            severity=told.get("statusSeverity", ""),
            message=told.get("statusMessage", ""),
            ret_count=_number(told.get("retCount")),
            iterator_remaining=_number(told.get("iteratorRemainingCount")),
            iterator_id=told.get("iteratorID"),
            records=response.records,
            objects=tuple(response.objects),
            fields=response.fields,
        )


class _Batches:
    """The rows of one piece by response: the elements of a response stand together."""

    def __init__(self, made: list[Rows], starts: Ints) -> None:
        self._made = sorted(made, key=lambda rows: ORDER[rows.table])
        self._of = [np.searchsorted(starts, rows.elements, "right") - 1 for rows in self._made]
        self._starts = starts

    def of(self, number: int, most: int) -> Iterator[tuple[str, pa.Table, list[Finding]]]:
        """Yield the rows of a response, ``most`` at a time, each with what was found until the next."""
        begin = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else np.inf
        for rows, of in zip(self._made, self._of, strict=True):
            first, last = np.searchsorted(of, (number, number + 1)).tolist()
            for start in range(first, max(last, first + 1), most):
                until = end if start + most >= last else rows.elements[start + most]
                findings = [found for element, found in rows.findings if begin <= element < until]
                if first < last or findings:
                    yield rows.table, rows.rows.slice(start, min(most, last - start)), findings
                begin = until
            begin = self._starts[number]


def _number(text: str | None) -> int | None:
    """Return an attribute as a whole number, or None where it is none."""
    try:
        return int(text or "")
    except ValueError:
        return None


def _no_status(response: _Response) -> Finding:
    count = response.records
    read = f"carries {count} objects and is read as status 0" if count else "carries no object: look it up"
    name = f"{response.request}Rs"
    message = f"{name} has no statusCode; it {read}"
    return finding(
        "warning", "missing_status_code", message, key=response.attributes.get("requestID"), value=name
    )
