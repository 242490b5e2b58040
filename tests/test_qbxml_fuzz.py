"""Broken and hostile documents: they are read as the plain walk reads them, or refused with line and reason.

Mutations of real and generated answers, by seed. Nothing guides them by coverage: the libraries that could
(atheris) have no wheels for Windows, for macOS or for every Python that we run on, and what reads a document
here is C and numpy, whose branches they do not see. The judge makes up for it: libxml2 by itself says whether
a document is well formed, and `qbxml_walk` what stands in it, so a wrong answer is found as well as a crash.

    python tests/test_qbxml_fuzz.py SECONDS [FIRST_SEED]    a campaign as long as one likes
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lxml import etree
from qbxml_documents import seeded
from qbxml_walk import RefusedError, answered, differences, outcome, repair, walk

from toolkit.errors import QbxmlParseError
from toolkit.qbxml_io import parse

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "corpus"
CASES = 600  # of the short campaign
LARGEST = 60_000  # bytes of a document that is mutated

# The seeds that found something once: they are run first, for ever.
KEPT_SEEDS = (421, 627, 1073, 4648, 1_003_948, 1_004_776, 2_003_635, 5_002_038)


# --- the judge ----------------------------------------------------------------------------------------------


def judged(data: bytes) -> str:
    """Return what became of a document: read, refused, or why the two readers cannot be compared.

    Raises
    ------
    AssertionError
        They can, and differ; or a refusal says neither line nor reason.
    """

    def ours() -> Any:
        try:
            return answered(BytesIO(data))
        except QbxmlParseError as error:
            assert error.reason, "no reason"
            assert error.line is not None, "no line"
            assert 1 <= error.line <= data.count(b"\n") + data.count(b"\r") + 2, f"line {error.line}"
            raise

    found, wanted = outcome(ours, QbxmlParseError), outcome(lambda: walk(data), RefusedError)
    if found is None and wanted is None:
        return "refused"
    if not _begins(data):
        return "a strange beginning"
    try:
        root = etree.fromstring(
            repair(data)[0].encode(), etree.XMLParser(remove_comments=True, remove_pis=True)
        )
    except RefusedError:
        return "a reference that nobody can read"
    except etree.XMLSyntaxError as error:
        if "Namespace prefix" in str(
            error
        ):  # XML without namespaces allows it: of attributes, it does no harm
            return "a prefix that nobody declared"
        raise AssertionError("read, though not well formed") from None
    if found is None and _beyond_qbxml(root):
        return "refused for its size"
    strange = _strange(root)
    if strange:
        return strange
    assert found is not None, "refused, though well formed"
    assert wanted is not None, "read, though no answer"
    if wanted.mixed:
        return "text and elements in one"
    different = differences(found, wanted)
    assert not different, different[:3]
    return "read"


def _beyond_qbxml(root: etree._Element) -> bool:
    """Return whether a document is deeper, or has more or longer names, than any answer of QuickBooks."""
    names = {str(one.tag) for one in root.iter()}
    deepest, depth = 0, 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest > 30 or len(names) > 5_000 or max(map(len, names)) > 100


def _strange(root: etree._Element) -> str:
    """Return why nobody can say what a well-formed document means; empty where one can."""
    sets = list(root.iter("QBXMLMsgsRs"))
    if len(sets) != 1 or sets[0].getparent() is not root:
        return "message sets in strange places"
    if any(not str(one.tag).endswith("Rs") for one in sets[0]):
        return "a stranger among the responses"
    if any("{" in str(one.tag) for one in root.iter()):
        return "namespaces"
    return ""


_BEGINNING = re.compile(
    r"\ufeff?\s*(?:<\?xml [\w\s.\"'=-]*\?>)?(?:\s|<\?\w+ [\w\s.\"'=-]*\?>|<!--[\w\s<>]*-->)*<QBXML[\s/>]",
    re.ASCII,
)


def _begins(data: bytes) -> bool:
    """Return whether what stands before the root is whole: of less, each reader makes something else."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
    encoding = ("utf-16" if data[0] > 0xFD else "utf-16-le" if data[0] else "utf-16-be") if wide else "utf-8"
    return _BEGINNING.match(data[: 1_000 + len(data) % 2].decode(encoding, "replace")) is not None


# --- mutations ----------------------------------------------------------------------------------------------

_MARKS = [
    b"<",
    b">",
    b"&",
    b'"',
    b"'",
    b"/",
    b"\0",
    b"\x01",
    b"\xff",
    b"\x80",
    b"\xed\xa0\x80",
    b"]]>",
    b"<![CDATA[",
]
_MARKS += [
    b"]]",
    b"<!--",
    b"-->",
    b"--",
    b"<?x",
    b"?>",
    b"<?xml?>",
    b"&#55357;",
    b"&#xDC00;",
    b"&#146;",
    b"&#0;",
    b"&#;",
]
_MARKS += [
    b"&nbsp;",
    b"&x;",
    b"&#x110000;",
    b"</InvoiceRet>",
    b"<InvoiceRet>",
    b"<a/>",
    b"<a></a>",
    b"</a>",
    b"<a b='>'/>",
]
_MARKS += [
    b"\r",
    b"\r\n",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b"\xef\xbf\xbf",
    b"\xef\xbb\xbf",
    b" ",
    b"x" * 300,
    b"<!DOCTYPE a>",
]
_MARKS += [
    b'<!ENTITY a "b">',
    b"<QBXMLMsgsRs/>",
    b"<QBXMLMsgsRq/>",
    b"</QBXML>",
    b"<Name>",
    b"<TxnID>9</TxnID>",
]


def _cut(rng: Random, data: bytes) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 5, 20, 200, 5_000)))


def _flipped(rng: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _removed(rng: Random, data: bytes) -> bytes:
    start, end = _cut(rng, data)
    return data[:start] + data[end:]


def _repeated(rng: Random, data: bytes) -> bytes:
    start, end = _cut(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 1, 3)) + data[end:]


def _marked(rng: Random, data: bytes) -> bytes:
    start, _ = _cut(rng, data)
    return data[:start] + rng.choice(_MARKS) + data[start:]


def _ended(rng: Random, data: bytes) -> bytes:
    start, _ = _cut(rng, data)
    return data[:start] + rng.choice((b"", b"<!-- ", b"<![CDATA[", b"<", b"</", b"&", b"<a b='", b"<?x "))


def _tags(data: bytes) -> list[tuple[int, int]]:
    found, place = [], data.find(b"<")
    while place >= 0:
        end = data.find(b">", place)
        if end < 0:
            break
        found.append((place, end + 1))
        place = data.find(b"<", end)
    return found


def _swapped(rng: Random, data: bytes) -> bytes:
    """Exchange two tags, or put the name of one in place of all of another's."""
    tags = _tags(data)
    if len(tags) < 2:
        return data
    (a, b), (c, d) = sorted(rng.sample(tags, 2))
    if rng.random() < 0.5:
        return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]
    old, new = data[a + 1 : b - 1].split(), data[c + 1 : d - 1].split()
    if not old or not new:
        return data
    names = [one[0].strip(b"/") for one in (old, new)]
    return data.replace(b"<" + names[0] + b">", b"<" + names[1] + b">").replace(
        b"</" + names[0] + b">", b"</" + names[1] + b">"
    )


def _moved(rng: Random, data: bytes) -> bytes:
    """Put a whole element somewhere else, which leaves the document well formed more often than not."""
    tags = _tags(data)
    for _ in range(8):
        if not tags:
            return data
        start, end = rng.choice(tags)
        name = data[start + 1 : end - 1].split()[0:1]
        close = data.find(b"</" + name[0] + b">", end) if name else -1
        if close >= 0 and data[start + 1 : start + 2] != b"/":
            close += len(name[0]) + 3
            whole, rest = data[start:close], data[:start] + data[close:]
            places = [place for _, place in _tags(rest)] or [0]
            place = rng.choice(places)
            again = whole if rng.random() < 0.3 else b""
            return rest[:place] + whole + again + rest[place:]
    return data


def _spliced(rng: Random, data: bytes) -> bytes:
    other = rng.choice(sources())
    start, end = _cut(rng, other)
    place, _ = _cut(rng, data)
    return data[:place] + other[start:end] + data[place:]


MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (
    _flipped,
    _removed,
    _repeated,
    _marked,
    _marked,
    _ended,
    _swapped,
    _moved,
    _moved,
    _spliced,
)

_SOURCES: list[bytes] = []


def sources() -> list[bytes]:
    """Return what is mutated: generated answers, and the corpus where it is there."""
    if not _SOURCES:
        _SOURCES.extend(seeded(seed, responses=2, records=2).encode() for seed in range(150))
        _SOURCES.extend(path.read_bytes() for path in sorted(FOLDER.glob("*/*.xml")))
        _SOURCES[:] = [one for one in _SOURCES if len(one) <= LARGEST]
    return _SOURCES


def mutated(seed: int) -> bytes:
    """Return the broken document of a seed."""
    rng = Random(seed)
    data = rng.choice(sources()[:150]) if rng.random() < 0.8 else rng.choice(sources())
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(MUTATIONS)(rng, data)
    if rng.random() < 0.05:
        data = data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-16-le", "utf-8-sig")))
    return data


def campaign(seeds: Iterator[int], seconds: float) -> dict[str, Any]:
    """Judge documents until there is no seed or time left; return the verdicts and the seeds that failed."""
    verdicts: Counter[str] = Counter()
    failed: list[tuple[int, str]] = []
    end = time.monotonic() + seconds
    for seed in seeds:
        if time.monotonic() > end or len(failed) >= 20:
            break
        try:
            verdicts[judged(mutated(seed))] += 1
        except Exception as error:
            failed.append((seed, f"{type(error).__name__}: {error}"[:400]))
    return {"verdicts": dict(verdicts), "failed": failed, "cases": verdicts.total() + len(failed)}


def _in_a_process(*arguments: str, timeout: float) -> dict[str, Any]:
    """Run this file as a script: a reader that hangs or eats all memory fails one test and no more."""
    command = [sys.executable, "-W", "error::ResourceWarning", str(Path(__file__).resolve()), *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, capture_output=True, timeout=timeout, check=False, env=environment)
    told = done.stderr.decode(errors="replace")[-2_000:]
    assert done.returncode == 0, told
    result: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return result


def test_a_short_campaign() -> None:
    found = _in_a_process("60", "0", str(CASES), timeout=90)
    assert found["failed"] == []
    assert found["cases"] >= min(CASES, 200)  # a slow machine does fewer
    # The net holds only where documents are read as well as refused.
    assert found["verdicts"]["read"] > found["cases"] / 10
    assert found["verdicts"]["refused"] > found["cases"] / 4


@pytest.mark.slow
@pytest.mark.parametrize("start", [1_000_000, 2_000_000])
def test_a_long_campaign(start: int) -> None:
    seconds = os.environ.get("FUZZ_SECONDS", "25")
    found = _in_a_process(seconds, str(start), timeout=float(seconds) + 60)
    assert found["failed"] == []
    assert found["cases"] > 500


@pytest.mark.parametrize("seed", KEPT_SEEDS)
def test_a_seed_that_found_something(seed: int) -> None:
    assert judged(mutated(seed))


def test_the_judge_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    good = b'<QBXML><QBXMLMsgsRs><CustomerQueryRs statusCode="0">'
    good += b"<CustomerRet><ListID>1</ListID></CustomerRet></CustomerQueryRs></QBXMLMsgsRs></QBXML>"
    assert judged(good) == "read"
    assert judged(good[:-1]) == "refused"
    module = sys.modules[judged.__module__]
    real = answered
    monkeypatch.setattr(module, "answered", lambda stream: real(BytesIO(good.replace(b">1<", b">2<"))))
    with pytest.raises(AssertionError, match="list_id"):
        judged(good)
    with pytest.raises(AssertionError, match="not well formed"):
        judged(good[:-1])

    def refuse(stream: BytesIO) -> None:
        raise QbxmlParseError("no", 1)

    monkeypatch.setattr(module, "answered", refuse)
    with pytest.raises(AssertionError, match="though well formed"):
        judged(good)


# --- hostile documents --------------------------------------------------------------------------------------


def around(body: str, *, before: str = "") -> bytes:
    head = f'{before}<QBXML>\n<QBXMLMsgsRs><CustomerQueryRs statusCode="0">\n'
    return f"{head}{body}</CustomerQueryRs></QBXMLMsgsRs></QBXML>".encode()


CUSTOMER = "<CustomerRet><ListID>1</ListID><Name>{}</Name></CustomerRet>"
LAUGHS = '<!DOCTYPE QBXML [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)
REFUSED: dict[str, bytes] = {
    "ten thousand levels": around("<CustomerRet>" + "<a>" * 10_000 + "</a>" * 10_000 + "</CustomerRet>"),
    "ten thousand levels of records": around("<CustomerRet>" * 10_000 + "</CustomerRet>" * 10_000),
    "ten thousand levels, never closed": around("<a>" * 10_000),
    "a name of 60,000 letters": around(f"<{'N' * 60_000}/>"),
    "20 MB in one text": around(CUSTOMER.format("x" * 20_000_000)),
    "20 MB in one text with marks": around(CUSTOMER.format("x> " * 7_000_000)),
    "20 MB in one attribute": around(f'<CustomerRet a="{"x" * 20_000_000}"/>'),
    "20 MB in one comment": around(f"<!--{'x >' * 7_000_000}-->"),
    "20 MB in one CDATA section": around(CUSTOMER.format(f"<![CDATA[{'x >' * 7_000_000}]]>")),
    "billion laughs": around(CUSTOMER.format("&j;"), before=LAUGHS + "]>"),
    "an external entity": around(
        CUSTOMER.format("&e;"), before='<!DOCTYPE QBXML [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    ),
    "an external DTD": around("", before='<!DOCTYPE QBXML SYSTEM "http://127.0.0.1/x.dtd">'),
    "a DTD inside": around('<!DOCTYPE a [<!ENTITY b "c">]>'),
    "a DTD behind the root's start": b"<QBXML><!DOCTYPE a><QBXMLMsgsRs/></QBXML>",
    "an entity declared in the middle": around('<!ENTITY a "b">'),
    "an entity nobody declared": around(CUSTOMER.format("&nbsp;")),
    "the end of CDATA in a text": around(CUSTOMER.format("a ]]> b")),
    "a comment without end": around(CUSTOMER.format("<!-- a")),
    "a CDATA section without end": around(CUSTOMER.format("<![CDATA[ a")),
    "an instruction without end": around("<?pi "),
    "an attribute twice": around("<CustomerRet a='1' a='2'/>"),
    "an attribute without quotes": around("<CustomerRet a=1/>"),
    "a mark in an attribute": around("<CustomerRet a='<'/>"),
    "a reference cut short": around(CUSTOMER.format("&#12")),
    "a reference to nothing": around(CUSTOMER.format("&#;")),
    "a bare ampersand": around(CUSTOMER.format("R & D")),
    "two dashes in a comment": around("<!-- a -- b -->"),
    "a declaration in the middle": around("<?xml version='1.0'?>"),
    "tags that cross": around("<CustomerRet><A><B></A></B></CustomerRet>"),
    "a prefix nobody declared": around("<x:CustomerRet/>"),
    "names that begin with a digit": around("<1a/>"),
    "text before the root": b"ok <QBXML><QBXMLMsgsRs/></QBXML>",
    "text behind the root": b"<QBXML><QBXMLMsgsRs/></QBXML>ok",
    "two roots": around("") * 2,
    "half": around(CUSTOMER.format("x") * 100)[:3_000],
    "without its last letter": around(CUSTOMER.format("x"))[:-1],
    "HTML": b"<!DOCTYPE html><html><head><title>502</title></head><body>Bad Gateway</body></html>",
    "XHTML": b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>',
    "JSON": b'{"QBXML": {"QBXMLMsgsRs": []}}',
    "nothing": b"",
    "only a mark of the byte order": b"\xef\xbb\xbf",
    "zeros": bytes(100_000),
    "compressed": gzip.compress(around(CUSTOMER.format("x")), mtime=0),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
    "UTF-32": around("").decode().encode("utf-32"),
    "half a letter of UTF-16": b"\xff\xfe<",
    "EBCDIC": around("").decode().encode("cp500"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_document_is_refused_with_line_and_reason(name: str) -> None:
    data = REFUSED[name]
    with pytest.raises(QbxmlParseError) as caught:
        list(parse(BytesIO(data)))
    assert caught.value.reason
    assert caught.value.line is not None
    assert 1 <= caught.value.line <= data.count(b"\n") + 1
    assert len(str(caught.value)) < 500, "an error never quotes a document"


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("\n\n<CustomerRet>\n<A>\n</B></CustomerRet>", 7),
        ("\n" * 5_000 + "<a></b>", 5_003),
        ("<CustomerRet>\n<Memo>R & D</Memo></CustomerRet>", 4),
        (CUSTOMER.format("\n\n") * 10_000 + "<a>", 20_003),
    ],
)
def test_the_line_is_the_one_where_it_breaks(body: str, line: int) -> None:
    for end in ("\n", "\r\n"):
        with pytest.raises(QbxmlParseError) as caught:
            list(parse(BytesIO(around(body).replace(b"\n", end.encode()))))
        assert caught.value.line == line


MANY = " ".join(f"a{number}='x'" for number in range(100_000))
STRANGE: dict[str, bytes] = {
    "100,000 attributes": around(f"<CustomerRet {MANY}/>"),
    "a name of 40,000 letters": around(f"<CustomerRet><{'N' * 40_000}/></CustomerRet>"),
    "50,000 names": around("".join(f"<n{n}/>" for n in range(50_000))),
    "200 levels": around("<CustomerRet>" + "<a>" * 200 + "</a>" * 200 + "</CustomerRet>"),
    "zeros inside": around(CUSTOMER.format("a\0b\0")),
    "bytes that are not UTF-8": around(CUSTOMER.format("a")).replace(b">a<", b">\xff\xfe\x80\xed\xa0\x80<"),
    "references to halves": around(CUSTOMER.format("&#xD800;&#56832;&#xDBFF;")),
    "instructions everywhere": around(CUSTOMER.format("<?a?>b<?c <Name>?>"), before="<?x?><!--<QBXML>-->"),
    "a namespace": around(CUSTOMER.format("x")).replace(b"<CustomerRet>", b'<CustomerRet xmlns="urn:x">'),
    "a prefix": around('<x:CustomerRet xmlns:x="urn:x"><ListID>1</ListID></x:CustomerRet>'),
    "a prefix that nobody declared, in a field": around(
        CUSTOMER.format("x").replace("<Name>", "<Name y:a='1'>")
    ),
    "a prefix that nobody declared, in a response": around(CUSTOMER.format("x")).replace(
        b"Rs status", b"Rs y:a='1' status"
    ),
    "a prefix that nobody declared, in a record": around(
        CUSTOMER.format("x").replace("Ret>", "Ret y:a='1'>", 1)
    ),
    "a prefix declared further out, in a response": around(CUSTOMER.format("x"))
    .replace(b"Rs status", b"Rs y:a='1' status")
    .replace(b"<QBXML>", b"<QBXML xmlns:y='urn:y'>"),
    "an empty answer": b"<QBXML><QBXMLMsgsRs/></QBXML>",
    "many empty records": around("<CustomerRet/>" * 900),
    "a megabyte of blanks": around(" \n" * 500_000 + CUSTOMER.format("x")),
    "a megabyte of text between": around(CUSTOMER.format("x") + "- " * 500_000),
    "many comments": around("<!-- > -->" * 20_000 + CUSTOMER.format("x")),
    "many sections": around(CUSTOMER.format("<![CDATA[a]]>" * 20_000)),
    "many references": around(CUSTOMER.format("&#146;&amp;" * 50_000)),
    "one record many times": around(CUSTOMER.format("x") * 2_000),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_document_is_read_as_the_walk_reads_it_or_refused(name: str) -> None:
    assert judged(STRANGE[name])


# --- without end --------------------------------------------------------------------------------------------


class Flood:
    """A document of so many bytes that is never there as a whole.

    It begins with a head, goes on with one piece again and again, and ends there.
    """

    def __init__(
        self, head: bytes, piece: bytes | Callable[[int], bytes], size: int, tail: bytes = b""
    ) -> None:
        self._parts = self._made(head, piece, size, tail)
        self._held = b""
        self.given = 0

    def _made(
        self, head: bytes, piece: bytes | Callable[[int], bytes], size: int, tail: bytes
    ) -> Iterator[bytes]:
        yield head
        number = 0
        while self.given < size:
            # Some 64 KB at a time.
            some = (
                [piece(number + n) for n in range(2_000)]
                if callable(piece)
                else [piece * (65_536 // len(piece) + 1)]
            )
            number += 2_000
            yield b"".join(some)
        yield tail

    def read(self, size: int = -1) -> bytes:
        while not self._held:
            part = next(self._parts, None)
            if part is None:
                return b""
            self._held = part
        given, self._held = self._held[:size], self._held[size:]
        self.given += len(given)
        return given


_HEAD = b'<QBXML><QBXMLMsgsRs><VendorQueryRs requestID="1" statusCode="0">'
_TAIL = b"</VendorQueryRs></QBXMLMsgsRs></QBXML>"
_RECORD = _HEAD + b"<CustomerRet><ListID>1</ListID>"
_VENDOR = b"<VendorRet><ListID>1</ListID><Name>V</Name><Phone>555</Phone></VendorRet>\n"
_LINE = b"<InvoiceLineRet><TxnLineID>1</TxnLineID><Amount>1.00</Amount></InvoiceLineRet>"
# Head, piece, tail, and what must become of it.
FLOODS: dict[str, tuple[bytes, bytes | Callable[[int], bytes], bytes, str]] = {
    "one text": (_RECORD + b"<Name>", b"x", b"", "refused"),
    "one text with marks": (_RECORD + b"<Name>", b"x > y ", b"", "refused"),
    "one text of references": (_RECORD + b"<Name>", b"&#146;&#65;", b"", "refused"),
    "one name": (_RECORD + b"<", b"N", b"", "refused"),
    "one attribute": (_RECORD + b'<Name a="', b"x>", b"", "refused"),
    "one tag's attributes": (_RECORD + b"<Name", lambda n: b" a%d='1'" % n, b"", "refused"),
    "one comment": (_RECORD + b"<!--", b"x>", b"", "refused"),
    "one instruction": (_RECORD + b"<?x ", b"x>", b"", "refused"),
    "one CDATA section": (_RECORD + b"<Name><![CDATA[", b"x>", b"", "refused"),
    "before the root": (b"", b" \n", b"", "refused"),
    "comments before the root": (b"", b"<!-- a -->\n", b"", "refused"),
    "levels": (_RECORD, b"<a>", b"", "refused"),
    "levels of records": (_HEAD, b"<CustomerRet>", b"", "refused"),
    "names": (_RECORD, lambda n: b"<n%d/>" % n, b"", "refused"),
    "no XML": (b"", b"no XML ", b"", "refused"),
    "zeros": (b"", bytes(64), b"", "refused"),
}
LONG_FLOODS: dict[str, tuple[bytes, bytes | Callable[[int], bytes], bytes, str]] = {
    "one record": (_RECORD, b"<Memo/><X>y</X>", b"", "refused"),
    "one record's lines": (_HEAD + b"<InvoiceRet><TxnID>1</TxnID>", _LINE, b"", "refused"),
    "values of a response": (_HEAD, b"<TxnID>1</TxnID>", _TAIL, "either"),
    "records of no table": (_HEAD, _VENDOR, _TAIL, "read"),
    "empty records": (_HEAD, b"<CustomerRet/>", _TAIL, "either"),
    "blanks": (_HEAD, b" \n", _TAIL, "either"),
    "comments": (_HEAD, b"<!-- > -->\n", _TAIL, "either"),
    "responses": (
        b"<QBXML><QBXMLMsgsRs>",
        lambda n: b'<CustomerQueryRs requestID="%d" statusCode="1" statusMessage="none"/>\n' % n,
        b"</QBXMLMsgsRs></QBXML>",
        "read",
    ),
}


def flooded(names: list[str], size: int) -> dict[str, dict[str, Any]]:
    """Read floods under a limit of memory, one after the other; return what came of each."""
    list(parse(BytesIO(around(CUSTOMER.format("x")))))  # so that everything is loaded
    if sys.platform == "linux":
        import resource

        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use + (1 << 30), in_use + (1 << 30)))
    return {name: _flooded(name, size) for name in names}


def _flooded(name: str, size: int) -> dict[str, Any]:
    head, piece, tail, _ = {**FLOODS, **LONG_FLOODS}[name]
    before = _peak()
    stream = Flood(head, piece, size, tail)
    events: Counter[str] = Counter()
    reason, line = "", None
    try:
        for event in parse(stream):  # type: ignore[arg-type]
            events[type(event).__name__] += 1
    except QbxmlParseError as error:
        reason, line = error.reason, error.line
    grown = (_peak() - before) >> 20
    return {"reason": reason, "line": line, "given": stream.given, "events": dict(events), "grown": grown}


def _peak() -> int:
    """Return the most memory that this process has used, in bytes; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _check_floods(*names: str, size: int, timeout: float) -> None:
    for name, found in _in_a_process("--flood", str(size), *names, timeout=timeout).items():
        *_, wanted = {**FLOODS, **LONG_FLOODS}[name]
        if wanted != "either":
            assert bool(found["reason"]) is (wanted == "refused"), (name, found)
        if found["reason"]:
            assert found["line"] >= 1, (name, found)
            assert found["given"] < 150_000_000 or wanted == "either", (name, found)
        else:
            assert found["given"] >= size, (name, found)
            assert found["events"]["LeftBehind"] == 1, (name, found)
        assert found["grown"] < 400, (name, found)  # MB


QUICK = ("one text", "one text with marks", "levels")


def test_a_gigabyte_of_one_thing_is_refused_early() -> None:
    _check_floods(*QUICK, size=1 << 30, timeout=90)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FLOODS.keys() - set(QUICK)))
def test_a_gigabyte_of_anything_is_refused_early(name: str) -> None:
    _check_floods(name, size=1 << 30, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_FLOODS)
def test_what_has_no_end_takes_no_memory_without_end(name: str) -> None:
    # A response is a few objects of Python, whatever reads it: fewer of them, for the sake of time.
    _check_floods(name, size=(60 if name == "responses" else 150) << 20, timeout=300)


def _main(arguments: list[str]) -> None:
    if arguments[:1] == ["--flood"]:
        print(json.dumps(flooded(arguments[2:], int(arguments[1]))))
        return
    seconds, first, cases = (*map(float, arguments), *(60.0, 0.0, 1e12)[len(arguments) :])
    seeds = iter(range(int(first), int(first + cases)))
    print(json.dumps(campaign(seeds, seconds)))


if __name__ == "__main__":
    _main(sys.argv[1:])
