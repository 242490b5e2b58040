"""Commands that set a workspace up: init, set, doctor, demo."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table

from toolkit.cli.connect import asked_password
from toolkit.cli.shared import (
    JsonOption,
    WorkspaceOption,
    console,
    day,
    emit,
    finish,
    opened,
    quoted,
    typed_in,
)
from toolkit.errors import ToolkitError
from toolkit.settings import SETTINGS, UNSET, Settings
from toolkit.workspace import Workspace
from toolkit.workspace_making import require_vacant

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
    """Make a workspace, and the .qwc file for the Web Connector.

    The password comes from TOOLKIT_WC_PASSWORD or is asked for.

    Example: toolkit init data/acme --company "Acme Inc" --cutover-date 2025-12-31
    """
    require_vacant(directory)
    cutover = day(cutover_date, "--cutover-date")
    with Workspace.create(
        directory,
        company=company,
        user=user,
        password=asked_password(),
        url=url,
        company_file=company_file,
        cutover_date=cutover,
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
            where = quoted(ws.path)
            console.print(f"Workspace {ws.path} is ready.", markup=False, soft_wrap=True)
            console.print(
                f"Add {qwc} to the Web Connector on the QuickBooks machine.", markup=False, soft_wrap=True
            )
            if ws.url.startswith("https:"):
                console.print(
                    f"For https, where no authority signs: toolkit -w {where} cert",
                    markup=False,
                    soft_wrap=True,
                )
            console.print(
                f"Next: toolkit -w {where} import all, then: toolkit -w {where} serve",
                markup=False,
                soft_wrap=True,
            )

        emit(ctx, as_json, document, show)


def set_(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Argument(help="The setting.", show_default=False)] = None,
    value: Annotated[str | None, typer.Argument(help="Its value.", show_default=False)] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the settings, show one, or change one.

    A dash for a value takes back what was set.

    Example: toolkit set cutover_date 2025-12-31
             toolkit set company_file -
    """
    with opened(ctx, workspace) as ws:
        settings = ws.set(key, value) if key and value is not None else ws.settings
        if key and (doubt := _doubt(ws, key, settings)):
            typer.echo(f"toolkit: warning: {typed_in(ctx, doubt)}", err=True)
        keys = [key] if key else list(SETTINGS)
        document = {name: settings[name] for name in keys}

        def show(console: Console) -> None:
            for name in keys:
                console.print(f"[bold]{name}[/bold] = {escape(_as_typed(settings[name]))}")
                console.print(Padding(escape(SETTINGS[name].help), (0, 0, 0, 4)))

        emit(ctx, as_json, document, show)


def _doubt(ws: Workspace, key: str, settings: Settings) -> str | None:
    """Return what is doubtful about a name of QuickBooks that a setting holds, as far as it was imported."""
    from toolkit.setting_names import TABLES_NAMED, doubt

    needed = [TABLES_NAMED[key], "mapping.local_items"] if key in TABLES_NAMED else []
    with suppress(ToolkitError):  # a damaged table is for `toolkit doctor` to tell: the setting is set
        return doubt(key, settings, {name: ws.read(name) for name in needed if ws.has(name)})
    return None


def _as_typed(value: object) -> str:
    """Return a setting's value as `toolkit set` takes it; a dash for one that is not set."""
    if isinstance(value, bool):
        return str(value).lower()
    return UNSET if value is None else str(value)


def doctor(ctx: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check the set-up and say in plain words what to mend.

    Example: toolkit doctor
    """
    from toolkit import doctor as examination

    with opened(ctx, workspace) as ws:
        checks = examination.examine(ws)
        document = {"checks": [{"name": c.name, "good": c.good, "message": c.message} for c in checks]}

        def show(console: Console) -> None:
            listed = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
            for check in checks:
                listed.add_row(
                    "good" if check.good else "MEND", escape(f"{check.name}: {typed_in(ctx, check.message)}")
                )
            console.print(listed)

        emit(ctx, as_json, document, show)
    finish(failed=not all(check.good for check in checks))


def demo(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Folder of the demo workspace.")] = Path("data/demo"),
    force: Annotated[
        bool, typer.Option("--force", help="Replace a demo in which somebody worked, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the whole cutover on the fictional sample company.

    Against the rehearsal QuickBooks, over real HTTP on this machine; the workspace stays. The next demo
    replaces it while nobody worked in it.

    Example: toolkit demo data/demo
    """
    from toolkit import demo as demonstration

    quiet = as_json or ctx.obj.as_json
    result = demonstration.run(directory, console=None if quiet else console(), force=force)
    if quiet:
        emit(ctx, True, result.document(), lambda console: None)
