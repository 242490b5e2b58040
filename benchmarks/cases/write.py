"""Writing many requests, checks included, beside the plainest way to the same bytes with lxml."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Goal, Row, Sizes, ratio
from benchmarks.cases.land import Prepared
from benchmarks.documents import invoices_to_add
from benchmarks.measure import BenchError, Task

REQUESTS = 100_000
TOOLKIT, PLAIN = "toolkit", "lxml SubElement"


def build(folder: Path, requests: int) -> Prepared:
    from toolkit.qbxml_io import Request
    from toolkit.qbxml_io import build as toolkit_build

    given = [
        Request("InvoiceAdd", fields, request_id=f"invoice:{number}")
        for number, fields in enumerate(invoices_to_add(requests))
    ]
    toolkit_build(given[:1])
    return lambda: toolkit_build(given), _digest


def sub_elements(folder: Path, requests: int) -> Prepared:
    """Prepare what writes elements as they stand in the dicts, and checks nothing."""
    from lxml import etree

    given = list(invoices_to_add(requests))

    def append(parent: Any, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            if isinstance(value, str):
                etree.SubElement(parent, name).text = value
            elif isinstance(value, bool):
                etree.SubElement(parent, name).text = "true" if value else "false"
            elif isinstance(value, dict):
                append(etree.SubElement(parent, name), value)
            else:
                for one in value:
                    append(etree.SubElement(parent, name), one)

    def write(listed: Sequence[Mapping[str, Any]]) -> bytes:
        root = etree.Element("QBXML")
        messages = etree.SubElement(root, "QBXMLMsgsRq", onError="continueOnError")
        for number, fields in enumerate(listed):
            request = etree.SubElement(messages, "InvoiceAddRq", requestID=f"invoice:{number}")
            append(etree.SubElement(request, "InvoiceAdd"), fields)
        prolog = b'<?xml version="1.0" encoding="utf-8"?>\n<?qbxml version="13.0"?>\n'
        return prolog + etree.tostring(root, encoding="ascii", pretty_print=True, xml_declaration=False)

    write(given[:1])
    return lambda: write(given), _digest


def _digest(written: bytes) -> dict[str, Any]:
    return {"bytes": len(written), "sha256": hashlib.sha256(written).hexdigest()}


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    count = sizes.of(REQUESTS)
    return [
        Task(
            PLAIN,
            "benchmarks.cases.write:sub_elements",
            {"requests": count},
            "no checks; the baseline",
            "lxml",
        ),
        Task(TOOLKIT, "benchmarks.cases.write:build", {"requests": count}, "order, form and limits checked"),
    ]


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    ours, plain = rows[TOOLKIT].facts, rows[PLAIN].facts
    if ours != plain:
        raise BenchError(f"the two writers wrote different bytes: {ours} and {plain}")
    return [Goal("lxml SubElement / toolkit", ratio(rows, PLAIN, TOOLKIT), 2.0, most=False)]


CASE = Case("write", "Writing 100,000 InvoiceAdd of 3 lines", 3, PLAIN, _tasks, _goals)
