"""Commands on the queue and after it: jobs, show, approve, hold, release, cancel, undo."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from toolkit import qbxml_io
from toolkit.cli.approval import approval, show_approval
from toolkit.cli.shared import JobArguments, JsonOption, WorkspaceOption, emit, finish, opened, person, typed
from toolkit.counted import counted
from toolkit.display import terminal_table
from toolkit.errors import UsageError
from toolkit.ledger_jobs import in_flight
from toolkit.tables import to_rows
from toolkit.wc_support import error_of
from toolkit.workspace import Workspace

JOB_KEYS = ("id", "kind", "status", "total", "applied", "rejected", "unknown", "skipped", "message")
SHOWN = {
    "position": "no.",
    "key": "key",
    "txn_date": "date",
    "ref_number": "number",
    "amount": "amount",
    "status": "status",
    "status_message": "message",
}
OPERATION_KEYS = ("key", "request", "status", "status_code", "status_message", "list_id", "txn_id")


def jobs(ctx: typer.Context, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """List the jobs, the newest last.

    Below them stands what went wrong in the last session of the Web Connector, if anything did.

    Example: toolkit jobs
    """
    with opened(ctx, workspace) as ws:
        frame = ws.read("ledger.jobs")
        session = ws.ledger.last_session()
        wrong = error_of(session)
        last = None if session is None else {"at": session.seen_at, "error": wrong or None}
        document = {"jobs": frame[list(JOB_KEYS)], "last_session": last}
        columns = {name: name for name in JOB_KEYS} | {"total": "records"}
        if all(row["message"] in (None, counted(row["total"] or 0, "record")) for row in to_rows(frame)):
            del columns["message"]  # it says what stands under records already

        def people(console: Console) -> None:
            console.print(terminal_table(frame, columns, limit=50))
            if session is not None and wrong:
                when = f"{session.seen_at:%Y-%m-%d %H:%M}"
                console.print(f"Last session, {when}: {wrong}", markup=False, highlight=False)

        emit(ctx, as_json, document, people)
    finish(failed=bool((frame["status"] == "failed").any()))


def show(
    ctx: typer.Context,
    job: Annotated[int, typer.Argument(help="Number of the job.", show_default=False)],
    qbxml: Annotated[bool, typer.Option("--qbxml", help="Print the qbXML of each operation too.")] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Print what became of each operation, and when.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one job's operations, their qbXML and their history.

    Of an export also who approved it, when, and with which backup named.

    Example: toolkit show 5 --qbxml
             toolkit show 5 --history
    """
    with opened(ctx, workspace) as ws:
        found = ws.ledger.job(job)
        frame = ws.ledger.operations(job)
        documents = {row["key"]: operation_qbxml(row) for row in to_rows(frame)} if qbxml else {}
        moves = {key: moves_of(ws, key) for key in frame["key"]} if history else {}
        about = None if found.is_import else approval(ws, found)
        document: dict[str, Any] = {
            "job": {"id": found.id, "kind": found.kind, "status": found.status, "message": found.message}
            | ({"approval": about} if about else {}),
            "operations": frame[list(OPERATION_KEYS)],
            "queries": [
                {"name": q.name, "status": q.status, "records": q.records} for q in ws.ledger.queries(job)
            ],
        }
        if qbxml:
            document["qbxml"] = documents
        if history:
            document["history"] = moves
            document["job_history"] = ws.ledger.job_history(job)

        def people(console: Console) -> None:
            said = f" ({found.message})" if found.message else ""
            console.print(f"job {found.id}, {found.kind}: {found.status}{said}", markup=False)
            if about:
                show_approval(ctx, console, about)
            for query in document["queries"]:
                console.print(
                    f"  {query['name']}: {query['status']}, {counted(query['records'] or 0, 'record')}"
                )
            if len(frame):
                console.print(terminal_table(frame, SHOWN, limit=200))
            for step in document.get("job_history", ()):
                console.print(f"  {job_step(step)}", markup=False, soft_wrap=True)
            for key, steps in moves.items():
                console.print(f"{key}:", markup=False)
                for step in steps:
                    console.print(f"  {in_words(step)}", markup=False, soft_wrap=True)
            for text in documents.values():
                console.print(text, markup=False)

        emit(ctx, as_json, document, people)


def moves_of(ws: Workspace, key: str) -> list[dict[str, Any]]:
    """Return what became of an operation over all its attempts, oldest first.

    Each with ``job``, ``at``, ``before``, ``after``, ``status_code`` and ``message``, and with ``set_id`` and
    ``session`` (when it was opened) of the message set, where one is behind it.
    """
    told = []
    for step in ws.ledger.history(key):
        number = step.pop("message_set")
        behind = ws.ledger.message_set(number) if number is not None else None
        session = ws.ledger.session(behind.session) if behind else None
        told.append(
            {
                **step,
                "set_id": behind.set_id if behind else None,
                "session": session.opened_at if session else None,
            }
        )
    return told


def job_step(step: dict[str, Any]) -> str:
    """Return one step of a job's history as a line."""
    moved = f"{step['before']} -> {step['after']}" if step["before"] else str(step["after"])
    parts = [f"{step['at']:%Y-%m-%d %H:%M:%S}  {moved}"]
    parts += [f"by {step['who']}"] if step["who"] else []
    parts += [str(step["note"])] if step["note"] else []
    return "; ".join(parts)


def in_words(step: dict[str, Any]) -> str:
    """Return one step of an operation's history as a line."""
    moved = f"{step['before']} -> {step['after']}" if step["before"] else str(step["after"])
    parts = [f"{step['at']:%Y-%m-%d %H:%M:%S}  job {step['job']}  {moved}"]
    if step["session"]:
        what = f"set {step['set_id']}" if step["set_id"] else "a lookup"
        parts.append(f"{what}, session of {step['session']:%Y-%m-%d %H:%M:%S}")
    if step["status_code"] is not None:
        parts.append(f"status {step['status_code']}")
    if step["message"]:
        parts.append(str(step["message"]))
    return "; ".join(parts)


def operation_qbxml(row: dict[str, Any]) -> str:
    """Return the qbXML of one operation as text for people; references to other operations stand by key.

    Parameters
    ----------
    row : dict
        One row of ``ledger.operations``.
    """
    fields = resolve_by_key(json.loads(row["fields"]))
    text = qbxml_io.build([qbxml_io.Request(row["request"], fields, request_id=row["key"][:50])]).decode(
        "ascii"
    )
    return text


def resolve_by_key(value: Any) -> Any:
    """Return fields in which a reference to an operation is replaced by its key, cut to an ID's length."""
    if isinstance(value, dict):
        if set(value) == {"operation"}:
            return str(value["operation"])[:36]
        return {name: resolve_by_key(item) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve_by_key(item) for item in value]
    return value


# What each verb asks of a job before it, and what to say where it is something else.
STARTS: dict[str, tuple[tuple[str, ...], str]] = {
    "approve": (("draft",), "only a draft can be approved"),
    "hold": (("queued", "running"), "only a queued or running job can be held"),
    "release": (("held",), "only a held job can be released"),
    "cancel": (("draft", "queued", "running", "held"), "it has ended already"),
}


def _change(
    ctx: typer.Context, workspace: Any, as_json: bool, numbers: list[int], verb: str, note: str = ""
) -> None:
    # The ledger has transactions of its own: a running server must not keep anyone from holding a job.
    with opened(ctx, workspace) as ws:
        chosen = list(dict.fromkeys(numbers))
        _require_all(ws, chosen, verb)
        if verb == "approve":
            ws.approve(chosen, person(), note)
        else:
            for number in chosen:
                getattr(ws.ledger, verb)(number, person())
        rows = [row for row in to_rows(ws.read("ledger.jobs")) if row["id"] in chosen]
        found = {number: ws.ledger.job(number) for number in chosen}
        approvals = {
            number: approval(ws, job)
            for number, job in found.items()
            if verb == "approve" and not job.is_import
        }

        def people(console: Console) -> None:
            for row in rows:
                console.print(f"job {row['id']}, {row['kind']}: {row['status']}", markup=False)
                if row["id"] in approvals:
                    show_approval(ctx, console, approvals[row["id"]])
            if verb == "approve":
                console.print(f"Next: {typed(ctx, 'toolkit serve')}", markup=False, soft_wrap=True)

        listed = [
            {key: row[key] for key in JOB_KEYS}
            | ({"approval": approvals[row["id"]]} if row["id"] in approvals else {})
            for row in rows
        ]
        emit(ctx, as_json, {"jobs": listed}, people)


def _require_all(ws: Workspace, numbers: list[int], verb: str) -> None:
    """Raise where one of the jobs cannot be changed so, before any of them is."""
    states, why = STARTS[verb]
    for number in numbers:
        status = ws.ledger.job(number).status
        if status not in states:
            raise UsageError(f"job {number} is {status}: {why}")
    if verb in ("hold", "cancel"):
        wanted = "held" if verb == "hold" else "cancelled"
        with ws.ledger.reading() as connection:
            for number in numbers:
                if in_flight(connection, number, wanted):
                    raise UsageError(
                        f"job {number}: a message set of it is with QuickBooks, and its answer comes first:"
                        " run the Web Connector once more"
                    )


def approve(
    ctx: typer.Context,
    numbers: JobArguments,
    note: Annotated[str, typer.Option("--note", help="For example the backup that was made.")] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve export jobs: from now on they may be sent.

    It prints what goes to which company. The first export of a workspace is a pilot: five documents at most.
    A draft that would be planned otherwise by now is refused, with the rows that changed: cancel it and
    export again.

    Example: toolkit approve 5 --note "backup acme-2026-01-31.qbb"
    """
    _change(ctx, workspace, as_json, numbers, "approve", note)


def hold(
    ctx: typer.Context, numbers: JobArguments, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Hold jobs: nothing more of them is sent.

    Example: toolkit hold 5
    """
    _change(ctx, workspace, as_json, numbers, "hold")


def release(
    ctx: typer.Context, numbers: JobArguments, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Queue held jobs again.

    Example: toolkit release 5
    """
    _change(ctx, workspace, as_json, numbers, "release")


def cancel(
    ctx: typer.Context, numbers: JobArguments, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """Cancel jobs for good; what was applied stays applied.

    Example: toolkit cancel 5
    """
    _change(ctx, workspace, as_json, numbers, "cancel")


def undo(
    ctx: typer.Context,
    job: Annotated[int, typer.Argument(help="Number of the job.", show_default=False)],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an export job back (not there yet).

    Example: toolkit undo 5
    """
    raise UsageError(
        f"undo is not there yet, job {job} is unchanged: void or delete its documents in QuickBooks by hand "
        f"({typed(ctx, f'toolkit show {job}')} lists them)"
    )
