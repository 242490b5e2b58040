"""Whose a workspace is: the company, the Web Connector's user and file, and the settings as they are now."""

from __future__ import annotations

from pathlib import Path

from toolkit import workspace_config as config
from toolkit.errors import WorkspaceError
from toolkit.settings import Settings
from toolkit.workspace_files import file_name, write_atomically
from toolkit.workspace_qwc import build_qwc

__all__ = ["Identity"]


class Identity:
    """What ``workspace.toml`` says of a company's folder.

    Parameters
    ----------
    path : Path
        The folder.
    read_only : bool
        Whether to refuse every change.

    Raises
    ------
    WorkspaceError
        There is no workspace, it is damaged, or another version of the toolkit made it.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._config_stamp: tuple[int, int] | None = None
        self._config = self._load()

    @property
    def id(self) -> str:
        """The workspace's id, which its ledger has too."""
        return self._load().id

    @property
    def company(self) -> str:
        """Our label of the company."""
        return self._load().company

    @property
    def user(self) -> str:
        """The Web Connector's user."""
        return self._load().user

    @property
    def url(self) -> str:
        """The Web Connector's endpoint, ending in ``/``."""
        return self._load().url

    @property
    def owner_id(self) -> str:
        """The OwnerID, a GUID in braces."""
        return self._load().owner_id

    @property
    def file_id(self) -> str:
        """The FileID, a GUID in braces."""
        return self._load().file_id

    @property
    def rehearsal(self) -> bool:
        """Whether it is bound to a copy of the company file, for practice."""
        return self._load().rehearsal

    @property
    def settings(self) -> Settings:
        """The settings as they are now, whoever changed them."""
        return self._load().settings

    def verify_password(self, user: str, password: str) -> bool:
        """Return whether these are the Web Connector's user and password, in constant time."""
        return config.verify(self._load(), user, password)

    def qwc(self) -> bytes:
        """Return the ``.qwc`` file that the user adds to the Web Connector."""
        made = {name: getattr(self, name) for name in ("company", "user", "url", "owner_id", "file_id")}
        return build_qwc(**made, rehearsal=self.rehearsal, poll_minutes=self.settings["poll_minutes"])

    def write_qwc(self) -> Path:
        """Write ``<company>.qwc`` and return its path."""
        self._require_writable()
        path = self.path / f"{file_name(self.company, 'company')}.qwc"
        data = self.qwc()
        write_atomically(path, lambda file: file.write(data))
        return path

    def _load(self) -> config.Config:
        """Read ``workspace.toml`` where it changed: a server sees at once what a command has set."""
        try:
            found = (self.path / config.FILE).stat()
            stamp = (found.st_mtime_ns, found.st_size)
        except OSError:
            stamp = None
        if stamp is None or stamp != self._config_stamp:
            self._config = config.load(self.path)
            self._config_stamp = stamp
        return self._config

    def _require_writable(self) -> None:
        if self.read_only:
            raise WorkspaceError(f"{self.path} was opened for reading only")
