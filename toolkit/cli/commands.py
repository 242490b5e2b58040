"""The commands by name, in the order of a cutover; the module of one is loaded when it is called.

So ``toolkit --help`` and ``toolkit serve`` load nothing of the steps, which take pandas with them.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["COMMANDS", "Command", "Commands"]


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command is, and what the list of all says of it.

    Parameters
    ----------
    module, function : str
        A module of ``toolkit.cli``, and the function in it.
    summary : str
        The first sentence of the function's docstring.
    """

    module: str
    function: str
    summary: str

    def load(self) -> Callable[..., None]:
        """Return the function itself."""
        found: Callable[..., None] = getattr(
            importlib.import_module(f"toolkit.cli.{self.module}"), self.function
        )
        return found


# In the order of a cutover, which is how --help lists them.
COMMANDS: dict[str, Command] = {
    "demo": Command("setup", "demo", "Run the whole cutover on the fictional sample company."),
    "init": Command("setup", "init", "Make a workspace, and the .qwc file for the Web Connector."),
    "set": Command("setup", "set_", "List the settings, show one, or change one."),
    "qwc": Command("connect", "qwc", "Write the .qwc file again, with the same identity."),
    "cert": Command("connect", "cert", "Make a certificate for https, for Windows to trust."),
    "password": Command("connect", "password", "Change the Web Connector's password."),
    "doctor": Command("setup", "doctor", "Check the set-up and say in plain words what to mend."),
    "backup": Command("backup", "backup", "Save ledger, decisions and settings in one file."),
    "restore": Command("backup", "restore", "Put a backup back, with what was under way on hold."),
    "here": Command("backup", "here", "Say why a workspace is in another place than before."),
    "import": Command("books", "import_", "Queue import jobs for the Web Connector."),
    "serve": Command("serve", "serve", "Serve the Web Connector until Ctrl-C."),
    "land": Command("books", "land", "Land saved qbXML answers as quickbooks.* tables."),
    "load": Command("billing", "load", "Load BluBilling's spreadsheets as billing.* tables."),
    "table": Command("table", "table", "Show a table, a plan or the findings, or write it to Excel."),
    "map": Command("mapping", "map_", "Match charges, customers and all else to QuickBooks."),
    "add-item": Command("books", "add_item", "Enter an item by hand, without an import."),
    "carry-forward": Command(
        "carry", "carry_forward", "Write the open invoices for BluBilling, or say why not."
    ),
    "correct": Command("correct", "correct", "Correct values that the gate stops, before sending."),
    "export": Command("export", "export", "Check a date range and queue it as an export job, a draft."),
    "rules": Command("gate", "rules", "List every rule that findings and left-out rows name."),
    "waive": Command("gate", "waive", "Let a finding through, with who and why."),
    "posted": Command("posted", "posted", "Enter the TxnID of what was posted by hand."),
    "jobs": Command("queue", "jobs", "List the jobs, the newest last."),
    "show": Command("queue", "show", "Show one job's operations, their qbXML and their history."),
    "approve": Command("queue", "approve", "Approve export jobs: from now on they may be sent."),
    "hold": Command("queue", "hold", "Hold jobs: nothing more of them is sent."),
    "release": Command("queue", "release", "Queue held jobs again."),
    "cancel": Command("queue", "cancel", "Cancel jobs for good; what was applied stays applied."),
    "resolve": Command("resolve", "resolve", "Decide what became of an unknown operation."),
    "fix": Command("fix", "fix", "Correct what QuickBooks rejected and send it again."),
    "rehearse": Command("books", "rehearse", "Run the queue against a simulated QuickBooks, on a copy."),
    "reconcile": Command("reconcile", "reconcile", "Tie out what QuickBooks holds to what was sent."),
    "requeue": Command("reconcile", "requeue_", "Release what QuickBooks lost, to export it again."),
    "undo": Command("queue", "undo", "Take an export job back (not there yet)."),
}


class Commands(TyperGroup):
    """A group that knows its commands by name and summary, and makes the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in COMMANDS.items():
            self.add_command(TyperCommand(name, help=command.summary, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that is called, its parameters and all, and the arguments left to it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else _made(name), rest

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its parameters."""
        return _quick(super().get_params(ctx))


class _Called(TyperCommand):
    """A command that was called."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _quick(super().get_params(ctx))


@cache
def _made(name: str) -> Any:
    """Return a command; its docstring is the help, in which an example keeps its lines."""
    function = COMMANDS[name].load()
    text = (inspect.getdoc(function) or "").replace("Example: ", "\b\nExample: ")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, help=text, cls=_Called)(function)
    return typer.main.get_command(alone)


# --- values -------------------------------------------------------------------------------------------------


def _quick(parameters: list[Any]) -> list[Any]:
    """Return parameters that take by themselves what needs no looking at.

    Typer asks pydantic about every value, given or not, and loading that is a tenth of a start.
    """
    for parameter in parameters:
        if "process_value" not in vars(parameter) and parameter.nargs == 1 and not parameter.multiple:
            parameter.process_value = partial(_process, parameter, parameter.process_value)
    return parameters


def _process(parameter: Any, ask: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    if value is None and not parameter.required:
        return parameter.callback(ctx, parameter, None) if parameter.callback else None
    about = parameter.type_descriptor
    plain = parameter.callback is None and about.parameter_info.parser is None and not about.is_ranged
    take = _TAKERS.get(about.annotation) if plain and isinstance(value, str) else None
    taken = None if take is None else take(value)
    return ask(ctx, value) if taken is None else taken


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _path(text: str) -> Path | None:
    # What is not there, or may not be read, Typer looks at.
    return Path(text) if "\0" not in text and os.access(text, os.R_OK) else None


_TAKERS: dict[Any, Callable[[str], Any]] = {str: str, int: _number, Path: _path}
"""By the type of a parameter what makes a value of a text; ``None`` where that takes a closer look."""
