"""A qbXML answer to typed rows and statuses, record by record, whatever the size of the document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any, BinaryIO

from lxml import etree

from toolkit import qbxml_columns
from toolkit.errors import QbxmlParseError
from toolkit.qbxml_columns import KEPT, Layout, Plan, Row, Step
from toolkit.qbxml_events import NO_STATUS, Batch, Bound, Envelope, Event, Finding, LeftBehind, Status
from toolkit.qbxml_text import AnswerText
from toolkit.tables import finding
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

__all__ = ["parse"]

COMPANY_KEY = "company"
"""``owner_key`` of the company's own custom fields: CompanyRet has no id."""


def parse(stream: BinaryIO, *, batch_rows: int = 10_000) -> Iterator[Event]:
    """Yield what a qbXML answer holds: an Envelope, of each response its Batches and its Status, LeftBehind.

    Records are read one by one and forgotten, so the document may be larger than memory. A document that
    turns out broken raises at that place, after the events before it: whoever writes collects first.

    Parameters
    ----------
    stream : binary file
        Anything with ``read(size)``; read once, from where it stands.
    batch_rows : int
        A response's rows are handed over whenever a table has so many.

    Raises
    ------
    QbxmlParseError
        The document is no qbXML answer, or only the first part of one.

    Notes
    -----
    A value that does not fit its column is a finding and a null, a record without its key a finding.
    Times keep their wall clock. Signs are QuickBooks' own: ``AppliedAmount`` is negative.

    Source: qbXML 13.0 schema, Ret aggregates; captured answers.
    """
    text = AnswerText(stream)
    reader = _Reader(text, batch_rows)
    parser = etree.XMLPullParser(
        events=("start", "end"),
        tag=("QBXMLMsgsRs", "QBXMLMsgsRq", *KEPT),
        encoding="utf-8",
        # There are none: AnswerText lets no declaration through. (The stubs know only true and false.)
        resolve_entities="internal",  # type: ignore[arg-type]
        no_network=True,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for piece in text:
            parser.feed(piece)
            for event, element in parser.read_events():
                yield from reader.take(event, element)
        parser.close()
    except etree.XMLSyntaxError as error:
        reason = str(error.msg).partition(", line ")[0]
        raise QbxmlParseError(f"it is broken off or not well formed: {reason}", error.lineno) from None
    for event, element in parser.read_events():
        yield from reader.take(event, element)
    yield reader.end()


def _number(text: str | None) -> int | None:
    """Return an attribute as a whole number, or None where it is none."""
    try:
        return int(text or "")
    except ValueError:
        return None


def _written(element: etree._Element) -> bool:
    """Return whether an element has a text of its own."""
    return bool(element.text and element.text.strip())


class _Reader:
    """What is known while one document is read."""

    def __init__(self, text: AnswerText, batch_rows: int) -> None:
        self.text = text
        self.batch_rows = batch_rows
        self.answered = False
        self.response: etree._Element | None = None
        self.objects: list[Bound] = []
        self.rows: dict[str, list[Row]] = {}
        self.findings: dict[str, list[Finding]] = {}
        self.pending: list[Finding] = []  # about the document: the next batch carries them
        self.left: Counter[str] = Counter()

    # --- the envelope

    def take(self, event: str, element: Any) -> Iterator[Event]:
        """Handle one watched element."""
        if element.tag == "QBXMLMsgsRq":
            raise QbxmlParseError("it is a request (QBXMLMsgsRq), not an answer", element.sourceline)
        if element.tag == "QBXMLMsgsRs":
            if event == "start":
                self.answered = True
                yield Envelope(element.get("newMessageSetID"), _number(element.get("messageSetStatusCode")))
            else:
                yield from self._close(element, None)
            return
        response = element.getparent()
        messages = None if response is None else response.getparent()
        if event == "start" or response is None or messages is None or messages.tag != "QBXMLMsgsRs":
            return
        if response is not self.response:
            yield from self._close(messages, response)
            self.response = response
        self._record(element)
        element.clear()
        before = element.getprevious()
        if before is not None and before.tag in KEPT:
            response.remove(before)
        if max(map(len, self.rows.values()), default=0) >= self.batch_rows:
            yield from self._flush(response)

    def end(self) -> LeftBehind:
        """Return the last event."""
        if not self.answered:
            raise QbxmlParseError("it holds no QBXMLMsgsRs", 1)
        return LeftBehind(dict(self.left), (*self.pending, *self.text.findings()))

    def _close(self, messages: etree._Element, until: etree._Element | None) -> Iterator[Event]:
        """End the responses before ``until``, or all that are left."""
        while len(messages) and messages[0] is not until:
            response = messages[0]
            if str(response.tag).endswith("Rs"):
                yield from self._end_response(response)
            else:
                self._leave(response, "QBXMLMsgsRs")
            messages.remove(response)

    def _end_response(self, response: etree._Element) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for child in response:
            if child.tag in KEPT:
                continue
            if str(child.tag).endswith("Ret"):
                self.left[str(child.tag)] += 1
                self.objects.append(_bound(child))
                continue
            for path, value in _values(child):
                fields.setdefault(path, value)
        code = _number(response.get("statusCode"))
        if code is None:
            self.pending.append(_no_status(response, len(self.objects)))
            code = 0 if self.objects else NO_STATUS
        yield from self._flush(response)
        yield Status(
            request=str(response.tag).removesuffix("Rs"),
            request_id=response.get("requestID") or None,
            code=code,
            severity=response.get("statusSeverity") or "",
            message=response.get("statusMessage") or "",
            ret_count=_number(response.get("retCount")),
            iterator_remaining=_number(response.get("iteratorRemainingCount")),
            iterator_id=response.get("iteratorID"),
            records=len(self.objects),
            objects=() if str(response.tag).endswith("QueryRs") else tuple(self.objects),
            fields=fields,
        )
        self.objects.clear()

    def _flush(self, response: etree._Element) -> Iterator[Batch]:
        """Hand over the rows so far."""
        self.pending += self.text.findings()
        for name in sorted(self.rows.keys() | self.findings.keys(), key=_TABLE_ORDER.__getitem__):
            rows = qbxml_columns.layout(name).arrow(self.rows.get(name, []))
            findings = (*self.findings.get(name, ()), *self.pending)
            self.pending.clear()
            yield Batch(name, rows, response.get("requestID") or None, findings)
        self.rows.clear()
        self.findings.clear()

    # --- records

    def _record(self, element: etree._Element) -> None:
        """Make the rows of one Ret."""
        plan = qbxml_columns.plan(str(element.tag))
        row, bad, inner = self._read(plan, element)
        layout = plan.layout
        ids = layout.table.key[:1]
        key = layout.value(row, ids[0]) if ids else COMPANY_KEY
        names = (layout.value(row, name) for name in ("full_name", "name", "ref_number", "company_name"))
        name = next((one for one in names if one is not None), None)
        self.objects.append(Bound(plan.tag, key if ids else None, layout.value(row, "edit_sequence"), name))
        if self._keep(layout, row, bad):
            self._inner(layout, key, inner, count(1))

    def _inner(
        self,
        owner: Layout,
        key: str | None,
        inner: list[tuple[Plan, etree._Element]],
        numbers: count[int],
        group: Row | None = None,
    ) -> None:
        """Make the rows that stand inside a record or line, lines numbered in the order of the document."""
        for plan, element in inner:
            row, bad, below = self._read(plan, element)
            layout = plan.layout
            made = layout.columns
            if "owner_table" in made:
                layout.put(row, "owner_table", owner.table.name)
            if "owner_key" in made:
                layout.put(row, "owner_key", key)
            if layout.table.parent_key:
                layout.put(row, layout.table.parent_key, key)
            if "line_number" in made:
                layout.put(row, "line_number", next(numbers))
                layout.put(row, "line_kind", _line_kind(plan, row))
                if group is not None:
                    layout.put(row, "group_line_id", layout.value(group, "txn_line_id"))
            if not self._keep(layout, row, bad) or not below:
                continue
            lines = [one for one in below if one[0].layout is layout]
            fields = [one for one in below if one[0].layout is not layout]
            self._inner(owner, key, lines, numbers, row)
            self._inner(layout, layout.value(row, "txn_line_id"), fields, numbers)

    def _read(
        self, plan: Plan, element: etree._Element
    ) -> tuple[Row, list[tuple[Step, str]], list[tuple[Plan, etree._Element]]]:
        """Return one element's row, the values that do not fit, and the elements with rows of their own."""
        row: Row = [None] * plan.layout.width
        bad: list[tuple[Step, str]] = []
        inner: list[tuple[Plan, etree._Element]] = []
        self._fill(plan.steps, plan.path, element, row, bad, inner)
        for column, value in plan.constants.items():
            plan.layout.put(row, column, value)
        return row, bad, inner

    def _fill(
        self,
        steps: dict[str, Step],
        path: str,
        element: etree._Element,
        row: Row,
        bad: list[tuple[Step, str]],
        inner: list[tuple[Plan, etree._Element]],
    ) -> None:
        for child in element:
            step = steps.get(child.tag)
            if step is None:
                self._leave(child, path)
            elif step.slot >= 0:
                text = child.text
                if not text or text.isspace():
                    for below in child:
                        self._leave(below, step.path)
                elif row[step.slot] is not None:
                    self.left[step.path] += 1
                elif step.read is None:
                    row[step.slot] = text
                else:
                    try:
                        row[step.slot] = step.read(text)
                    except (ValueError, ArithmeticError):
                        bad.append((step, text))
            elif step.plan is not None:
                inner.append((step.plan, child))
            else:
                self._fill(step.below, step.path, child, row, bad, inner)

    def _keep(self, layout: Layout, row: Row, bad: list[tuple[Step, str]]) -> bool:
        """Keep a row, and say what is wrong with it; False where it lacks what a row must have."""
        name = layout.table.name
        for step, text in bad:
            message = f"{step.path.rpartition('/')[2]} is not {step.what}: the column is left empty"
            problem = finding(
                "warning",
                "bad_value",
                message,
                table=name,
                key=layout.key(row),
                column=step.column,
                value=text,
            )
            self.findings.setdefault(name, []).append(problem)
        missing = [column for column in layout.required if layout.value(row, column) is None]
        if missing:
            message = f"a record without {missing[0]} cannot be kept; ask QuickBooks for whole records"
            problem = finding(
                "error", "missing_key", message, table=name, key=_shown(layout, row), column=missing[0]
            )
            self.findings.setdefault(name, []).append(problem)
            return False
        self.rows.setdefault(name, []).append(row)
        return True

    def _leave(self, element: etree._Element, path: str) -> None:
        """Count the values in an element that no column keeps."""
        here = f"{path}/{element.tag}"
        if len(element):
            for child in element:
                self._leave(child, here)
        elif _written(element):
            self.left[here] += 1


_TABLE_ORDER = {table.name: place for place, table in enumerate(QUICKBOOKS_TABLES)}


def _line_kind(plan: Plan, row: Row) -> str:
    if plan.tag.endswith("GroupRet"):
        return "group"
    telling = ("item_list_id", "item_full_name", "amount")
    empty = all(plan.layout.value(row, column) is None for column in telling)
    return "description" if empty else "line"


def _shown(layout: Layout, row: Row) -> str | None:
    """Return what tells a record without a key from others."""
    columns = (*layout.table.key, "full_name", "name", "ref_number")
    return next((str(found) for column in columns if (found := layout.value(row, column)) is not None), None)


def _bound(ret: etree._Element) -> Bound:
    """Return the identity of a Ret of no table."""

    def first(*tags: str) -> str | None:
        return next((text for tag in tags if (text := ret.findtext(tag))), None)

    return Bound(
        str(ret.tag), first("ListID", "TxnID"), first("EditSequence"), first("FullName", "Name", "RefNumber")
    )


def _values(element: etree._Element, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values in an element of a response that is no Ret."""
    here = f"{path}{element.tag}"
    for child in element:
        yield from _values(child, f"{here}/")
    if not len(element) and _written(element):
        yield here, element.text or ""


def _no_status(response: etree._Element, objects: int) -> Finding:
    read = (
        f"carries {objects} objects and is read as status 0" if objects else "carries no object: look it up"
    )
    message = f"{response.tag} has no statusCode; it {read}"
    return finding(
        "warning", "missing_status_code", message, key=response.get("requestID"), value=str(response.tag)
    )
