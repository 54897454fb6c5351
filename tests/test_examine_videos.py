"""Videos in the child: the parts in which their hashes are sent."""

import time
from collections.abc import Iterator

from safelight import examine_child
from safelight.model import FrameHashes


def frames(count: int, pause: float) -> Iterator[FrameHashes]:
    for number in range(count):
        time.sleep(pause)
        yield FrameHashes(number=number, quality=100, dihedral=("ab" * 32,) * 8, time=0.0)


def test_many_frames_are_sent_together_but_none_waits_for_long() -> None:
    quick = examine_child._some_at_once(frames(300, 0.0))
    assert [len(some) for some in quick] == [128, 128, 44]
    # a child is given its time anew with each message, and a second of 8K video takes many
    slow = examine_child._some_at_once(frames(3, 1.1))
    assert [len(some) for some in slow] == [1, 1, 1]
