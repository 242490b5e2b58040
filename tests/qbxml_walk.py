"""A second reader of answers, plain and slow, that knows nothing of the first: what the tests compare with.

It repairs the text by itself, lets lxml build the whole tree, and looks up each declared column's paths
record by record. It shares with the toolkit the declarations of the tables and nothing else.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO

import pyarrow as pa
from lxml import etree

from toolkit.columns import Column, Table
from toolkit.qbxml_io import NO_STATUS, Batch, Envelope, LeftBehind, Status, parse
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

Row = dict[str, Any]
Problem = tuple[str | None, ...]
"""Rule, table, key, column and value of a finding."""

CUSTOM_FIELDS = "quickbooks.custom_fields"
TABLES = {table.name: table for table in QUICKBOOKS_TABLES}
TOP = {
    tag: table
    for table in QUICKBOOKS_TABLES
    if not table.parent and table.name != CUSTOM_FIELDS
    for tag in table.rets
}
ABOUT_THE_TEXT = ("control_characters", "not_utf8")


class RefusedError(Exception):
    """What was given is no answer."""


@dataclass
class Response:
    """One response: its rows by table, and its status as far as both readers tell it."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    bound: Counter[tuple[str | None, ...]] = field(default_factory=Counter)


@dataclass
class Answer:
    """All of one document, in a form that compares."""

    envelope: tuple[str | None, int | None] = (None, None)
    responses: list[Response] = field(default_factory=list)
    problems: Counter[Problem] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    repaired: frozenset[str] = frozenset()
    mixed: bool = False  # of the plain walk: a value had elements beside its text


# --- the reader of the toolkit ------------------------------------------------------------------------------


def answered(stream: BinaryIO, *, batch_rows: int = 10_000) -> Answer:
    """Return what `toolkit.qbxml_io.parse` makes of a document; its events are checked for their order."""
    found, repaired = Answer(), set()
    open_response, begun, ended = Response(), 0, False
    for event in parse(stream, batch_rows=batch_rows):
        assert not ended, "an event after LeftBehind"
        findings: Iterable[dict[str, str | None]] = ()
        if isinstance(event, Envelope):
            begun += 1
            found.envelope = (event.message_set_id, event.message_set_status)
        elif isinstance(event, Batch):
            assert event.rows.schema == TABLES[event.table].schema, event.table
            event.rows.validate(full=True)
            rows = event.rows.to_pylist()
            if rows:
                open_response.rows.setdefault(event.table, []).extend(rows)
            told = open_response.status.setdefault("request_id", event.request_id)
            assert told == event.request_id, "rows of two responses before a status"
            findings = event.findings
        elif isinstance(event, Status):
            told = open_response.status.get("request_id", event.request_id)
            assert told == event.request_id, "a batch of another response"
            query = event.request.endswith("Query")
            assert not (query and event.objects), "objects of a query"
            assert query or len(event.objects) == event.records
            open_response.status = {
                name: getattr(event, name) for name in Status.__dataclass_fields__ if name != "objects"
            }
            open_response.bound = Counter(
                (one.tag, one.id, one.edit_sequence, one.name_or_number) for one in event.objects
            )
            found.responses.append(open_response)
            open_response = Response()
        else:
            assert isinstance(event, LeftBehind)
            assert not open_response.rows, "rows after the last status"
            assert all(event.counts.values()), "a count of nothing"
            found.left, ended, findings = Counter(event.counts), True, event.findings
        for one in findings:
            rule = one["rule"] or ""
            if rule in ABOUT_THE_TEXT:
                repaired.add(rule)
            else:
                found.problems[(rule, one["table"], one["key"], one["column"], one["value"])] += 1
    assert begun
    assert ended
    if begun > 1:
        found.problems[("two envelopes",)] += 1
    found.repaired = frozenset(repaired)
    return found


# --- the text -----------------------------------------------------------------------------------------------

_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]+)|([0-9]+));")
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def repair(data: bytes) -> tuple[str, frozenset[str]]:
    """Return the text of an answer without its declaration, and what had to be put right in it."""
    done = set()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    elif data[:2] in (b"<\0", b"\0<"):
        text = data.decode("utf-16-le" if data[0] else "utf-16-be", "replace")
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            done.add("not_utf8")
            text = _decoded(data)
    before, root, after = text.partition("<QBXML")
    before = re.sub(
        r"<\?xml\s.*?\?>|\ufeff", "", before, flags=re.DOTALL
    )  # wherever it stands, and not believed
    text = before + root + after
    halves = False

    def reference(match: re.Match[str]) -> str:
        nonlocal halves
        digits = match[1] or match[2]
        code = int(digits, 16 if match[1] else 10) if len(digits.lstrip("0")) < 9 else 1 << 30
        if 0x80 <= code < 0xA0:
            put = bytes([code]).decode("cp1252", "ignore")
        elif 0xD800 <= code < 0xE000:
            halves, put = True, chr(code)
        elif code < 0x110000 and not _FORBIDDEN.match(chr(code)):
            put = match[0]
        else:
            put = ""
        if not put:
            done.add("control_characters")
        return put

    clean = _FORBIDDEN.sub("", text)
    if clean != text:
        done.add("control_characters")
    # A reference that only comes into being when a control character in it is gone is not looked at again.
    if clean != text and len(_REFERENCE.findall(clean)) != len(_REFERENCE.findall(text)):
        raise RefusedError("a reference with a control character in it: nobody can say what was meant")
    clean = _REFERENCE.sub(reference, clean)
    if halves:
        clean = clean.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return clean.lstrip(), frozenset(done)


def _decoded(data: bytes) -> str:
    """Return bytes of which some are not UTF-8: those as Windows-1252."""
    parts, rest = [], data
    while True:
        try:
            return "".join([*parts, rest.decode("utf-8")])
        except UnicodeDecodeError as error:
            parts.append(rest[: error.start].decode("utf-8"))
            parts.append(rest[error.start : error.end].decode("cp1252", "replace"))
            rest = rest[error.end :]


def tree(data: bytes) -> tuple[etree._Element, frozenset[str]]:
    """Return the QBXMLMsgsRs of a document, and what had to be put right; lxml judges what is well formed."""
    text, repaired = repair(data)
    parser = etree.XMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise RefusedError(str(error)) from None
    if root.getroottree().docinfo.doctype:
        raise RefusedError("a document type declaration")
    if root.tag != "QBXML" or root.find("QBXMLMsgsRq") is not None:
        raise RefusedError("no answer")
    messages = root.find("QBXMLMsgsRs")
    if messages is None:
        raise RefusedError("no QBXMLMsgsRs")
    return messages, repaired


# --- values -------------------------------------------------------------------------------------------------


def value_of(text: str, kind: pa.DataType) -> Any:
    """Return a text as a value of an Arrow type; ValueError where it is none."""
    if pa.types.is_string(kind):
        return text
    text = text.strip()
    if pa.types.is_decimal(kind):
        return _decimal(text, kind.precision, kind.scale)
    if pa.types.is_boolean(kind):
        return {"true": True, "1": True, "false": False, "0": False}[text]
    if pa.types.is_integer(kind):
        if not re.fullmatch(r"[+-]?\d{1,19}", text, re.ASCII) or not -(2**63) <= int(text) < 2**63:
            raise ValueError(text)
        return int(text)
    if pa.types.is_date(kind):
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(Z|[+-]\d\d:\d\d)?", text, re.ASCII):
            raise ValueError(text)
        return date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    assert pa.types.is_timestamp(kind), kind
    return _timestamp(text)


def _decimal(text: str, precision: int, scale: int) -> Decimal:
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text, re.ASCII):
        raise ValueError(text)
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction.rstrip("0")) > scale or len(whole.lstrip("0")) > precision - scale:
        raise ValueError(text)
    return Decimal(text)


def _timestamp(text: str) -> datetime:
    day, mark, clock = text.partition("T")
    parts = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", day, re.ASCII)
    times = re.fullmatch(r"(\d\d?)(?::(\d\d?)(?::(\d\d?)(?:[+-]\d\d?:\d\d?)?)?)?", clock, re.ASCII)
    if parts is None or (mark and times is None):
        raise ValueError(text)
    return datetime(*map(int, parts.groups()), *(int(one or 0) for one in (times.groups() if times else ())))


# --- records ------------------------------------------------------------------------------------------------


def walk(data: bytes) -> Answer:
    """Return what stands in a document; RefusedError where it is no answer."""
    messages, repaired = tree(data)
    answer = Answer(
        (messages.get("newMessageSetID"), _number(messages.get("messageSetStatusCode"))), repaired=repaired
    )
    for response in messages:
        if str(response.tag).endswith("Rs"):
            answer.responses.append(_Walk(answer, response).response)
        else:
            answer.left.update(_leaves(response, "QBXMLMsgsRs"))
    return answer


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _blank(text: str | None) -> bool:
    return not (text or "").strip()


def _leaves(element: etree._Element, path: str) -> Iterator[str]:
    """Yield the path of every value in an element."""
    for one in element.iter():
        if not len(one) and not _blank(one.text):
            above = [str(up.tag) for up in one.iterancestors()]
            yield "/".join([path, *reversed(above[: _depth(one, element)]), str(one.tag)])


def _depth(one: etree._Element, top: etree._Element) -> int:
    return 0 if one is top else 1 + list(one.iterancestors()).index(top)


def _owned(record: Table, table: Table, tag: str) -> dict[str, Table]:
    """Return the elements inside a Ret that are rows of their own, with their tables.

    They are those of the tables that belong to it; in a row inside a record, those of the record's other
    tables that say so, such as the lines in a group.
    """
    found = {}
    for child in QUICKBOOKS_TABLES:
        own = table.name in child.parent.split("|")
        inside = record.name in child.parent.split("|") and any(
            _enclosing(column, tag) for column in child.columns
        )
        if own or inside:
            found |= dict.fromkeys(child.rets, child)
    if table.name != CUSTOM_FIELDS and (not table.parent or "txn_line_id" in table.names):
        found |= dict.fromkeys(TABLES[CUSTOM_FIELDS].rets, TABLES[CUSTOM_FIELDS])
    found.pop(tag, None)
    return found


def _enclosing(column: Column, tag: str) -> str | None:
    """Return the path of a column's value below an enclosing element of that name."""
    for place in column.enclosing.split("|"):
        first, _, rest = place.partition("/")
        if first == tag:
            return rest
    return None


@dataclass
class _Owner:
    """Whose rows are read: the record, the row in it that custom fields belong to, and the lines so far."""

    record: Table
    record_key: str | None
    table: Table
    key: str | None
    numbers: Counter[str]
    lost: bool  # it has no key: nothing in it is a row or a finding; the census goes on


class _Walk:
    """One response."""

    def __init__(self, answer: Answer, response: etree._Element) -> None:
        self.answer = answer
        self.response = Response()
        self.bad: list[tuple[str, str]] = []
        rets = [child for child in response if str(child.tag).endswith("Ret")]
        for record in rets:
            if record.tag in TOP:
                self.record(record)
            else:
                answer.left[str(record.tag)] += 1
                self.bind(record, "FullName", "Name", "RefNumber")
        name, code = str(response.tag), _number(response.get("statusCode"))
        if code is None:
            code = 0 if rets else NO_STATUS
            answer.problems[("missing_status_code", None, response.get("requestID"), None, name)] += 1
        self.response.status = {
            "request": name[:-2],
            "request_id": response.get("requestID") or None,
            "code": code,
            "severity": response.get("statusSeverity") or "",
            "message": response.get("statusMessage") or "",
            "ret_count": _number(response.get("retCount")),
            "iterator_remaining": _number(response.get("iteratorRemainingCount")),
            "iterator_id": response.get("iteratorID"),
            "records": len(rets),
            "fields": self.fields(response),
        }
        if name.endswith("QueryRs"):
            self.response.bound.clear()

    def fields(self, response: etree._Element) -> dict[str, str]:
        found: dict[str, str] = {}
        for child in response:
            if not str(child.tag).endswith("Ret"):
                for one in child.iter():
                    if not len(one) and not _blank(one.text):
                        above = list(one.iterancestors())[: _depth(one, child)]
                        path = "/".join([*(str(up.tag) for up in reversed(above)), str(one.tag)])
                        found.setdefault(path, one.text or "")
        return found

    def bind(self, record: etree._Element, *names: str) -> None:
        """Note what a change's response tells of its record: what it is, its id, edit sequence and name."""
        known = []
        for tags in (("ListID", "TxnID"), ("EditSequence",), names):
            found = [one for tag in tags for one in record.iterfind(tag)]
            self.answer.mixed |= any(len(one) > 0 and not _blank(one.text) for one in found)
            known.append(next((one.text for one in found if not _blank(one.text)), None))
        self.response.bound[(str(record.tag), *known)] += 1

    # --- rows

    def record(self, record: etree._Element) -> None:
        table, tag = TOP[str(record.tag)], str(record.tag)
        row = self.columns(table, table, record, tag)
        for column, kind in (
            ("item_type", tag[:-3].removeprefix("Item")),
            ("terms_type", tag.split("Terms", maxsplit=1)[0]),
            ("kind", tag.removesuffix("Ret")),
        ):
            if column in table.names:
                row[column] = kind
        key = row[table.key[0]] if table.key else "company"
        self.bind(record, "FullName", "Name", "RefNumber", "CompanyName")
        lost = not self.kept(table, row, self.bad)
        self.inside(_Owner(table, key, table, key, Counter(), lost), record, table, tag)

    def inside(self, owner: _Owner, element: etree._Element, table: Table, path: str) -> None:
        """Make the rows that stand inside an element, in the order of the document."""
        owned = _owned(owner.record, table, str(element.tag))
        for child in element:
            below = owned.get(str(child.tag))
            if below is not None:
                self.line(owner, element, child, below, f"{path}/{child.tag}")

    def line(
        self, owner: _Owner, around: etree._Element, element: etree._Element, table: Table, path: str
    ) -> None:
        tag = str(element.tag)
        row = self.columns(owner.record, table, element, path)
        bad = self.bad
        given: Row = {
            "owner_table": owner.table.name,
            "owner_key": owner.key,
            table.parent_key: owner.record_key,
        }
        if table.parent:
            given["owner_table"] = owner.record.name
        if "line_number" in table.names:
            owner.numbers[table.name] += 1
            given["line_number"] = owner.numbers[table.name]
            told = [row.get(name) for name in ("item_list_id", "item_full_name", "amount")]
            kind = "group" if tag.endswith("GroupRet") else "description" if told == [None] * 3 else "line"
            given["line_kind"] = kind
        row |= {name: one for name, one in given.items() if name in table.names}
        for column in table.columns:
            if place := _enclosing(column, str(around.tag)):
                texts = (one.text or "" for one in around.iterfind(place))
                row[column.name] = next((text for text in texts if not _blank(text)), None)
        lost = owner.lost or not self.kept(table, row, bad)
        own_key = row["txn_line_id"] if "txn_line_id" in table.names else None
        below = _Owner(owner.record, owner.record_key, table, own_key, owner.numbers, lost)
        self.inside(below, element, table, path)

    def columns(self, record: Table, table: Table, element: etree._Element, path: str) -> Row:
        """Return the row of one element; what does not fit is left in `self.bad`, the rest is counted."""
        owned = _owned(record, table, str(element.tag))
        places: dict[str, Any] = {}
        self.bad = []
        for column in table.columns:
            for place in column.source.split("|"):
                if place and place not in places and place.split("/")[0] not in owned:
                    places[place] = self.first(element, place, f"{path}/{place}", column.name, column.type)
        self.census(element, path, set(places), owned)
        row: Row = {}
        for column in table.columns:
            values = (places.get(place) for place in column.source.split("|"))
            row[column.name] = next((one for one in values if one is not None), None)
        return row

    def first(self, element: etree._Element, place: str, path: str, column: str, kind: pa.DataType) -> Any:
        """Return the first value at a place that can be read; the later ones are left behind."""
        value = None
        for one in element.iterfind(place):
            text = one.text or ""
            if _blank(text):
                continue
            if value is not None:
                self.answer.left[path] += 1
                continue
            try:
                value = value_of(text, kind)
            except (ValueError, KeyError, InvalidOperation):
                self.bad.append((column, text))
        return value

    def census(self, element: etree._Element, path: str, places: set[str], owned: dict[str, Table]) -> None:
        """Count the values that no column reads."""

        def below(inside: etree._Element, place: str) -> None:
            for child in inside:
                here = f"{place}{child.tag}"
                if not place and child.tag in owned:
                    continue
                if here in places:
                    self.answer.mixed |= len(child) > 0 and not _blank(child.text)
                    for one in child:
                        self.answer.left.update(_leaves(one, f"{path}/{here}"))
                elif len(child) and any(other.startswith(f"{here}/") for other in places):
                    below(child, f"{here}/")
                else:
                    self.answer.left.update(_leaves(child, f"{path}/{here}".rpartition("/")[0]))

        if not len(element) and not _blank(element.text):
            self.answer.left[path] += 1  # a text in place of a record
        below(element, "")

    def kept(self, table: Table, row: Row, bad: list[tuple[str, str]]) -> bool:
        parts = [row[name] for name in table.key]
        key = " / ".join("" if part is None else str(part) for part in parts) or None
        for column, text in bad:
            self.answer.problems[("bad_value", table.name, key, column, text)] += 1
        missing = [column.name for column in table.columns if column.required and row[column.name] is None]
        if missing:
            names = (*table.key, "full_name", "name", "ref_number")
            shown = next((str(row[name]) for name in names if row.get(name) is not None), None)
            self.answer.problems[("missing_key", table.name, shown, missing[0], None)] += 1
            return False
        self.response.rows.setdefault(table.name, []).append(row)
        return True


def outcome(read: Callable[[], Answer], refusal: type[Exception]) -> Answer | None:
    """Return what a reader makes of a document, None where it refuses it."""
    try:
        return read()
    except refusal:
        return None


def differences(ours: Answer | None, plain: Answer | None) -> list[str]:
    """Return where two answers differ, in words short enough to read; empty where they do not."""
    if ours is None or plain is None:
        return [] if ours is plain else [f"refused by {'ours' if ours is None else 'the plain walk'} only"]
    found = [
        f"{name}: {getattr(ours, name)} for {getattr(plain, name)}"
        for name in ("envelope", "repaired")
        if getattr(ours, name) != getattr(plain, name)
    ]
    for name in ("problems", "left"):
        mine, other = getattr(ours, name), getattr(plain, name)
        found += [
            f"{name}: {mine[one]} times {one}, not {other[one]}"
            for one in mine | other
            if mine[one] != other[one]
        ]
    if len(ours.responses) != len(plain.responses):
        return [*found, f"{len(ours.responses)} responses for {len(plain.responses)}"]
    for number, (mine, other) in enumerate(zip(ours.responses, plain.responses, strict=True)):
        found += [f"response {number}: {one}" for one in _of_response(mine, other)]
    return found


def _of_response(ours: Response, plain: Response) -> Iterator[str]:
    for name in ("status", "bound"):
        if getattr(ours, name) != getattr(plain, name):
            yield f"{name}: {getattr(ours, name)} for {getattr(plain, name)}"
    for table in sorted(ours.rows.keys() | plain.rows.keys()):
        rows, wanted = ours.rows.get(table, []), plain.rows.get(table, [])
        if len(rows) != len(wanted):
            yield f"{table}: {len(rows)} rows for {len(wanted)}"
        for place, (row, want) in enumerate(zip(rows, wanted, strict=False)):
            if row != want:
                cells = {name: (row[name], want[name]) for name in row if row[name] != want[name]}
                yield f"{table}, row {place}: {cells}"
                break
