"""What QuickBooks' result codes mean in plain words, and what they say about a request's outcome.

Branch on the code, never on severity or text. Source: qbXML status codes and request processor HRESULTs;
texts marked (unconfirmed) in the reference are worded carefully here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FOUND_NOTHING = 1
NOT_ALL_FOUND = 500
"""Warning: some of what was asked for by number, name or id is not there."""

FIELDS_WITHHELD = 530
"""Warning: what was found is there, without fields that the application may not see, or does not know."""

NAME_TAKEN = 3100
OUT_OF_DATE = 3200

NOT_PROCESSED = (3230, 3231)
"""Status codes of what QuickBooks did not do because of another request: it is sent again."""

INTERNAL_ERROR = 1000
"""Of QuickBooks: it says nothing about what was saved."""

BUSY = (1010, 3162, 3170, 3175, 3176, 3180)
"""Status codes of what can be done later: somebody uses or has locked it; of two the message tells."""

KEPT_NOTHING = "and QuickBooks kept nothing"
"""How the message of an operation ends that was sent in vain: without an answer, QuickBooks never judged it.

It has no status code. Nor has what QuickBooks could not parse when it stood alone (``PARSE_ERROR``), which it
would not parse again: the two are told apart by this.
"""

MOST_SAID = 1_000
"""Characters of a text of QuickBooks' own that are shown."""

SUCCESS = "0x00000000"
"""HRESULT that is no failure, where an answer came with it."""

_LONGEST_CODE = 40
_MEAN_MORE = (3170, 3180)
_LOCKED = re.compile(r"\block(ed|s)?\b|\bin use\b|\bby another user\b", re.IGNORECASE)

PARSE_ERROR = "0x80040400"
VERSION_UNKNOWN = "0x80040423"

NOTHING_RAN = (PARSE_ERROR, VERSION_UNKNOWN)
"""HRESULTs after which no request of the set was run. After any other one a write's outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A code in plain words.

    Parameters
    ----------
    meaning : str
        What happened.
    remedy : str
        What to do.
    """

    meaning: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.meaning} {self.remedy}"


_OPEN = "Open QuickBooks and the company file on that machine, then run the Web Connector again."
_ADMIN = "Ask the QuickBooks administrator to allow this application (Integrated Applications)."
_AGAIN = "Run the Web Connector again in a few minutes."
_INSTALL = "Repair or update QuickBooks and the Web Connector on that machine."
_REPORT = "If it comes again it is a defect of the toolkit: report it with QuickBooks' own text."
_INCOMPLETE = Advice(
    "QuickBooks, or what the Web Connector reaches it by, is incomplete or too old.", _INSTALL
)
_OUT_OF_ORDER = Advice("The Web Connector and QuickBooks lost their place in the session.", _AGAIN)
_RECOVER = "Run the Web Connector again: the toolkit finds out what was done before it sends anything new."
_MEMORY_OR_ORDER = Advice("QuickBooks ran out of memory, or a call came out of order.", _RECOVER)

_UNKNOWN = Advice(
    "QuickBooks reported an error.",
    "Open QuickBooks and the company file, see whether it shows a message, then run the Web Connector again. "
    "If the error comes again, look its code up in QuickBooks' help or ask QuickBooks' support.",
)
NOT_REACHED = Advice("The Web Connector could not reach QuickBooks.", _OPEN)
"""What is told of a connection error that says nothing."""

HRESULTS: dict[str, Advice] = {
    SUCCESS: Advice("QuickBooks reported no error, and gave no answer.", _RECOVER),
    PARSE_ERROR: Advice(
        "QuickBooks could not parse our request, so nothing of it ran.",
        "This is a defect of the toolkit: report it.",
    ),
    "0x80040401": NOT_REACHED,
    "0x80040402": Advice("QuickBooks ended unexpectedly.", _RECOVER),
    "0x80040403": Advice("The company file could not be opened.", _OPEN),
    "0x80040404": _INCOMPLETE,
    "0x80040405": _INCOMPLETE,
    "0x80040406": _INCOMPLETE,
    "0x80040407": _INCOMPLETE,
    "0x80040408": Advice("QuickBooks could not be started.", _OPEN),
    "0x80040409": _INCOMPLETE,
    "0x8004040A": Advice(
        "Another company file is open than the one asked for.",
        "Open the right company file, then run it again.",
    ),
    "0x8004040B": Advice("QuickBooks could not say which company file is open.", _OPEN),
    "0x8004040C": _OUT_OF_ORDER,
    "0x8004040D": Advice("QuickBooks dropped the session.", _RECOVER),
    "0x8004040E": _MEMORY_OR_ORDER,
    "0x8004040F": _MEMORY_OR_ORDER,
    "0x80040410": Advice("The company file is open in another mode (single or multi user).", _AGAIN),
    "0x80040411": _MEMORY_OR_ORDER,
    "0x80040412": _MEMORY_OR_ORDER,
    "0x80040413": Advice("QuickBooks does not undo a whole set when one request of it fails.", _REPORT),
    "0x80040415": _MEMORY_OR_ORDER,
    "0x80040414": Advice(
        "A dialog window is open in QuickBooks.", "Close it, then run the Web Connector again."
    ),
    "0x80040416": Advice("QuickBooks is not running and no company file is named.", _OPEN),
    "0x80040417": Advice("No company file is open and none is named.", _OPEN),
    "0x80040418": Advice("This application has never used this company file.", _ADMIN),
    "0x8004041A": Advice("This application has no permission for the company file.", _ADMIN),
    "0x8004041B": Advice("QuickBooks could not lock what it needed.", _AGAIN),
    "0x8004041C": Advice("QuickBooks had an internal error while it used the file.", _RECOVER),
    "0x8004041D": Advice("The application may not log in by itself.", _ADMIN),
    "0x8004041E": Advice("The certificate of this application has expired in QuickBooks.", _ADMIN),
    "0x8004041F": Advice(
        "QuickBooks Basic takes no requests of other programs.", "Use QuickBooks Pro, Premier or Enterprise."
    ),
    "0x80040420": Advice("Somebody denied the application access in QuickBooks.", _ADMIN),
    "0x80040421": Advice(
        "QuickBooks has something to say.", "Read its text, do what it asks for, then run it again."
    ),
    "0x80040422": Advice("QuickBooks needs single-user mode and another application uses the file.", _AGAIN),
    VERSION_UNKNOWN: Advice(
        "This QuickBooks does not know the qbXML version we sent, so nothing ran.",
        "This is a defect of the toolkit: report it with your QuickBooks version.",
    ),
    "0x80040424": Advice("QuickBooks has not finished starting.", _AGAIN),
    "0x80040427": Advice(
        "This QuickBooks is not registered.", "Register it, then run the Web Connector again."
    ),
    "0x8004042A": Advice("QuickBooks allows no access from another machine.", _ADMIN),
    "0x8004042C": Advice("The certificate of this application was revoked in QuickBooks.", _ADMIN),
    "0x80010105": Advice("QuickBooks failed in mid-request.", _RECOVER),
    "0x80010108": Advice("QuickBooks went away in mid-request.", _RECOVER),
    "0x8001010A": Advice("QuickBooks is busy.", _AGAIN),
    "0x800706BA": Advice("QuickBooks could not be reached any more.", _RECOVER),
    "0x800706BE": Advice("The connection to QuickBooks broke in mid-request.", _RECOVER),
}

STATUSES: dict[int, Advice] = {
    1010: Advice("QuickBooks was not available.", _AGAIN),
    3070: Advice("A text is longer than QuickBooks allows.", "Shorten it at the source."),
    3090: Advice("A name holds a character QuickBooks does not allow, such as a colon.", "Change the name."),
    3100: Advice(
        "The name is already taken in QuickBooks, where customers, vendors and employees share one list.",
        "Choose another name, or map to the record that has it.",
    ),
    3120: Advice(
        "A record that the request names is not there, or is already paid.", "Import again, then check it."
    ),
    3140: Advice(
        "The request refers to a record that QuickBooks does not have or that is inactive.",
        "Import again, then map it or make it active.",
    ),
    3150: Advice("A required field is missing.", "This is a defect of the toolkit: report it."),
    3162: Advice("QuickBooks does this in single-user mode only.", "Switch to it, then run it again."),
    3170: Advice("QuickBooks could not change the record, often because somebody uses it.", _AGAIN),
    3171: Advice("The date is in the closed period.", "Change the date, or have the period opened."),
    3175: Advice("Somebody has the record open.", "Have it closed, then run the Web Connector again."),
    3176: Advice("A related record is in use.", "Have it closed, then run the Web Connector again."),
    3180: Advice(
        "QuickBooks could not save the record.", "Read its message; an account or a limit may be missing."
    ),
    3200: Advice("The record changed in QuickBooks meanwhile.", "Import again, then export again."),
    3210: Advice(
        "A value is not allowed, such as more than the amount due.", "Import the receivables again."
    ),
    3220: Advice("The QuickBooks user may not do this.", _ADMIN),
    3230: Advice("QuickBooks took the request back because another one failed.", "It is sent again."),
    3231: Advice(
        "QuickBooks did not process the request because an earlier one failed.", "It is sent again."
    ),
    3250: Advice(
        "This QuickBooks edition does not have the feature.", "Switch it on in QuickBooks, or leave it out."
    ),
    3260: Advice("The QuickBooks user lacks the permission.", _ADMIN),
    3261: Advice("The application may not see personal data.", _ADMIN),
    3263: Advice("The application may only read.", _ADMIN),
}


def is_busy(code: int, message: str = "") -> bool:
    """Return whether a request failed because somebody else uses or has locked what it needs.

    It may be sent again later. Source: qbXML status codes 1010, 3162, 3175 and 3176, and the texts of 3170
    and 3180.
    """
    return code in BUSY and (code not in _MEAN_MORE or _LOCKED.search(message) is not None)


def may_go_again(code: int | None, message: str | None) -> bool:
    """Return whether a rejected request may succeed as it is: QuickBooks did not come to judge it.

    Parameters
    ----------
    code : int or None
        As QuickBooks gave it; without one, the message tells.
    message : str or None
        What is known of it, QuickBooks' text or ours.

    >>> may_go_again(None, f"it was sent 3 times, {KEPT_NOTHING}"), may_go_again(None, "it cannot be parsed")
    (True, False)
    """
    if code is None:
        return (message or "").endswith(KEPT_NOTHING)
    return code in NOT_PROCESSED or is_busy(code, message or "")


def explain_hresult(code: str, message: str = "") -> str:
    """Return an HRESULT as one or two plain sentences, with QuickBooks' own text behind.

    Parameters
    ----------
    code : str
        ``0x`` and eight hex digits, in either case.
    message : str
        What QuickBooks said.
    """
    shown = "0x" + code[2:].upper() if code[:2].lower() == "0x" else code
    # What is too long for a code cannot be looked up.
    advice = HRESULTS.get(shown) or (_UNKNOWN if len(shown) <= _LONGEST_CODE else _UNKNOWN.meaning)
    # Both come over the network: a megabyte of either has no place in a status column, nor in the ledger.
    shown, text = _shortened(shown, _LONGEST_CODE), _shortened(message.strip(), MOST_SAID)
    said = f" QuickBooks said: {text}" if text else ""
    return f"{advice} ({shown}).{said}" if shown else text


def is_failure(response: str | bytes, hresult: str, message: str) -> bool:
    """Return whether what came of a document tells that QuickBooks failed.

    Any code does but that of success with an answer beside it; so does a message without an answer. Nothing
    at all is an answer that was lost. Source: Web Connector guide, receiveResponseXML.

    >>> is_failure("<QBXML/>", "0x00000000", ""), is_failure("", "0x00000000", ""), is_failure("", "", "no")
    (False, True, True)
    """
    answered = bool(response) and not response.isspace()
    code = hresult.strip()
    if code and (code.lower() != SUCCESS or not answered):
        return True
    return not answered and bool(message.strip())


def _shortened(text: str, most: int) -> str:
    """Return a text of so many characters at most.

    >>> _shortened("QuickBooks", 8)
    'Quick...'
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def explain_status(code: int, message: str = "") -> str:
    """Return a status code of one request as plain sentences, QuickBooks' own text first."""
    advice = STATUSES.get(code)
    said = message.strip()
    if advice and str(advice) in said:  # a recovery kept it with what it looked up
        return said
    return f"{said} {advice}".strip() if advice else said or f"QuickBooks answered with status {code}."
