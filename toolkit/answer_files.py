"""Documents on their way in: files, copied while they are read, and what became of several together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from toolkit.answers import Answer, read_answer, unreadable
from toolkit.errors import InputFileError, QbxmlParseError
from toolkit.qbxml_io import Status
from toolkit.staging import Staging
from toolkit.tables import finding, findings
from toolkit.workspace_files import Packing

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.workspace import Workspace

__all__ = ["Document", "Landed", "Tally", "Told", "keep", "open_documents", "passed_over"]

Told = Callable[[int], object]
"""Takes the bytes of documents that were read since it was called last: for a progress bar."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of answers.

    Parameters
    ----------
    tables : dict of str to int
        Rows that were written, by table; empty while a job waits for more answers.
    records : int
        Records in the answers, without their lines and links.
    statuses : list of Status
        How each request went.
    findings : pandas.DataFrame
        ``findings``.
    left_behind : dict of str to int
        Elements in the answers that no column keeps, and how often they had a value.
    job : int or None
        The job that they belong to.
    complete : bool
        Whether every query of the job is answered and its tables are written.
    """

    tables: dict[str, int]
    records: int
    statuses: list[Status]
    findings: pd.DataFrame
    left_behind: dict[str, int]
    job: int | None
    complete: bool


@dataclass(slots=True)
class Document:
    """One answer on its way in.

    Parameters
    ----------
    name : str
        What its sender calls it.
    answer : Answer
        What was read of it.
    path : str
        Its file in the inbox, where it is there already.
    copy : Packing or None
        The copy that becomes this file, where it is not.
    again : bool
        It is landed from the inbox: no import goes on with it.
    """

    name: str
    answer: Answer
    path: str = ""
    copy: Packing | None = None
    again: bool = False

    @property
    def source(self) -> str:
        """Where its findings say that it stands: the file that somebody named, or else that of the inbox."""
        return self.name if self.again or self.copy is not None else self.path


@dataclass(slots=True)
class Tally:
    """What several landings did together."""

    tables: Counter[str] = field(default_factory=Counter)
    records: int = 0
    statuses: list[Status] = field(default_factory=list)
    findings: list[dict[str, str | None]] = field(default_factory=list)
    left_behind: Counter[str] = field(default_factory=Counter)
    job: int | None = None
    complete: bool = True
    counted: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    def add_answer(self, answer: Answer, source: str, path: str, *, again: bool = False) -> None:
        """Count an answer in once, which stands at ``source``; its file in the inbox is ``path``."""
        if path in self.counted:
            return  # it answers several imports
        self.counted.add(path)
        self.records += answer.records
        self.statuses += answer.statuses
        # What QuickBooks refused then is no error of landing its answer again.
        self.findings += [
            {**row, "severity": "info"} if again and row["rule"] == "quickbooks_error" else row
            for row in answer.findings_of(source)
        ]
        self.left_behind.update(answer.left_behind)

    def landed(self) -> Landed:
        """Return it for the caller."""
        tables = dict(sorted(self.tables.items()))
        left = dict(self.left_behind)
        shown = findings(self.findings)
        return Landed(tables, self.records, self.statuses, shown, left, self.job, self.complete)


def open_documents(
    ws: Workspace, paths: Sequence[Path], staging: Staging, told: Told | None = None
) -> tuple[list[Document], list[dict[str, str | None]]]:
    """Return the documents, and findings for those of the inbox that cannot be read beside others.

    Raises
    ------
    InputFileError
        A file is absent or no answer, and not one of several of the inbox.
    """
    documents: list[Document] = []
    useless: dict[str, InputFileError] = {}
    for path in paths:
        try:
            documents.append(_opened(ws, path, staging, told))
        except InputFileError as error:
            if not path.exists() or not _is_kept(ws, path):
                raise
            useless[ws.inbox_name(path.resolve())] = error
    if useless and not documents:
        raise next(iter(useless.values()))
    return documents, [passed_over(*one) for one in useless.items()]


def passed_over(path: str, error: InputFileError) -> dict[str, str | None]:
    """Return the finding about an answer of the inbox that cannot be read."""
    message = f"{path} was passed over: {error.problem}."
    return finding("warning", "unreadable_answer", message, key=path, source=path)


def _is_kept(ws: Workspace, path: Path) -> bool:
    return path.resolve().parent == (ws.path / "inbox").resolve()


class _Telling:
    """A stream that tells how many bytes are read from it."""

    def __init__(self, stream: BinaryIO, told: Told) -> None:
        self._stream, self._told = stream, told

    def read(self, size: int = -1) -> bytes:
        """Return what the stream gives."""
        data = self._stream.read(size)
        self._told(len(data))
        return data


def _opened(ws: Workspace, path: Path, staging: Staging, told: Told | None) -> Document:
    full = path.resolve()
    kept = ws.inbox_name(full) if _is_kept(ws, path) else ""
    try:
        with ws.open_answer(full) as file:
            stream = cast("BinaryIO", _Telling(file, told)) if told else file
            if kept:
                return Document(path.name, read_answer(stream, staging), kept, again=True)
            copy = Packing(stream, staging.folder)
            try:
                document = Document(path.name, read_answer(copy, staging), copy=copy)
                copy.seal()
            except BaseException:
                copy.discard()
                raise
            return document
    except QbxmlParseError as error:
        raise InputFileError(str(path), str(error), "land the answer as QuickBooks gave it") from error
    except unreadable() as error:
        absent = isinstance(error, FileNotFoundError)
        problem = "there is no such file" if absent else f"it cannot be read ({error})"
        raise InputFileError(str(path), problem) from error


def keep(ws: Workspace, document: Document) -> str:
    """Return the document's file in the inbox, which it is moved to once."""
    if document.copy is not None and not document.path:
        document.path = ws.inbox_name(ws.save_answer(document.copy, name=Path(document.name).stem))
    return document.path
