"""Results of several files at once, in the order of the files."""

import random
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.bulk.ordered import AHEAD, Interrupted, Stop, in_order
from safelight.errors import BadInput


def counted(file: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """As many results as the file asks for."""
    number, many = file
    for one in range(many):
        if random.random() < 0.05:
            time.sleep(0.001)
        yield number, one


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 4), st.integers(1, 40))
def test_every_result_comes_once_and_in_order(counts: list[int], jobs: int, waiting: int) -> None:
    files = list(enumerate(counts))
    expected = [(number, one) for number, many in files for one in range(many)]
    assert list(in_order(counted, files, jobs=jobs, most_waiting=waiting)) == expected


def test_results_that_wait_are_bounded_and_nobody_waits_for_ever() -> None:
    made = 0
    first_may_end = threading.Event()

    def work(number: int) -> Iterator[int]:
        nonlocal made
        if number == 0:
            yield -1
            first_may_end.wait(30)
        for _ in range(1000):
            made += 1
            yield number

    results = in_order(work, range(3), jobs=3, most_waiting=100)
    assert next(results) == -1
    deadline = time.monotonic() + 30
    while made < 100 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert 100 <= made <= 110  # the others wait for room, each with one in its hand
    first_may_end.set()
    assert list(results) == [0] * 1000 + [1] * 1000 + [2] * 1000


def test_files_are_handed_out_a_bounded_number_ahead() -> None:
    begun = []

    def files() -> Iterator[int]:
        for number in range(1000):
            begun.append(number)
            yield number

    hold = threading.Event()

    def work(number: int) -> Iterator[int]:
        hold.wait(30)
        yield number

    results = in_order(work, files(), jobs=2)
    threading.Timer(0.2, hold.set).start()
    assert next(results) == 0
    assert len(begun) <= 2 * AHEAD + 1
    assert list(results) == list(range(1, 1000))


def test_an_error_comes_in_its_turn() -> None:
    def work(number: int) -> Iterator[int]:
        yield number
        if number == 2:
            raise BadInput("two")

    results = in_order(work, range(5), jobs=3)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(BadInput, match="two"):
        next(results)


def test_an_interruption_ends_the_results_there() -> None:
    def work(number: int) -> Iterator[int]:
        yield number
        if number == 2:
            raise Interrupted
        yield number

    assert list(in_order(work, range(5), jobs=3)) == [0, 0, 1, 1, 2]


def test_after_a_stop_no_file_is_begun() -> None:
    stop = Stop()
    begun = []

    def work(number: int) -> Iterator[int]:
        begun.append(number)
        yield number

    results = []
    for number in in_order(work, range(10_000), jobs=1, stop=stop):
        results.append(number)
        if number == 3:
            stop()
    assert results == begun
    assert len(results) < 200


def test_leaving_early_ends_the_work() -> None:
    ended = threading.Event()

    def work(number: int) -> Iterator[int]:
        try:
            while True:
                yield number
        finally:
            ended.set()

    results = in_order(work, [1], jobs=1, most_waiting=10)
    assert next(results) == 1
    results.close()  # type: ignore[attr-defined]
    assert ended.wait(30)
