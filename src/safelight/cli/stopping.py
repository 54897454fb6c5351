"""Stopping a long run: the first Ctrl-C asks, the second leaves at once."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from safelight.bulk.ordered import Stop
from safelight.cli.output import say

SECONDS_BEFORE_AGAIN = 0.5
SECONDS_TO_STOP = 20


@contextmanager
def stop_on_signal(leave: Callable[[], None], words: str) -> Iterator[Stop]:
    """First Ctrl-C (or SIGTERM): say `words` and ask to stop. Second: `leave`, which must exit."""
    stop = Stop()
    asked: list[float] = []

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop:
            # Some senders of a signal send it to the process and to its group, at once.
            if asked and time.monotonic() - asked[0] > SECONDS_BEFORE_AGAIN:
                leave()
            return
        asked.append(time.monotonic())
        stop()
        signal.alarm(SECONDS_TO_STOP)  # a huge file under way must not keep us for ever
        say(words)

    def too_long(_number: int, _frame: FrameType | None) -> None:
        leave()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, too_long)
    try:
        yield stop
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
