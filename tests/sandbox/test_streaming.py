"""Children that answer in parts."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool

HERE = str(Path(__file__).parent)
LIMITS = Limits(memory_mb=256, cpu_seconds=1, wall_seconds=5.0)


@pytest.fixture
def pool() -> Iterator[ChildPool]:
    with ChildPool("sandbox_work:work", children=1, limits=LIMITS, search_path=[HERE]) as pool:
        yield pool


@pytest.fixture
def fd() -> Iterator[int]:
    fd = os.memfd_create("file")
    yield fd
    os.close(fd)


def _all(pool: ChildPool, fd: int, **request: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    parts, answers = [], pool.stream(fd, {"act": "parts", **request})
    while True:
        try:
            parts.append(next(answers))
        except StopIteration as stop:
            return parts, stop.value


def test_every_part_comes_in_order_and_the_child_is_used_again(pool: ChildPool, fd: int) -> None:
    parts, last = _all(pool, fd, count=50, size=50_000)  # more than the socket holds
    assert [part["number"] for part in parts] == list(range(50))
    assert last == {"count": 50}
    again, _ = _all(pool, fd, count=1)
    assert again[0]["pid"] == parts[0]["pid"]


def test_run_gives_the_last_answer_alone(pool: ChildPool, fd: int) -> None:
    assert pool.run(fd, {"act": "parts", "count": 3}) == {"count": 3}


def test_the_time_limit_is_for_each_part(pool: ChildPool, fd: int) -> None:
    parts, last = _all(pool, fd, count=4, burn=0.6)  # 2.4 s in all, under a limit of 1 s
    assert (len(parts), last) == (4, {"count": 4})


def test_a_crash_comes_after_the_parts_before_it(pool: ChildPool, fd: int) -> None:
    answers = pool.stream(fd, {"act": "parts", "count": 9, "crash_at": 2})
    assert [next(answers)["number"], next(answers)["number"]] == [0, 1]
    with pytest.raises(ChildFailed, match="signal 11"):
        next(answers)
    assert pool.run(fd, {"act": "parts", "count": 0}) == {"count": 0}


def test_who_stops_listening_ends_the_child(pool: ChildPool, fd: int) -> None:
    answers = pool.stream(fd, {"act": "parts", "count": 1000, "size": 50_000})
    first = next(answers)
    answers.close()
    parts, _ = _all(pool, fd, count=1)
    assert parts[0]["pid"] != first["pid"]
