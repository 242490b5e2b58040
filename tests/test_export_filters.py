"""Filters as people type them: what was mistyped is refused, what is right and chooses nothing is not."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from export_world import ALL, JANUARY, Rows, customer, frames, invoice, line, settings, world
from test_fix import make

from toolkit.cutover_export import filtered, matched
from toolkit.cutover_export import plan_export as planned_in
from toolkit.errors import UsageError
from toolkit.transform import Plan, plan_export
from toolkit.workspace import Workspace


def company() -> Rows:
    """Return a world with a second invoice, one that is blocked, one of later, and an account without any."""
    rows = world()
    rows["billing.customers"].append(customer("A3", "Crane"))
    for number, account, amount in (("INV-2", "A2", "40.00"), ("INV-3", "A2", "30.00")):
        rows["billing.invoices"].append(invoice(number, amount, account_number=account))
        rows["billing.invoice_lines"].append(line(number, amount))
    rows["billing.invoice_lines"][-1]["amount"] = Decimal("31.00")
    return rows


def planned() -> Plan:
    return plan_export(frames(company()), settings(), **(JANUARY | ALL))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ref_number=INV-1|INV2", r"no row has ref_number INV2: did you mean ref_number=INV-2\?"),
        ("account_number=A1|A22", r"no row has account_number A22: did you mean account_number=A2\?"),
        ("account_number='A1'|'A 2'", "no row has account_number A 2"),
        ("account_number=A1 and ref_number=INV1", "no row has ref_number INV1, and it chooses no row"),
        ("amount=100|40.50", "no row has amount 40.50"),
        ("record_kind=invoices", r"did you mean record_kind=invoice\?"),
    ],
)
def test_each_alternative_of_a_filter_must_stand_somewhere(text: str, told: str) -> None:
    for asked in ({"hold": [text]}, {"only": [text]}):
        with pytest.raises(UsageError, match=told):
            filtered(planned(), **asked)


@pytest.mark.parametrize(
    "text",
    [
        "amount>5000",
        "amount<0",
        "txn_date>=2026-01-30",
        "account_number!=A1|A2",
        "ref_number=INV-3",  # it is blocked
        "source_key=INV-3",
        "key=invoice:INV-3",
        "record_kind=credit_memo",
        "request=CreditMemoAdd",
        "customer_full_name=",
        "account_number=A2 and ref_number=INV-1",
    ],
)
def test_what_is_right_and_chooses_nothing_holds_nothing(text: str) -> None:
    plan = planned()
    less = filtered(plan, hold=[text])
    assert list(less.operations["key"]) == list(plan.operations["key"])
    assert matched(less, [text]) == {text: 0}
    assert not len(filtered(plan, only=[text]).operations)


def test_one_right_alternative_chooses_beside_one_that_is_blocked() -> None:
    less = filtered(planned(), hold=["ref_number=INV-2|INV-3"])
    assert set(less.operations["key"]) == {"invoice:INV-1", "payment:P-1"}


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace where numbers lose their prefix, and A3 has nothing that goes."""
    with make(tmp_path, company(), world()).ws as made:
        made.set("number_rule", "strip:INV-")
        yield made


@pytest.mark.parametrize(
    "text",
    [
        "account_number=A3",
        "customer_full_name=Crane",
        "customer_full_name~CRAN",
        "source_key=A3",
        "key=customer:A3",
        "ref_number=3",
        "ref_number=INV-3",
        "source_key=P-1",
    ],
)
def test_what_only_the_workspace_has_is_no_mistake(ws: Workspace, text: str) -> None:
    plan = planned_in(ws, new=True, invoices=True)
    assert set(plan.operations["ref_number"]) == {"1", "2"}
    assert len(filtered(plan, [text], (), ws).operations) == 2


def test_what_nobody_has_is_refused_with_the_nearest_of_all(ws: Workspace) -> None:
    plan = planned_in(ws, new=True, invoices=True)
    for text, told in {
        "account_number=A33": "did you mean account_number=A3",
        "customer_full_name=crane": "did you mean customer_full_name=Crane",
        "customer_full_name~Crayn": "no row has customer_full_name Crayn",
        "ref_number=33": "did you mean ref_number=3",
    }.items():
        with pytest.raises(UsageError, match=told):
            filtered(plan, [text], (), ws)
