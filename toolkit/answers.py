"""One qbXML answer, read whole before anything is landed: its rows, its statuses, what was left behind."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from toolkit.errors import InputFileError, QbxmlParseError
from toolkit.import_plan import FEATURE_OFF, OPTIONAL
from toolkit.late import pa
from toolkit.qbxml_io import NO_STATUS, Batch, Bound, LeftBehind, Status, parse
from toolkit.quickbooks_codes import FOUND_NOTHING, explain_status
from toolkit.staging import RECORDS, Rows, Staging, Unit
from toolkit.tables import finding

if TYPE_CHECKING:
    from toolkit.workspace import Workspace
    from toolkit.workspace_files import Packing

__all__ = [
    "Answer",
    "arrival",
    "cut_off",
    "is_error",
    "is_off",
    "keep_rows",
    "page_of",
    "read_answer",
    "read_kept",
    "units_of",
    "unreadable",
]

_PAGE = re.compile(r"J(\d{1,18})Q(\d{1,18})P(\d{1,18})", re.ASCII)
_STAMP = re.compile(r"(\d{8}T\d{12})Z-")
_ID_OF = {table.name: table.key[-1] for table in RECORDS}
_SMALL = 32  # rows
_TOGETHER = 5_000  # records
_COUNTED = {table.name for table in RECORDS} | {"quickbooks.company"}


@dataclass(slots=True)
class Answer:
    """One document.

    Parameters
    ----------
    responses : list of dict
        Of each response its rows, by table, wherever they are staged; of small responses to changes, many
        together, in which no record stands twice.
    statuses : list of Status
        How each request went.
    findings : list of dict
        Values that did not fit, and statuses that are errors or warnings.
    left_behind : Counter
        Elements that no column keeps.
    """

    responses: list[Rows] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    findings: list[dict[str, str | None]] = field(default_factory=list)
    left_behind: Counter[str] = field(default_factory=Counter)

    @property
    def records(self) -> int:
        """Records of the kinds that are kept, without their lines and links."""
        rows = (pieces for response in self.responses for pieces in response.items())
        return sum(len(piece) for name, pieces in rows if name in _COUNTED for piece in pieces)

    def findings_of(self, source: str) -> list[dict[str, str | None]]:
        """Return the findings with the place where the document stands."""
        return [{**row, "source": row["source"] or source} for row in self.findings]


def read_answer(stream: BinaryIO | Packing, staging: Staging) -> Answer:
    """Return a whole answer, its rows staged as they are read.

    Parameters
    ----------
    stream : binary file
        The document; only ``read(size)`` is asked of it.
    staging : Staging
        Where the rows go.

    Raises
    ------
    QbxmlParseError
        The document is no qbXML answer, or only the first part of one.
    """
    answer = Answer()
    responses = _Responses(staging, answer.responses)
    for event in parse(cast("BinaryIO", stream)):
        if isinstance(event, Batch):
            responses.add(event.table, event.rows)
            answer.findings += event.findings
        elif isinstance(event, Status):
            responses.end(event)
            answer.statuses.append(event)
            answer.findings += _about(event)
        elif isinstance(event, LeftBehind):
            answer.left_behind.update(event.counts)
            answer.findings += event.findings
    responses.flush()
    return answer


class _Responses:
    """The rows of responses as they are read.

    The answer to a set of changes has a response with a few rows for each, and a piece of rows costs as much
    as hundreds of rows: small responses wait, and are staged together.
    """

    def __init__(self, staging: Staging, into: list[Rows]) -> None:
        self._staging, self._into = staging, into
        self._rows: Rows = {}  # of the response that is read, as far as it is staged
        self._held: list[tuple[str, pa.Table]] = []  # what is not, as long as it is small
        self._small = True
        self._count = 0
        self._waiting: dict[str, list[pa.Table]] = {}
        self._records: set[tuple[str, str | None]] = set()

    def add(self, table: str, rows: pa.Table) -> None:
        """Take rows of the response that is read."""
        self._count += len(rows)
        self._small = self._small and self._count <= _SMALL
        self._held.append((table, rows))
        if not self._small:
            self._stage()

    def _stage(self) -> None:
        for table, rows in self._held:
            self._rows.setdefault(table, []).append(self._staging.put(table, rows))
        self._held = []

    def end(self, status: Status) -> None:
        """End the response."""
        if self._small and not status.request.endswith("Query"):
            self._wait()
        else:
            self.flush()
            self._stage()
            self._into.append(self._rows)
        self._rows, self._held, self._small, self._count = {}, [], True, 0

    def _wait(self) -> None:
        ids = ((table, rows[_ID_OF[table]]) for table, rows in self._held if table in _ID_OF)
        records = {(table, one) for table, keys in ids for one in keys.to_pylist()}
        if records & self._records or len(self._records) > _TOGETHER:
            self.flush()
        self._records |= records
        for table, rows in self._held:
            self._waiting.setdefault(table, []).append(rows)

    def flush(self) -> None:
        """Stage the responses that wait."""
        if self._waiting:
            self._into.append(
                {
                    table: [self._staging.put(table, pa.concat_tables(several).combine_chunks())]
                    for table, several in self._waiting.items()
                }
            )
        self._waiting, self._records = {}, set()


def unreadable() -> tuple[type[Exception], ...]:
    """Return what reading a compressed file raises that is absent, cut short or something else."""
    return (OSError, EOFError, zlib.error, pa.ArrowException)


def keep_rows(staging: Staging, path: str, answer: Answer) -> None:
    """Keep what was read of an answer of the inbox, so that :func:`read_kept` need not read it again."""
    about = {
        "statuses": [asdict(status) for status in answer.statuses],
        "findings": answer.findings,
        "left_behind": answer.left_behind,
    }
    staging.keep(path, answer.responses, about)


def _restored(responses: list[Rows], about: dict[str, Any]) -> Answer:
    statuses = []
    for told in about["statuses"]:
        objects = tuple(Bound(**one) for one in told["objects"])
        statuses.append(Status(**{**told, "objects": objects}))
    return Answer(responses, statuses, about["findings"], Counter(about["left_behind"]))


def read_kept(ws: Workspace, path: str, staging: Staging) -> Answer:
    """Return an answer of the inbox: what was kept of it, or else it is read again.

    Raises
    ------
    InputFileError
        Its file is absent, cannot be read, or is no answer.
    """
    kept = staging.load(path)
    if kept is not None:
        return _restored(*kept)
    try:
        with ws.open_answer(path) as stream:
            return read_answer(stream, staging)
    except FileNotFoundError as error:
        raise InputFileError(path, "there is no such file") from error
    except QbxmlParseError as error:
        raise InputFileError(path, str(error)) from error
    except unreadable() as error:
        raise InputFileError(path, f"it cannot be read ({error})") from error


def units_of(answer: Answer, arrived: dt.datetime, *, loose: bool = False) -> list[Unit]:
    """Return the rows of an answer, response by response; ``loose`` as of :class:`Unit`."""
    return [Unit(rows, arrived, loose) for rows in answer.responses]


def is_error(status: Status) -> bool:
    """Tell whether a request failed: codes below 1000 are warnings, with whatever was found."""
    return (status.code >= 1000 or status.code == NO_STATUS) and not is_off(status)


def is_off(status: Status) -> bool:
    """Tell whether a query asked for what the company has switched off: there is nothing to import."""
    return status.request in OPTIONAL and status.code == FEATURE_OFF


def _about(status: Status) -> list[dict[str, str | None]]:
    if status.code in (0, FOUND_NOTHING):
        return []
    if is_off(status):
        message = f"{status.request}: the feature is switched off in QuickBooks, there is nothing to import."
        return [finding("info", "feature_off", message, column=status.request, value=status.code)]
    severity, rule = ("error", "quickbooks_error") if is_error(status) else ("warning", "quickbooks_warning")
    message = f"{status.request}: {explain_status(status.code, status.message)}"
    key = status.request_id
    return [finding(severity, rule, message, key=key, column=status.request, value=status.code)]


def cut_off(answer: Answer, source: str) -> list[dict[str, str | None]]:
    """Return findings about queries of which more was to come, which this answer does not hold."""
    found = []
    for status in answer.statuses:
        if status.iterator_remaining:
            message = (
                f"QuickBooks had {status.iterator_remaining:,} more for {status.request}, which this answer"
                " does not hold: the table is not complete. Land the pages that follow, or import it."
            )
            left = status.iterator_remaining
            found.append(
                finding(
                    "warning", "partial_answer", message, column=status.request, value=left, source=source
                )
            )
    return found


def page_of(status: Status) -> tuple[int, int, int] | None:
    """Return job, query and page number that a requestID of an import tells; None for any other."""
    found = _PAGE.fullmatch(status.request_id or "")
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def arrival(path: str, otherwise: dt.datetime) -> dt.datetime:
    """Return when an answer of ``inbox/`` came, local time: its name begins with it, in UTC."""
    found = _STAMP.match(PurePath(path).name)
    if not found:
        return otherwise
    moment = dt.datetime.strptime(found[1] + "+0000", "%Y%m%dT%H%M%S%f%z").astimezone().replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
