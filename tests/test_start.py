"""What is loaded when: the Web Connector is answered at once, and pandas comes with what is to land."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import typer
from exchange_world import PASSWORD, World, customer, invoice
from rehearsal_company import company
from typer.exceptions import TyperException
from web_connector_calls import Scripted, ask, document

import toolkit
from toolkit.cli import COMMANDS
from toolkit.cli.commands import _made
from toolkit.late import late
from toolkit.wc_server import make_app

ARRAYS = ("pandas", "pyarrow", "numpy")
OF_OTHERS = ("openpyxl", "rich", "tqdm", "zeep", "rapidfuzz", "toolkit.rehearsal", "toolkit.landing_tables")
OF_WORK = tuple(
    f"toolkit.{name}"
    for name in ("extract", "landing", "lookups", "outcomes", "presend", "qbxml_io", "set_answers", "witness")
)
"""What is for whoever has something to do; some of it comes with the first request."""
NEVER_SERVED = ("pydantic", "sqlalchemy.orm", "sqlalchemy.ext", "xml.etree.ElementTree")
"""What libraries would bring, or what only other commands need, and takes its time."""


def fresh(code: str) -> Any:
    """Run code in a Python of its own, and return what it prints, which is JSON."""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


# --- the package --------------------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_that_takes_long() -> None:
    heavy = (*ARRAYS, "sqlalchemy", "spyne", "lxml", "typer")
    code = f"import json, sys, toolkit; print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    assert fresh(code) == []


def test_every_public_name_is_there_and_no_other() -> None:
    found = fresh(
        "import json, toolkit\n"
        "print(json.dumps({name: str(getattr(toolkit, name)) for name in toolkit.__all__}))"
    )
    assert set(found) == set(toolkit.__all__) <= set(dir(toolkit))
    assert found["Workspace"] == "<class 'toolkit.workspace.Workspace'>"
    assert found["transform"].startswith("<module 'toolkit.transform'")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = toolkit.nonsense
    assert fresh("import json; from toolkit.extract import *; print(json.dumps(load.__module__))") == (
        "toolkit.billing_load"
    )


def test_what_is_late_is_the_module_itself_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    again = late("toolkit.landing")
    monkeypatch.setattr("toolkit.landing.RECORDS", ("something else",))
    assert again.RECORDS == ("something else",)
    monkeypatch.undo()
    assert again.RECORDS is sys.modules["toolkit.landing"].RECORDS
    with pytest.raises(AttributeError):
        _ = again.nonsense


# --- the commands -------------------------------------------------------------------------------------------


def test_no_help_waits_for_pandas_or_pydantic() -> None:
    code = (
        "import contextlib, io, json, sys\n"
        "from toolkit.cli import COMMANDS, main\n"
        "loaded, said = {}, {}\n"
        "for name in ('', *COMMANDS):\n"
        "    sys.argv = ['toolkit', *filter(None, [name]), '--help']\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        "        main()\n"
        "    said[name] = len(out.getvalue())\n"
        f"    loaded[name] = [one for one in {(*ARRAYS, 'pydantic')} if one in sys.modules]\n"
        "print(json.dumps([loaded, said]))\n"
    )
    loaded, said = fresh(code)
    assert {name: there for name, there in loaded.items() if there} == {}
    assert list(loaded) == ["", *COMMANDS]
    assert min(said.values()) > 100


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_its_own_help_says(name: str) -> None:
    told = inspect.getdoc(COMMANDS[name].load()) or ""
    assert COMMANDS[name].summary == told.partition("\n\n")[0].replace("\n", " ")


VALUES = (
    None,
    "",
    "x",
    "0",
    "12",
    "007",
    "-3",
    "+3",
    "1_000",
    "1e3",
    " 7 ",
    "\u0663",
    "9" * 9,
    "9" * 40,
    "1.0",
    5,
)


def asked(process: Callable[[], Any]) -> object:
    """Return a value, or what is said against it."""
    try:
        return process()
    except TyperException as error:
        return error.format_message()


@pytest.mark.parametrize("name", ["serve", "import", "rehearse", "land", "init", "load"])
def test_a_parameter_takes_what_typer_would(name: str, tmp_path: Path) -> None:
    command = _made(name)
    ctx = typer.Context(command)
    (tmp_path / "there").touch()
    values = (*VALUES, str(tmp_path), str(tmp_path / "there"), str(tmp_path / "absent"), "a\0b")
    for parameter in command.get_params(ctx):
        for value in values:
            if parameter.multiple or parameter.nargs != 1:
                continue
            slow = asked(lambda: type(parameter).process_value(parameter, ctx, value))  # noqa: B023
            quick = asked(lambda: parameter.process_value(ctx, value))  # noqa: B023
            assert (type(quick), quick) == (type(slow), slow), (parameter.name, value)


# --- the server ---------------------------------------------------------------------------------------------


class Served:
    """A server's application in a process of its own."""

    def __init__(self, folder: Path, watched: tuple[str, ...]) -> None:
        script = Path(__file__).with_name("served_alone.py")
        command = [sys.executable, "-W", "ignore", str(script), str(folder), *watched]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.loaded: list[str] = []

    def call(self, operation: str, **parts: str) -> list[str]:
        inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in parts.items())
        return self._said(operation, inner)

    def get(self, path: str) -> str:
        return self._said("GET", path)[0]

    def _said(self, operation: str, inner: str) -> list[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"operation": operation, "inner": inner}) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        self.loaded = said["loaded"]
        return list(said["results"])

    def authenticate(self, password: str = PASSWORD) -> tuple[str, str]:
        ticket, word = self.call("authenticate", strUserName="blubilling", strPassword=password)
        return ticket, word

    def ask(self, ticket: str, hcp: str, path: str) -> str:
        parts = {"ticket": ticket, "strHCPResponse": hcp, "strCompanyFileName": path}
        parts |= {"qbXMLCountry": "US", "qbXMLMajorVers": "13", "qbXMLMinorVers": "0"}
        return self.call("sendRequestXML", **parts)[0]

    def close(self) -> None:
        self._process.communicate(timeout=30)


@contextmanager
def served(folder: Path, watched: tuple[str, ...] = (*ARRAYS, *OF_OTHERS)) -> Iterator[Served]:
    """Serve a workspace that this process has let go of, and watch whether modules are loaded."""
    server = Served(folder, watched)
    try:
        yield server
    finally:
        server.close()


def test_whoever_has_nothing_to_do_is_told_so_without_what_lands(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.ws.close()
    with served(world.ws.path) as server:
        assert server.call("serverVersion", strVersion="x")[0].endswith(toolkit.__version__)
        assert server.call("clientVersion", strVersion="2.3.0.36") == [""]
        assert server.authenticate("wrong") == ("", "nvu")
        assert server.authenticate() == ("", "none")
        assert json.loads(server.get("/healthz"))["status"] == "ok"
        assert "<td>up" in server.get("/support")
        assert server.loaded == []


def test_whatever_was_done_before_none_is_answered_without_it(tmp_path: Path) -> None:
    """A workspace with tables, jobs and sessions behind it, at the end of which nothing is left to do."""
    world = World.make(tmp_path)
    world.ws.queue_import("customers")
    world.export(customer("1", "Newcomer Ltd"), invoice("1", "10.00"))
    assert world.run() == "OK"
    world.ws.close()
    with served(world.ws.path, (*ARRAYS, *OF_OTHERS, *OF_WORK)) as server:
        assert server.authenticate() == ("", "none")
        assert server.loaded == []


def test_a_server_without_work_loads_nothing_of_the_work(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.ws.close()
    with served(world.ws.path, (*ARRAYS, *OF_OTHERS, *OF_WORK, *NEVER_SERVED)) as server:
        assert server.authenticate() == ("", "none")
        assert server.loaded == []


def test_the_wsdl_is_made_when_somebody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr("toolkit.wc_server._as_intuit_writes_it", made.append)
    app = make_app(Scripted(), url="http://localhost:1/")
    assert ask(app, body=document("serverVersion", "<strVersion>x</strVersion>")).status == 200
    assert made == []
    first, second = (ask(app, "GET", "/?wsdl") for _ in range(2))
    assert (first.status, len(made)) == (200, 1)
    assert second.body == first.body


def test_an_export_goes_out_before_anything_is_loaded_that_lands_it(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.export(customer("1", "Newcomer Ltd"))
    hcp, path = world.hcp(), world.company.file_path
    world.ws.close()
    with served(world.ws.path) as server:
        ticket, word = server.authenticate()
        assert (ticket != "", word) == (True, "")
        assert server.loaded == []
        text = server.ask(ticket, hcp, path)
        assert "CustomerAdd" in text
        assert server.loaded == []
        response = world.company.process(text)
        assert server.call("receiveResponseXML", ticket=ticket, response=response) == ["100"]
        assert server.call("closeConnection", ticket=ticket) == ["OK"]
        assert set(ARRAYS) < set(server.loaded)
    landed = world.ws.read("quickbooks.customers")
    assert list(landed["full_name"]) == ["Newcomer Ltd"]
    assert world.statuses() == {"customer:1": "applied"}


def test_an_import_and_a_check_are_asked_for_without_it_too(tmp_path: Path) -> None:
    for place, queue, asked in (
        ("import", lambda world: world.ws.queue_import("items"), "<ItemQueryRq"),
        ("check", lambda world: world.export(invoice("1", "10.00")), "<InvoiceQueryRq"),
    ):
        world = World.make(tmp_path / place)
        queue(world)
        hcp = world.hcp()
        world.ws.close()
        with served(world.ws.path) as server:
            ticket, _ = server.authenticate()
            assert asked in server.ask(ticket, hcp, world.company.file_path)
            assert server.loaded == []


def test_another_company_is_turned_away_without_it(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.export(customer("1", "Newcomer Ltd"))
    other = company().hcp(world.ws.owner_id, "{99999999-2222-3333-4444-555555555555}")
    world.ws.close()
    with served(world.ws.path) as server:
        ticket, _ = server.authenticate()
        assert server.ask(ticket, other, world.company.file_path) == ""
        assert "bound to another workspace" in server.call("getLastError", ticket=ticket)[0]
        assert server.loaded == []
