"""Where `toolkit serve` listens, and what it says when the Web Connector looks elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cli_world
import pytest
from cli_world import Toolkit

from toolkit.cli.serve import _missed
from toolkit.errors import UsageError

FAR = "https://books.example.com:8085/"
CERT = "make a certificate with `toolkit cert` and serve"


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toolkit:
    return cli_world.runner(monkeypatch, capsys)


@pytest.fixture
def workspace(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cli_world.workspace_at("fresh", tmp_path_factory.getbasetemp(), tmp_path / "fresh")


@pytest.mark.parametrize(
    ("url", "here", "host"),
    [
        ("http://localhost:8085/", "http://localhost:8085/", "localhost"),
        ("http://localhost:8085/", "http://127.0.0.1:8085/", "127.0.0.1"),
        ("http://localhost:8085/", "http://[::1]:8085/", "::1"),
        ("http://localhost/", "http://localhost:80/", "localhost"),
        (FAR, FAR, "0.0.0.0"),
        ("https://books.example.com/", "https://books.example.com:443/", "books.example.com"),
        ("https://Books.Example.com:8085/", FAR, "::"),
    ],
)
def test_nothing_is_said_where_the_url_leads_here(url: str, here: str, host: str) -> None:
    assert _missed(url, here, host, any_port=False) is None


@pytest.mark.parametrize(
    ("url", "here", "host", "todo"),
    [
        ("https://localhost:8085/", "http://localhost:8085/", "localhost", f"{CERT} again, or with --behind"),
        (FAR, "http://localhost:8085/", "localhost", f"{CERT} with --host 0.0.0.0, or with --behind-proxy"),
        (FAR, "https://localhost:8085/", "localhost", "serve with --host 0.0.0.0"),
        (
            FAR,
            "https://books.example.com:9000/",
            "0.0.0.0",
            "`toolkit qwc --url https://books.example.com:9000/`",
        ),
        ("https://books.example.com/", FAR, "0.0.0.0", f"`toolkit qwc --url {FAR}`"),
        ("https://books.example.com:8085/qb/", FAR, "0.0.0.0", f"`toolkit qwc --url {FAR}`"),
        ("https://other.example.com:8085/", FAR, "books.example.com", f"`toolkit qwc --url {FAR}`"),
        ("http://localhost:8085/", FAR, "books.example.com", f"`toolkit qwc --url {FAR}`"),
        ("http://localhost:8085/", "http://localhost:9000/", "localhost", "--url http://localhost:9000/`"),
        (
            *("http://localhost:8085/", "https://localhost:8085/", "0.0.0.0"),
            "`toolkit qwc --url https://NAME-OF-THIS-MACHINE:8085/`",
        ),
    ],
)
def test_whoever_looks_elsewhere_is_told_how_to_come_here(url: str, here: str, host: str, todo: str) -> None:
    said = _missed(url, here, host, any_port=False)
    assert said is not None
    assert said.startswith(f"the Web Connector looks for {url}, and this server is at {here}: ")
    assert todo in said


def test_whoever_takes_any_free_port_is_told_of_all_but_the_port() -> None:
    assert _missed(FAR, "https://books.example.com:50001/", "0.0.0.0", any_port=True) is None
    assert CERT in str(_missed(FAR, "http://localhost:50001/", "localhost", any_port=True))


@pytest.mark.parametrize(
    "url", ["https://10.0.0.7:8085/", "http://books.example.com/", "", "localhost:99999"]
)
def test_an_address_that_the_web_connector_does_not_take_is_told_of(url: str) -> None:
    said = str(_missed(url, "http://localhost:8085/", "localhost", any_port=False))
    assert repr(url) in said
    assert said.endswith("`toolkit qwc --url http://localhost:8085/` sets another")


@pytest.mark.parametrize(
    ("url", "options", "port"),
    [
        ("http://localhost:8085/", (), 8085),
        ("http://localhost:9123/", (), 9123),
        ("http://localhost:9123/", ("--port", "0"), 0),
        ("http://localhost:9123/", ("--port", "9124"), 9124),
        ("https://books.example.com:9443/", (), 9443),
        ("https://books.example.com/", (), 8085),
        ("https://books.example.com:9443/", ("--behind-proxy",), 8085),
        ("https://books.example.com:nine/", (), 8085),
    ],
)
def test_it_listens_where_the_url_says_unless_another_port_is_named(
    toolkit: Toolkit,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    options: tuple[str, ...],
    port: int,
) -> None:
    asked: list[int] = []

    class Refusing:
        def __init__(self, ws: object, host: str, port: int, *others: object, **named: Any) -> None:
            asked.append(port)
            raise UsageError("no server in this test")

    monkeypatch.setattr("toolkit.wc_http.Server", Refusing)
    text = (workspace / "workspace.toml").read_text(encoding="utf-8")
    (workspace / "workspace.toml").write_text(
        re.sub(r'(?m)^url = ".*"', f'url = "{url}"', text), encoding="utf-8"
    )
    ran = toolkit("-w", workspace, "serve", *options)
    assert (ran.code, ran.out) == (2, "")
    assert "no server in this test" in ran.err
    assert asked == [port]


def test_the_help_says_what_a_proxy_has_to_do(toolkit: Toolkit) -> None:
    said = " ".join(toolkit("serve", "--help").out.split())
    assert "A proxy in front has to set X-Forwarded-For itself" in said
