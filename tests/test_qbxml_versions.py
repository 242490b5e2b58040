"""What an older qbXML lacks: said beforehand, left out where nothing is lost, else never sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from exchange_world import World, create, invoice, operation
from export_world import ALL, JANUARY, frames, settings, world
from rehearsal_company import ACME, HOSTING

from toolkit import cutover, qbxml_spec, qbxml_versions, transform
from toolkit.company_guard import agree_version
from toolkit.qbxml_io import Request, build, field_problems
from toolkit.qbxml_versions import HARMLESS, Fitted, LeftOut, fit, left_out_note
from toolkit.tables import to_rows
from toolkit.transform import Plan, plan_export

GUID = "{5e0ca24b-2a9f-5b3c-8a6e-0d1c6a2f9b11}"
INVOICE = {
    "CustomerRef": {"ListID": "80-1"},
    "Memo": "July [bb:invoice:1]",
    "ExternalGUID": GUID,
    "InvoiceLineAdd": [{"ItemRef": {"ListID": "80-2"}, "Amount": "1.00"}],
}
VERSIONS = ("8.0", "9.0", "10.0", "11.0", "12.0", "13.0")


# --- fitting a request --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_marker_is_left_out_where_the_version_lacks_it(version: str) -> None:
    fitted = fit(Request("InvoiceAdd", INVOICE, "7"), version)
    left = version == "8.0"
    assert [(each.field, each.since) for each in fitted.left_out] == (
        [("ExternalGUID", "9.0")] if left else []
    )
    assert "memo" in fitted.left_out[0].why if left else fitted.request.fields == INVOICE
    assert fitted.problems == []
    assert (b"ExternalGUID" in build([fitted.request], version=version)) is not left
    assert fitted.request.request_id == "7"
    assert INVOICE["ExternalGUID"] == GUID, "the request that was meant is as it was"


def test_a_request_of_pairs_keeps_its_order() -> None:
    line = ("InvoiceLineAdd", {"Desc": "a note"})
    group = ("InvoiceLineGroupAdd", {"ItemGroupRef": {"ListID": "80-9"}})
    marked = ("Memo", "July [bb:invoice:1]")
    fields = [("CustomerRef", {"ListID": "80-1"}), marked, ("ExternalGUID", GUID), line, group, line]
    fitted = fit(Request("InvoiceAdd", fields), "8.0")
    assert fitted.request.fields == [fields[0], marked, line, group, line]


@pytest.mark.parametrize(
    "memo", [None, "", "July", "July [bb:invoice:1] by hand", "[bb:", "July[bb:invoice:1"]
)
def test_a_marker_that_the_memo_does_not_repeat_is_not_left_out(memo: str | None) -> None:
    """Without both, the record could not be found again after a lost answer."""
    fitted = fit(Request("InvoiceAdd", {**INVOICE, "Memo": memo}), "8.0")
    assert fitted.left_out == [] and "ExternalGUID" in dict(fitted.request.fields)
    assert [(each.field, each.limit) for each in fitted.problems] == [
        ("ExternalGUID", "needs qbXML 9.0, and 8.0 is spoken")
    ]
    pairs = [(name, value) for name, value in INVOICE.items() if name != "Memo"]
    assert fit(Request("InvoiceAdd", pairs), "8.0").problems == fitted.problems


@pytest.mark.parametrize(
    ("name", "fields", "path", "since"),
    [
        ("CustomerAdd", {"Name": "a", "JobTitle": "clerk"}, "JobTitle", "12.0"),
        ("CustomerAdd", {"Name": "a", "ClassRef": {"FullName": "East"}}, "ClassRef", "12.0"),
        ("CustomerAdd", {"Name": "a", "Cc": "b@example.com"}, "Cc", "12.0"),
        ("CustomerAdd", {"Name": "a", "PreferredDeliveryMethod": "Email"}, "PreferredDeliveryMethod", "12.0"),
        (
            "InvoiceAdd",
            {**INVOICE, "SetCredit": {"CreditTxnID": "1", "AppliedAmount": "1.00"}},
            "SetCredit",
            "10.0",
        ),
        (
            "InvoiceAdd",
            {**INVOICE, "InvoiceLineAdd": [{"Amount": "1.00"}, {"SerialNumber": "7"}]},
            "InvoiceLineAdd[2]/SerialNumber",
            "11.0",
        ),
        ("CustomerQuery", {"ClassFilter": {"ListID": "1"}}, "ClassFilter", "12.0"),
    ],
)
def test_what_is_not_harmless_is_a_problem(name: str, fields: Any, path: str, since: str) -> None:
    fitted = fit(Request(name, fields), "8.0")
    assert [(each.field, each.limit) for each in fitted.problems][:1] == [
        (path, f"needs qbXML {since}, and 8.0 is spoken")
    ]
    leaf = path.partition("/")[0].partition("[")[0]
    assert leaf in dict(fitted.request.fields), "it is not cut"
    assert fit(Request(name, fields), since).problems == []


def test_what_no_version_takes_is_no_matter_of_versions() -> None:
    fields = {**INVOICE, "RefNumber": "123456789012", "TxnDate": "tomorrow"}
    assert fit(Request("InvoiceAdd", fields), "8.0").problems == []
    assert len(field_problems("InvoiceAdd", fields)) == 2
    assert fit(Request("VendorAdd", {}), "8.0") == Fitted(Request("VendorAdd", {}), [], [])


def test_what_is_harmless_is_declared_of_fields_that_are_there() -> None:
    for name, fields in HARMLESS.items():
        model = qbxml_spec.model(name).members[name][1]
        assert model is not None
        for field, why in fields.items():
            particle = model.members[field][0]
            assert particle.min == 0 and particle.type == "GUIDTYPE", "only a marker is harmless"
            assert "memo" in why.lower() and "Memo" in model.members


def test_nothing_but_markers_is_ever_left_out() -> None:
    """Each optional field of each request by itself: it goes whole, it is a marker, or it is a problem."""
    seen = {"whole": 0, "left out": 0, "a problem": 0}
    for name in qbxml_spec.REQUESTS:
        outer = qbxml_spec.model(name)
        for field, (particle, below) in (outer.members.get(name, (None, outer))[1] or outer).members.items():
            marked = {"Memo": "July [bb:invoice:1]"} if field == "ExternalGUID" else {}
            fitted = fit(Request(name, {**marked, field: {} if below else "0"}), "8.0")
            younger = qbxml_spec.version_key(particle.since) > (8, 0) and particle.us
            kept = field in dict(fitted.request.fields)
            verdict = "a problem" if fitted.problems else "whole" if kept else "left out"
            assert verdict == ("whole" if not younger else "left out" if not kept else "a problem")
            assert kept or field == "ExternalGUID"
            seen[verdict] += 1
    assert min(seen.values()) > 3


# --- the plan -----------------------------------------------------------------------------------------------


def planned(version: str) -> Plan:
    return plan_export(frames(world()), settings(), **JANUARY, **ALL, version=version)


def test_the_plan_says_what_an_older_version_leaves_out() -> None:
    found = to_rows(planned("8.0").findings)
    assert [(row["severity"], row["rule"], row["key"], row["column"]) for row in found] == [
        ("info", "left_out_by_version", "InvoiceAdd", "ExternalGUID"),
        ("info", "left_out_by_version", "ReceivePaymentAdd", "ExternalGUID"),
    ]
    assert found[0]["message"] == (
        "1 InvoiceAdd go without ExternalGUID, which qbXML 8.0 lacks (it is there since 9.0): it repeats our "
        "key, which the memo of the document ends with"
    )
    assert len(planned("8.0").operations) == len(planned("9.0").operations) == 2
    assert not len(planned("9.0").findings)


def test_what_must_not_be_left_out_blocks_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbxml_versions, "HARMLESS", {})
    qbxml_versions._lacking.cache_clear()
    plan = planned("8.0")
    qbxml_versions._lacking.cache_clear()
    errors = [row for row in to_rows(plan.findings) if row["rule"] == "qbxml_version"]
    assert [(row["severity"], row["key"], row["column"]) for row in errors] == [
        ("error", "INV-1", "ExternalGUID"),
        ("error", "P-1", "ExternalGUID"),
    ]
    assert errors[0]["message"] == "InvoiceAdd ExternalGUID: needs qbXML 9.0, and 8.0 is spoken"
    assert not len(plan.operations)


def test_the_plan_is_made_for_the_version_of_the_last_session(tmp_path: Path) -> None:
    ws = create(tmp_path / "ws")
    with ws:
        assert ws.ledger.agreed_version() is None
        first = ws.ledger.open_session("toolkit")
        ws.ledger.update_session(first, version="13.0")
        second = ws.ledger.open_session("toolkit")
        ws.ledger.update_session(second, version="8.0")
        ws.ledger.open_session("toolkit")  # got no further than the password
        assert ws.ledger.agreed_version() == "8.0"


def test_a_plan_says_that_its_version_is_assumed_and_what_the_oldest_would_lose() -> None:
    plan = plan_export(frames(world()), settings(), **JANUARY, **ALL, assumed=True)
    (found,) = to_rows(plan.findings)
    assert (found["severity"], found["rule"], found["table"]) == (
        "info",
        "assumed_version",
        "plan.operations",
    )
    assert found["message"] == (
        "no session has agreed on a qbXML version yet, so 13.0 is assumed; at 8.0, the oldest that is "
        "spoken, the plan would go: 1 InvoiceAdd without ExternalGUID, 1 ReceivePaymentAdd without "
        "ExternalGUID"
    )
    assert not len(planned("13.0").findings)
    none = plan_export(frames(world()), settings(), start="2030-01-01", end="2030-01-31", **ALL, assumed=True)
    assert not len(none.operations) and not len(none.findings)


def test_an_assumed_version_counts_what_the_oldest_would_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qbxml_versions, "HARMLESS", {})
    qbxml_versions._lacking.cache_clear()
    plan = plan_export(frames(world()), settings(), **JANUARY, **ALL, assumed=True)
    qbxml_versions._lacking.cache_clear()
    assert to_rows(plan.findings)[0]["message"].endswith("the plan would go: 2 not at all")
    assert len(plan.operations) == 2


def test_the_oldest_version_is_the_one_that_sessions_may_have() -> None:
    oldest = qbxml_spec.version_key(qbxml_versions.OLDEST)
    assert agree_version(*oldest) == qbxml_versions.OLDEST
    assert agree_version(oldest[0] - 1, 9) is None


def test_what_went_without_a_field_can_be_told() -> None:
    left = fit(Request("InvoiceAdd", INVOICE), "8.0").left_out
    assert left_out_note("InvoiceAdd", left, "8.0") == (
        "InvoiceAdd went without ExternalGUID, which qbXML 8.0 lacks: it repeats our key, which the memo of "
        "the document ends with"
    )
    assert left_out_note("InvoiceAdd", [], "8.0") is None


def test_a_workspace_plans_for_the_version_it_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    made = planned("13.0")

    def plan(*_: Any, version: str, assumed: bool = False, **__: Any) -> Plan:
        asked.append((version, assumed))
        return made

    monkeypatch.setattr(transform, "plan_export", plan)
    with create(tmp_path / "ws") as ws:
        cutover.plan_export(ws, invoices=True)
        ws.ledger.update_session(ws.ledger.open_session("toolkit"), version="9.0")
        cutover.plan_export(ws, invoices=True)
        cutover.plan_export(ws, invoices=True, version="12.0")
    assert asked == [("13.0", True), ("9.0", False), ("12.0", False)]


# --- on the way ---------------------------------------------------------------------------------------------


def with_serial_number(number: str) -> dict[str, Any]:
    row = invoice(number, "1.00", ACME)
    fields = json.loads(row["fields"])
    fields["InvoiceLineAdd"] = [{"ItemRef": {"ListID": HOSTING}, "Amount": "1.00", "SerialNumber": "7"}]
    return {**row, "fields": json.dumps(fields)}


def test_what_must_not_be_left_out_is_held_back_and_the_rest_goes(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.export(invoice("A1", "1.00"), with_serial_number("A2"), customer_with_job_title())
    ticket = world.open()
    sent, hcp = 0, world.hcp()
    while text := world.exchange.next_request(ticket, hcp, world.company.file_path, "US", 8, 0):
        assert "SerialNumber" not in text and "JobTitle" not in text
        assert '<?qbxml version="8.0"?>' in text and "ExternalGUID" not in text
        asked = "InvoiceQueryRq" in text  # whether it is there already
        assert asked or "<RefNumber>A2" not in text
        world.carry(ticket, text)
        sent, hcp = sent + (not asked), ""
    assert sent == 1
    assert world.statuses() == {"invoice:A1": "applied", "invoice:A2": "skipped", "customer:A9": "skipped"}
    assert "needs qbXML 11.0, and 8.0 is spoken" in world.message("invoice:A2")
    assert "JobTitle" in world.message("customer:A9")
    world.ws.close()


def customer_with_job_title() -> dict[str, Any]:
    return operation("customer:A9", "CustomerAdd", {"Name": "Nine", "JobTitle": "Clerk"})


def test_a_left_out_field_says_what_it_is() -> None:
    assert fit(Request("InvoiceAdd", INVOICE), "8.0").left_out == [
        LeftOut("ExternalGUID", "9.0", HARMLESS["InvoiceAdd"]["ExternalGUID"])
    ]
