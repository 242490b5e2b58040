"""A simulated QuickBooks company: strict, in memory, deterministic.

It takes qbXML and gives qbXML, and refuses what QuickBooks refuses. What it does not do (modifying
transactions, sales receipts, groups on new invoices, macros, custom fields) it answers with an error status,
never with a false success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from toolkit.qbxml_spec import version_key
from toolkit.rehearsal import frames, lists, payments, queries, seed, transactions
from toolkit.rehearsal.answers import Outcome, Show, Writer, document
from toolkit.rehearsal.books import Books, Rejected, not_available
from toolkit.rehearsal.reading import Incoming, MessageSet, read

SET_ID_LENGTH = 24
CLEAR_ALL = "CLR-ALL-MSG-SETS"
REQUEST_ID_LENGTH = 50

_CHANGES: dict[str, Callable[[Books, Incoming], Outcome]] = {
    "CustomerAdd": lists.customer_add,
    "CustomerMod": lists.customer_mod,
    "ItemServiceAdd": lists.item_add,
    "ItemNonInventoryAdd": lists.item_add,
    "ItemOtherChargeAdd": lists.item_add,
    "ItemDiscountAdd": lists.item_add,
    "StandardTermsAdd": lists.terms_add,
    "PaymentMethodAdd": lists.payment_method_add,
    "ListDel": lists.list_del,
    "InvoiceAdd": transactions.document_add,
    "CreditMemoAdd": transactions.document_add,
    "ReceivePaymentAdd": payments.payment_add,
    "TxnVoid": transactions.txn_void,
    "TxnDel": transactions.txn_del,
}


@dataclass(frozen=True, slots=True)
class _Stored:
    """A message set that was run under an id, kept in the company file."""

    text: str
    answer: str


class Company:
    """A strict simulated QuickBooks company.

    Parameters
    ----------
    books
        Its lists and transactions.
    file_path
        Full path of its company file, as QuickBooks would tell it.

    Examples
    --------
    >>> company = Company.from_tables({}, clock=lambda: datetime(2026, 1, 5, 9))
    >>> print(
    ...     company.process(
    ...         '<?qbxml version="13.0"?><QBXML><QBXMLMsgsRq onError="stopOnError">'
    ...         "<ClassQueryRq/></QBXMLMsgsRq></QBXML>"
    ...     )
    ... )
    <?xml version="1.0" ?>
    <QBXML>
      <QBXMLMsgsRs>
        <ClassQueryRs statusCode="1" statusSeverity="Info" statusMessage="A query request did not find..."/>
      </QBXMLMsgsRs>
    </QBXML>
    """

    def __init__(self, books: Books, file_path: str = r"C:\Rehearsal\company.qbw") -> None:
        self.books = books
        self.file_path = file_path
        self._writer = Writer(books)
        self._stored: dict[str, _Stored] = {}
        self._sessions = 0
        self._iterators = queries.Iterators(0)

    @classmethod
    def from_tables(
        cls,
        tables: Mapping[str, pd.DataFrame],
        *,
        clock: Callable[[], datetime],
        extra_names: Sequence[str] = (),
        file_path: str = r"C:\Rehearsal\company.qbw",
        strict: bool = True,
        utc_offset: timedelta = timedelta(hours=-8),
    ) -> Company:
        """Return the company that the ``quickbooks.*`` tables describe.

        Parameters
        ----------
        tables
            Declared tables by name; one that is absent is empty.
        clock
            Wall clock of the QuickBooks PC.
        extra_names
            Names of vendors, employees and others: they share the name space of top-level customers.
        file_path
            Full path of the company file.
        strict
            Whether balances must follow from the documents; without it a customer's unexplained balance is
            kept as it is, for tables that do not hold every open document.
        utc_offset
            What QuickBooks writes behind its times.

        Raises
        ------
        SeedError
            The tables do not add up; the differences are named.
        """
        return cls(seed.books_from_tables(tables, clock, extra_names, strict, utc_offset), file_path)

    def tables(self, *names: str) -> dict[str, pd.DataFrame]:
        """Return the company's state as the declared ``quickbooks.*`` tables: all, or those named."""
        return frames.tables_from_books(self.books, names)

    # --- sessions

    def begin_session(self) -> None:
        """Open the company for one program; iterators of an earlier session are gone."""
        self._sessions += 1
        self._iterators = queries.Iterators(self._sessions)

    def end_session(self) -> None:
        """Close the company."""
        self._iterators = queries.Iterators(self._sessions)

    def stamp(self, owner_id: str, file_id: str) -> None:
        """Keep the FileID of an application in the company file, as the Web Connector does at first."""
        rows = self.books.about.company.setdefault("DataExtRet", [])
        if not any(row["OwnerID"] == owner_id and row["DataExtName"] == "FileID" for row in rows):
            rows.append(
                {
                    "OwnerID": owner_id,
                    "DataExtName": "FileID",
                    "DataExtType": "STR255TYPE",
                    "DataExtValue": file_id,
                }
            )

    def hcp(self, owner_id: str, file_id: str) -> str:
        """Return strHCPResponse: what the host, the company and its preferences are.

        Parameters
        ----------
        owner_id, file_id
            Of the application; stamped into the company file if it is not there yet.

        Notes
        -----
        Source: PROTOCOL 3.
        """
        self.stamp(owner_id, file_id)
        show = Show(owners=frozenset({owner_id.casefold()}))
        answers = []
        for number, name in enumerate(("HostQuery", "CompanyQuery", "PreferencesQuery")):
            outcome = queries.run(self.books, self._iterators, Incoming(name, {}, {}), "13.0")
            outcome.show = show
            answers.append(self._writer.answer(name, str(number), outcome, data=True))
        return document(answers)

    # --- message sets

    def process(self, qbxml: str) -> str:
        """Run a document and return the answer.

        Parameters
        ----------
        qbxml
            A whole qbXML document.

        Raises
        ------
        RequestRefused
            QuickBooks would refuse the document whole; nothing was run.

        Notes
        -----
        Message sets (PROTOCOL 4.2): the same text under a known ``newMessageSetID`` is not run again, its
        stored answer comes back; another text is 9001. An unknown ``oldMessageSetID`` without a new one is
        600 and nothing is run (whether QuickBooks runs the body then is unconfirmed). A status check (the
        same id twice) runs and stores nothing.
        """
        message_set = read(qbxml)
        new, old = message_set.new_id, message_set.old_id
        if any(len(identifier) > SET_ID_LENGTH for identifier in (new or "", old or "")):
            return document([], new, 9004)
        if new is not None and new == old:
            known = self._stored.get(new)
            return known.answer if known else document([], new, 600)
        if old is not None and not self._clear(old) and new is None:
            return document([], None, 600)
        if new is None:
            return document(self._run(message_set), None, None if old is None else 0)
        known = self._stored.get(new)
        if known is not None:
            return known.answer if known.text == qbxml else document([], new, 9001)
        answer = document(self._run(message_set), new, 0)
        self._stored[new] = _Stored(qbxml, answer)
        return answer

    def _clear(self, identifier: str) -> bool:
        if identifier == CLEAR_ALL:
            self._stored.clear()
            return True
        return self._stored.pop(identifier, None) is not None

    def _run(self, message_set: MessageSet) -> list[Any]:
        answers = []
        stopped = False
        for request in message_set.requests:
            if stopped:
                outcome = Outcome(3231, "Error", "The request has not been processed.")
            else:
                outcome = self._one(request, message_set.version)
                stopped = message_set.stop_on_error and outcome.severity == "Error"
            request_id = request.attributes.get("requestID")
            answers.append(
                self._writer.answer(request.name, request_id, outcome, data=message_set.include_data)
            )
        return answers

    def _one(self, request: Incoming, version: str) -> Outcome:
        try:
            self._check(request)
            if request.name.endswith("Query"):
                return queries.run(self.books, self._iterators, request, version)
            if request.name not in _CHANGES:
                raise not_available()
            outcome = _CHANGES[request.name](self.books, request)
        except Rejected as error:
            return Outcome(error.code, "Error", error.message)
        elements = frozenset(request.values.get("IncludeRetElement", ()))
        outcome.show = Show(elements=elements, version=version_key(version))
        return outcome

    @staticmethod
    def _check(request: Incoming) -> None:
        if len(request.attributes.get("requestID", "")) > REQUEST_ID_LENGTH:
            raise Rejected(1060, "The request ID is invalid: it is longer than 50 characters.")
        if request.macro:
            raise Rejected(9100, "Macros are not available (rehearsal company).")
        if request.too_long:
            name = request.too_long.rpartition("/")[2]
            raise Rejected(3070, f'The string in the field "{name}" is too long.')
