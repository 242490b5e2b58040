"""Make ``toolkit/qbxml_spec.tsv`` from the qbXML 13.0 schema and the notes on versions and editions.

    python scripts/make_qbxml_spec.py [--schema DIR] [--fields FILE] [--out FILE]

The schema (``qbxmlops130.xsd`` and the files it includes) gives the structure: element, choice, sequence,
occurrence, type, length, values, attributes. It is a union of all editions of QuickBooks; what it does not
say is in ``qbxml_fields.json``: the first version that has an element, the length in the US desktop product,
and whether the US desktop product has the element at all.

Where the notes do not cover a request (ItemDiscountAdd, SalesTaxCodeAdd, DateDrivenTermsQuery, CurrencyQuery,
JournalEntryQuery, ChargeQuery) the value is taken, in this order, from

1. the same place of the ``Ret`` of the same kind (``SalesTaxCodeAdd/Desc`` from ``SalesTaxCodeRet/Desc``);
2. the same element in the same parent elsewhere (``CurrencyFilter/ListID``), or in parents of the same sort
   (``RefNumberCaseSensitive`` in any query): the earliest version, US presence if any of them has it, the
   length if all of them agree;
3. else version 2.0, present in the US product, length as in the schema.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

REQUESTS = (
    "CustomerAdd",
    "CustomerMod",
    "CustomerQuery",
    "ItemQuery",
    "ItemServiceAdd",
    "ItemServiceMod",
    "ItemNonInventoryAdd",
    "ItemOtherChargeAdd",
    "ItemDiscountAdd",
    "ItemServiceQuery",
    "ItemSalesTaxQuery",
    "AccountQuery",
    "InvoiceAdd",
    "InvoiceMod",
    "InvoiceQuery",
    "ReceivePaymentAdd",
    "ReceivePaymentMod",
    "ReceivePaymentQuery",
    "CreditMemoAdd",
    "CreditMemoMod",
    "CreditMemoQuery",
    "SalesReceiptAdd",
    "SalesReceiptMod",
    "SalesReceiptQuery",
    "TxnVoid",
    "TxnDel",
    "ListDel",
    "TermsQuery",
    "StandardTermsQuery",
    "DateDrivenTermsQuery",
    "StandardTermsAdd",
    "SalesTaxCodeQuery",
    "SalesTaxCodeAdd",
    "PaymentMethodQuery",
    "PaymentMethodAdd",
    "ClassQuery",
    "VendorQuery",
    "EmployeeQuery",
    "OtherNameQuery",
    "CurrencyQuery",
    "HostQuery",
    "CompanyQuery",
    "PreferencesQuery",
    "TransactionQuery",
    "TxnDeletedQuery",
    "ListDeletedQuery",
    "DataExtAdd",
    "DataExtDefQuery",
    "JournalEntryQuery",
    "ChargeQuery",
)

# Several currencies came with 8.0, as CurrencyRef and CurrencyFilter of the covered requests show.
INTRODUCED = {"CurrencyQuery": "8.0"}
ATTRIBUTE_SINCE = {
    "metaData": "4.0",
    "iterator": "5.0",
    "iteratorID": "5.0",
    "iteratorRemainingCount": "5.0",
    "retCount": "4.0",
}

COLUMNS = (
    "root",
    "depth",
    "kind",
    "name",
    "type",
    "min",
    "max",
    "max_length",
    "low",
    "high",
    "enum",
    "default",
    "since",
    "us",
)
XSD = "{http://www.w3.org/2001/XMLSchema}"
DEFAULT_SINCE = "2.0"


@dataclass
class Node:
    """One row of the table and the rows below it."""

    kind: str
    name: str = ""
    type: str = ""
    min: int = 1
    max: int | None = 1
    max_length: int | None = None
    low: int | None = None
    high: int | None = None
    enum: tuple[str, ...] = ()
    default: str = ""
    since: str = DEFAULT_SINCE
    us: bool = True
    attributes: list[Node] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)


class Schema:
    """The schema files, by name of what they declare."""

    def __init__(self, folder: Path) -> None:
        self.declared: dict[tuple[str, str], ElementTree.Element] = {}
        for path in sorted(folder.glob("*130.xsd")):
            for declaration in ElementTree.parse(path).getroot():
                if "name" in declaration.attrib:
                    self.declared[declaration.tag.removeprefix(XSD), declaration.attrib["name"]] = declaration

    def message(self, name: str) -> Node:
        """Return the tree of a request (``InvoiceAddRq``) or response (``InvoiceAddRs``)."""
        node = Node("element", name, "aggregate")
        self._fill(node, self.declared["complexType", f"{name}Type"])
        return node

    def _element(self, source: ElementTree.Element) -> Node:
        declaration = self.declared["element", source.attrib["ref"]] if "ref" in source.attrib else source
        low, high = _occurs(source)
        node = Node(
            "element", declaration.attrib["name"], min=low, max=high, default=declaration.get("default", "")
        )
        if "type" in declaration.attrib:
            self._type(node, declaration.attrib["type"])
        elif (simple := declaration.find(f"{XSD}simpleType")) is not None:
            self._simple(node, simple)
        elif (complex_type := declaration.find(f"{XSD}complexType")) is not None:
            self._fill(node, complex_type)
        else:
            raise ValueError(f"element {node.name} has no type")
        return node

    def _type(self, node: Node, name: str) -> None:
        if ("complexType", name) in self.declared:
            self._fill(node, self.declared["complexType", name])
        else:
            self._simple(node, self.declared["simpleType", name])
            node.type = name

    def _simple(self, node: Node, simple: ElementTree.Element) -> None:
        restriction = simple.find(f"{XSD}restriction")
        if restriction is None:  # the unions of qbxmltypes130.xsd, known to the reader by name
            return
        base = restriction.attrib["base"]
        if not base.startswith("xsd:"):
            self._type(node, base)
        for facet in restriction:
            value = facet.attrib["value"]
            match facet.tag.removeprefix(XSD):
                case "maxLength":
                    node.max_length = int(value)
                case "enumeration":
                    node.enum += (value,)
                case "minInclusive":
                    node.low = int(value)
                case "maxInclusive":
                    node.high = int(value)
                case "pattern" if base.startswith("xsd:"):
                    pass  # a named type of qbxmltypes130.xsd, known to the reader by name
                case other:
                    raise ValueError(f"{node.name}: facet {other} is not supported")

    def _fill(self, node: Node, complex_type: ElementTree.Element) -> None:
        node.type = "aggregate"
        for part in complex_type:
            match part.tag.removeprefix(XSD):
                case "sequence" | "choice" | "group":
                    content = self._model(part)
                    node.children = content.children if _is_plain(content) else [content]
                case "attribute":
                    node.attributes.append(self._attribute(part))
                case "simpleContent":
                    extension = part[0]
                    self._type(node, extension.attrib["base"])
                    node.attributes += [self._attribute(attribute) for attribute in extension]
                case other:
                    raise ValueError(f"{node.name}: {other} is not supported")

    def _attribute(self, source: ElementTree.Element) -> Node:
        required = int(source.get("use") == "required")
        name = source.attrib["name"]
        node = Node("attribute", name, min=required, default=source.get("default", ""))
        node.since = ATTRIBUTE_SINCE.get(name, DEFAULT_SINCE)
        if "type" in source.attrib:
            self._type(node, source.attrib["type"])
        else:
            self._simple(node, source[0])
        return node

    def _model(self, source: ElementTree.Element) -> Node:
        low, high = _occurs(source)
        match source.tag.removeprefix(XSD):
            case "element":
                return self._element(source)
            case "group":
                inner = self._model(self.declared["group", source.attrib["ref"]][0])
                if (inner.min, inner.max) == (1, 1):
                    return replace(inner, min=low, max=high)
                return (
                    inner if (low, high) == (1, 1) else Node("sequence", min=low, max=high, children=[inner])
                )
            case "sequence" | "choice" as kind:
                node = Node(kind, min=low, max=high)
                for part in source:
                    child = self._model(part)
                    same = child.kind == kind and (child.min, child.max) == (1, 1)
                    node.children += child.children if same else [child]
                return node.children[0] if len(node.children) == 1 and (low, high) == (1, 1) else node
            case other:
                raise ValueError(f"{other} is not supported in a content model")


def _occurs(source: ElementTree.Element) -> tuple[int, int | None]:
    most = source.get("maxOccurs", "1")
    return int(source.get("minOccurs", "1")), None if most == "unbounded" else int(most)


def _is_plain(node: Node) -> bool:
    return node.kind == "sequence" and (node.min, node.max) == (1, 1)


@dataclass(frozen=True)
class Note:
    """What the notes say of one element."""

    since: str
    us: bool
    max_length: int | None


class Notes:
    """``qbxml_fields.json``, by the path of an element."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.introduced: dict[str, str] = {}
        self.by_path: dict[str, Note] = {}
        self.by_parent: dict[tuple[str, str], set[Note]] = defaultdict(set)
        for name, request in fields["requests"].items():
            self.introduced[name] = request["requestSince"].removeprefix("<=")
            first = min((_key(f["firstTemplate"]) for f in request["rqFields"]), default=(0, 0))
            for row in request["rqFields"] + request["rsFields"]:
                self._add(name, row, first)

    def _add(self, request: str, row: dict[str, Any], first: tuple[int, int]) -> None:
        since = row.get("since", DEFAULT_SINCE)
        if since.endswith("?"):
            # A guess, the first template that shows the path: no younger than the request that needs it.
            whole = row["path"].startswith(f"{request}Rq/{request}") and _key(row["firstTemplate"]) == first
            since = self.introduced[request] if whole else since.removesuffix("?")
        note = Note(since, row["us"], row.get("maxLengthUS"))
        path = row["path"]
        self.by_path[path] = note
        parent, _, name = path.rpartition("/")
        for key in _parents(parent):
            self.by_parent[key, name].add(note)

    def find(self, paths: list[str]) -> Note:
        """Return the note of the first path that has one."""
        for path in paths:
            if path in self.by_path:
                return self.by_path[path]
        parent, _, name = paths[0].rpartition("/")
        for key in _parents(parent):
            if notes := self.by_parent.get((key, name)):
                lengths = {note.max_length for note in notes}
                return Note(
                    since=min((note.since for note in notes), key=_key),
                    us=any(note.us for note in notes),
                    max_length=lengths.pop() if len(lengths) == 1 else None,
                )
        return Note(DEFAULT_SINCE, True, None)


def _parents(path: str) -> list[str]:
    """Return what a parent is known by: its name, and its sort (``*QueryRq``, ``*Add``, ``*Ret``)."""
    last = path.rpartition("/")[2]
    sorts = ("AddRq", "ModRq", "QueryRq", "AddRs", "ModRs", "QueryRs", "Add", "Mod", "Ret")
    return [last] + [f"*{sort}" for sort in sorts if last.endswith(sort)]


def _key(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def _annotate(
    node: Node, notes: Notes, paths: list[str], since: str, also: dict[str, list[str]] | None = None
) -> None:
    """Write the notes into a tree.

    ``paths`` are the places to look a node up, the best first; ``also`` has more places for a child, by name.
    """
    node.since = since
    for attribute in node.attributes:
        attribute.since = max(attribute.since, since, key=_key)
    for child in _elements(node):
        below = [f"{path}/{child.name}" for path in paths] + (also or {}).get(child.name, [])
        note = notes.find(below)
        child.us = note.us and node.us
        if note.max_length is not None:
            child.max_length = min(note.max_length, child.max_length or note.max_length)
        # A child is never there before its parent.
        _annotate(child, notes, below, max(note.since, since, key=_key))


def _elements(node: Node) -> Iterator[Node]:
    for child in node.children:
        if child.kind == "element":
            yield child
        else:
            yield from _elements(child)


def _annotate_request(node: Node, notes: Notes, name: str) -> None:
    node.since = notes.introduced.get(name, INTRODUCED.get(name, DEFAULT_SINCE))
    ret = name.removesuffix("Add").removesuffix("Mod") + "Ret"
    _annotate(node, notes, [node.name], node.since, {name: _ret_paths(ret)})


def _ret_paths(tag: str) -> list[str]:
    """Return the places of a Ret in the responses: its own query before the wider ones."""
    noun = tag.removesuffix("Ret")
    own = [f"{noun}{verb}Rs/{tag}" for verb in ("Query", "Mod", "Add")]
    wide = {"Item": "ItemQueryRs", "Terms": "TermsQueryRs"}
    return own + [f"{rs}/{tag}" for kind, rs in wide.items() if kind in noun]


def make(schema_folder: Path, fields_path: Path) -> str:
    """Return the text of the table."""
    schema = Schema(schema_folder)
    notes = Notes(json.loads(fields_path.read_text(encoding="utf-8")))
    messages: list[Node] = []
    rets: dict[str, Node] = {}
    since: dict[str, str] = {}
    for name in REQUESTS:
        request = schema.message(f"{name}Rq")
        _annotate_request(request, notes, name)
        response = schema.message(f"{name}Rs")
        for child in _elements(response):
            if child.name.endswith("Ret"):
                alone = replace(child, min=1, max=1)
                if rets.setdefault(child.name, alone) != alone:
                    raise ValueError(f"{child.name} differs between responses")
                since[child.name] = min(since.get(child.name, request.since), request.since, key=_key)
                child.children, child.type = [], "ret"
        _annotate(response, notes, [response.name], request.since)
        messages += [request, response]
    for tag, ret in rets.items():
        _annotate(ret, notes, _ret_paths(tag), since[tag])
    rows = [list(COLUMNS)]
    for root in [*messages, *rets.values()]:
        rows += _rows(root.name, root)
    return "".join("\t".join(row) + "\n" for row in rows)


def _rows(root: str, node: Node, depth: int = 0) -> Iterator[list[str]]:
    def text(value: int | None) -> str:
        return "" if value is None else str(value)

    named = node.kind not in ("choice", "sequence")
    yield [
        root,
        str(depth),
        node.kind,
        node.name,
        node.type,
        str(node.min),
        "*" if node.max is None else str(node.max),
        text(node.max_length),
        text(node.low),
        text(node.high),
        "|".join(node.enum),
        node.default,
        node.since if named else "",
        ("yes" if node.us else "no") if named else "",
    ]
    for child in [*node.attributes, *node.children]:
        yield from _rows(root, child, depth + 1)


def main(arguments: list[str] | None = None) -> int:
    """Write the table and say how large it is."""
    here = Path(__file__).resolve().parent.parent
    shared = here.parent / "shared"
    parser = argparse.ArgumentParser(description="Make toolkit/qbxml_spec.tsv from the qbXML schema.")
    parser.add_argument(
        "--schema", type=Path, default=shared / "qbxml-schema", help="folder with qbxmlops130.xsd"
    )
    parser.add_argument("--fields", type=Path, default=shared / "reference" / "qbxml_fields.json")
    parser.add_argument("--out", type=Path, default=here / "toolkit" / "qbxml_spec.tsv")
    options = parser.parse_args(arguments)
    text = make(options.schema, options.fields)
    options.out.write_text(text, encoding="utf-8", newline="\n")
    print(f"{options.out.name}: {text.count(chr(10)) - 1} rows, {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
