"""Every exception the toolkit raises, in one tree.

::

    ToolkitError
    ├── UsageError              an option, a date or a name that makes no sense
    │   ├── SettingError        a setting that does not exist or does not fit
    │   └── SeedError           tables that cannot be one company file: they do not add up
    ├── WorkspaceError          the folder: absent, foreign, of another version
    │   ├── WorkspaceLocked     another process writes to it
    │   ├── WorkspaceMoved      it was moved or copied, and nobody said which of them sends
    │   └── DamagedTable        a parquet table that cannot be read
    ├── InputFileError          a file from outside that cannot be read at all
    ├── ConformError            a frame that does not fit its declared table
    ├── QbxmlError
    │   ├── QbxmlParseError     a document that is no qbXML answer
    │   └── QbxmlBuildError     a value that does not fit its element
    ├── LedgerError
    │   └── IllegalTransition   a job or operation asked to skip a state
    └── ProtocolError           the Web Connector or QuickBooks broke the protocol
        └── RequestRefused      a document that QuickBooks refuses whole, with its HRESULT

Bad *data* is never an exception: it is a row of findings. An exception means that the program, the
file or the protocol is wrong. Each carries fields and makes its message from them: what, where, found,
expected, what to do.
"""

from __future__ import annotations


class ToolkitError(Exception):
    """Base of every error the toolkit raises on purpose."""


class UsageError(ToolkitError):
    """An option, a date or a name that makes no sense."""


class SettingError(UsageError):
    """A setting that does not exist, or a value that does not fit it.

    Parameters
    ----------
    key : str
        Name of the setting.
    problem : str
        What is wrong, as a clause.
    hint : str, optional
        What to do.
    """

    def __init__(self, key: str, problem: str, hint: str = "") -> None:
        self.key, self.problem, self.hint = key, problem, hint
        super().__init__(f"setting {key}: {problem}" + (f" ({hint})" if hint else ""))


class SeedError(UsageError):
    """Tables that cannot be one company file: they do not add up.

    Parameters
    ----------
    differences : list of str
        One sentence a difference: which record, what it says, what it should say.
    """

    def __init__(self, differences: list[str]) -> None:
        self.differences = differences
        shown = "; ".join(differences[:5]) + (f"; and {len(differences) - 5} more" if differences[5:] else "")
        super().__init__(f"the tables do not add up to one company: {shown}")


class WorkspaceError(ToolkitError):
    """A workspace folder that is absent, foreign or of another version."""


class WorkspaceLocked(WorkspaceError):
    """Another process writes to the workspace.

    Parameters
    ----------
    path : str
        The workspace.
    holder : str
        Who holds the lock, for people: a process id where it is known.
    """

    def __init__(self, path: str, holder: str) -> None:
        self.path, self.holder = path, holder
        super().__init__(
            f"{path} is in use by {holder}: wait for it to finish, or stop it (a server: Ctrl-C)"
        )


class WorkspaceMoved(WorkspaceError):
    """A workspace is not where it lived, and nobody said yet whether it was moved or copied.

    Parameters
    ----------
    path : str
        The workspace.
    difference : str
        What is not as it was, as a clause.
    """

    def __init__(self, path: str, difference: str) -> None:
        self.path, self.difference = path, difference
        command = f'toolkit -w "{path}" here' if " " in path else f"toolkit -w {path} here"
        super().__init__(
            f"nothing is sent: {difference}. Two folders with one ledger would send everything twice. "
            f"If it was moved or renamed and the old folder is gone: {command} --moved. "
            f"If it is a copy to look at: {command} --copy. "
            f"If it came out of a backup of files: {command} --restored"
        )


class DamagedTable(WorkspaceError):
    """A parquet table that cannot be read.

    Parameters
    ----------
    table : str
        Declared name, for example ``quickbooks.items``.
    path : str
        The file.
    reason : str
        What the parquet reader said.
    remedy : str
        The command that makes the table again.
    """

    def __init__(self, table: str, path: str, reason: str, remedy: str) -> None:
        self.table, self.path, self.reason, self.remedy = table, path, reason, remedy
        super().__init__(f"table {table} is damaged ({path}: {reason}); make it again with: {remedy}")


class InputFileError(ToolkitError):
    """A file from outside that cannot be read at all.

    Parameters
    ----------
    path : str
        The file.
    problem : str
        What is wrong, as a clause.
    hint : str, optional
        What to do.
    """

    def __init__(self, path: str, problem: str, hint: str = "") -> None:
        self.path, self.problem, self.hint = path, problem, hint
        super().__init__(f"{path}: {problem}" + (f" ({hint})" if hint else ""))


class ConformError(ToolkitError):
    """A frame that does not fit its declared table.

    Parameters
    ----------
    table : str
        Declared name.
    column : str
        The column that does not fit, or ``""`` for the frame as a whole.
    problem : str
        What is wrong.
    """

    def __init__(self, table: str, column: str, problem: str) -> None:
        self.table, self.column, self.problem = table, column, problem
        where = f"{table}.{column}" if column else table
        super().__init__(f"{where}: {problem}")


class QbxmlError(ToolkitError):
    """Base of what can go wrong with a qbXML document."""


class QbxmlParseError(QbxmlError):
    """A document that is no qbXML answer, or no qbXML request.

    Parameters
    ----------
    reason : str
        What is wrong with it.
    line : int, optional
        Line in the document, from 1.
    what : {"answer", "request"}
        What it was taken for.
    """

    def __init__(self, reason: str, line: int | None = None, what: str = "answer") -> None:
        self.reason, self.line = reason, line
        super().__init__(f"not a qbXML {what}: {reason}" + (f" (line {line})" if line else ""))


class QbxmlBuildError(QbxmlError):
    """A value that does not fit its element, so that no request is written.

    Parameters
    ----------
    request : str
        For example ``InvoiceAdd``.
    field : str
        Path below the request, for example ``InvoiceLineAdd[2]/Amount``.
    value : str
        The value as given.
    limit : str
        What the element takes.
    """

    def __init__(self, request: str, field: str, value: str, limit: str) -> None:
        self.request, self.field, self.value, self.limit = request, field, value, limit
        at = f"{field} = {value!r}: " if field else ""
        super().__init__(f"{request}: {at}{limit}")


class LedgerError(ToolkitError):
    """The ledger cannot be opened or used as asked."""


class IllegalTransition(LedgerError):
    """A job or operation was asked to skip a state.

    Parameters
    ----------
    what : str
        For example ``job 3``.
    now, wanted : str
        Its state, and the state asked for.
    why : str, optional
        The reason, for people.
    """

    def __init__(self, what: str, now: str, wanted: str, why: str = "") -> None:
        self.what, self.now, self.wanted = what, now, wanted
        super().__init__(f"{what} is {now} and cannot become {wanted}" + (f": {why}" if why else ""))


class ProtocolError(ToolkitError):
    """The Web Connector or QuickBooks broke the protocol."""


class RequestRefused(ProtocolError):
    """A document that QuickBooks refuses whole: nothing in it was run.

    Parameters
    ----------
    hresult : str
        For example ``0x80040400``.
    message : str
        QuickBooks' own words.
    reason : str, optional
        What exactly is wrong, for people; QuickBooks itself does not tell.
    """

    def __init__(self, hresult: str, message: str, reason: str = "") -> None:
        self.hresult, self.message, self.reason = hresult, message, reason
        super().__init__(f"{hresult}: {message}" + (f" ({reason})" if reason else ""))
