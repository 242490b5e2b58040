"""What may go wrong between a server, a Web Connector and QuickBooks, and which of it does: drawn by a seed.

The same seed plants the same faults at the same documents.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit import crash_points as at

KILLED, FULL = "server killed", "disk full"
LOST_REQUEST, LOST_ANSWER, DOUBLED = "request lost", "answer lost", "answer doubled"
DIED_BEFORE, DIED_AFTER, REFUSED = "QuickBooks died before", "QuickBooks died after", "set refused"
SECOND, CLOCK = "second connector", "clock set back"
UNVOUCHED, RESTORED = "answer not vouched for", "company file restored"
OTHERS = (
    *(LOST_REQUEST, LOST_ANSWER, DOUBLED, DIED_BEFORE, DIED_AFTER, REFUSED),
    *(SECOND, FULL, CLOCK, UNVOUCHED, RESTORED),
)
"""Every fault but the death of the server."""
ON_WRITES = (REFUSED, UNVOUCHED, RESTORED)
"""Those that make sense of a document which changes QuickBooks only."""
KINDS = (KILLED, *OTHERS)

ONE_KILL_IN = 6
"""One planted fault in so many is a kill, where nobody says how many."""
MOST_BETWEEN = 1
"""Documents that pass untouched between two planted faults, at most."""
MOST_PASSES = 5
"""How often a place is passed, at most, before the server dies at it: a document passes it several times."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    gap
        Documents that pass untouched before it.
    place, passes
        For a kill and a full disk: where, and how often that place is passed before.
    chance
        A number from 0 to 1 that decides what else is open, such as whether the session was closed.
    """

    kind: str
    gap: int
    place: str
    passes: int
    chance: float

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"{self.kind} {self.place}" if self.kind in (KILLED, FULL) else self.kind


def draw(seed: int, faults: int, kills: int | None = None) -> list[Fault]:
    """Return the faults of a seed.

    Parameters
    ----------
    seed
        The same seed, the same faults.
    faults
        How many.
    kills
        How many of them kill the server; about one in six by default.

    Examples
    --------
    >>> [str(fault) for fault in draw(7, 3, kills=1)] == [str(fault) for fault in draw(7, 3, kills=1)]
    True
    >>> sum(fault.kind == KILLED for fault in draw(7, 12, kills=5))
    5
    """
    chosen = random.Random(seed)
    deadly = min(faults, -(-faults // ONE_KILL_IN) if kills is None else kills)
    kinds = [KILLED] * deadly + _spread(chosen, OTHERS, faults - deadly)
    chosen.shuffle(kinds)
    return [_fault(chosen, kind) for kind in kinds]


def _spread(chosen: random.Random, kinds: Sequence[str], number: int) -> list[str]:
    """Return so many kinds, each as often as any other, give or take one."""
    found: list[str] = []
    while len(found) < number:
        found += chosen.sample(kinds, len(kinds))
    return found[:number]


def _fault(chosen: random.Random, kind: str) -> Fault:
    places = (at.BEFORE_COMMIT, at.BEFORE_FILE) if kind == FULL else at.PLACES
    place = chosen.choice(places)
    # A document writes one file and gives two replies, and commits several times.
    most = 1 if place in (at.BEFORE_FILE, at.AFTER_FILE, at.BEFORE_REPLY) else MOST_PASSES
    return Fault(kind, chosen.randint(0, MOST_BETWEEN), place, chosen.randint(0, most), chosen.random())
