"""The whole server, a call at a time: beside a bare SOAP service, and with an answer of 100 MB.

Each server is a process of its own, and so is the client, which is the same for both: one connection, kept
open. Both are given the same documents in turn.
"""

from __future__ import annotations

import http.client
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, unescape

from benchmarks import business
from benchmarks.cases import Case, Goal, Row, Sizes
from benchmarks.cases.land import Prepared
from benchmarks.cases.through import server_used
from benchmarks.documents import BYTES_PER_INVOICE, write_answer
from benchmarks.measure import MB, ROOT, Task

SETS, IDLE_CALLS = 100, 300
ANSWER_MB = 100
MOST_PAIR = 30.0
"""Nobody named a limit for it, and a slow disk makes it more: it shows when a call costs more than it did."""
MOST_MEMORY = 6.0
SINGLE, FULL = "sets of one", f"sets of {business.SET_SIZE}"
ANSWERS = {
    "an answer in ASCII": "",
    "with a euro sign": "\N{EURO SIGN}",
    "with an emoji": "\N{SLIGHTLY SMILING FACE}",
}
SECONDS = 600

_HEAD, _TAIL = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>',
    "</soap:Body></soap:Envelope>",
)
_SPACE = "http://developer.intuit.com/"
_RESULT = re.compile(r"Result(?: [^>]*)?>([^<]*)<")


class Caller:
    """A client of one server, over one connection."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._line = http.client.HTTPConnection(str(place.hostname), place.port, timeout=SECONDS)
        self.seconds = 0.0

    def post(self, operation: str, body: Any, size: int) -> str:
        """Post an envelope, note how long it took until the answer was here, and return the answer."""
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "Content-Length": str(size),
            "SOAPAction": f'"{_SPACE}{operation}"',
        }
        before = time.perf_counter()
        self._line.request("POST", "/", body, headers)
        reply = self._line.getresponse()
        text = reply.read()
        self.seconds = time.perf_counter() - before
        if reply.status != http.client.OK:
            raise RuntimeError(f"{operation} was answered with {reply.status}")
        return text.decode()

    def call(self, operation: str, **given: object) -> str:
        """Call an operation and return its result."""
        body = envelope(operation, **given)
        return result(self.post(operation, body, len(body)))

    def close(self) -> None:
        self._line.close()


def envelope(operation: str, **given: object) -> bytes:
    """Return the envelope of a call."""
    inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in given.items())
    return f'{_HEAD}<{operation} xmlns="{_SPACE}">{inner}</{operation}>{_TAIL}'.encode()


def result(text: str) -> str:
    """Return what an answer gives: one text; the first of several."""
    found = re.search(r"string>([^<]*)<", text) or _RESULT.search(text)
    return unescape(found[1], {"&#13;": "\r"}) if found else ""


@contextmanager
def bare_service(document: Path) -> Iterator[Caller]:
    """Run the bare service in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.bare_service", str(document)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        with closing(Caller(f"http://127.0.0.1:{int(process.stdout.readline())}/")) as caller:
            yield caller
        process.communicate()  # which ends it


class Session:
    """A session with the server of a workspace."""

    def __init__(self, caller: Caller, ws: Mapping[str, str], company: Any) -> None:
        self._caller, self._file = caller, company.file_path
        self.ticket = caller.call("authenticate", strUserName=ws["user"], strPassword=business.PASSWORD)
        self._hcp = company.hcp(ws["owner_id"], ws["file_id"])
        company.begin_session()

    def request(self) -> dict[str, object]:
        """Return what the next sendRequestXML says."""
        given = {"ticket": self.ticket, "strHCPResponse": self._hcp, "strCompanyFileName": self._file}
        self._hcp = ""
        return {**given, "qbXMLCountry": "US", "qbXMLMajorVers": 13, "qbXMLMinorVers": 0}


def names_of(ws: Any) -> dict[str, str]:
    return {name: getattr(ws, name) for name in ("user", "owner_id", "file_id")}


# --- a pair of calls ----------------------------------------------------------------------------------------


def pairs(folder: Path, sets: int, set_size: int) -> Prepared:
    """Prepare an export; the work sends all of it, and has the bare service asked and told the same."""
    from toolkit.rehearsal.server_process import ServerProcess

    ws = business.workspace(folder / "ws", sets * set_size)
    ws.set("set_size", str(set_size))
    names = names_of(ws)
    ws.close()
    company = business.company()
    constant = folder / "constant.xml"
    constant.write_bytes(a_document(set_size))

    def work() -> dict[str, Any]:
        server = ServerProcess(folder / "ws")
        try:
            with closing(Caller(server.url)) as ours, bare_service(constant) as bare:
                return talk(ours, bare, names, company)
        finally:
            server.stop()

    return work, lambda told: told


def a_document(set_size: int) -> bytes:
    """Return a document that adds so many invoices."""
    import json

    from toolkit.qbxml_io import Request, build

    fields = [json.loads(row["fields"]) for row in business.invoices(set_size)]
    given = [Request("InvoiceAdd", one, request_id=str(place)) for place, one in enumerate(fields, 1)]
    return build(given, new_message_set_id="A" * 20)


def talk(ours: Caller, bare: Caller, names: Mapping[str, str], company: Any) -> dict[str, Any]:
    """Run a session on both servers; return the median seconds of each kind of pair."""
    taken: dict[str, list[float]] = {}
    session = Session(ours, names, company)
    percent = 0
    while 0 <= percent < 100:
        asked = session.request()
        text = ours.call("sendRequestXML", **asked)
        first = ours.seconds
        answer = company.process(text)
        said = {"ticket": session.ticket, "response": answer, "hresult": "", "message": ""}
        percent = int(ours.call("receiveResponseXML", **said))
        kind = "ours" if "newMessageSetID" in text else "ours, check"
        taken.setdefault(kind, []).append(first + ours.seconds)
        bare.call("sendRequestXML", **asked)
        first = bare.seconds
        bare.call("receiveResponseXML", **said)
        taken.setdefault(kind.replace("ours", "bare"), []).append(first + bare.seconds)
    for _ in range(IDLE_CALLS):
        for name, caller in (("ours, idle", ours), ("bare, idle", bare)):
            caller.call("getLastError", ticket=session.ticket)
            taken.setdefault(name, []).append(caller.seconds)
    seconds = {name: statistics.median(each) for name, each in taken.items()}
    return {"seconds": seconds, "sets": len(taken["ours"]), "percent": percent}


# --- a large answer -----------------------------------------------------------------------------------------


def large_answer(folder: Path, answer: str) -> Prepared:
    """Prepare an import and its answer; the work hands the answer to the server."""
    from toolkit import Workspace
    from toolkit.rehearsal.server_process import ServerProcess

    ws = Workspace.create(folder / "ws", company="Acme", password=business.PASSWORD, rehearsal=True)
    ws.queue_import("invoices")
    names = names_of(ws)
    ws.close()
    company = business.company()
    path = Path(answer)

    def work() -> dict[str, Any]:
        server = ServerProcess(folder / "ws")
        try:
            with closing(Caller(server.url)) as caller:
                session = Session(caller, names, company)
                caller.call("sendRequestXML", **session.request())
                wire = enveloped(path, folder / "wire.xml", session.ticket)
                with wire.open("rb") as body:
                    percent = result(caller.post("receiveResponseXML", body, wire.stat().st_size))
                seconds = caller.seconds
        finally:
            server.stop()
        return {"percent": percent, "seconds": seconds, "bytes": path.stat().st_size, **server_used()}

    return work, lambda told: {**told, "landed": landed_rows(folder / "ws")}


def write_large(path: Path, invoices: int, mark: str) -> None:
    """Write an answer of ASCII but for one mark."""
    plain = path.with_suffix(".plain")
    write_answer(plain, invoices)
    with plain.open(encoding="utf-8") as lines, path.open("w", encoding="utf-8", newline="") as file:
        for line in lines:
            text = line.encode("ascii", "replace").decode()
            if mark and text.startswith("<Memo>"):
                text, mark = text.replace("</Memo>", f" {mark}</Memo>"), ""
            file.write(text)
    plain.unlink()


def enveloped(answer: Path, wire: Path, ticket: str) -> Path:
    """Write the envelope of the answer, as the client posts it."""
    with answer.open(encoding="utf-8") as lines, wire.open("w", encoding="utf-8") as file:
        file.write(f'{_HEAD}<receiveResponseXML xmlns="{_SPACE}"><ticket>{ticket}</ticket><response>')
        file.writelines(escape(line) for line in lines)
        file.write(f"</response><hresult /><message /></receiveResponseXML>{_TAIL}")
    return wire


def landed_rows(folder: Path) -> int:
    """Return how many invoices are in the tables."""
    from toolkit import Workspace

    with Workspace(folder) as ws:
        return len(ws.read("quickbooks.invoices"))


# --- the case -----------------------------------------------------------------------------------------------


def _tasks(sizes: Sizes, folder: Path) -> Sequence[Task]:
    sets = sizes.of(SETS)
    tasks = [
        Task(
            name,
            "benchmarks.cases.serve:pairs",
            {"sets": sets, "set_size": size},
            f"{sets} of them sent and answered, and as many constants",
            expected={"sets": sets, "percent": 100},
        )
        for name, size in ((SINGLE, 1), (FULL, business.SET_SIZE))
    ]
    invoices = max(1, round(ANSWER_MB * min(1, sizes.scale * 10) * MB / BYTES_PER_INVOICE))
    for number, (name, mark) in enumerate(ANSWERS.items()):
        path = folder / f"answer-{number}.xml"
        write_large(path, invoices, mark)
        arguments = {"answer": str(path)}
        entry = "benchmarks.cases.serve:large_answer"
        expected = {"percent": "100", "landed": invoices}
        tasks.append(Task(name, entry, arguments, f"{invoices:,} invoices", expected=expected))
    return tasks


def _goals(rows: Mapping[str, Row]) -> Sequence[Goal]:
    goals = []
    for name in (SINGLE, FULL):
        told = rows[name].facts.get("seconds")
        value = told["ours"] / told["bare"] if told else None
        text = f"{name}: a pair of calls / bare spyne with constants (a bound of our own)"
        goals.append(Goal(text, value, MOST_PAIR))
    for name in ANSWERS:
        facts = rows[name].facts
        # What a server needs that does nothing is too much beside a small answer.
        large = facts.get("bytes", 0) > 0.99 * ANSWER_MB * MB
        goals.append(
            Goal(
                f"{name}: peak memory of the server / the answer",
                facts["server_peak"] / facts["bytes"] if large else None,
                MOST_MEMORY,
            )
        )
    return goals


def said(facts: Mapping[str, Any]) -> str:
    """Return in a line what was measured."""
    if "bytes" in facts:
        return (
            f"{facts['bytes'] / MB:,.0f} MB sent, kept and landed in {facts['seconds']:,.1f} s; the server"
            f" took {facts['server_cpu']:,.1f} s of a core and {facts['server_peak'] / MB:,.0f} MB"
        )
    taken = facts["seconds"]
    kinds = (("a pair", ""), ("one that checks first", ", check"), ("a call without work", ", idle"))
    return "; ".join(
        f"{name} {1000 * taken[f'ours{kind}']:.1f} ms beside {1000 * taken[f'bare{kind}']:.1f} ms bare"
        for name, kind in kinds
        if f"ours{kind}" in taken
    )


CASE = Case(
    "serve",
    f"Calls of the whole server, and an answer of {ANSWER_MB} MB",
    1,
    SINGLE,
    _tasks,
    _goals,
    said,
)
