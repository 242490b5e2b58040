"""Commands that connect the Web Connector with us: password, qwc, cert."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from toolkit import workspace_config as config
from toolkit.cli.shared import JsonOption, WorkspaceOption, emit, opened, typed
from toolkit.errors import UsageError
from toolkit.workspace_files import file_name, write_atomically
from toolkit.workspace_qwc import require_replaceable

if TYPE_CHECKING:
    from rich.console import Console

    from toolkit.wc_certificate import Made
    from toolkit.workspace import Workspace

PASSWORD_VARIABLE = "TOOLKIT_WC_PASSWORD"
SHORTEST_PASSWORD = 8
"""Characters of a new one; whoever has a shorter one keeps it."""

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another when it is typed


# --- the password -------------------------------------------------------------------------------------------


def asked_password() -> str:
    """Return the Web Connector's password, of the environment or of who is at the terminal, asked twice.

    Raises
    ------
    UsageError
        Neither has one, or it is too short.
    """
    known = os.environ.get(PASSWORD_VARIABLE)
    if known:
        return _long_enough(known)
    if not sys.stdin.isatty():
        raise UsageError(
            f"no password for the Web Connector: set {PASSWORD_VARIABLE}, or run it in a terminal"
        )
    entered: str = typer.prompt(
        f"Password of the Web Connector ({SHORTEST_PASSWORD} characters or more)",
        hide_input=True,
        confirmation_prompt=True,
        err=True,
    )
    return _long_enough(entered)


def _long_enough(password: str) -> str:
    # What is blank, or cannot be typed, is refused as that by who hashes it.
    if len(password) < SHORTEST_PASSWORD and password.strip() and password.isprintable():
        raise UsageError(
            f"the Web Connector's password has at least {SHORTEST_PASSWORD} characters: take a longer one"
        )
    return password


def _generated() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def password(
    ctx: typer.Context,
    generate: Annotated[bool, typer.Option("--generate", help="Make one up, and print it once.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the Web Connector's password.

    It comes from TOOLKIT_WC_PASSWORD or is asked for, twice, and has 8 characters
    or more. A server that runs knows it at once. Type the same into the Web
    Connector.

    Example: toolkit password --generate
    """
    with opened(ctx, workspace) as ws:
        made = _generated() if generate else asked_password()
        source = "generated" if generate else "environment" if os.environ.get(PASSWORD_VARIABLE) else "typed"
        config.change(ws.path, password_hash=config.hash_password(made))
        document = {"workspace": str(ws.path), "user": ws.user, "source": source}
        if generate:
            document["password"] = made

        def show(console: Console) -> None:
            of = f" from {PASSWORD_VARIABLE}" if source == "environment" else ""
            console.print(
                f"The password of {ws.user} is changed{of}; a server that runs knows it.", markup=False
            )
            if generate:
                console.print(f"It is, and is shown only now: {made}", markup=False, soft_wrap=True)
            console.print(
                "Type the same into the Web Connector, in the column Password; until then it gets no access."
            )

        emit(ctx, as_json, document, show)


# --- the .qwc file ------------------------------------------------------------------------------------------


def qwc(
    ctx: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", help="File or folder to write it to.", show_default=False)
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="From now on the Web Connector finds us there.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace whatever is there.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the .qwc file again, with the same identity.

    Added to the Web Connector again it replaces the entry there.

    Example: toolkit qwc --to acme.qwc
    """
    with opened(ctx, workspace) as ws:
        wanted = None if url is None else config.endpoint(url)
        path = _place(ws, to)
        if to is not None and not force:  # without --to it is the workspace's own, whatever is in it
            require_replaceable(path, ws.file_id)
        if wanted is not None and wanted != ws.url:
            config.change(ws.path, url=wanted)
        data = ws.qwc()
        write_atomically(path, lambda file: file.write(data))
        document = {
            "qwc": str(path),
            "url": ws.url,
            "user": ws.user,
            "file_id": ws.file_id,
            "owner_id": ws.owner_id,
            "poll_minutes": ws.settings["poll_minutes"],
        }

        def show(console: Console) -> None:
            console.print(f"{path} written, for {ws.url}", markup=False, soft_wrap=True)
            console.print(
                "Add it in the Web Connector on the QuickBooks machine; it replaces the entry there."
            )

        emit(ctx, as_json, document, show)


def _place(ws: Workspace, to: Path | None) -> Path:
    """Return where the file goes; ``UsageError`` where that cannot be."""
    if to is None or to.is_dir():
        return (to or ws.path) / f"{file_name(ws.company, 'company')}.qwc"
    if to.suffix.lower() != ".qwc":
        raise UsageError(f"--to {to}: Windows knows the file by a name that ends in .qwc")
    if not to.parent.is_dir():
        raise UsageError(f"--to {to}: there is no folder {to.parent}")
    return to


# --- the certificate ----------------------------------------------------------------------------------------


def cert(
    ctx: typer.Context,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Another name it is good for.", metavar="<str>", show_default=False),
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Make another; the old one is kept beside.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a certificate for https, for Windows to trust.

    It is for the host of the workspace's URL, which `toolkit qwc --url` changes.

    On the QuickBooks machine, as administrator, with toolkit.cer alone there:
    certutil -addstore -f Root toolkit.cer

    Or double-click it there: Install Certificate, Local Machine, Trusted Root
    Certification Authorities. The key, toolkit.key, stays on this machine.

    Then serve with both: toolkit serve --host 0.0.0.0 --tls-cert F --tls-key F

    Example: toolkit cert --name books.example.com
    """
    from toolkit import wc_certificate

    with opened(ctx, workspace) as ws:
        made = wc_certificate.make(
            ws.path / wc_certificate.FOLDER, [*_host(ctx, ws, name or []), "localhost"], renew=renew
        )
        document = {
            "certificate": str(made.certificate),
            "key": str(made.key),
            "names": list(made.says.names),
            "not_before": made.says.not_before.isoformat(),
            "not_after": made.says.not_after.isoformat(),
            "kept": [str(path) for path in made.kept],
        }

        def show(console: Console) -> None:
            for line in _what_next(ws, made):
                console.print(line, markup=False, soft_wrap=True)

        emit(ctx, as_json, document, show)


def _host(ctx: typer.Context, ws: Workspace, more: list[str]) -> list[str]:
    """Return the names that a certificate is for; ``UsageError`` where nobody asks for one."""
    parts = urlsplit(ws.url)
    if parts.scheme == "https":
        return [str(parts.hostname), *more]
    if more:
        return more
    raise UsageError(
        f"{ws.url} needs no certificate: https is for a Web Connector on another machine. Say first where it"
        f" finds this one: {typed(ctx, 'toolkit qwc --url https://NAME:8085/')}"
    )


def _what_next(ws: Workspace, made: Made) -> list[str]:
    name, until = made.certificate.name, made.says.not_after
    return [
        f"{made.certificate} is good for {', '.join(made.says.names)} until {until:%Y-%m-%d}.",
        *(f"The one before is kept as {path.name}." for path in made.kept),
        *(["A `toolkit serve` that runs goes on with it until it is started again."] if made.kept else []),
        f"1. Copy {name} to the QuickBooks machine, and never {made.key.name}.",
        f"2. There, as administrator: certutil -addstore -f Root {name}",
        "   (or double-click it: Install Certificate, Local Machine, Trusted Root Certification Authorities)",
        f'3. Here: toolkit -w "{ws.path}" serve --host 0.0.0.0 --tls-cert "{made.certificate}"'
        f' --tls-key "{made.key}"',
    ]
