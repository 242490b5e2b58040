"""Plans are written out as qbXML for people who look at it, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_world import runner
from test_cutover_approval import EVERYTHING, company, correct
from test_fix import Books, make

from toolkit import correcting, cutover, cutover_export, cutover_posted, transform_result
from toolkit.errors import UsageError


def made_in(folder: Path) -> Books:
    return make(folder, company(), company())


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests that are written out for people from here on."""
    asked: list[str] = []
    text: Callable[..., str] = transform_result.request_text

    def request_text(request: str, *rest: Any) -> str:
        asked.append(request)
        return text(request, *rest)

    monkeypatch.setattr(transform_result, "request_text", request_text)
    return asked


def test_what_looks_at_no_qbxml_plans_without(
    tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ws = made_in(tmp_path).ws
    toolkit = runner(monkeypatch, capsys)
    cutover.steps(ws)
    cutover_export.by_hand(ws)
    correcting.proposals(ws)
    correct(ws)
    with pytest.raises(UsageError, match="NONE is not posted by hand"):
        cutover_posted.enter_posting(ws, "NONE", "1A-2", "ann")
    job = ws.queue(cutover.plan_export(ws, qbxml=False, **EVERYTHING)).job
    assert job is not None and ws.changed_since(job) == []
    for arguments in (("waive",), ("table", "plan.left_out"), ("table", "findings")):
        assert toolkit("-w", ws.path, *arguments, "--json").code in (0, 1)
    assert not written
    assert toolkit("-w", ws.path, "table", "plan.operations", "--json").code == 0
    ws.ledger.cancel(job, "ann")
    [row, *_] = toolkit("-w", ws.path, "table", "plan.operations", "--json").json["records"]
    assert row["qbxml"].startswith("<") and written
    ws.close()
