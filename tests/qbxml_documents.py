"""Answers as QuickBooks may give them, drawn from the spec: good ones, odd ones, and what users paste.

`document(rng)` makes one. All chance comes from the generator passed in, so a seed is a document; one of
Hypothesis does as well. Which Rets there are, and what may stand in them, is read from the declarations
and from `qbxml_spec`: a new table or element is drawn from the day that it is declared.

The oddities of `ODDITIES` are switched on a few at a time, so that plain documents come too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from random import Random

from toolkit import qbxml_spec
from toolkit.columns import Table
from toolkit.qbxml_spec import Particle
from toolkit.tables_quickbooks import QUICKBOOKS_TABLES

CUSTOM_FIELDS = "quickbooks.custom_fields"

KEPT: dict[str, Table] = {
    tag: table
    for table in QUICKBOOKS_TABLES
    if not table.parent and table.name != CUSTOM_FIELDS
    for tag in table.rets
}
"""The Rets that stand directly in a response and become rows."""

ODDITIES = (
    "attributes",  # on fields, records and responses; raw ">" and both kinds of quotes in them
    "bad",  # values that do not fit
    "blank",  # empty elements, blanks only, blanks around
    "cdata",
    "comments",  # and processing instructions, inside records and inside values
    "control",  # control characters and references to them
    "decoys",  # a known name where it means nothing
    "escapes",  # references by name and number, those of Windows programs too
    "foreign",  # letters outside ASCII
    "keyless",  # records without their id
    "mixed",  # elements inside a value
    "shuffled",  # not in the order of the schema
    "spaced",  # blanks inside tags
    "stray",  # text between elements, as pasted from a browser
    "strangers",  # responses and Rets of no table, Rets in a response of another kind
    "twice",  # one element given again
    "unknown",  # elements that the schema does not have
)

_WORDS = [
    "Hosting",
    "Acme",
    "Inc.",
    "O'Brien",
    "&",
    "Sons;",
    "a",
    ">",
    "b",
    "-",
    "3/4",
    '"x"',
    "Co.,",
    "Roof:",
]
_WORDS += ["Repair", "[1]", "{2}", "100%", "#5", "a=b"]
_FOREIGN = ["Søn", "–", "5 €", "Łódź", "日本", "é", "\u00a0", "😀", "’s", "ß"]
_ESCAPES = ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#8217;", "&#146;", "&#x41;", "&#x92;", "&#150;"]
_ESCAPES += ["&#10;", "&#9;", "&#13;", "&#233;", "&#xE9;", "&#128512;", "&#55357;&#56832;", "&amp;#146;"]
_CONTROL = ["\x01", "&#1;", "&#x1F;", "\x0b", "&#0;", "\x1f", "&#xFFFF;", "&#129;", "\ufffe", "&#55296;"]
_BAD = ["abc", "1,000.00", "1.0000001", "12.3456789012345", "NaN", "1E5", "2026-02-30", "2026-13-01", "yes"]
_BAD += ["True", "--1", "99999999999999999999", "$5", "18.0%", "2026-02-30T00:00:00", "٣", "1 2", "."]
# At the edges of what fits.
_BAD += [
    "10000000000000",
    "-10000000000000.00",
    "1000000000000000",
    "9223372036854775808",
    "-9223372036854775809",
]
_BAD += [
    "0000-01-01",
    "2026-1-5",
    "2026-01-05T24:00:00",
    "2026-01-05T10:00:60",
    "2026-01-05T",
    "2026-01-05 10:00",
]
_BAD += [
    "2026-01-05T10:00:00Z",
    "2026-01-05T10:00:00.5",
    "2026-02-29",
    "2024-02-29",
    "+",
    "-",
    "1..2",
    "0x1F",
    "1/2",
]
_BAD += [
    "9223372036854775807",
    "9999999999999.994",
    "9999999999999.99000",
    "TRUE",
    "t",
    "-0.00",
    "-0",
    "00012.30",
]
_SPACES = ["", "", " ", "\n", "\t ", "\u00a0", " \n "]
_COMMENTS = [
    "<!-- a comment -->",
    "<!---->",
    "<!-- <Name>no</Name> </CustomerRet> ]]> > -->",
    "<?pi?>",
    "<?pi <Memo>no</Memo> > ?>",
]
_ATTRIBUTES = [
    " a='1'",
    ' useMacro="x"',
    ' a="a > b"',
    " a='/>'",
    ' a="it\'s"',
    " a='\"'",
    ' a=""',
    '\n b = "&lt;Name&gt;"',
    ' xml:space="preserve"',
]
_UNKNOWN = ["FutureField", "Name2", "NameX", "Lis", "Memo.1", "_x-1", "Größe", "TxnIDs", "A"]


@dataclass(frozen=True)
class Shape:
    """How one document looks.

    Parameters
    ----------
    odd : frozenset of str
        Of `ODDITIES`.
    density : float
        How likely an optional element is there.
    pretty : str
        What stands before an element: nothing, or a line end and blanks.
    """

    odd: frozenset[str]
    density: float
    pretty: str


@cache
def spec_rets() -> dict[str, Particle]:
    """Return the content model of every Ret that a response of the spec carries, by tag."""
    responses = (qbxml_spec.response(name) for name in qbxml_spec.REQUESTS)
    tags = {child.name or "" for response in responses for child in qbxml_spec.elements(response)}
    return {tag: qbxml_spec.ret(tag) for tag in sorted(tags) if tag.endswith("Ret")}


@cache
def _responses() -> dict[str, tuple[str, ...]]:
    """Return the Rets that each response of the spec may carry."""
    found = {}
    for name in qbxml_spec.REQUESTS:
        tags = (child.name or "" for child in qbxml_spec.elements(qbxml_spec.response(name)))
        found[name] = tuple(dict.fromkeys(tag for tag in tags if tag.endswith("Ret")))
    return found


@cache
def _keys() -> frozenset[str]:
    """Return the elements that a required column is read from."""
    columns = (column for table in QUICKBOOKS_TABLES for column in table.columns if column.required)
    return frozenset(path for column in columns for path in column.source.split("|") if path)


class _Maker:
    """Draws elements; everything it returns is text of a document."""

    def __init__(self, rng: Random, shape: Shape) -> None:
        self.rng = rng
        self.shape = shape
        self.number = 0

    def chance(self, odd: str, likely: float) -> bool:
        return odd in self.shape.odd and self.rng.random() < likely

    # --- values

    def value(self, particle: Particle) -> str:
        """Return a value that fits an element, not yet escaped."""
        rng = self.rng
        if particle.enum:
            return rng.choice(particle.enum)
        kind = particle.type
        if kind in _VALUES:
            return _VALUES[kind](rng)
        if kind == "IDTYPE":
            self.number += 1
            return f"{rng.randrange(1 << 20):X}-{self.number}"
        return " ".join(rng.choice(_WORDS) for _ in range(rng.choice((1, 1, 2, 3, 8))))

    def text(self, particle: Particle) -> str:
        """Return the content of an element: a value, escaped, with the oddities that are on."""
        if self.chance("blank", 0.15):
            return self.rng.choice(_SPACES)
        if self.chance("bad", 0.12):
            plain = self.rng.choice(_BAD)
        else:
            plain = self.value(particle)
        if self.chance("blank", 0.15):
            plain = f"{self.rng.choice(_SPACES)}{plain}{self.rng.choice(_SPACES)}"
        if self.chance("cdata", 0.15):
            cut = self.rng.randrange(len(plain) + 1)
            inside = self.rng.choice(["", "<b>&", "</Name>", "<!--", "]]", "a > b"]) + plain[cut:]
            return f"{self.escaped(plain[:cut])}<![CDATA[{inside}]]>"
        free = particle.type in ("STRTYPE", None) and not particle.enum
        put = [
            (odd, words)
            for odd, words in _PUT.items()
            if (free or odd == "control") and odd in self.shape.odd
        ]
        text = self.escaped(plain)
        for odd, words in put:
            if self.chance(odd, 0.3):
                text = self.rng.choice((text + "{}", "{}" + text)).replace("{}", self.rng.choice(words))
        if self.chance("comments", 0.1):
            text = self.rng.choice((f"{text}{{}}", f"{{}}{text}", f"{text}{{}}{text}")).replace(
                "{}", self.rng.choice(_COMMENTS)
            )
        return text

    def escaped(self, plain: str) -> str:
        text = plain.replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "]]&gt;")
        return text.replace(">", "&gt;") if self.rng.random() < 0.5 else text

    # --- elements

    def tag(self, name: str, content: str, attributes: str = "") -> str:
        space = self.rng.choice((" ", "\n", "\t")) if self.chance("spaced", 0.2) else ""
        if self.chance("attributes", 0.1):
            attributes += self.rng.choice(_ATTRIBUTES)
        if not content and self.rng.random() < 0.5:
            return f"<{name}{attributes}{space}/>"
        return f"<{name}{attributes}{space}>{content}</{name}{space}>"

    def between(self, depth: int) -> str:
        """Return what stands before an element or an end tag."""
        gap = self.shape.pretty + "  " * depth if self.shape.pretty else ""
        if self.chance("stray", 0.3):
            gap += self.rng.choice(("- ", "-", "text ", "&#160;", "&amp;"))
        if self.chance("comments", 0.03):
            gap += self.rng.choice(_COMMENTS)
        if self.chance("control", 0.02):
            gap += self.rng.choice(("\x01", "&#3;"))
        return gap

    def element(self, particle: Particle, depth: int) -> str:
        if particle.type == "aggregate":
            return self.tag(particle.name or "", self.content(particle, depth + 1))
        content = self.text(particle)
        if self.chance("mixed", 0.05):
            inner = self.rng.choice(
                ("<First>B</First>", "<ListID>no</ListID>", "<First/>", "<Name><A>b</A></Name>")
            )
            content = inner + self.rng.choice(("", content))
        return self.tag(particle.name or "", content)

    def content(self, particle: Particle, depth: int) -> str:
        """Return the elements inside an aggregate."""
        made = [text for child in particle.children for text in self.drawn(child, depth)]
        if self.chance("twice", 0.1) and made:
            again = self.rng.choice(made)
            made.insert(self.rng.randrange(len(made) + 1), again)
        if self.chance("unknown", 0.15):
            made.insert(self.rng.randrange(len(made) + 1), self.unknown(depth))
        if self.chance("decoys", 0.15):
            made.insert(self.rng.randrange(len(made) + 1), self.decoy(depth))
        if self.chance("shuffled", 0.3):
            self.rng.shuffle(made)
        if not made:
            return ""
        return "".join(self.between(depth) + text for text in made) + self.between(depth - 1)

    def drawn(self, particle: Particle, depth: int) -> list[str]:
        """Return what stands for a node of the content model, in its place."""
        many = particle.max is None or particle.max > 1
        key = particle.name in _keys()
        if key and self.chance("keyless", 0.2):
            times = 0
        elif key or particle.min:
            times = max(1, particle.min)
        else:
            times = 1 if self.rng.random() < self.shape.density else 0
        if many and times and self.rng.random() < 0.6:
            times += self.rng.choice((1, 1, 2, 5))
        made: list[str] = []
        for _ in range(times):
            if particle.kind == "element":
                made.append(self.element(particle, depth))
            elif particle.kind == "sequence":
                made += [text for child in particle.children for text in self.drawn(child, depth)]
            else:
                made += self.drawn(self.rng.choice(particle.children), depth)
        return made

    def unknown(self, depth: int) -> str:
        name = self.rng.choice(_UNKNOWN)
        if self.rng.random() < 0.5:
            return self.tag(name, self.rng.choice(("", " ", "x", "5 &amp; 6")))
        inner = "".join(self.tag(self.rng.choice(_UNKNOWN), self.rng.choice(("", "x"))) for _ in range(3))
        return self.tag(name, self.between(depth + 1) + inner)

    def decoy(self, depth: int) -> str:
        """Return a known name where it means nothing: a record or a line inside something else."""
        key = "<ListID>decoy</ListID><TxnID>decoy</TxnID><Name>decoy</Name>"
        name = self.rng.choice(
            ("CustomerRet", "InvoiceLineRet", "DataExtRet", "LinkedTxn", "InvoiceRet", "QBXML")
        )
        return self.tag("Wrapped", self.between(depth + 1) + self.tag(name, key))

    # --- records and responses

    def record(self, tag: str) -> str:
        if self.chance("strangers", 0.1):
            fields = "<ListID>V-1</ListID><EditSequence>3</EditSequence><Name>V</Name><DataExtRet/>"
            return self.tag("VehicleRet", self.rng.choice(("", fields)))
        if self.chance("blank", 0.05):
            return self.tag(tag, "")
        return self.tag(tag, self.content(spec_rets()[tag], 4))

    def big(self, size: int) -> str:
        """Return a record of at least so many characters: a long text, or many lines."""
        head = "<TxnID>BIG-1</TxnID><EditSequence>1</EditSequence>"
        if self.rng.random() < 0.5:
            return f"<InvoiceRet>{head}<Memo>{'long &amp; longer ' * (size // 16 + 1)}</Memo></InvoiceRet>"
        values = "<TxnLineID>{0}</TxnLineID><Desc>line {0}</Desc><Amount>{0}.00</Amount>"
        line = f"<InvoiceLineRet>{values}</InvoiceLineRet>"
        lines = "".join(self.between(5) + line.format(number) for number in range(size // len(line) + 1))
        return f"<InvoiceRet>{head}{lines}</InvoiceRet>"

    def status(self) -> str:
        rng = self.rng
        code = rng.choice(("0", "0", "0", "1", "500", "530", "3100", "3180", "3231"))
        if self.chance("bad", 0.2):
            code = rng.choice(("", "x", "0x0"))
        message = rng.choice(
            (
                "Status OK",
                "a &gt; b",
                "a > b",
                "say &quot;no&quot;",
                "it&apos;s",
                "two\nlines",
                "&#146;",
                "<".replace("<", "&lt;"),
            )
        )
        quote = rng.choice("\"'")
        given = [f"requestID={quote}{rng.choice(('', '7', 'J1Q2P3', 'a > b', 'é'))}{quote}"]
        given += [f"statusCode={quote}{code}{quote}", f'statusMessage="{message}"']
        given += [f'statusSeverity="{rng.choice(("Info", "Warn", "Error"))}"']
        given += [f'retCount="{rng.choice(("0", "12", "many"))}"']
        given += ['iteratorRemainingCount="5" iteratorID="{1-2}"']
        kept = [one for one in given if rng.random() < 0.8]
        if "strangers" not in self.shape.odd and given[1] not in kept:
            kept.append(given[1])
        if "shuffled" in self.shape.odd:
            rng.shuffle(kept)
        return "".join(f" {one}" for one in kept)

    def response(self, records: int) -> str:
        rng = self.rng
        name = rng.choice(qbxml_spec.REQUESTS)
        tags = _responses()[name]
        if self.chance("strangers", 0.3) or rng.random() < 0.3:
            tags = (*KEPT, "InvoiceRet", "CustomerRet")
        inner = []
        if tags and rng.random() < 0.9:
            inner = [self.record(rng.choice(tags)) for _ in range(rng.choice((1, 2, records)))]
        if rng.random() < 0.15:
            inner.append(self.tag("ErrorRecovery", "<TxnID>E-1</TxnID><EditSequence>5</EditSequence>"))
        if not tags or self.chance("strangers", 0.1):
            deleted = (
                "<TxnDelType>Invoice</TxnDelType>",
                "<TxnID>1A-1</TxnID>",
                "<RefNumber/>",
                "<ListID> 7 </ListID>",
            )
            inner += [one for one in deleted if rng.random() < 0.8]
        if self.chance("unknown", 0.2):
            inner.insert(rng.randrange(len(inner) + 1), self.unknown(3))
        if inner:
            inner = [*(self.between(3) + one for one in inner), self.between(2)]
        return self.tag(f"{name}Rs", "".join(inner), self.status())


_PUT = {"foreign": _FOREIGN, "escapes": _ESCAPES, "control": _CONTROL}


def _amount(rng: Random) -> str:
    whole = rng.choice((0, 7, 55, 1234, 999_999_999, 9_999_999_999_999))
    return (
        rng.choice(("", "", "-", "+")) + str(whole) + rng.choice(("", ".00", ".50", ".07", ".5", ".500", "."))
    )


def _rate(rng: Random) -> str:
    whole = rng.choice((0, 1, 33, 1_000_000))
    return rng.choice(("", "", "-")) + str(whole) + rng.choice(("", ".00", ".5", ".33333", ".1234", ".10000"))


def _day(rng: Random) -> date:
    return date(2015, 1, 1) + timedelta(days=rng.choice((0, 58, 180, 3000, -9000)))


def _moment(rng: Random) -> str:
    moment = datetime.combine(_day(rng), datetime.min.time()) + timedelta(seconds=rng.randrange(86_400))
    written = rng.choice(
        ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H")
    )
    if written.endswith("%S"):
        return moment.strftime(written) + rng.choice(("", "-08:00", "+11:00", "-8:0", "+00:00"))
    return rng.choice((moment.strftime(written), f"{moment.year}-{moment.month}-{moment.day}"))


_VALUES: dict[str | None, Callable[[Random], str]] = {
    "AMTTYPE": _amount,
    "PRICETYPE": _rate,
    "QUANTYPE": _rate,
    "PERCENTTYPE": _rate,
    "FLOATTYPE": lambda rng: rng.choice(("1", "1.0837", "0.000000000001", ".5", "115.23", "-3.")),
    "INTTYPE": lambda rng: rng.choice(("0", "1", "17", "-4", "+3", "123456789", "007")),
    "BOOLTYPE": lambda rng: rng.choice(("true", "false", "1", "0")),
    "DATETYPE": lambda rng: _day(rng).isoformat() + rng.choice(("", "", "", "Z", "-08:00")),
    "DATETIMETYPE": _moment,
    "GUIDTYPE": lambda rng: rng.choice(("0", "{6E8B2C4A-0001-4F5D-9A7B-123456789ABC}")),
}


def shape(rng: Random, *, odd: frozenset[str] | None = None) -> Shape:
    """Draw how a document looks: mostly with a few oddities, at times with none or nearly all."""
    if odd is None:
        likely = rng.choice((0.0, 0.1, 0.2, 0.2, 0.35, 0.9))
        odd = frozenset(one for one in ODDITIES if rng.random() < likely)
    return Shape(odd, rng.choice((0.1, 0.4, 0.4, 0.95)), rng.choice(("", "\n", "\n", "\r\n")))


def document(
    rng: Random,
    *,
    odd: frozenset[str] | None = None,
    responses: int = 4,
    records: int = 4,
    big: int = 0,
) -> str:
    """Return one answer.

    Parameters
    ----------
    rng : random.Random
        Where all chance comes from.
    odd : frozenset of str, optional
        The oddities of it; drawn where it is not given.
    responses, records : int
        At most so many responses, and records in each.
    big : int
        One record more, of at least so many characters.
    """
    maker = _Maker(rng, shape(rng, odd=odd))
    look = maker.shape
    inner = [maker.response(records) for _ in range(rng.randint(0 if rng.random() < 0.1 else 1, responses))]
    if big:
        inner.append(
            f'<InvoiceQueryRs statusCode="0">{maker.record("CustomerRet")}{maker.big(big)}</InvoiceQueryRs>'
        )
    if "strangers" in look.odd and rng.random() < 0.2:
        inner.append("<Whatever><A>x</A></Whatever>")
    attributes = rng.choice(
        ("", "", ' newMessageSetID="AB12" messageSetStatusCode="0"', " newMessageSetID='a > b'")
    )
    gap = look.pretty
    body = "".join(f"{gap}{maker.between(2)}{one}" for one in inner)
    head = rng.choice(
        (
            "",
            '<?xml version="1.0"?>',
            '<?xml version="1.0" encoding="utf-8"?>\n<?qbxml version="13.0"?>\n',
            '\n\n<?xml version="1.0" encoding="ISO-8859-1"?>\r\n',
            "<?xml version='1.0' encoding='UTF-16' standalone='no'?><!-- <QBXML> -->",
        )
    )
    tail = rng.choice(("", "\n", "\r\n<!-- end -->\n"))
    return f"{head}<QBXML>{gap}<QBXMLMsgsRs{attributes}>{body}{gap}</QBXMLMsgsRs>{gap}</QBXML>{tail}"


def seeded(seed: int, **how: int) -> str:
    """Return the document of a seed."""
    return document(Random(seed), **how)  # type: ignore[arg-type]


def plain_record(tag: str, seed: int) -> str:
    """Return an answer with one record that has every element, once, and nothing odd."""
    maker = _Maker(Random(seed), Shape(frozenset(), 1.0, ""))
    record = maker.tag(tag, maker.content(spec_rets()[tag], 4))
    return f'<QBXML><QBXMLMsgsRs><SomeQueryRs statusCode="0">{record}</SomeQueryRs></QBXMLMsgsRs></QBXML>'
