"""How alike two names are: what is forgiven step by step, and ranked suggestions.

Three ways of reading a name, each forgiving more than the one before:

=================  ====================================================================================
:func:`collapsed`  blanks at either end, repeated blanks, tabs and line breaks, blanks around ``:``
:func:`caseless`   the above, and upper and lower case
:func:`skeleton`   the above, and characters that look alike: compatibility forms (NFKC), letters of
                   another alphabet (Cyrillic ``А``), dashes, quotes, non-breaking and invisible blanks
=================  ====================================================================================

Digits and letters that merely resemble each other (``0`` and ``O``, ``1`` and ``l``) and accents are *not*
forgiven: they tell real names apart. Nothing here decides anything; it only ranks.

>>> skeleton("Сonsulting – Hourly") == skeleton("consulting - hourly")
True
>>> name_words("Acme, Inc.") == name_words("ACME")
True
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz

from toolkit.likeness_search import CUTOFF, Found, Query, Search

__all__ = [
    "best",
    "caseless",
    "collapsed",
    "item_suggestions",
    "last_part",
    "last_parts",
    "likeness",
    "name_words",
    "nearest",
    "phone_digits",
    "skeleton",
    "skeletons",
]

Suggestion = tuple[str, Decimal]
"""A name and its likeness, 0 to 100."""

# Letters of other alphabets that are drawn like Latin ones. Source: Unicode TS 39, confusables.txt, those
# that a keyboard of the neighbouring alphabet types.
_LETTERS = {
    **dict(zip("АВЕКМНОРСТУХІЈЅԚԜҮ", "ABEKMHOPCTYXIJSQWY", strict=True)),
    **dict(zip("аеорсухіјѕԁһӏԛԝү", "aeopcyxijsdhlqwy", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    **dict(zip("ονραι", "ovpai", strict=True)),
    **dict(zip("ıȷɡ", "ijg", strict=True)),
}
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d\u00ad"
_SINGLE_QUOTES = "\u2018\u2019\u201a\u201b\u2032\u00b4\u0060\u02bc\u02b9\u02bb\uff07"
_DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02"
_LOOK_ALIKES = str.maketrans(
    {
        **_LETTERS,
        **dict.fromkeys(_DASHES, "-"),
        **dict.fromkeys(_SINGLE_QUOTES, "'"),
        **dict.fromkeys(_DOUBLE_QUOTES, '"'),
        "\u00d7": "x",
        "\u2044": "/",
        "\u2215": "/",
        "\u2236": ":",
        "\ua789": ":",
    }
)
_BLANKS = re.compile(r"[ \t\r\n\f\v]+")  # ASCII only: a non-breaking blank is a look-alike, not a blank
_AROUND_COLON = re.compile(r" ?: ?")
_NOT_WORD = re.compile(r"[\W_]+")
_LEGAL_FORMS = frozenset(
    re.findall(
        r"\w+",
        "inc incorporated llc llp lp ltd limited corp corporation co company plc pllc pc pty "
        "gmbh ag kg sa sarl bv nv ab as oy",
    )
)


def collapsed(text: str) -> str:
    """Return ``text`` without blanks at its ends and around colons, and with single blanks inside."""
    return _AROUND_COLON.sub(":", _BLANKS.sub(" ", text).strip(" "))


def caseless(text: str) -> str:
    """Return ``text`` collapsed and without regard to case."""
    return collapsed(text).casefold()


def skeleton(text: str) -> str:
    """Return ``text`` as the eye reads it: caseless, look-alike characters made the same."""
    if text.isascii():
        return caseless(text.translate(_LOOK_ALIKES))
    plain = unicodedata.normalize("NFKC", text.translate(_LOOK_ALIKES)).translate(_LOOK_ALIKES)
    return caseless(
        "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Cc") or c in "\t\r\n\f\v")
    )


def skeletons(texts: pa.Array) -> pa.Array:
    """Return the :func:`skeleton` of each text; null for null."""
    plain = pc.replace_substring(pc.ascii_lower(texts), "`", "'")
    plain = pc.utf8_trim(pc.replace_substring_regex(plain, "[ \\t\\r\\n\\f\\v]+", " "), " ")
    plain = pc.replace_substring_regex(plain, " ?: ?", ":")
    return _where_not_ascii(texts, plain, skeleton)


def last_parts(full_names: pa.Array) -> pa.Array:
    """Return the :func:`last_part` of each full name; null for null."""
    return pc.replace_substring_regex(full_names, "(?s)^.*:", "")


def _where_not_ascii(texts: pa.Array, plain: pa.Array, reading: Callable[[str], str]) -> pa.Array:
    """Return ``plain``, with the texts that are not all ASCII read one by one."""
    foreign = pc.fill_null(pc.invert(pc.string_is_ascii(texts)), False)
    if not pc.any(foreign).as_py():
        return plain
    read = pa.array([reading(text) for text in texts.filter(foreign).to_pylist()], pa.string())
    return pc.replace_with_mask(plain, foreign, read)


def last_part(full_name: str) -> str:
    """Return the last part of a full name: what follows the last colon."""
    return full_name.rpartition(":")[2]


def name_words(text: str) -> str:
    """Return a customer's name as its sorted words, without punctuation and legal form.

    ``Acme Inc`` and ``Acme, Inc.`` are one, and so are ``Smith, John`` and ``John Smith``. A name that is
    nothing but legal forms keeps them.
    """
    words = _NOT_WORD.sub(" ", _joined_initials(skeleton(text))).split()
    kept = [word for word in words if word not in _LEGAL_FORMS] or words
    return " ".join(sorted(kept))


def _joined_initials(text: str) -> str:
    # "L.L.C." is one word and so is "O'Brien"; an ampersand is the word it stands for.
    return re.sub(r"(?<=\b\w)\.(?=\w\b)", "", text).replace("'", "").replace("&", " and ")


def phone_digits(text: str) -> str:
    """Return the last ten digits of a phone number, or ``""`` where there are fewer than seven."""
    digits = "".join(c for c in text if c.isascii() and c.isdigit())
    return digits[-10:] if len(digits) >= 7 else ""


def best(*candidates: Suggestion | None) -> Suggestion | None:
    """Return the candidate with the highest score; the first of equals."""
    found = [candidate for candidate in candidates if candidate is not None]
    return max(found, key=lambda suggestion: suggestion[1], default=None)


def nearest(queries: Iterable[str], targets: Iterable[tuple[str, str]]) -> dict[str, Suggestion]:
    """Return for each query the target most like it; a query without one is absent.

    Parameters
    ----------
    queries : iterable of str
        Prepared texts, for example skeletons.
    targets : iterable of (str, str)
        Prepared text, and the name it stands for. Of equally likely names the first in the alphabet is
        given, so that the answer does not depend on the order of rows.
    """
    wanted = sorted({query for query in queries if query})
    held = sorted({(name, text) for text, name in targets if text})
    texts, names = [text for _, text in held], [name for name, _ in held]
    if not wanted or not texts:
        return {}
    asked = [Query(query) for query in wanted]
    search = Search(asked, texts)
    found = {query.text: search.nearest(place, query)[0] for place, query in enumerate(asked)}
    return _present({query: _first(one, names) for query, one in found.items()})


def item_suggestions(queries: Iterable[str], full_names: Sequence[str]) -> dict[str, Suggestion]:
    """Return for each query the full name most like it, also by its last part or in another order of words.

    Parameters
    ----------
    queries : iterable of str
        Price codes or texts as they stand.
    full_names : sequence of str
        The names that may be chosen.
    """
    wanted = {query: skeleton(query) for query in queries}
    asked = [Query(text, _words(text)) for text in sorted({text for text in wanted.values() if text})]
    if not asked or not full_names:
        return {}
    whole = skeletons(pa.array(full_names, pa.string())).to_pylist()
    parts = [_last_skeleton(*both) for both in zip(full_names, whole, strict=True)]
    search = Search(asked, whole, parts, _words)
    found = {}
    for place, query in enumerate(asked):
        alike = (_first(one, full_names) for one in search.nearest(place, query))
        found[query.text] = best(*alike)
    return _present({query: found[text] for query, text in wanted.items() if text})


def likeness(text: str, full_name: str) -> Decimal | None:
    """Return how alike a text and one full name are, 0 to 100; ``None`` where that is next to nothing."""
    query, whole = skeleton(text), skeleton(full_name)
    pairs = [(query, whole), (query, skeleton(last_part(full_name))), (_words(query), _words(whole))]
    # As float32, like the scores of many: the same pair has the same score however it is asked for.
    score = np.float32(max((fuzz.ratio(one, other) for one, other in pairs if one), default=0))
    return Decimal(f"{score:.2f}") if score >= CUTOFF else None


def _last_skeleton(full_name: str, whole: str) -> str:
    """Return the skeleton of the last part of a name, ``""`` where it has no other."""
    if full_name.isascii():
        return whole.rpartition(":")[2] if ":" in whole else ""
    return skeleton(last_part(full_name)) if ":" in full_name else ""


def _first(found: Found | None, names: Sequence[str]) -> Suggestion | None:
    """Return the first in the alphabet of the names found, with its score as it is shown."""
    if found is None:
        return None
    return min(names[place] for place in found.places), Decimal(f"{found.score:.2f}")


def _words(text: str) -> str:
    return " ".join(sorted(_NOT_WORD.sub(" ", text).split()))


def _present(found: Mapping[str, Suggestion | None]) -> dict[str, Suggestion]:
    return {query: suggestion for query, suggestion in found.items() if suggestion is not None}
