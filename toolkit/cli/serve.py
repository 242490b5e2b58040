"""The command that serves the Web Connector; it loads no more than that takes, to be there again at once."""

from __future__ import annotations

import gc
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.shared import WorkspaceOption, opened
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.wc_http import Server
    from toolkit.workspace import Workspace

SECONDS_FOR_OTHERS = 2.0
"""How long a server waits for a command that is just writing; another server will not end meanwhile."""


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "localhost",
    port: Annotated[int, typer.Option("--port", help="Port; 0 takes a free one.")] = 8085,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate file.", show_default=False)
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Key file.", show_default=False)] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the Web Connector until Ctrl-C.

    Example: toolkit serve --port 8085
    """
    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    # Of what is loaded now nothing is ever garbage, and looking for it would take a tenth of the time.
    gc.disable()
    try:
        from toolkit.wc_http import Server

        with opened(ctx, workspace) as ws, ws.reserve(timeout=SECONDS_FOR_OTHERS):
            server = Server(ws, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key)
            # Before it listens: whoever reads that it does may stop it at once.
            for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # the last is Ctrl-Break, on Windows only
                if hasattr(signal, name):
                    signal.signal(getattr(signal, name), lambda number, frame: server.ask_to_stop())
            server.start()
            gc.freeze()
            gc.enable()
            _serve(server, ws)
    finally:
        gc.enable()


def _serve(server: Server, ws: Workspace) -> None:
    """Say where it listens, and wait until it is told to stop."""
    try:
        typer.echo(f"Listening on {server.url} for {ws.company}{' (REHEARSAL)' if ws.rehearsal else ''}")
        typer.echo(f"Support page: {server.url}support  Stop with Ctrl-C.")
        server.wait()
    finally:
        server.stop()
    typer.echo("Stopped.")
