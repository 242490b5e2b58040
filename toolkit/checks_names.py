"""Rules on names: who is in QuickBooks under one already, who looks like a customer there, who has gone.

Customers, vendors, employees and other names share one name space at its top level: none of them may have
the name of another, whatever the case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from toolkit.checks_context import Context
from toolkit.checks_drafts import Draft, Row
from toolkit.checks_registry import Problem, rule
from toolkit.likeness import caseless, last_part, name_words

DOCUMENTS = "invoice credit payment"


class Known:
    """The customers and other names of QuickBooks, indexed once a plan.

    Parameters
    ----------
    context : Context
        The tables.
    """

    def __init__(self, context: Context) -> None:
        frame = context.frame("quickbooks.customers")
        left = frame[frame["left_at"].notna()]
        self.gone = dict(zip(left["list_id"], left["full_name"], strict=True)) if len(left) else {}
        self.words: dict[str, Row] = {}
        self.emails: dict[str, Row] = {}
        for row in context.quickbooks_customers.values():
            for words in _words(row):
                self.words.setdefault(words, row)
            if row["email"]:
                self.emails.setdefault(caseless(row["email"]), row)
        self.others: dict[str, Row] = {}
        for row in context.rows("quickbooks.other_names"):
            self.others.setdefault((row["name"] or "").casefold(), row)
        self.twins: dict[str, list[str]] = defaultdict(list)
        for account, match in context.customer_matches.items():
            if match["status"] == "new" and not context.target(account).list_id:
                self.twins[name_words(context.new_name(account))].append(account)


_KNOWN: WeakKeyDictionary[Context, Known] = WeakKeyDictionary()


def known(context: Context) -> Known:
    """Return the names that a plan is checked against, indexed when they are first asked for."""
    if context not in _KNOWN:
        _KNOWN[context] = Known(context)
    return _KNOWN[context]


def _words(row: Row) -> set[str]:
    texts = (last_part(row["full_name"] or ""), row["company_name"])
    return {name_words(text) for text in texts if text}


@rule("customer_gone", "error", "A document's customer is still in QuickBooks.", on=DOCUMENTS)
def _customer_gone(context: Context, draft: Draft) -> Iterator[Problem]:
    gone = known(context).gone
    for target in context.payers(draft) if gone else ():
        if target.list_id in gone:
            yield Problem(
                f"customer {target.account} was {gone[target.list_id]} in QuickBooks, and is there no more",
                "account_number",
                target.account,
                "decide who it is now in the sheet Customers",
            )


@rule(
    "name_in_use",
    "error",
    "A new customer's name is no vendor's, employee's or other name's: all of them share one name space.",
    on="customer",
)
def _name_in_use(context: Context, draft: Draft) -> Iterator[Problem]:
    if draft.row["parent_account_number"]:
        return  # a job's name stands below its customer's
    name = context.new_name(draft.source_key)
    holder = known(context).others.get(name.casefold())
    if holder:
        kind = {"OtherName": "other name"}.get(holder["kind"], holder["kind"].lower())
        yield Problem(
            f"QuickBooks has {holder['name']} as {'an' if kind[0] in 'aeo' else 'a'} {kind}: a customer "
            "cannot have the same name",
            "name",
            name,
            "choose another new_name in the sheet Customers, for example with (C) behind it",
        )


@rule(
    "names_unchecked",
    "warning",
    "Vendors, employees and other names are imported, so that a new customer's name can be checked by them.",
    on="customer",
)
def _names_unchecked(context: Context, _: Draft) -> Iterator[Problem]:
    if not known(context).others:
        yield Problem(
            "no vendors, employees or other names were imported: if a new customer has the name of one, "
            "QuickBooks refuses it",
            suggestion="toolkit import lists",
            table="quickbooks.other_names",
            key="",
        )


@rule(
    "customer_like",
    "error",
    "A customer to be created is not there already under a name that differs in legal form or order only.",
    on="customer",
    waivable=True,
)
def _customer_like(context: Context, draft: Draft) -> Iterator[Problem]:
    name = context.new_name(draft.source_key)
    texts = {name, draft.row["company_name"] or name}
    for words in sorted({name_words(text) for text in texts}):
        row = known(context).words.get(words)
        if row is None or _same_name(context, draft, row):
            continue
        yield Problem(
            f"{name} looks like {row['full_name']}, which QuickBooks has: match it to that customer, or "
            "waive this if they are two",
            "name",
            f"{name} / {row['full_name']}",
            row["full_name"],
        )


@rule(
    "customer_email_known",
    "warning",
    "A customer to be created has the e-mail address of none that is there.",
    on="customer",
)
def _customer_email_known(context: Context, draft: Draft) -> Iterator[Problem]:
    email = draft.row["email"]
    holder = known(context).emails.get(caseless(email)) if email else None
    if holder and not _same_name(context, draft, holder):
        yield Problem(
            f"{holder['full_name']} in QuickBooks has the same e-mail address: see that it is somebody else",
            "email",
            f"{email} / {holder['full_name']}",
            holder["full_name"],
        )


@rule(
    "customers_alike",
    "warning",
    "No two customers to be created differ in legal form or order of words only.",
    on="customer",
)
def _customers_alike(context: Context, draft: Draft) -> Iterator[Problem]:
    name = context.new_name(draft.source_key)
    twins = [other for other in known(context).twins.get(name_words(name), []) if other != draft.source_key]
    level = context.parent_identity(draft.source_key)
    for other in twins:
        theirs = context.new_name(other)
        if theirs.casefold() != name.casefold() and context.parent_identity(other) == level:
            yield Problem(
                f"customer {other}, {theirs}, is to be created too and looks like it: see that they are two",
                "name",
                f"{name} / {theirs}",
            )


def _same_name(context: Context, draft: Draft, row: Row) -> bool:
    """Return whether a name is taken outright, of which another rule speaks, or stands at another level."""
    name, level = context.new_name(draft.source_key), context.parent_identity(draft.source_key)
    if (row["name"] or "").casefold() == name.casefold() and (row["parent_list_id"] or "") == level:
        return True
    return (row["parent_list_id"] or "") != level
