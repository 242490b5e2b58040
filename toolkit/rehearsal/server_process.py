"""A server in a process of its own, as the rehearsal sees it: started, told what to do, killed."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from toolkit.errors import ToolkitError

START_TIMEOUT = 120.0
"""Seconds that a process may take to start; a busy machine is slow."""
ANSWER_TIMEOUT = 60.0


class Process(Protocol):
    """A process that was started: :class:`subprocess.Popen`, or what a test has in its place."""

    def kill(self) -> None: ...  # noqa: D102
    def wait(self, timeout: float | None = None) -> object: ...  # noqa: D102


Start = Callable[[Path, int, float], Process]
"""Takes the workspace, the port for orders and the shift of the clock."""


def start_python(folder: Path, port: int, shift: float) -> Process:
    """Start the server with the Python that runs."""
    command = [sys.executable, "-m", "toolkit.mortal_server", str(folder), str(port), str(shift)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class ServerProcess:
    """A server of a workspace that may die at any moment.

    Parameters
    ----------
    folder : Path
        The workspace; no other process may hold its lock.
    shift : float
        Seconds by which its clock differs.
    start : callable, optional
        Starts the process.

    Attributes
    ----------
    url : str
        Where it listens.
    struck : bool
        Whether what was armed last has happened, as it told last.

    Raises
    ------
    ToolkitError
        It did not start.
    """

    def __init__(self, folder: Path, shift: float = 0.0, start: Start = start_python) -> None:
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.settimeout(START_TIMEOUT)
            self._process = start(folder, door.getsockname()[1], shift)
            try:
                self._line, _ = door.accept()
            except TimeoutError as error:
                self._end()
                raise ToolkitError("the server of the rehearsal did not start") from error
        self._line.settimeout(START_TIMEOUT)
        self._said = self._line.makefile("rw", encoding="utf-8")
        self._open = True
        self.struck = False
        told = self._hear()
        if told is None:
            raise ToolkitError("the server of the rehearsal ended as it started")
        self.url = str(told["url"])
        self._line.settimeout(ANSWER_TIMEOUT)

    def order(self, **what: Any) -> bool:
        """Tell it something and wait until it knows; ``False`` where it is dead."""
        if not self._open:
            return False
        try:
            self._said.write(json.dumps(what) + "\n")
            self._said.flush()
        except OSError:
            self._close()
            return False
        told = self._hear()
        self.struck = told is not None and bool(told["struck"])
        return told is not None

    def stop(self) -> None:
        """Let it end in good order, or kill it where it does not."""
        self.order(stop=True)
        try:
            self._process.wait(ANSWER_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._end()
        self._close()

    def kill(self) -> None:
        """End it at once."""
        self._end()
        self._close()

    # --- inside ---------------------------------------------------------------------------------------

    def _hear(self) -> dict[str, Any] | None:
        try:
            line = self._said.readline()
        except OSError as error:
            if isinstance(error, TimeoutError):
                self._end()
            line = ""
        if line:
            told: dict[str, Any] = json.loads(line)
            return told
        self._close()
        return None

    def _close(self) -> None:
        if self._open:
            self._open = False
            with contextlib.suppress(OSError):  # what it was told last never left
                self._said.close()
            self._line.close()
            self._process.wait(ANSWER_TIMEOUT)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(ANSWER_TIMEOUT)
