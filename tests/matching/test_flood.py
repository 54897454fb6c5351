"""Entries that suddenly match far more than before: marked where near, and never set aside."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from test_rules import POLICY, hit, picture

from safelight.matching.flood import Flood, FloodGuard, FloodLimits
from safelight.matching.rules import Standing, judge
from safelight.model import Algorithm, History, Verdict

DAY = date(2026, 11, 24)
LIMITS = FloodLimits(least=200, times=10)


@pytest.mark.parametrize(
    ("days", "greatest", "most"),
    [
        # a quiet entry may have a busy day
        (3, 1, 200),
        (20, 20, 200),
        # a busy one a busier day, but not ten times
        (20, 21, 210),
        (28, 50_000, 500_000),
        # nobody knows what is usual for a new entry
        (0, 0, 1000),
    ],
)
def test_how_much_is_far_more(days, greatest, most):
    history = History(days=days, greatest=greatest, today=0)
    assert LIMITS.expected(history) == most
    assert not LIMITS.is_flood(history, most)
    assert LIMITS.is_flood(history, most + 1)


def test_the_guard_can_be_switched_off():
    assert not FloodLimits(least=0).is_flood(History(days=1, greatest=0, today=0), 10**9)


def near(entry=1):
    return judge(picture(), [hit(4, entry=entry)], POLICY)


def exact(entry=1):
    return judge(picture(), [hit(algorithm=Algorithm.MD5, entry=entry)], POLICY)


def guard(today=0, least=3):
    known = {1: History(days=5, greatest=0, today=today)}
    return FloodGuard(FloodLimits(least=least, times=10), known, DAY)


def test_a_near_match_is_marked_from_the_moment_on_that_its_entry_floods():
    some = guard()
    answers = [some.look(near()) for _ in range(5)]
    assert answers[:3] == [near()] * 3
    assert [[match.flood for match in one.matches] for one in answers[3:]] == [[True], [True]]
    assert {one.verdict for one in answers} == {Verdict.SIMILAR}
    assert answers[4].reasons == (
        *near().reasons,
        "flood: entry 1 of list demo matched 5 times today, never on a day before: a person must"
        " look before anything is done on this match",
    )
    assert answers[4].matches[0].to_json()["flood"] is True
    assert "flood" not in answers[0].matches[0].to_json()
    flood = Flood(list_name="demo", entry=1, kind="near", matches=5, expected=3)
    assert some.floods() == [flood]
    some.look(near())  # it has grown: what was raised is not all
    some.raised([flood])
    assert some.floods() == [replace(flood, matches=6)]
    some.raised(some.floods())
    assert some.floods() == []


def test_the_matches_of_today_before_this_run_count():
    history = {1: History(days=5, greatest=7, today=70)}
    some = FloodGuard(FloodLimits(least=3, times=10), history, DAY)
    answer = some.look(near())
    assert answer.reasons[-1].startswith(
        "flood: entry 1 of list demo matched 71 times today, at most 7 on a day before: "
    )


def test_an_exact_match_stays_as_it_is_and_alarms():
    some = guard()
    answers = [some.look(exact()) for _ in range(5)]
    assert answers == [exact()] * 5
    assert some.floods() == [Flood(list_name="demo", entry=1, kind="exact", matches=5, expected=3)]


def test_of_a_file_only_what_is_near_and_floods_is_marked():
    some = guard(today=100)
    both = [hit(algorithm=Algorithm.MD5), hit(4), hit(5, entry=2)]
    answer = some.look(judge(picture(), both, POLICY))
    assert answer.verdict is Verdict.KNOWN
    told = [(one.algorithm, one.entry, one.flood) for one in answer.matches]
    assert told == [
        (Algorithm.MD5, 1, False), (Algorithm.PDQ, 1, True), (Algorithm.PDQ, 2, False),
    ]  # fmt: skip
    assert sorted(flood.kind for flood in some.floods()) == ["exact", "near"]


def test_an_equal_hash_that_says_little_is_near_and_marked():
    blank = judge(picture(quality=3), [hit(0, quality=3)], POLICY)
    assert guard(today=100).look(blank).matches[0].flood


def test_a_file_counts_once_for_an_entry_however_many_hashes_match():
    some = guard(least=2)
    both = judge(picture(), [hit(4), hit(algorithm=Algorithm.MD5)], POLICY)
    assert [some.look(both).matches[1].flood for _ in range(3)] == [False, False, True]


def test_what_is_only_observed_counts_and_is_not_marked():
    some = guard(least=2)
    seen = judge(picture(), [hit(4, standing=Standing.OBSERVED)], POLICY)
    assert [some.look(seen) for _ in range(9)] == [seen] * 9
    assert some.floods() == []
    assert some.look(near()).matches[0].flood


def test_exact_matches_mark_no_near_one_and_near_ones_alarm_no_exact_one():
    some = guard()
    for _ in range(9):
        some.look(exact())
    assert not some.look(near()).matches[0].flood
    assert [(flood.kind, flood.matches) for flood in some.floods()] == [("exact", 9)]
    some = guard()
    for _ in range(9):
        some.look(near())
    some.look(exact())
    assert [(flood.kind, flood.matches) for flood in some.floods()] == [("near", 9)]


def test_what_was_noted_is_not_counted_twice_and_what_others_noted_is():
    some = guard(least=8)
    for _ in range(5):
        some.look(exact())
    some.noted({1: 5}, {1: History(days=5, greatest=0, today=5)})
    assert [some.look(near()).matches[0].flood for _ in range(8)] == [False] * 8
    some.noted({1: 8}, {1: History(days=5, greatest=0, today=20)})  # 7 by another
    assert some.look(near()).reasons[-1].startswith("flood: entry 1 of list demo matched 16 times")


def test_a_day_begins_with_what_was_noted_of_it():
    some = guard()
    for _ in range(9):
        some.look(near())
    some.begin({1: History(days=5, greatest=0, today=1)}, DAY + timedelta(days=1))
    assert some.day == DAY + timedelta(days=1)
    assert not some.look(near()).matches[0].flood  # the second of today


def test_several_threads_lose_no_match():
    past = {1: History(days=1, greatest=0, today=0)}
    some = FloodGuard(FloodLimits(least=3999, times=1), past, DAY)
    with ThreadPoolExecutor(8) as pool:
        marked = sum(pool.map(lambda _: some.look(near()).matches[0].flood, range(4000)))
    assert marked == 1
