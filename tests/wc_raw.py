"""A server in a process that is watched: its answers to raw bytes, and what it holds of memory and files."""

from __future__ import annotations

import gc
import http.client
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from web_connector_calls import NS, Reply, document

from toolkit.rehearsal import Company
from toolkit.rehearsal.server_process import ServerProcess

MB = 1_000_000
PROC = Path("/proc")
NEEDS_PROC = "needs /proc, by which Linux tells what a process holds"


class Watched(ServerProcess):
    """A server of a workspace in a process of its own.

    All its threads take memory from one place, that of the C library: else each keeps what it once had, and
    what grows with the threads that were busy hides what grows with the calls.
    """

    pid = 0

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, start=self._start)
        self.port = int(self.url.rstrip("/").rpartition(":")[2])

    def _start(self, folder: Path, port: int, shift: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "toolkit.mortal_server", str(folder), str(port), str(shift)]
        environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(command, env=environment, stdin=nothing, stdout=nothing, stderr=nothing)
        self.pid = process.pid
        return process

    def held(self) -> Held:
        """Return what the process holds now."""
        return held(self.pid)


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    memory: int
    threads: int
    files: int

    def __str__(self) -> str:
        return f"{self.memory / MB:.1f} MB, {self.threads} threads, {self.files} open files"


def held(pid: int | None = None) -> Held:
    """Return what a process holds; this one, where no other is named."""
    gc.collect()
    place = PROC / str(pid or os.getpid())
    pages = int((place / "statm").read_text().split()[1])
    return Held(
        pages * os.sysconf("SC_PAGE_SIZE"),
        len(list((place / "task").iterdir())),
        len(list((place / "fd").iterdir())),
    )


@dataclass(frozen=True)
class Heard:
    """What came back for some bytes: all of it, and after how many seconds."""

    data: bytes
    seconds: float

    @property
    def status(self) -> int:
        """The status of the first answer that is final; 0 where nothing came."""
        found = re.match(rb"(?:HTTP/1\.[01] 100 [^\r]*\r\n\r\n)*HTTP/1\.[01] ([2-5]\d\d)[ \r]", self.data)
        return int(found[1]) if found else 0


def say(port: int, data: bytes, timeout: float, host: str = "127.0.0.1") -> Heard:
    """Send bytes, say that there are no more, and return all that comes back.

    Raises
    ------
    TimeoutError
        The server neither answered nor closed the connection.
    """
    began = time.monotonic()
    received = b""
    with socket.create_connection((host, port), timeout=timeout) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
        try:
            while block := sock.recv(65536):
                received += block
        except ConnectionResetError:
            pass  # it has heard enough
    return Heard(received, time.monotonic() - began)


class Client:
    """A Web Connector that makes one call after the other, over a connection that stays open."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._user, self._password = user, password
        self.ticket = ""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._line.close()

    def call(self, operation: str, **given: object) -> list[str]:
        """Return the strings of a result; anything but a result fails."""
        inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in given.items())
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NS}{operation}"'}
        self._line.request("POST", "/", document(operation, inner), headers)
        reply = self._line.getresponse()
        body = reply.read()
        assert reply.status == 200, (operation, reply.status, body)
        return Reply(reply.status, {}, body).results

    def authenticate(self) -> str:
        """Return the word that came instead of a ticket, or ``""`` where there is a session now."""
        self.ticket, word, *_ = self.call("authenticate", strUserName=self._user, strPassword=self._password)
        return word

    def of_session(self, operation: str, **given: object) -> str:
        """Make a call of the session."""
        return self.call(operation, ticket=self.ticket, **given)[0]

    def ask(self, company: Company, hcp: str = "") -> str:
        """Return the next document."""
        numbers = {"qbXMLCountry": "US", "qbXMLMajorVers": 13, "qbXMLMinorVers": 0}
        file = company.file_path
        return self.of_session("sendRequestXML", strHCPResponse=hcp, strCompanyFileName=file, **numbers)

    def tell(self, response: str, hresult: str = "", message: str = "") -> int:
        """Deliver an answer; return the percentage."""
        said = self.of_session("receiveResponseXML", response=response, hresult=hresult, message=message)
        return int(said)
