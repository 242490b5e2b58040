"""What a person says of a workspace that is not where it lived: moved, copied, or out of a backup."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from toolkit import workspace_config as config
from toolkit.errors import UsageError, WorkspaceError
from toolkit.ledger import Ledger, local_now
from toolkit.workspace_lock import reserved
from toolkit.workspace_making import LEDGER_FILE, open_ledger
from toolkit.workspace_place import elsewhere, place_of
from toolkit.workspace_qwc import new_file_id
from toolkit.workspace_views import KEPT, write_view

__all__ = ["adopt", "adopt_restored", "elsewhere", "former_folder", "make_copy", "without_auto_approval"]


def adopt(
    folder: str | Path, who: str, note: str = "", *, clock: Callable[[], dt.datetime] = local_now
) -> None:
    """Say that a workspace was moved here, and goes on here: the folder it lived in is gone.

    Parameters
    ----------
    folder : str or Path
        Where it is now.
    who : str
        The person who says so.
    note : str
        Why, for the ledger.

    Raises
    ------
    UsageError
        Nobody says so.
    WorkspaceError
        There is no workspace.
    WorkspaceLocked
        A server runs on it.
    """
    with _opened(Path(folder), who, clock) as (place, _, ledger):
        ledger.move_to(place_of(place, ledger.path), who, note)


def former_folder(
    folder: str | Path, who: str, *, clock: Callable[[], dt.datetime] = local_now
) -> Path | None:
    """Return the folder that a workspace lived in, where the same workspace is still there; or ``None``.

    On another machine nobody can look.
    """
    with _opened(Path(folder), who, clock) as (place, made, ledger):
        known = ledger.place()
        if not known.get("path") or known.get("machine") != place_of(place, ledger.path)["machine"]:
            return None
        before = Path(known["path"])
        if before == Path(place_of(place, ledger.path)["path"]) or not (before / LEDGER_FILE).exists():
            return None
        try:
            return before if config.load(before).id == made.id else None
        except (WorkspaceError, OSError):
            return None


def adopt_restored(
    folder: str | Path, who: str, *, clock: Callable[[], dt.datetime] = local_now
) -> list[int]:
    """Say that a workspace came here out of a backup of files; return the exports put on hold.

    As :meth:`toolkit.ledger_places.Places.after_restore` has it: nothing goes on before a person releases it.
    """
    with _opened(Path(folder), who, clock) as (place, made, ledger):
        # First: should this break off, the worst is an approval too many asked for.
        config.save(place, without_auto_approval(made))
        return ledger.after_restore(place_of(place, ledger.path), "an unknown day", who)


def make_copy(
    folder: str | Path, who: str, note: str = "", *, clock: Callable[[], dt.datetime] = local_now
) -> None:
    """Make a copied folder a workspace of its own, to look at: the original is the one that sends.

    It gets an id and a FileID of its own and is marked as a rehearsal; no job of it goes on. One that broke
    off is finished by doing it again. Its ``.qwc`` file is to be written anew.

    Raises
    ------
    WorkspaceError
        The ledger belongs to another workspace.
    """
    place = Path(folder)
    made = config.load(place)
    _require_person(who)
    with reserved(place):
        ledger = Ledger(place / LEDGER_FILE, clock=clock)
        try:
            if ledger.workspace_id == made.id:
                ledger.become_copy(place_of(place, ledger.path), who, note)
            elif ledger.copied_from() != made.id:
                raise WorkspaceError(f"{place / LEDGER_FILE} belongs to another workspace")
            fresh = replace(made, id=ledger.workspace_id, file_id=new_file_id(), rehearsal=True)
            config.save(place, fresh)
            write_view(place, ledger, KEPT)
        finally:
            ledger.close()


def without_auto_approval(made: config.Config) -> config.Config:
    """Return a workspace's settings with unattended runs turned off: a person looks first."""
    return replace(made, settings=made.settings.with_text("auto_approve", "false"))


@contextmanager
def _opened(
    folder: Path, who: str, clock: Callable[[], dt.datetime]
) -> Iterator[tuple[Path, config.Config, Ledger]]:
    _require_person(who)
    made = config.load(folder)
    with reserved(folder):
        ledger = open_ledger(folder, made.id, clock, None)
        try:
            yield folder, made, ledger
            write_view(folder, ledger, KEPT)
        finally:
            ledger.close()


def _require_person(who: str) -> None:
    if not who.strip():
        raise UsageError("which of two folders lives is a person's word: it needs a name")
