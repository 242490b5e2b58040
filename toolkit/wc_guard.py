"""What stands before an exchange: whoever guesses passwords waits, and a server that ends opens nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from toolkit import workspace_config as config
from toolkit.errors import ToolkitError
from toolkit.event_log import event
from toolkit.wc_attempts import CALLER, Attempts

if TYPE_CHECKING:
    from toolkit.wc_server import Conversation
    from toolkit.workspace import Workspace

__all__ = ["Guard"]

_NVU, _BUSY = "nvu", "busy"


class Guard:
    """A conversation around another; several threads may call it.

    Parameters
    ----------
    exchange : Conversation
        What answers.
    workspace : Workspace
        Whose password it is.
    attempts : Attempts
        Shared with whatever else asks for that password.

    Attributes
    ----------
    stopping : bool
        Whether the server ends: no session is opened any more, those that are open go on.
    """

    def __init__(self, exchange: Conversation, workspace: Workspace, attempts: Attempts) -> None:
        self._exchange, self._workspace, self._attempts = exchange, workspace, attempts
        self.stopping = False

    def authenticate(self, user: str, password: str) -> tuple[str, ...]:
        """Return what the exchange returns, ``nvu`` for what was wrong before, or ``busy``.

        After too many wrong passwords it is ``busy`` with the seconds after which one is looked at again:
        the Web Connector puts its update off for so long. Source: Web Connector guide, authenticate.
        """
        if self.stopping:
            return "", _BUSY
        try:
            known = config.load(self._workspace.path).password_hash
        except (ToolkitError, OSError) as error:
            event("refused", level=logging.ERROR, reason="unreadable workspace", error=type(error).__name__)
            return "", _BUSY
        verdict = self._attempts.verdict(user, password, known)
        if verdict.kind == "known_wrong":
            _tell("refused", verdict.news, reason="the same wrong password")
            return "", _NVU
        if verdict.kind == "wait":
            _tell("limited", verdict.news, seconds=verdict.seconds)
            return "", _BUSY, str(verdict.seconds)
        right: bool | None = None
        try:
            answer = self._exchange.authenticate(user, password)
            right = _told(answer)
        finally:
            self._attempts.record(user, password, known, right)
        if right is False:
            _tell("refused", True, reason="wrong user or password")
        return answer

    def next_request(
        self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str:
        """Return what the exchange returns."""
        return self._exchange.next_request(ticket, hcp, company_file, country, major, minor)

    def take_answer(self, ticket: str, response: str | bytes, hresult: str, message: str) -> int:
        """Return what the exchange returns."""
        return self._exchange.take_answer(ticket, response, hresult, message)

    def last_error(self, ticket: str) -> str:
        """Return what the exchange returns."""
        return self._exchange.last_error(ticket)

    def connection_error(self, ticket: str, hresult: str, message: str) -> str:
        """Return what the exchange returns."""
        return self._exchange.connection_error(ticket, hresult, message)

    def close(self, ticket: str) -> str:
        """Return what the exchange returns."""
        return self._exchange.close(ticket)

    def receiving(self, ticket: str) -> None:
        """Tell the exchange that an answer is still arriving, where it wants to know."""
        tell = getattr(self._exchange, "receiving", None)
        if tell is not None:
            tell(ticket)

    def knows(self, ticket: str) -> bool:
        """Return whether a ticket is that of a session, open or not; each is, where nobody can tell."""
        ask = getattr(self._exchange, "knows", None)
        return ask is None or bool(ask(ticket))


def _told(answer: tuple[str, ...]) -> bool | None:
    """Return whether the password was right, as far as the answer tells: ``busy`` comes of errors, too."""
    if answer[1] == _NVU:
        return False
    return None if answer[1] == _BUSY else True


def _tell(name: str, news: bool, **fields: str | int) -> None:
    level = logging.WARNING if news else logging.DEBUG
    event(name, level=level, address=CALLER.get(), **fields)
