"""How often progress is told on stderr, and a plain line that tells it."""

import sys
import time
from contextlib import suppress

SECONDS_TO_FIRST_LINE = 3.0
SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_UPDATES = 0.2


class Line:
    """One line on stderr: always the last at a terminal, and one now and then in a pipe."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        first = SECONDS_BETWEEN_UPDATES if self._is_terminal else SECONDS_TO_FIRST_LINE
        self._next = time.monotonic() + first

    def is_due(self) -> bool:
        """Whether it is time to show where the work stands; then not again for a while."""
        now = time.monotonic()
        if now < self._next:
            return False
        wait = SECONDS_BETWEEN_UPDATES if self._is_terminal else SECONDS_BETWEEN_LINES
        self._next = now + wait
        return True

    def show(self, text: str) -> None:
        """Show where the work stands."""
        with suppress(OSError):  # nobody may be listening
            sys.stderr.write(f"\r\x1b[K{text}" if self._is_terminal else f"{text}\n")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the terminal as it was."""
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
