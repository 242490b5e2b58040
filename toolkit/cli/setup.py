"""Commands that set a workspace up: init, set, doctor, demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from toolkit import demo as demonstration
from toolkit import doctor as examination
from toolkit.cli.shared import JsonOption, WorkspaceOption, console, day, emit, finish, opened
from toolkit.settings import SETTINGS
from toolkit.workspace import Workspace

PASSWORD_VARIABLE = "TOOLKIT_WC_PASSWORD"

Directory = Annotated[Path, typer.Argument(help="The folder to make.", show_default=False)]
CompanyOption = Annotated[str, typer.Option("--company", help="Name of the company.", show_default=False)]
UserOption = Annotated[str, typer.Option("--user", help="User name of the Web Connector.")]
UrlOption = Annotated[str, typer.Option("--url", help="Where the Web Connector finds us.")]
FileOption = Annotated[
    str | None, typer.Option("--company-file", help="Path of the .qbw file.", show_default=False)
]
CutoverOption = Annotated[
    str | None, typer.Option("--cutover-date", help="Last day of QuickBooks' documents.", show_default=False)
]
FromOption = Annotated[
    Path | None,
    typer.Option("--from", help="Take decisions and settings from this workspace.", show_default=False),
]
RehearsalOption = Annotated[bool, typer.Option("--rehearsal", help="Mark it: bound to a copy of the file.")]


def init(
    ctx: typer.Context,
    directory: Directory,
    company: CompanyOption,
    user: UserOption = "blubilling",
    url: UrlOption = "http://localhost:8085/",
    company_file: FileOption = None,
    cutover_date: CutoverOption = None,
    source: FromOption = None,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace and the .qwc file for the Web Connector.

    The password comes from TOOLKIT_WC_PASSWORD or is asked for.

    Example: toolkit init data/acme --company "Acme Inc" --cutover-date 2025-12-31
    """
    with Workspace.create(
        directory,
        company=company,
        user=user,
        password=_password(),
        url=url,
        company_file=company_file,
        cutover_date=day(cutover_date, "--cutover-date"),
        rehearsal=rehearsal,
        from_workspace=source,
    ) as ws:
        qwc = ws.write_qwc()
        document = {
            "workspace": str(ws.path),
            "company": ws.company,
            "qwc": str(qwc),
            "rehearsal": ws.rehearsal,
        }

        def show(console: Console) -> None:
            console.print(f"Workspace {ws.path} is ready.", markup=False)
            console.print(f"Add {qwc} to the Web Connector on the QuickBooks machine.", markup=False)
            console.print(f"Next: toolkit -w {ws.path} import all", markup=False)

        emit(ctx, as_json, document, show)


def _password() -> str:
    known = os.environ.get(PASSWORD_VARIABLE)
    if known:
        return known
    typed: str = typer.prompt(
        "Password of the Web Connector", hide_input=True, confirmation_prompt=True, err=True
    )
    return typed


def set_(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Argument(help="The setting.", show_default=False)] = None,
    value: Annotated[str | None, typer.Argument(help="Its value.", show_default=False)] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the settings, show one, or change one.

    Example: toolkit set cutover_date 2025-12-31
    """
    with opened(ctx, workspace) as ws:
        settings = ws.set(key, value) if key and value is not None else ws.settings
        keys = [key] if key else list(SETTINGS)
        document = {name: settings[name] for name in keys}

        def show(console: Console) -> None:
            for name in keys:
                shown = "-" if settings[name] is None else str(settings[name])
                console.print(f"[bold]{name}[/bold] = {escape(shown)}")
                console.print(f"    {escape(SETTINGS[name].help)}")

        emit(ctx, as_json, document, show)


def doctor(ctx: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check the set-up and say in plain words what to mend.

    Example: toolkit doctor
    """
    with opened(ctx, workspace) as ws:
        checks = examination.examine(ws)
        document = {"checks": [{"name": c.name, "good": c.good, "message": c.message} for c in checks]}

        def show(console: Console) -> None:
            for check in checks:
                console.print(
                    f"{'good' if check.good else 'MEND'}  {check.name}: {check.message}", markup=False
                )

        emit(ctx, as_json, document, show)
    finish(failed=not all(check.good for check in checks))


def demo(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder of the demo workspace.")] = Path("data/demo"),
    as_json: JsonOption = False,
) -> None:
    """Run the whole cutover on the sample company against the rehearsal QuickBooks.

    Example: toolkit demo data/demo
    """
    quiet = as_json or ctx.obj.as_json
    result = demonstration.run(directory, console=None if quiet else console())
    if quiet:
        emit(ctx, True, result.document(), lambda console: None)


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    app.command("demo")(demo)
    app.command("init")(init)
    app.command("set")(set_)
    app.command("doctor")(doctor)
