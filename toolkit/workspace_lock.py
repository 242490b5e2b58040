"""One writer at a time: other processes are kept out, and threads of this one take turns."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import filelock

from toolkit.errors import WorkspaceLocked

LOCK_TIMEOUT = 10.0
LOCK_FILE = "workspace.lock"
HOLDER_FILE = "workspace.holder"


class _Gate:
    """The lock of one workspace in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.turn = threading.RLock()
        self._counting = threading.Lock()
        self._inside = 0
        # Shared by all threads: the file keeps other processes out, ``turn`` is for threads.
        self._file = filelock.FileLock(str(folder / LOCK_FILE), thread_local=False)

    def enter(self, timeout: float) -> None:
        with self._counting:
            if not self._inside:
                try:
                    self._file.acquire(timeout=timeout)
                except filelock.Timeout as error:
                    raise WorkspaceLocked(str(self.folder), self._holder()) from error
                # Only to name the holder: whoever cannot write it still has the lock.
                with contextlib.suppress(OSError):
                    (self.folder / HOLDER_FILE).write_text(str(os.getpid()), encoding="utf-8")
            self._inside += 1

    def leave(self) -> None:
        with self._counting:
            self._inside -= 1
            if not self._inside:
                with contextlib.suppress(OSError):
                    (self.folder / HOLDER_FILE).unlink(missing_ok=True)
                self._file.release()

    def _holder(self) -> str:
        # Beside the lock file and not in it: Windows does not let others read a locked file.
        try:
            return f"process {int((self.folder / HOLDER_FILE).read_text(encoding='utf-8'))}"
        except (OSError, ValueError):
            return "another process"


_gates: dict[Path, _Gate] = {}
_making = threading.Lock()


def _gate(folder: Path) -> _Gate:
    resolved = folder.resolve()
    with _making:
        return _gates.setdefault(resolved, _Gate(resolved))


@contextlib.contextmanager
def reserved(folder: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Keep other processes out while the block runs; threads of this one may still take turns to write.

    Parameters
    ----------
    folder : Path
        The workspace.
    timeout : float
        Seconds to wait for another process.

    Raises
    ------
    WorkspaceLocked
        Another process holds it, which the message names.
    """
    gate = _gate(folder)
    gate.enter(timeout)
    try:
        yield
    finally:
        gate.leave()


@contextlib.contextmanager
def writer_lock(folder: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Be the one writer of a workspace; a thread that is it already goes on.

    Parameters
    ----------
    folder : Path
        The workspace.
    timeout : float
        Seconds to wait for another writer.

    Raises
    ------
    WorkspaceLocked
        Another process or thread writes, and still does after ``timeout``.
    """
    with reserved(folder, timeout):
        turn = _gate(folder).turn
        if not turn.acquire(timeout=timeout):
            raise WorkspaceLocked(str(folder), "another thread of this process")
        try:
            yield
        finally:
            turn.release()
