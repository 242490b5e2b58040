"""The nearest of very many names, without comparing with all of them.

The answers are those that comparing every pair by ``rapidfuzz.fuzz.ratio`` gives. Comparing is dear, and
nearly all pairs can be ruled out by their letters: what two texts have in common as sequences is never more
than what they have in common as bags of letters. A bag is kept as the bits of two words, each the answer to
a question ``does the text have letter c at least k times?``; so what two bags have in common is counted for
all names at once. Asked are the questions that rule out most; where a question is not asked it is assumed
that the name has what the query has. What could still be the nearest is compared in earnest.

A name is compared as a whole, by its last part and by its words in order. All three have the letters of the
whole, if punctuation and blanks count as one letter; so one bag bounds them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process

__all__ = ["CUTOFF", "Found", "Query", "Search"]

CUTOFF = 50.0
"""What is less alike than this is no suggestion: it would be a name taken out of the blue."""

_QUESTIONS = 128
_TIMES = 6  # repetitions of a letter that may be asked about
_BLOCK = 20_000  # names whose letters are counted at once
_ROUNDED = 0.02  # scores count as shown, in hundredths: what is this near may be the same
_FIRST_GUESS = 75.0
_FEW, _SEEDS = 400, 128
_NEVER = np.float32(np.inf)
_CODES, _LETTERS = 0x110000, 250  # letters that may be asked about
_UNSEEN, _NOT_ASKED = -1, -2
_NOT_LETTER = re.compile(r"[\W_]")

Bits = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Query:
    """A text to find the nearest name of: as it reads, and its words in order (``""`` to ignore them)."""

    text: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The names that are nearest: their score, 0 to 100, and the places of all that have it."""

    score: float
    places: Places


class Search:
    """Names to be searched.

    Parameters
    ----------
    queries : sequence of Query
        All that will be asked: their letters choose the questions.
    names : sequence of str
        The names as they read.
    last_parts : sequence of str, optional
        Their last parts, ``""`` for a name that has no other.
    words_of : callable, optional
        Makes the words in order of a name; without it queries are not compared by their words.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        names: Sequence[str],
        last_parts: Sequence[str] | None = None,
        words_of: Callable[[str], str] | None = None,
    ) -> None:
        letters = _Letters([query.text for query in queries], names)
        self._asked, self._not_asked = letters.queries, letters.not_asked
        nothing = np.zeros(len(names), np.int64)
        lengths = (
            np.fromiter(map(len, names), np.int64, len(names)),
            nothing if last_parts is None else np.fromiter(map(len, last_parts), np.int64, len(names)),
            nothing if words_of is None else letters.worded,
        )
        # Names of equal lengths stand together, so that what they need is worked out once for all of them.
        group = (lengths[0] << 40) + (lengths[1] << 20) + lengths[2]
        self._order = np.argsort(group, kind="stable")
        self._lengths = tuple(length[self._order].astype(np.float32) for length in lengths)
        first = np.flatnonzero(np.diff(group[self._order], prepend=-1))
        self._groups = np.diff(first, append=len(names))
        self._of_group = tuple(length[first] for length in self._lengths)
        self._held = [np.ascontiguousarray(word[self._order]) for word in letters.names]
        self._spare = np.empty(len(names), np.uint64), np.empty(len(names), np.uint8)
        self._names = _texts(names)[self._order]
        self._last_parts = None if last_parts is None else _texts(last_parts)[self._order]
        self._words_of = words_of
        self._words = np.full(len(names), None, object)

    def nearest(self, place: int, query: Query) -> tuple[Found | None, Found | None]:
        """Return what is nearest to a query as a whole or by its last part, and what by its words.

        Parameters
        ----------
        place : int
            Where the query stands among those given at first.
        query : Query
            The query itself.

        Returns
        -------
        tuple of Found or None
            The better of both, rounded to hundredths, is right; the other may be too low, or missing.
        """
        common = self._common(place)
        spare = common + (127 - np.minimum(self._needed(place, query, _FIRST_GUESS), 127))
        floor = self._better(place, query, common, np.flatnonzero(spare == spare.max())[:_SEEDS], CUTOFF)
        places = np.flatnonzero(common >= self._needed(place, query, floor))
        if len(places) > _FEW:
            likely = places[np.argpartition(spare[places], -_SEEDS)[-_SEEDS:]]
            floor = self._better(place, query, common, likely, floor)
        return self._compared(place, query, common, places, floor)

    def _better(self, place: int, query: Query, common: Counts, places: Places, floor: float) -> float:
        """Return the best score at some places, or the one that is known where it is better."""
        found = self._compared(place, query, common, places, floor)
        return max([floor, *(one.score for one in found if one)])

    def _common(self, place: int) -> Counts:
        """Return how many letters each name has in common with a query, of those asked about."""
        wide, narrow = self._spare
        found = np.zeros(len(narrow), np.uint8)
        for held, asked in zip(self._held, self._asked, strict=True):
            np.bitwise_and(held, asked[place], out=wide)
            found += np.bitwise_count(wide, out=narrow)
        return found

    def _needed(self, place: int, query: Query, score: float) -> Counts:
        """Return how many of those letters a name needs to reach a score in any of the three ways."""
        need = np.minimum.reduce(list(_letters_needed(query, score, self._of_group))) - self._not_asked[place]
        return np.repeat(np.clip(np.ceil(need), 0, 255).astype(np.uint8), self._groups)

    def _compared(
        self, place: int, query: Query, common: Counts, places: Places, floor: float
    ) -> tuple[Found | None, Found | None]:
        """Compare a query in earnest with the names at some places, in the ways that can reach a score."""
        lengths = tuple(length[places] for length in self._lengths)
        held = common[places] + self._not_asked[place]
        whole, last, worded = (places[held >= need] for need in _letters_needed(query, floor, lengths))
        found = [self._highest(query.text, self._names, whole)]
        if self._last_parts is not None:
            found.append(self._highest(query.text, self._last_parts, last))
        if self._words_of is None or not query.words:
            return _better_of(found), None
        for one in worded[self._words[worded] == None].tolist():  # noqa: E711
            self._words[one] = self._words_of(self._names[one])
        return _better_of(found), self._highest(query.words, self._words, worded)

    def _highest(self, query: str, texts: Texts, places: Places) -> Found | None:
        if not len(places):
            return None
        scores = process.cdist(
            [query], texts[places].tolist(), scorer=fuzz.ratio, score_cutoff=CUTOFF, dtype=np.float32
        )[0]
        score = float(scores.max())
        return Found(score, self._order[places[scores == score]]) if score > 0 else None


def _letters_needed(query: Query, score: float, lengths: Sequence[Floats]) -> Iterator[Floats]:
    """Yield how many letters in common a score needs: of whole names, of last parts, of words in order."""
    share = np.float32((score - _ROUNDED) / 200)
    whole, last, worded = lengths
    yield share * (whole + len(query.text))
    by_last: Floats = share * (last + len(query.text))
    # A last part cannot have more in common than it is long.
    yield np.where(last >= np.maximum(by_last, 1), by_last, _NEVER)
    yield share * (worded + len(query.words)) if query.words else np.full_like(worded, _NEVER)


def _better_of(found: Sequence[Found | None]) -> Found | None:
    """Return the higher of two; where both are as high, all the places of both."""
    there = [one for one in found if one is not None]
    score = max((one.score for one in there), default=0.0)
    places = [one.places for one in there if one.score == score]
    return Found(score, np.concatenate(places)) if places else None


def _texts(texts: Sequence[str]) -> Texts:
    made = np.empty(len(texts), object)
    made[:] = texts
    return made


class _Letters:
    """The letters that the queries have, and the questions about them that rule out most names.

    All that is no letter or digit is one letter, and comes first.
    """

    def __init__(self, queries: Sequence[str], names: Sequence[str]) -> None:
        codes = _codes(queries)
        codes, often = np.unique(codes, return_counts=True)
        codes = codes[np.argsort(-often, kind="stable")]
        plain = [code for code in codes.tolist() if not _NOT_LETTER.match(chr(code))][:_LETTERS]
        self._count = len(plain) + 1
        self._letter_of = np.full(_CODES, _UNSEEN, np.int16)
        self._letter_of[plain] = np.arange(1, self._count)
        asked = np.concatenate([counts for counts, _ in self._counted(queries)])
        blocks = list(self._counted(names))
        times = np.arange(1, _TIMES + 1, dtype=np.uint8)
        # How many queries say yes, times how many names say no: so much does a question rule out.
        yes = (asked[:, :, None] >= times).sum(axis=0)
        no = sum((block[:, :, None] < times).sum(axis=0) for block, _ in blocks)
        chosen = np.argsort(-(yes * no).ravel(), kind="stable")[:_QUESTIONS]
        self._questions = list(zip((chosen // _TIMES).tolist(), (chosen % _TIMES + 1).tolist(), strict=True))
        self.queries = self._answers(asked)
        self.names = [
            np.concatenate(words) for words in zip(*(self._answers(b) for b, _ in blocks), strict=True)
        ]
        self.worded = np.concatenate([worded for _, worded in blocks])
        answered = sum(np.bitwise_count(word).astype(np.int64) for word in self.queries)
        self.not_asked = np.fromiter(map(len, queries), np.int64, len(queries)) - answered
        """How many letters of each query no question asks about."""

    def _answers(self, counts: Counts) -> list[Bits]:
        """Return the answers of each text, as bits of as many words as there are questions for."""
        words = []
        for start in range(0, len(self._questions), 64):
            word = np.zeros(len(counts), np.uint64)
            for bit, (letter, times) in enumerate(self._questions[start : start + 64]):
                word |= (counts[:, letter] >= times).astype(np.uint64) << np.uint64(bit)
            words.append(word)
        return words

    def _counted(self, texts: Sequence[str]) -> Iterator[tuple[Counts, Places]]:
        """Yield how often each text has each letter, and how long its words in order are, block by block."""
        for start in range(0, len(texts), _BLOCK):
            block = texts[start : start + _BLOCK]
            codes = _codes(block)
            letters = self._letters(codes)
            owner = np.repeat(np.arange(len(block)), np.fromiter(map(len, block), np.int64, len(block)))
            known = letters >= 0
            cells = owner[known] * self._count + letters[known]
            counts = np.bincount(cells, minlength=len(block) * self._count).reshape(len(block), self._count)
            yield np.minimum(counts, 255).astype(np.uint8), _length_of_words(letters != 0, owner, len(block))

    def _letters(self, codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int16]:
        letters = self._letter_of[codes]
        for code in np.unique(codes[letters == _UNSEEN]).tolist():
            self._letter_of[code] = 0 if _NOT_LETTER.match(chr(code)) else _NOT_ASKED
        return self._letter_of[codes]


def _length_of_words(letter: npt.NDArray[np.bool_], owner: Places, count: int) -> Places:
    """Return how long the words of each text are with single blanks between them."""
    begins = letter.copy()
    begins[1:] &= ~letter[:-1] | (owner[1:] != owner[:-1])
    words = np.bincount(owner[begins], minlength=count)
    return np.bincount(owner[letter], minlength=count) + np.maximum(words - 1, 0)


def _codes(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
