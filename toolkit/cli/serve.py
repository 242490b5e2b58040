"""The command that serves the Web Connector; it loads no more than that takes, to be there again at once."""

from __future__ import annotations

import gc
import logging
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from toolkit import __version__, event_log
from toolkit.cli.shared import WorkspaceOption, opened, typed_in
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.wc_http import Server
    from toolkit.workspace import Workspace

ANY_HOST = "0.0.0.0"
PORT = 8085
"""Where it listens when neither the workspace's URL nor a person names a port."""
SECONDS_FOR_OTHERS = 2.0
"""How long a server waits for a command that is just writing; another server will not end meanwhile."""

PortOption = Annotated[
    int | None,
    typer.Option(
        "--port", help=f"Port, by default the URL's or {PORT}; 0 takes a free one.", show_default=False
    ),
]
ProxyOption = Annotated[
    bool,
    typer.Option(
        "--behind-proxy", help="Plain HTTP: something in front speaks TLS, and sets X-Forwarded-For."
    ),
]
_PORTS = {"http": 80, "https": 443}
_log = logging.getLogger(__name__)


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "localhost",
    port: PortOption = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate file.", show_default=False)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Key file.", show_default=False)] = None,
    behind_proxy: ProxyOption = False,
    log_level: Annotated[
        str, typer.Option("--log-level", help="Least that is told: debug, info, warning or error.")
    ] = "info",
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the Web Connector until Ctrl-C.

    Without --host only this machine is served. Where the workspace's URL begins with https, what
    `toolkit cert` made is used unless another certificate is named. What happens is told here, and in
    logs/server.jsonl of the workspace.

    A proxy in front has to set X-Forwarded-For itself: wrong passwords are
    counted by the last address in it.

    Example: toolkit serve
             toolkit serve --host 0.0.0.0
             toolkit serve --host 0.0.0.0 --tls-cert chain.pem --tls-key key.pem
             toolkit serve --behind-proxy --log-level warning
    """
    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    if tls_cert is not None and behind_proxy:
        raise UsageError("--behind-proxy is for a server without TLS: leave out --tls-cert and --tls-key")
    # Of what is loaded now nothing is ever garbage, and looking for it would take a tenth of the time.
    gc.disable()
    try:
        from toolkit.wc_http import Server

        with ExitStack() as stack:
            ws = stack.enter_context(opened(ctx, workspace))
            stack.enter_context(ws.reserve(timeout=SECONDS_FOR_OTHERS))
            stack.callback(event_log.start(ws.path, log_level))
            if tls_cert is None and not behind_proxy:
                tls_cert, tls_key = _made_certificate(ws)
            port = _port(ws, behind_proxy) if port is None else port
            server = Server(ws, host, port, tls_cert, tls_key, behind_proxy=behind_proxy)
            # Before it listens: whoever reads that it does may stop it at once.
            for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # the last is Ctrl-Break, on Windows only
                if hasattr(signal, name):
                    signal.signal(getattr(signal, name), lambda number, frame: server.ask_to_stop())
            server.start()
            gc.freeze()
            gc.enable()
            missed = None if behind_proxy else _missed(ws.url, server.url, host, any_port=port == 0)
            _serve(server, ws, typed_in(ctx, missed or ""), behind_proxy=behind_proxy)
        typer.echo("Stopped.")
    finally:
        gc.enable()


def _made_certificate(ws: Workspace) -> tuple[Path, Path] | tuple[None, None]:
    """Return the certificate that `toolkit cert` made, and its key, where the workspace's URL needs one."""
    if not ws.url.startswith("https:"):
        return None, None
    from toolkit.wc_certificate import CERTIFICATE, FOLDER, KEY

    files = ws.path / FOLDER / CERTIFICATE, ws.path / FOLDER / KEY
    return files if any(path.exists() for path in files) else (None, None)


def _port(ws: Workspace, behind_proxy: bool) -> int:
    """Return where to listen when nobody names a port; behind a proxy the URL names the proxy's."""
    try:
        return (not behind_proxy and urlsplit(ws.url).port) or PORT
    except ValueError:  # a person may have edited the file
        return PORT


def _missed(url: str, here: str, host: str, *, any_port: bool) -> str | None:
    """Return why the Web Connector misses a server, and what to do; ``None`` where its URL leads here.

    Parameters
    ----------
    url, here : str
        Where the Web Connector looks, and where the server is.
    host : str
        What the server listens on.
    any_port : bool
        Whether it took a free port: whoever wants that does not mean the URL's.
    """
    from toolkit import workspace_config as config
    from toolkit.wc_cheroot import is_loopback

    try:
        there, found = (urlsplit(config.endpoint(one)) for one in (url, here))
    except UsageError as error:  # a person may have edited the file
        return f"the Web Connector takes no such address: {error}; `toolkit qwc --url {here}` sets another"
    same_port = any_port or len({one.port or _PORTS[one.scheme] for one in (there, found)}) == 1
    same = (there.scheme, there.hostname, there.path) == (found.scheme, found.hostname, found.path)
    if same and same_port:
        return None
    far, only_here = there.hostname != "localhost", is_loopback(host)
    if (there.scheme, found.scheme) == ("https", "http"):
        todo = "make a certificate with `toolkit cert` and serve"
        todo += f" with --host {ANY_HOST}" if far else " again"
        todo += ", or with --behind-proxy where something in front speaks TLS"
    elif far and only_here:
        todo = f"serve with --host {ANY_HOST}"
    else:
        nameless = found.hostname == "localhost" and not only_here
        at = f"https://NAME-OF-THIS-MACHINE:{found.port}/" if nameless else here
        todo = f"`toolkit qwc --url {at}` makes a .qwc file that says so, to add to the Web Connector"
    return f"the Web Connector looks for {url}, and this server is at {here}: {todo}"


def _serve(server: Server, ws: Workspace, missed: str, *, behind_proxy: bool) -> None:
    """Say where it listens, and wait until it is told to stop."""
    try:
        typer.echo(f"Listening on {server.url} for {ws.company}{' (REHEARSAL)' if ws.rehearsal else ''}")
        if behind_proxy:
            typer.echo(f"That is the proxy's address: it is to pass requests on to port {server.port} here.")
        typer.echo(f"Support page: {server.url}support  Stop with Ctrl-C.")
        if missed:
            _log.warning("%s", missed)
        event_log.event("started", url=server.url, version=__version__)
        server.wait()
        event_log.event("stopping")
    except BaseException as error:
        event_log.event("ended", level=logging.ERROR, error=type(error).__name__)
        raise
    finally:
        server.stop()
        event_log.event("stopped")
