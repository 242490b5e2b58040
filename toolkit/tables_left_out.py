"""What of the Rets we read is left behind on purpose, and why.

Whatever no column keeps is counted by the reader and named by ``toolkit land --json``. Here stands what of it
is meant: everything else that the US product sends becomes a column, a row, or an entry here.

>>> left_out_reason("CustomerRet/CreditCardInfo/CreditCardNumber")
'about a credit card: in no table; only in the answer as it came, in inbox/'
>>> left_out_reason("InvoiceRet/Memo") is None
True
"""

from __future__ import annotations

__all__ = ["LEFT_OUT", "left_out_reason"]

_PRINTED = "the address as it is printed: its lines repeat the address beside it"
_CARD = "about a credit card: in no table; only in the answer as it came, in inbox/"
_BANK = "a bank account number: in no table; only in the answer as it came, in inbox/"
_TAX_NUMBER = "a tax number of the company or its owner: nothing here needs it"
_LOGIN = "the name of a QuickBooks login"
_PROGRAM = "about the program and not the books: asked anew in each session"
_SERVICES = "what the company subscribes to from Intuit: nothing of its books"
_NO_TABLE = "a kind of record that no import asks for"

_NAME_ONLY = "of a vendor, employee or other name: only its name is asked for"
_NOT_A_NAME = {
    "VendorRet": (
        "ClassRef IsTaxAgency CompanyName Salutation FirstName MiddleName LastName Suffix JobTitle "
        "VendorAddress VendorAddressBlock ShipAddress Phone Mobile Pager AltPhone Fax Email Cc Contact "
        "AltContact AdditionalContactRef ContactsRet NameOnCheck AccountNumber Notes AdditionalNotesRet "
        "VendorTypeRef TermsRef CreditLimit VendorTaxIdent IsVendorEligibleFor1099 Balance BillingRateRef "
        "ExternalGUID SalesTaxCodeRef SalesTaxCountry IsSalesTaxAgency SalesTaxReturnRef "
        "TaxRegistrationNumber ReportingPeriod IsTaxTrackedOnPurchases TaxOnPurchasesAccountRef "
        "IsTaxTrackedOnSales TaxOnSalesAccountRef IsTaxOnTax PrefillAccountRef CurrencyRef "
    ),
    "EmployeeRet": (
        "Salutation FirstName MiddleName LastName Suffix JobTitle SupervisorRef Department Description "
        "TargetBonus EmployeeAddress PrintAs Phone Mobile Pager PagerPIN AltPhone Fax SSN Email "
        "AdditionalContactRef EmergencyContacts EmployeeType PartOrFullTime Exempt KeyEmployee Gender "
        "HiredDate OriginalHireDate AdjustedServiceDate ReleasedDate BirthDate USCitizen Ethnicity Disabled "
        "DisabilityDesc OnFile WorkAuthExpireDate USVeteran MilitaryStatus AccountNumber Notes "
        "AdditionalNotesRet BillingRateRef EmployeePayrollInfo ExternalGUID "
    ),
    "OtherNameRet": (
        "CompanyName Salutation FirstName MiddleName LastName OtherNameAddress OtherNameAddressBlock Phone "
        "AltPhone Fax Email Contact AltContact AccountNumber Notes ExternalGUID "
    ),
}

_CARD_PARTS = (
    "CreditCardNumber",
    "ExpirationMonth",
    "ExpirationYear",
    "NameOnCard",
    "CreditCardAddress",
    "CreditCardPostalCode",
    "CommercialCardCode",
)
_PAID_BY_CARD = (
    "ReceivePaymentRet",
    "SalesReceiptRet",
    "SalesReceiptRet/SalesReceiptLineRet",
    "SalesReceiptRet/SalesReceiptLineGroupRet/SalesReceiptLineRet",
    "CreditMemoRet/CreditMemoLineRet",
    "CreditMemoRet/CreditMemoLineGroupRet/CreditMemoLineRet",
)

LEFT_OUT: dict[str, str] = {
    **{
        f"{ret}/{block}": _PRINTED
        for ret in ("CustomerRet", "InvoiceRet", "CreditMemoRet", "SalesReceiptRet")
        for block in ("BillAddressBlock", "ShipAddressBlock")
    },
    **{
        f"{ret}/{element}": _NAME_ONLY
        for ret, elements in _NOT_A_NAME.items()
        for element in elements.split()
    },
    "CompanyRet/AddressBlock": _PRINTED,
    "CompanyRet/CompanyAddressBlockForCustomer": _PRINTED,
    "CustomerRet/CreditCardInfo": _CARD,
    **{
        f"{owner}/CreditCardTxnInfo/CreditCardTxnInputInfo/{part}": _CARD
        for owner in _PAID_BY_CARD
        for part in _CARD_PARTS
    },
    "AccountRet/BankNumber": _BANK,
    "CompanyRet/EIN": _TAX_NUMBER,
    "CompanyRet/SSN": _TAX_NUMBER,
    "CompanyRet/SubscribedServices": _SERVICES,
    "HostRet/SupportedQBXMLVersion": _PROGRAM,
    "HostRet/ListMetaData": "how long each list may become: only told to who asks for it, and no import does",
    "PreferencesRet/CurrentAppAccessRights/AutomaticLoginUserName": _LOGIN,
    "ChargeRet": _NO_TABLE,
    "JournalEntryRet": _NO_TABLE,
    "TransactionRet": "a summary: the record itself is asked for",
    "DataExtRet": "the answer to DataExtAdd: it does not say whose field it is; records carry theirs",
    "DataExtDefRet": "the definition of a custom field: its values are kept with the records",
}
"""Path of an element from its Ret, and the reason; it goes for everything below that element too."""


def left_out_reason(path: str) -> str | None:
    """Return why an element is left behind on purpose; None where nothing says so.

    Parameters
    ----------
    path : str
        From the Ret down, as the reader names what it left behind: ``CompanyRet/EIN``.
    """
    parts = path.split("/")
    above = ("/".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((LEFT_OUT[one] for one in above if one in LEFT_OUT), None)
