"""What answers at the workspace's own URL: its name, its port, its certificate, its pages, its clock.

Nothing else is called, nothing is sent but three requests for pages, and each wait ends within seconds.

Source: reference/PROTOCOL.md 1.7 (transport) and 7.4 (the Web Connector's codes).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import http.client
import ipaddress
import json
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from toolkit import wc_certificate
from toolkit import workspace_config as config
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.wc_certificate import Certificate

__all__ = ["Reply", "host_of", "pages", "plain", "probe", "server", "url_form"]

SECONDS = 3.0
"""How long anything on the network may take."""

NO_NAME, NO_WAY, NO_ANSWER, SILENT = "no name", "no way", "no answer", "silent"
NO_TLS, MOVED, LOGIN = "no TLS", "moved", "login"
_PROBLEMS = {
    NO_NAME: "the name {host} is not found{said}: correct it, or add it to the DNS or to the hosts file",
    NO_WAY: "there is no way to {host}{said}: look at the network of this machine",
    NO_ANSWER: "nothing answers at {url} within {seconds:g} seconds: look at firewalls, and whether it is on",
    SILENT: "something listens at {url} and says nothing within {seconds:g} seconds: "
    "start it again if it is `toolkit serve`, or else stop it, or take another port",
    NO_TLS: "what answers at {url} does not speak TLS{said}: give `toolkit serve` --tls-cert and --tls-key "
    "(`toolkit cert` makes them)",
    MOVED: "{url} sends callers on to {detail}, where the Web Connector does not follow: use that URL itself",
    LOGIN: "what answers at {url} asks for a login{said}: let all callers through to `toolkit serve`",
}
"""Why nobody could be asked, and what to do about it."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Reply:
    """What answered at the workspace's URL.

    Parameters
    ----------
    workspace : str or None
        The id that a server of this toolkit gives, blank where it cannot read its ledger; ``None`` for
        anything else.
    last_poll : datetime, optional
        When the Web Connector last called, as that server says.
    problem : str
        Why nobody could be asked, a key of ``_PROBLEMS``; blank where somebody was.
    detail : str
        What the system, or the other program, said.
    root, support : int or None
        HTTP status of the endpoint and of its support page.
    ahead : timedelta, optional
        By how much the clock of the server is ahead of ours.
    certificate : Certificate, optional
        The one that it showed.
    distrust : str
        Why this machine does not trust it; blank where it does.
    """

    workspace: str | None
    last_poll: dt.datetime | None = None
    problem: str = ""
    detail: str = ""
    root: int | None = None
    support: int | None = None
    ahead: dt.timedelta | None = None
    certificate: Certificate | None = None
    distrust: str = ""


# --- asking -------------------------------------------------------------------------------------------------


def probe(url: str) -> Reply | None:
    """Return who answers at a URL; ``None`` where nobody listens."""
    try:
        parts = urlsplit(url)
        addresses = _within(partial(_addresses, parts))
    except (OSError, ValueError) as error:
        return Reply(None, problem=NO_NAME, detail=_said(error))
    try:
        address = _taking(addresses)
    except ConnectionRefusedError:
        return None
    except TimeoutError:
        return Reply(None, problem=NO_ANSWER)
    except OSError as error:
        return Reply(None, problem=NO_WAY, detail=_said(error))
    line, shown = _Line(parts, address), Reply(None)
    try:
        if parts.scheme == "https":
            shown = _within(line.shake_hands)
    except TimeoutError:
        return Reply(None, problem=SILENT)
    except OSError as error:  # who speaks plain HTTP answers a greeting of TLS with nonsense, or hangs up
        return Reply(None, problem=NO_TLS, detail=_said(error))
    try:
        return _asked(line, shown)
    except TimeoutError:
        return replace(shown, problem=SILENT)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return replace(shown, detail=_said(error))


def _within(ask: Callable[[], _Found]) -> _Found:
    """Return what a function returns; ``TimeoutError`` where it takes longer, whatever it waits for."""
    found: queue.SimpleQueue[tuple[_Found | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            found.put((ask(), None))
        except BaseException as error:
            found.put((None, error))

    # A look-up of a name cannot be told when to end, and a line that drips never times out.
    threading.Thread(target=run, name="doctor", daemon=True).start()
    try:
        result, error = found.get(timeout=SECONDS)
    except queue.Empty:
        raise TimeoutError(f"no answer within {SECONDS:g} seconds") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _addresses(parts: SplitResult) -> list[Any]:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return socket.getaddrinfo(parts.hostname or "localhost", port, type=socket.SOCK_STREAM)[:4]


def _taking(addresses: list[Any]) -> Any:
    """Return the first address that takes a connection, or raise what the last one did."""
    for left, address in zip(reversed(range(len(addresses))), addresses, strict=True):
        try:
            _connect(address).close()
        except OSError:
            if not left:
                raise
        else:
            return address
    raise OSError("the name has no address")


def _connect(address: Any) -> socket.socket:
    family, kind, proto, _, target = address
    sock = socket.socket(family, kind, proto)
    sock.settimeout(SECONDS)
    try:
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return sock


class _Line:
    """The way to a server: an address of its host, and TLS where the URL says so."""

    def __init__(self, parts: SplitResult, address: Any) -> None:
        self._parts, self._address = parts, address
        self._host = parts.hostname or "localhost"

    def shake_hands(self) -> Reply:
        """Return what the server shows of itself, and whether this machine trusts it."""
        context = ssl.create_default_context()
        # Windows asks for less than Python 3.13 does.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        try:
            der, distrust = self._certificate(context), ""
        except ssl.SSLCertVerificationError as error:
            der, distrust = self._certificate(_trusting()), error.verify_message or str(error)
        try:
            return Reply(None, certificate=wc_certificate.inspect(der), distrust=distrust)
        except ValueError as error:
            return Reply(None, distrust=distrust or f"it cannot be read ({error})")

    def _certificate(self, context: ssl.SSLContext) -> bytes:
        with self._open(context) as sock:
            assert isinstance(sock, ssl.SSLSocket)
            return sock.getpeercert(binary_form=True) or b""

    def _open(self, context: ssl.SSLContext | None) -> socket.socket:
        sock = _connect(self._address)
        if context is None:
            return sock
        try:
            return context.wrap_socket(sock, server_hostname=self._host)
        except BaseException:
            sock.close()
            raise

    def get(self, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        """Return an answer to a GET below the URL, with the first bytes of its body."""
        connection = http.client.HTTPConnection(self._parts.netloc)
        connection.sock = self._open(_trusting() if self._parts.scheme == "https" else None)
        try:
            connection.request("GET", f"{self._parts.path}{path}")
            answer = connection.getresponse()
            return answer, answer.read(10_000)
        finally:
            connection.close()


def _trusting() -> ssl.SSLContext:
    """Return what speaks to anyone: whether to trust him was asked before."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _asked(line: _Line, shown: Reply) -> Reply:
    """Return what a server says of itself, and the status of its pages, where it is one of ours."""
    answer, body = _within(partial(line.get, "healthz"))
    if answer.status in (301, 302, 303, 307, 308):
        return replace(shown, problem=MOVED, detail=plain(answer.headers.get("Location", "another URL")))
    if answer.status in (401, 403):
        return replace(shown, problem=LOGIN, detail=f"status {answer.status}")
    try:
        document = json.loads(body)
        workspace, poll = str(document["workspace"]), document["last_poll"]
        last_poll = dt.datetime.fromisoformat(poll) if poll else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return replace(shown, detail=f"status {answer.status}")
    ahead = None
    with contextlib.suppress(ValueError, TypeError):
        date = email.utils.parsedate_to_datetime(answer.headers.get("Date", ""))
        ahead = date - dt.datetime.now(dt.UTC)
    seen = replace(shown, workspace=workspace, last_poll=last_poll, ahead=ahead)
    root, support = (_within(partial(line.get, page))[0].status for page in ("", "support"))
    return replace(seen, root=root, support=support)


def _said(error: Exception) -> str:
    return plain(str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error))


def plain(text: str) -> str:
    """Return what a stranger says as something that may be shown on a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:100])


# --- the checks: each returns whether it is good, and a message --------------------------------------------


def url_form(url: str) -> tuple[bool, str]:
    """Return whether the Web Connector takes a URL of this form."""
    host, correct = host_of(url), "`toolkit qwc --url https://NAME/`"
    if _is_address(host):
        return False, f"{url} has an IP address, which the Web Connector refuses (QBWC1001): {correct}"
    if host and host != "localhost" and not url.startswith("https:"):
        return False, (
            f"{url} is not https, which the Web Connector asks for (QBWC1010) unless the host is localhost: "
            f"{correct}, and `toolkit cert` for a certificate"
        )
    try:
        right = config.endpoint(url)
    except UsageError as error:
        return False, f"{error}: {correct}"
    if right != url:
        return False, f"{url} is not as the Web Connector wants it: `toolkit qwc --url {right}`"
    return True, f"{url} is one that the Web Connector takes"


def host_of(url: str) -> str:
    """Return the host of a URL; blank where it has none, or is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def server(url: str, workspace: str, reply: Reply | None) -> tuple[bool, str]:
    """Return whether the workspace's own server is reached at its URL, or else who or what is.

    Parameters
    ----------
    url, workspace : str
        The workspace's URL, and its id.
    reply : Reply or None
        From :func:`probe`.
    """
    host, said = host_of(url), f" ({reply.detail})" if reply and reply.detail else ""
    if reply is None and host == "localhost":
        return True, f"it does not run, and {url} is free: `toolkit serve` starts it"
    if reply is None:
        return (
            False,
            f"nobody answers at {url}: start `toolkit serve` there, and look at name, port and firewall",
        )
    if reply.problem == NO_NAME and host == "localhost":
        return (
            False,
            f"localhost is not found{said}: put `127.0.0.1 localhost` into the hosts file (QBWC1035)",
        )
    if reply.problem:
        known = {"url": url, "host": host, "said": said, "detail": reply.detail, "seconds": SECONDS}
        return False, _PROBLEMS[reply.problem].format(**known)
    if reply.workspace == workspace:
        return True, f"the server of this workspace answers at {url}"
    if reply.workspace == "":
        return False, f"a server answers at {url} that cannot read its ledger: stop it, and run this again"
    if reply.workspace is not None:
        return False, f"the server at {url} is another workspace's: stop it, or give this one another port"
    return False, f"another program answers at {url}{said}: stop it, or give this workspace another port"


def pages(url: str, reply: Reply) -> tuple[bool, str]:
    """Return whether the pages that the Web Connector looks at, when it is set up, are there for it."""
    if reply.support not in (200, 202):
        return False, (
            f"{url}support gives status {reply.support}, and without it the Web Connector adds no application"
            " (QBWC1003): let GET through to `toolkit serve`, without a login and without a redirect"
        )
    if reply.root != 200:
        return False, (
            f"GET {url} gives status {reply.root}, and the Web Connector looks there for the certificate "
            "(QBWC1048): let it through to `toolkit serve`, without a login and without a redirect"
        )
    return True, f"{url}support is there, as the Web Connector wants it"
