"""What a person is told when lists cannot be followed, and how often."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from safelight.cli.match_follow import _Telling
from safelight.matching.step import Matcher


@dataclass
class _Live:
    """What is asked of a LiveMatcher."""

    problem: str = ""
    slowed: str = ""
    age: float = 0.0
    matcher: Matcher = field(default_factory=Matcher)


def test_how_old_the_lists_are_is_told_once_and_that_they_are_followed_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    live: Any = _Live()
    telling = _Telling(live)

    def said() -> str:
        assert telling.matcher() is live.matcher
        return capsys.readouterr().err

    assert said() == ""
    live.problem, live.age = "The database does not answer.", 42.4
    assert " ".join(said().split()) == (
        "warning: the hash lists cannot be followed: The database does not answer. What is known of"
        " them is used, which is 42 s old."
    )
    assert said() == ""
    live.problem = ""
    assert said() == "The hash lists are followed again.\n"
    assert said() == ""
    live.slowed = "New hashes cannot be joined with the others: no memory"
    assert " ".join(said().split()) == (
        "warning: searches get slower, though none misses anything: New hashes cannot be joined"
        " with the others: no memory"
    )
    assert said() == ""
