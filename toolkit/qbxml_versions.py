"""What an older qbXML lacks: which fields may be left out of a request then, and which never.

The one place where that is decided. A field stands in :data:`HARMLESS` only where the books are the same
without it: nothing about money, tax, identity, addresses, delivery or stock is. All else that a version lacks
is a problem of the request, which is then not sent at that version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from toolkit import qbxml_spec
from toolkit.qbxml_fields import FieldProblem, Request
from toolkit.qbxml_problems import request_problems
from toolkit.qbxml_spec import Model, version_key
from toolkit.qbxml_write import field_problems

__all__ = ["HARMLESS", "LATEST", "OLDEST", "Fitted", "LeftOut", "fit", "has_all", "left_out_note"]

LATEST = "13.0"
OLDEST = "8.0"
"""The oldest version that a company may speak: what is older is turned away (`toolkit.company_guard`)."""

_MARKER = "it repeats our key, which the memo of the document ends with"

HARMLESS: Mapping[str, Mapping[str, str]] = {
    "InvoiceAdd": {"ExternalGUID": _MARKER},
    "CreditMemoAdd": {"ExternalGUID": _MARKER},
    "ReceivePaymentAdd": {"ExternalGUID": _MARKER},
    "SalesReceiptAdd": {"ExternalGUID": _MARKER},
}
"""Request to the fields that may be left out where a version lacks them, each with the reason.

The reason must be true of the request: without our marker at the end of its memo nothing is left out.

Source: qbXML op templates (transactions have ExternalGUID since 9.0, customers and items since 8.0, the
oldest version that is spoken).
"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field that is left out of a request because the version lacks it.

    Parameters
    ----------
    field : str
        Its name.
    since : str
        The first version that has it.
    why : str
        Why nothing is lost by it.
    """

    field: str
    since: str
    why: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """A request as one version takes it.

    Parameters
    ----------
    request : Request
        Without what is left out.
    left_out : list of LeftOut
        What the version lacks and nobody misses.
    problems : list of FieldProblem
        What the version lacks and must not be left out: the request is not to be sent.
    """

    request: Request
    left_out: list[LeftOut]
    problems: list[FieldProblem]


def has_all(name: str, version: str) -> bool:
    """Return whether a version takes every request of a name as it is meant, or the name is none of ours.

    >>> has_all("CustomerAdd", "13.0"), has_all("CustomerAdd", "8.0")
    (True, False)
    """
    return name not in qbxml_spec.REQUESTS or version_key(version) >= _complete(name)


def fit(request: Request, version: str) -> Fitted:
    """Return a request as a version takes it, with what is left out and what stands against it.

    Values that fit no version are not judged here: see :func:`toolkit.qbxml_write.field_problems`.

    Parameters
    ----------
    request : Request
        As it is meant.
    version : str
        The qbXML version to speak.

    Examples
    --------
    >>> marked = {"CustomerRef": {"ListID": "80-1"}, "ExternalGUID": "0", "Memo": "July [bb:invoice:1]"}
    >>> fitted = fit(Request("InvoiceAdd", marked), "8.0")
    >>> list(fitted.request.fields), fitted.left_out[0].since, fitted.problems
    (['CustomerRef', 'Memo'], '9.0', [])
    >>> fit(Request("CustomerAdd", {"Name": "Acme", "JobTitle": "Clerk"}), "8.0").problems[0].limit
    'needs qbXML 12.0, and 8.0 is spoken'
    """
    if has_all(request.name, version):
        return Fitted(request, [], [])
    lacking = _lacking(request.name, version) if _is_marked(request) else {}
    given = dict(request.fields).keys() & lacking.keys()
    if given:
        pairs = request.fields.items() if isinstance(request.fields, Mapping) else request.fields
        kept = [(name, value) for name, value in pairs if name not in given]
        request = replace(request, fields=dict(kept) if isinstance(request.fields, Mapping) else kept)
    return Fitted(request, [lacking[name] for name in sorted(given)], _problems(request, version))


def left_out_note(operation: str, left_out: Sequence[LeftOut], version: str) -> str | None:
    """Return what the history of an operation says of what went without a field; None where nothing did.

    Parameters
    ----------
    operation : str
        Name of its request.
    left_out : sequence of LeftOut
        From :func:`fit`.
    version : str
        The qbXML version that was spoken.

    Examples
    --------
    >>> left_out_note("InvoiceAdd", [LeftOut("ExternalGUID", "9.0", "it repeats our key")], "8.0")
    'InvoiceAdd went without ExternalGUID, which qbXML 8.0 lacks: it repeats our key'
    """
    said = [f"{each.field}, which qbXML {version} lacks: {each.why}" for each in left_out]
    return f"{operation} went without {'; without '.join(said)}" if said else None


_MARK = re.compile(r" \[bb:.+\]\Z", re.DOTALL)


def _is_marked(request: Request) -> bool:
    """Return whether the memo of a document ends with our key."""
    memo = dict(request.fields).get("Memo")
    return isinstance(memo, str) and _MARK.search(memo) is not None


def _problems(request: Request, version: str) -> list[FieldProblem]:
    """Return what is wrong with a request at a version, and would not be at the latest."""
    found = field_problems(request.name, request.fields, version=version)
    anyway = request_problems(request.name, request.fields, LATEST) if found else []
    return [problem for problem in found if problem not in anyway]


@cache
def _lacking(name: str, version: str) -> dict[str, LeftOut]:
    """Return the harmless fields of a request that a version lacks."""
    model = qbxml_spec.model(name)
    inner = model.members.get(name, (None, None))[1] or model
    return {
        field: LeftOut(field, inner.members[field][0].since, why)
        for field, why in HARMLESS.get(name, {}).items()
        if version_key(inner.members[field][0].since) > version_key(version)
    }


@cache
def _complete(name: str) -> tuple[int, int]:
    """Return the first version that has all of a request."""

    def newest(model: Model) -> tuple[int, int]:
        below = [newest(under) for _, under in model.members.values() if under is not None]
        since = [version_key(particle.since) for particle, _ in model.members.values()]
        return max([version_key(model.particle.since), *since, *below])

    return newest(qbxml_spec.model(name))
