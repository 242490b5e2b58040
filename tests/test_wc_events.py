"""What the log is told of a conversation: each call, and no word of whose data it carried."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from web_connector_calls import Scripted

from toolkit.wc_attempts import CALLER
from toolkit.wc_events import Told

SAID = "Close the window of Zebedee Ltd."


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    """Return level, name and fields of each event, without those that have no value or are a time."""
    found = []
    for record in caplog.records:
        if record.name == "toolkit.events":
            about = vars(record)
            fields = {name: value for name, value in about["fields"].items() if value is not None}
            fields.pop("seconds", None)
            found.append((record.levelname, about["event"], fields))
    caplog.clear()
    return found


@pytest.fixture
def exchange(caplog: pytest.LogCaptureFixture) -> Scripted:
    caplog.set_level(logging.INFO, logger="toolkit")
    return Scripted()


def test_a_session_is_told_from_end_to_end(exchange: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    conversation = Told(exchange)
    token = CALLER.set("192.0.2.7")
    try:
        assert conversation.authenticate("user", "secret") == ("ticket-1", "")
    finally:
        CALLER.reset(token)
    assert conversation.next_request("ticket-1", "hcp", "C:\\x.qbw", "US", 13, 0) == exchange.request
    assert conversation.take_answer("ticket-1", b"<QBXML/>", "", "") == 50
    assert conversation.close("ticket-1") == "OK"
    events = told(caplog)
    (number,) = {fields["session"] for _, _, fields in events}
    assert len(number) == 8
    assert events == [
        ("INFO", "session_opened", {"session": number, "address": "192.0.2.7"}),
        ("INFO", "set_sent", {"session": number, "bytes": len(exchange.request)}),
        ("INFO", "answer_taken", {"session": number, "bytes": 8, "percent": 50}),
        ("INFO", "session_closed", {"session": number, "outcome": "OK"}),
    ]
    conversation.close("ticket-2")
    assert told(caplog)[0][2]["session"] != number
    assert conversation.close("") == "OK"
    assert told(caplog) == []


@pytest.mark.parametrize(
    ("answer", "events"),
    [
        (("", "none"), [("INFO", "polled", {"outcome": "none", "address": ""})]),
        (("", "busy"), [("INFO", "polled", {"outcome": "busy", "address": ""})]),
        (("", "nvu"), []),  # told by who counts them
    ],
)
def test_a_poll_without_a_session_is_told(
    exchange: Scripted, caplog: pytest.LogCaptureFixture, answer: tuple[str, str], events: list[Any]
) -> None:
    exchange.authenticated = answer
    assert Told(exchange).authenticate("user", "secret") == answer
    assert told(caplog) == events


def test_a_code_of_success_beside_an_answer_is_no_warning(
    exchange: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    Told(exchange).take_answer("t", b"<QBXML/>", "0x00000000", "")
    ((level, name, fields),) = told(caplog)
    assert (level, name) == ("INFO", "answer_taken")
    assert "reason" not in fields


def test_what_goes_wrong_is_told_in_our_words(exchange: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    exchange.percent, exchange.request = -1, ""
    exchange.error = f"A dialog window is open in QuickBooks. {SAID}"
    conversation = Told(exchange)
    assert conversation.take_answer("t", "", "0x80040414", SAID) == -1
    assert conversation.take_answer("t", "", SAID, SAID) == -1
    assert conversation.next_request("t", "", "", "", 0, 0) == ""
    assert conversation.connection_error("t", "0x80040408", SAID) == "done"
    shown = caplog.text
    events = told(caplog)
    assert [(level, name) for level, name, _ in events] == [
        ("WARNING", "answer_taken"),
        ("WARNING", "answer_taken"),
        ("WARNING", "nothing_sent"),
        ("WARNING", "quickbooks_not_reached"),
    ]
    assert [fields.get("hresult") for _, _, fields in events] == [
        "0x80040414",
        "unreadable",
        None,
        "0x80040408",
    ]
    assert events[3][2]["outcome"] == "given up"
    assert all("behind the login" in fields["reason"] for _, _, fields in events[:3])
    assert "Zebedee" not in str(events) + shown


def test_how_a_session_ended_is_told_in_our_words(
    exchange: Scripted, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "close", lambda exchange, ticket: SAID)
    assert Told(exchange).close("t") == SAID
    (event,) = told(caplog)
    assert event[1] == "session_closed"
    assert "Zebedee" not in str(event)


def test_a_bug_passes_through(exchange: Scripted) -> None:
    exchange.raising = RuntimeError("a bug")
    conversation = Told(exchange)
    for call in (
        lambda: conversation.authenticate("u", "p"),
        lambda: conversation.next_request("t", "", "", "", 0, 0),
        lambda: conversation.take_answer("t", "", "", ""),
        lambda: conversation.last_error("t"),
        lambda: conversation.connection_error("t", "", ""),
        lambda: conversation.close("t"),
    ):
        with pytest.raises(RuntimeError, match="a bug"):
            call()


def test_who_is_receiving_is_passed_on_where_somebody_wants_to_know(exchange: Scripted) -> None:
    Told(exchange).receiving("t")
    heard: list[str] = []
    exchange.receiving = heard.append  # type: ignore[attr-defined]
    Told(exchange).receiving("t")
    assert heard == ["t"]


def test_an_answer_counts_whatever_comes_of_telling_it(
    exchange: Scripted, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scripted, "last_error", lambda exchange, ticket: {}["Zebedee"])
    exchange.percent = -1
    assert Told(exchange).take_answer("t", "x", "", "") == -1
    ((_, name, fields),) = told(caplog)
    assert (name, fields["reason"]) == ("answer_taken", "KeyError")
