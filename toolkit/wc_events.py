"""A conversation that is told of in the log, call by call: what was done, never with whose data."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from toolkit.event_log import event
from toolkit.exchange import number_of
from toolkit.quickbooks_codes import is_failure
from toolkit.wc_attempts import CALLER
from toolkit.wc_support import in_public

if TYPE_CHECKING:
    from toolkit.wc_server import Conversation

__all__ = ["Told"]

_HRESULT = re.compile(r"0[xX][0-9A-Fa-f]{8}", re.ASCII)


class Told:
    """A conversation around another, whose calls it tells; several threads may call it.

    A session goes by a number that is made of its ticket, and of which nobody makes the ticket again.

    Parameters
    ----------
    exchange : Conversation
        What answers.
    """

    def __init__(self, exchange: Conversation) -> None:
        self._exchange = exchange

    def authenticate(self, user: str, password: str) -> tuple[str, ...]:
        """Return what the exchange returns; a wrong password is told by who counts them."""
        answer = self._exchange.authenticate(user, password)
        ticket, word = answer[:2]
        if ticket:
            event("session_opened", session=number_of(ticket), address=CALLER.get())
        elif word in ("none", "busy"):
            event("polled", outcome=word, address=CALLER.get())
        return answer

    def next_request(
        self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str:
        """Return what the exchange returns."""
        began = time.monotonic()
        text = self._exchange.next_request(ticket, hcp, company_file, country, major, minor)
        if text:
            event("set_sent", session=number_of(ticket), bytes=len(text), seconds=_since(began))
        else:
            event("nothing_sent", level=logging.WARNING, session=number_of(ticket), reason=self._why(ticket))
        return text

    def take_answer(self, ticket: str, response: str | bytes, hresult: str, message: str) -> int:
        """Return what the exchange returns."""
        began, length, failed = time.monotonic(), len(response), is_failure(response, hresult, message)
        percent = self._exchange.take_answer(ticket, response, hresult, message)
        del response
        bad = percent < 0 or failed
        event(
            "answer_taken",
            level=logging.WARNING if bad else logging.INFO,
            session=number_of(ticket),
            bytes=length,
            seconds=_since(began),
            percent=percent if percent >= 0 else None,
            hresult=_code(hresult),
            reason=self._why(ticket) if bad else None,
        )
        return percent

    def last_error(self, ticket: str) -> str:
        """Return what the exchange returns."""
        return self._exchange.last_error(ticket)

    def connection_error(self, ticket: str, hresult: str, message: str) -> str:
        """Return what the exchange returns."""
        word = self._exchange.connection_error(ticket, hresult, message)
        event(
            "quickbooks_not_reached",
            level=logging.WARNING,
            session=number_of(ticket),
            hresult=_code(hresult),
            outcome="given up" if word == "done" else "tried again",
        )
        return word

    def close(self, ticket: str) -> str:
        """Return what the exchange returns."""
        said = self._exchange.close(ticket)
        if ticket:  # whoever was not let in closes, too
            outcome = "OK" if said == "OK" else in_public(said)
            event("session_closed", session=number_of(ticket), outcome=outcome)
        return said

    def receiving(self, ticket: str) -> None:
        """Tell the exchange that an answer is still arriving, where it wants to know."""
        tell = getattr(self._exchange, "receiving", None)
        if tell is not None:
            tell(ticket)

    def knows(self, ticket: str) -> bool:
        """Return whether a ticket is that of a session, open or not; each is, where nobody can tell."""
        ask = getattr(self._exchange, "knows", None)
        return ask is None or bool(ask(ticket))

    def _why(self, ticket: str) -> str:
        """Return why the last call came to nothing, in words that quote nothing."""
        try:
            return in_public(self._exchange.last_error(ticket))
        except Exception as error:  # the call is done, and counts
            return type(error).__name__


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _code(hresult: str) -> str | None:
    """Return an HRESULT; what is none may be anything."""
    found = _HRESULT.fullmatch(hresult.strip())
    return found[0] if found else "unreadable" if hresult.strip() else None
