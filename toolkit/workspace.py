"""The workspace: one company's folder, and the only object that touches it.

It holds the tables (parquet), every answer as it arrived (``inbox/``), the ledger and the settings.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from toolkit import workspace_config as config
from toolkit.errors import UsageError
from toolkit.import_plan import import_jobs, scope
from toolkit.late import late
from toolkit.ledger import Ledger, local_now
from toolkit.settings import Settings
from toolkit.tables import to_arrow
from toolkit.workspace_files import Packing, open_packed, save_packed
from toolkit.workspace_identity import Identity
from toolkit.workspace_lock import LOCK_TIMEOUT, reserved, writer_lock
from toolkit.workspace_making import copy, first_settings, make, new_config, open_ledger
from toolkit.workspace_place import require_here
from toolkit.workspace_queue import (
    PILOT_DOCUMENTS,
    QueueResult,
    approve_jobs,
    queue_plan,
    require_movable_cutover,
    require_unattended,
)
from toolkit.workspace_tables import Tables, read_table, require_table, table_path, write_table
from toolkit.workspace_views import APPROVED, ledger_table, write_view, write_views

if TYPE_CHECKING:
    import pandas as pd

    from toolkit import workspace_unchanged
    from toolkit.transform import Plan
else:  # a server that starts again plans nothing
    workspace_unchanged = late("toolkit.workspace_unchanged")

__all__ = ["PILOT_DOCUMENTS", "QueueResult", "Tables", "Workspace", "local_now"]


class Workspace(Identity):
    """One company's folder.

    Parameters
    ----------
    path : str or Path
        The folder that ``toolkit init`` made.
    clock : callable
        Gives the local time.
    read_only : bool
        Whether to refuse every change.

    Raises
    ------
    WorkspaceError
        There is no workspace, it is damaged, or another version of the toolkit made it.
    """

    def __init__(
        self, path: str | Path, *, clock: Callable[[], dt.datetime] = local_now, read_only: bool = False
    ) -> None:
        super().__init__(Path(path), read_only=read_only)
        self._clock = clock
        self._opening = threading.Lock()
        self._ledger: Ledger | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        company: str,
        password: str,
        user: str = "blubilling",
        url: str = "http://localhost:8085/",
        company_file: str | None = None,
        cutover_date: str | dt.date | None = None,
        rehearsal: bool = False,
        from_workspace: Workspace | str | Path | None = None,
        clock: Callable[[], dt.datetime] = local_now,
    ) -> Workspace:
        """Make a workspace and its ``.qwc`` file, and return it.

        Parameters
        ----------
        path : str or Path
            The folder; it may exist, but hold no workspace.
        company : str
            Our label of the company.
        password, user : str
            What the Web Connector will say; only a hash of the password is kept.
        from_workspace : Workspace or path, optional
            A rehearsal whose decisions and settings are taken over; never its crosswalk, its company file,
            its approvals.

        Raises
        ------
        UsageError
            A blank name or password, a URL that the Web Connector does not take, a setting that does not fit.
        WorkspaceError
            There is a workspace already.
        """
        folder = Path(path)
        source = from_workspace if isinstance(from_workspace, Workspace) else None
        if from_workspace is not None and source is None:
            source = cls(cast("str | Path", from_workspace), read_only=True)
        given = {"company_file": company_file, "cutover_date": cutover_date}
        settings = first_settings(None if source is None else source.settings, given)
        made = new_config(company, user, password, url, rehearsal, settings, clock())
        make(folder, made, None if source is None else source.ledger, clock)
        if source is not None and source is not from_workspace:
            source.close()
        workspace = cls(folder, clock=clock)
        workspace.write_qwc()
        write_views(folder, workspace.ledger)
        return workspace

    # --- the ledger and the settings ------------------------------------------------------------------

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened on first use.

        Raises
        ------
        WorkspaceError
            Its file is missing, or belongs to another workspace.
        """
        with self._opening:
            if self._ledger is None:
                view = None if self.read_only else self._write_view
                self._ledger = open_ledger(self.path, self._load().id, self._clock, view)
                self._ledger.on_kept = view
            return self._ledger

    def close(self) -> None:
        """Let go of the ledger's file; the workspace can still be used."""
        with self._opening:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def set(self, key: str, text: str) -> Settings:
        """Change a setting and return them all.

        Raises
        ------
        SettingError
            No such setting, a value that does not fit, another cutover date once documents went across, or
            ``auto_approve`` before a manual run has tied out.
        """
        with self.lock():
            now = self._load()
            settings = now.settings.with_text(key, text)
            if settings.cutover_date != now.settings.cutover_date:
                require_movable_cutover(self.ledger)
            if settings["auto_approve"] and not now.settings["auto_approve"]:
                require_unattended(self.ledger)
            config.change(self.path, settings=settings)
        return settings

    def lock(self, timeout: float = LOCK_TIMEOUT) -> AbstractContextManager[None]:
        """Be the one writer while the block runs; a thread that is it already goes on.

        Parameters
        ----------
        timeout : float
            Seconds to wait for another writer.

        Raises
        ------
        WorkspaceLocked
            Another process, which the message names, or another thread still writes.
        """
        self._require_writable()
        return writer_lock(self.path, timeout)

    def reserve(self, timeout: float = LOCK_TIMEOUT) -> AbstractContextManager[None]:
        """Keep other processes out while the block runs, as a server does; threads still take turns.

        Raises
        ------
        WorkspaceLocked
            Another process, which the message names, writes or serves it.
        """
        self._require_writable()
        return reserved(self.path, timeout)

    # --- tables ---------------------------------------------------------------------------------------

    def read(self, name: str) -> pd.DataFrame:
        """Return a table; one that never landed has no rows.

        ``mapping.*`` and ``ledger.*`` come from the ledger, all others from their parquet file.

        Raises
        ------
        UsageError
            No such table.
        DamagedTable
            Its file cannot be read; the message says how to make it again.
        """
        require_table(name)
        if name.startswith(("mapping.", "ledger.")):
            return ledger_table(self.ledger, name)
        return read_table(self.path, name)

    def has(self, name: str) -> bool:
        """Return whether a table was ever written; of the ledger's, whether it has rows."""
        require_table(name)
        if name.startswith(("mapping.", "ledger.")):
            return len(self.read(name)) > 0
        return table_path(self.path, name).exists()

    def write(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table whole, or leave it as it was.

        Raises
        ------
        UsageError
            No such table, or one that the ledger keeps.
        ConformError
            The frame does not fit the declared table.
        """
        require_table(name)
        if name.startswith(("mapping.", "ledger.")):
            raise UsageError(f"{name} is a view of the ledger: it is not written, but decided or queued")
        table = to_arrow(frame, name)
        with self.lock():
            write_table(self.path, name, table)

    def tables(self) -> Tables:
        """Return every table by name, each read on first use: what the pure steps take."""
        return Tables(self.read)

    # --- answers --------------------------------------------------------------------------------------

    def save_answer(self, data: bytes | Packing, *, name: str = "answer") -> Path:
        """Keep an answer as it arrived, compressed; it is on the disk when this returns.

        Parameters
        ----------
        data : bytes or Packing
            The document, or a copy of it that was made while it was read.
        name : str
            What to call it, after the time.
        """
        self._require_writable()
        with self._opening:  # two threads of one moment
            return save_packed(self.path / "inbox", data, self._clock(), name)

    def inbox_name(self, path: Path) -> str:
        """Return a file's name relative to the workspace, with ``/``: what the ledger keeps."""
        return path.resolve().relative_to(self.path.resolve()).as_posix()

    def open_answer(self, path: str | Path) -> BinaryIO:
        """Open a saved answer (``.xml``, ``.gz`` or ``.zst``); a relative path starts at the workspace."""
        return open_packed(self.path / path)

    # --- the queue ------------------------------------------------------------------------------------

    def queue_import(
        self,
        kind: str,
        *,
        start: str | dt.date | None = None,
        end: str | dt.date | None = None,
        active_only: bool = False,
        open_only: bool = False,
    ) -> list[int]:
        """Queue an import and return the numbers of its jobs.

        Parameters
        ----------
        kind : str
            ``items``, ``customers``, ``invoices``, ``payments``, ``sales_receipts``,
            ``receivables``, ``lists`` or ``all``.
        start, end : str or date, optional
            Inclusive; for lists the day of the last change, for transactions the transaction date.
        active_only : bool
            Leave out inactive items and customers.
        open_only : bool
            Leave out paid invoices.

        Raises
        ------
        UsageError
            No such kind, no such date, or dates the wrong way round. Nothing is queued.
        """
        self._require_writable()
        covered = scope(start, end, active_only=active_only, open_only=open_only)
        return [self.ledger.add_import(name, queries) for name, queries in import_jobs(kind, covered)]

    def queue(self, plan: Plan, *, approved_by: str | None = None) -> QueueResult:
        """Queue a plan as an export job: a draft, unless somebody approved it.

        With the setting ``auto_approve`` it needs nobody while the newest tie-out ties.

        Parameters
        ----------
        plan : Plan
            From :func:`toolkit.transform.plan_export`.
        approved_by : str, optional
            The person who approved it.

        Raises
        ------
        UsageError
            Approved, but larger than a pilot may be, or not what would be planned now. Nothing is queued.
        """
        self._require_writable()
        require_here(self.path, self.ledger)
        result = queue_plan(self.ledger, self.settings, self.tables(), plan, approved_by)
        if result.approved:
            self._write_view(APPROVED)
        return result

    def approve(self, job: int | Iterable[int], who: str, note: str = "") -> None:
        """Let an export job go, or several of them: all or none.

        Each is planned anew, and goes only as it would be planned now.

        Raises
        ------
        UsageError
            A draft is not what would be planned now, or the first export is larger than a pilot may be.
        IllegalTransition
            One is no draft.
        """
        self._require_writable()
        require_here(self.path, self.ledger)
        jobs = list(dict.fromkeys(job)) if isinstance(job, Iterable) else [job]
        approve_jobs(self.ledger, self.settings, self.tables(), jobs, who, note)
        self._write_view(APPROVED)

    def changed_since(self, job: int) -> list[str]:
        """Return in words what of a draft would not be planned so now: why it would not be approved."""
        return workspace_unchanged.changed_since(self.ledger, self.settings, self.tables(), job)

    def copy_to(self, path: str | Path, *, password: str | None = None) -> Workspace:
        """Return a copy of the workspace, marked as a rehearsal, to try things on: this one is not touched.

        Parameters
        ----------
        password : str, optional
            Of the copy's own Web Connector; without it the same as here.

        Raises
        ------
        WorkspaceError
            There is a workspace already.
        """
        folder = Path(path)
        made = replace(self._load(), rehearsal=True)
        if password is not None:
            made = replace(made, password_hash=config.hash_password(password))
        copy(self.path, self.ledger, made, folder)
        return Workspace(folder, clock=self._clock)

    # --- inside ---------------------------------------------------------------------------------------

    def _write_view(self, name: str) -> None:
        write_view(self.path, self.ledger, name)
