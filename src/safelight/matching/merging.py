"""Things that lie in parts, the newest last: when two become one, and when all is made anew.

A change makes a new, small part. As parts at the end are joined, each is less than a quarter of the
one before, so there are never many, and a change costs about the same whatever number there are.
What is gone leaves its rows behind, until there are more of them than of what is there.
"""

from collections.abc import Callable, Sequence, Sized
from typing import TypeVar

_Part = TypeVar("_Part", bound=Sized)

_JOINED_FROM = 4  # a part that has at least this share of the one before is joined with it
_FEW = 64  # rows of what is gone, which are never too many


def merged(
    parts: Sequence[_Part], join: Callable[[_Part, _Part], _Part | None]
) -> tuple[_Part, ...]:
    """The parts with small ones at the end joined; where `join` gives None they stay apart."""
    every = list(parts)
    while len(every) > 1 and len(every[-1]) * _JOINED_FROM >= len(every[-2]):
        both = join(every[-2], every[-1])
        if both is None:
            break
        every[-2:] = [both]
    return tuple(every)


def is_worn(rows: int, live: int) -> bool:
    """Tell whether so much of the rows is gone that all is to be made anew, without it."""
    return rows > 2 * live + _FEW
