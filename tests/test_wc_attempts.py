"""Who tries passwords waits longer and longer, but never whoever repeats one or has corrected it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.wc_attempts import (
    CALLER,
    CHECK_SECONDS,
    FORGET_SECONDS,
    FREE,
    FREE_NAMES,
    LONGEST_WAIT,
    MOST_CLIENTS,
    MOST_COMPARED,
    MOST_WRONG,
    Attempts,
    Verdict,
)

HASH = "$argon2id$the-hash"
RIGHT = "right"


class World:
    """Attempts on a clock that is turned by hand, with a check that knows the right password."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.attempts = Attempts(clock=lambda: self.now)
        self.hash = HASH
        self.right = RIGHT
        self.checked = 0

    def come(self, password: str, user: str = "clerk", address: str = "10.0.0.7") -> Verdict:
        """Try a password as a server does."""
        token = CALLER.set(address)
        try:
            verdict = self.attempts.verdict(user, password, self.hash)
            if verdict.kind in ("go", "known_right"):
                self.checked += 1
                right = (user, password) == ("clerk", self.right)
                self.attempts.record(user, password, self.hash, right)
            return verdict
        finally:
            CALLER.reset(token)

    def fail(self, times: int, address: str = "10.0.0.7", user: str = "clerk") -> None:
        """Try other wrong passwords, each as soon as it is looked at."""
        for number in range(times):
            for _ in range(2):
                verdict = self.come(f"wrong {self.checked} {number}", user, address)
                if verdict.kind == "go":
                    break
                self.now += verdict.seconds
            assert verdict.kind == "go"


@pytest.fixture
def world() -> Iterator[World]:
    yield World()


def test_the_first_wrong_passwords_cost_no_wait_and_the_next_ones_more_and_more(world: World) -> None:
    world.fail(FREE)
    assert world.come("another").kind == "go"
    waits = []
    for number in range(8):
        verdict = world.come(f"next {number}")
        assert verdict.kind == "wait"
        waits.append(verdict.seconds)
        world.now += verdict.seconds
        assert world.come(f"next {number}").kind == "go"
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_same_wrong_password_is_known_without_a_check_and_lengthens_nothing(world: World) -> None:
    world.fail(FREE)
    assert world.come("typo").kind == "go"
    checked, waiting = world.checked, world.come("other")
    for _ in range(50):
        assert world.come("typo").kind == "known_wrong"
    assert world.checked == checked
    assert world.come("other") == Verdict("wait", waiting.seconds, news=False)
    world.now += waiting.seconds
    assert world.come(RIGHT).kind == "go"


def test_a_web_connector_that_repeats_a_typo_all_day_is_not_locked_out_once_it_is_corrected(
    world: World,
) -> None:
    for _ in range(24 * 60):
        world.come("typo")
        world.now += 60
    assert world.checked == 1
    assert world.come(RIGHT).kind == "go"


def test_a_password_changed_on_our_side_makes_the_same_one_new(world: World) -> None:
    world.come("new")
    assert world.come("new").kind == "known_wrong"
    world.hash, world.right = "$argon2id$another", "new"
    assert world.come("new").kind == "go"
    assert world.come("new").kind == "known_right"
    world.hash = HASH
    assert world.come("new").kind == "known_wrong", "as it was"


def test_a_right_password_begins_anew_and_is_not_kept_waiting_by_a_colleague(world: World) -> None:
    world.come(RIGHT)
    world.fail(FREE + 3)
    assert world.come("one more").kind == "wait"
    assert world.come(RIGHT).kind == "known_right"
    world.fail(FREE)
    assert world.come("after it").kind == "go"


def test_whoever_guesses_in_a_wait_does_not_find_the_right_one_by_its_passing(world: World) -> None:
    world.come(RIGHT)
    world.fail(FREE + 6)
    for number in range(MOST_COMPARED):
        assert world.come(f"guess {number}").kind == "wait"
    assert world.come(RIGHT).kind == "wait"
    world.now += LONGEST_WAIT
    assert world.come(RIGHT).kind == "known_right"


@pytest.mark.parametrize("right", [True, None])
def test_whoever_was_right_before_is_never_locked_out_by_who_names_other_users(
    world: World, right: bool | None
) -> None:
    """A Web Connector behind the same address as somebody who guesses; ``None``: it is told to come later."""
    world.come(RIGHT)
    passed = 0
    for _ in range(3 * MOST_COMPARED):
        for guess in range(120):
            world.now += 0.5
            world.come(f"at {world.now}", user=f"stranger {guess}")
        while world.come(f"another {world.checked}", user=f"stranger {world.checked}").kind == "go":
            pass
        token = CALLER.set("10.0.0.7")
        if world.attempts.verdict("clerk", RIGHT, HASH).kind == "known_right":
            world.attempts.record("clerk", RIGHT, HASH, right)
            passed += 1
        CALLER.reset(token)
    assert passed == 3 * MOST_COMPARED


def test_who_tries_in_a_wait_does_not_lengthen_it(world: World) -> None:
    world.fail(FREE + 5)
    left = []
    for number in range(16):
        left.append(world.come(f"guess {number}").seconds)
        world.now += 1
    assert left == list(range(16, 0, -1))
    assert world.come(RIGHT).kind == "go"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.7", "10.0.0.8", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("::ffff:10.0.0.7", "::ffff:10.0.0.8", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "", False),
    ],
)
def test_a_client_is_an_address_or_the_network_of_an_ipv6_address(
    world: World, one: str, other: str, same: bool
) -> None:
    world.fail(FREE + 1, one)
    assert (world.come("again", address=other).kind == "wait") is same


def test_users_are_counted_apart_but_not_without_end(world: World) -> None:
    world.fail(FREE + 3, user="stranger")
    assert world.come(RIGHT).kind == "go"
    fresh = World()
    for number in range(FREE_NAMES + 1):
        assert fresh.come("x", user=f"user {number}").kind == "go"
    assert fresh.come("x", user="one more").kind == "wait"
    assert fresh.come("x", user="user 0", address="10.0.0.8").kind == "go"


def test_what_is_long_over_is_forgotten(world: World) -> None:
    world.come("typo")
    world.fail(FREE + 8)
    world.now += FORGET_SECONDS
    assert world.come("typo").kind == "go"
    assert world.come("next").kind == "go"


def test_memory_is_bounded_whoever_comes(world: World) -> None:
    for number in range(3 * MOST_CLIENTS):
        world.come("x", user="u" * 1000 + str(number % 7), address=f"10.{number >> 8}.{number & 255}.1")
    for number in range(3 * MOST_WRONG):
        world.now += LONGEST_WAIT
        world.come(f"{number}" * 1000)
    world.come(f"{3 * MOST_WRONG - 1}" * 1000)
    records = world.attempts._records
    assert len(records) == MOST_CLIENTS
    assert max(len(record.wrong) for record in records.values()) == MOST_WRONG
    assert max(len(address) + len(name) for address, name in records) < 100


def test_no_password_and_no_user_is_kept(world: World) -> None:
    world.come("a wrong password", user="somebody")
    world.come(RIGHT)
    shown = repr([world.attempts._records, vars(world.attempts)])
    assert "wrong password" not in shown
    assert "somebody" not in shown
    assert f"'{RIGHT}'" not in shown


def test_lone_surrogates_and_endless_texts_are_only_wrong(world: World) -> None:
    assert world.come("\ud800", user="\udfff", address="\ud800" * 5000).kind == "go"
    assert world.come("\ud800", user="\udfff", address="\ud800" * 5000).kind == "known_wrong"


def test_those_who_come_at_once_are_not_all_let_through(world: World) -> None:
    world.fail(FREE)
    begun = [world.attempts.verdict("clerk", f"p{n}", HASH).kind for n in range(3)]
    assert begun == ["go", "go", "go"], "of no address, not yet counted"
    token = CALLER.set("10.0.0.7")
    try:
        first = world.attempts.verdict("clerk", "p", HASH)
        second = world.attempts.verdict("clerk", RIGHT, HASH)
        assert (first.kind, second) == ("go", Verdict("wait", 1))
        world.attempts.record("clerk", "p", HASH, None)
        assert world.attempts.verdict("clerk", RIGHT, HASH).kind == "go"
        assert world.attempts.verdict("clerk", RIGHT, HASH).kind == "wait"
        world.now += CHECK_SECONDS
        assert world.attempts.verdict("clerk", RIGHT, HASH).kind == "go", "the check before never ended"
    finally:
        CALLER.reset(token)


def test_a_flood_is_told_of_once(world: World) -> None:
    world.come("typo")
    told = []
    for _ in range(120):
        told.append(world.come("typo").news)
        world.now += 1
    assert told.count(True) == 2
    world.fail(FREE + 5)
    assert [world.come(f"guess {n}").news for n in range(5)] == [True, False, False, False, False]


_STEPS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["clerk", "other", "third"]),
        st.integers(0, 12),
        st.integers(1, 8),
    ),
    max_size=80,
)


@given(_STEPS, st.booleans(), st.booleans())
def test_law_a_right_password_passes_within_thirty_seconds_of_the_last_wrong_one(
    steps: list[tuple[int, str, int, int]], first: bool, between: bool
) -> None:
    world = World()
    last = world.now
    if first:
        world.come(RIGHT)
    for pause, user, number, times in steps:
        world.now += pause
        for _ in range(times):
            before = world.checked
            world.come(f"wrong {number}", user)
            last = world.now if world.checked > before else last
        if between:
            world.come(RIGHT)
    world.now = max(world.now, last + LONGEST_WAIT)
    assert world.come(RIGHT).kind in ("go", "known_right")


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, MOST_COMPARED - 1)),
        min_size=1,
        max_size=20,
    )
)
def test_law_who_was_right_passes_each_time_while_a_few_are_guessed_in_its_name_and_many_in_others(
    steps: list[tuple[int, int, int]],
) -> None:
    world = World()
    world.come(RIGHT)
    for pause, many, few in steps:
        world.now += pause
        for guess in range(many):
            world.come(f"wrong {guess}", user=f"stranger {guess}")
        for guess in range(few):
            world.come(f"wrong {world.checked} {guess}")
        assert world.come(RIGHT).kind == "known_right"


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_law_the_wait_that_is_told_is_enough(pauses: list[int]) -> None:
    world = World()
    for number, pause in enumerate(pauses):
        world.now += pause
        verdict = world.come(f"wrong {number}")
        assert verdict.seconds <= LONGEST_WAIT
        if verdict.kind == "wait":
            world.now += verdict.seconds
            assert world.come(f"wrong {number}").kind == "go"


def test_threads_agree_on_the_count() -> None:
    attempts = Attempts(clock=lambda: 5.0)
    passed: list[str] = []

    def guess(start: int) -> None:
        for number in range(200):
            password = f"{start} {number}"
            if attempts.verdict("clerk", password, HASH).kind == "go":
                passed.append(password)
                attempts.record("clerk", password, HASH, False)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == FREE + 1
