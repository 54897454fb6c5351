"""Hearing what other processes tell: LISTEN on a connection that does nothing else.

It needs a session of its own: through a pooler that hands a connection to another client after
every transaction nothing is heard.
"""

import os
import select
import time
from contextlib import suppress
from threading import Lock

import psycopg
from psycopg import sql

from safelight.store.failures import translated

# What has not answered for so long is taken for dead, even where the network does not say so.
_LOOKED_AT_EVERY = 30.0  # seconds


class Listener:
    """One channel, heard from the moment this is made. Only `wake` may be called by any thread."""

    def __init__(self, connection: "psycopg.Connection[tuple[object, ...]]", channel: str) -> None:
        self._connection = connection
        self._closing, self._is_closed = Lock(), False
        self._woken, self._wakes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            connection.autocommit = True
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except BaseException:
            self.close()
            raise
        self._looked = time.monotonic()

    def wait(self, seconds: float) -> set[str]:
        """What was told since the last time; waits for something, or to be woken, so long.

        Raise DatabaseUnavailable where the connection is lost: what was told since is not known.
        """
        with translated():
            told = self._told()
            if not told:
                self._wait(seconds)
                told = self._told()
            if time.monotonic() - self._looked > _LOOKED_AT_EVERY:
                self._connection.execute("SELECT 1")
                self._looked = time.monotonic()
            return told

    def _wait(self, seconds: float) -> None:
        """Until something comes in or `wake` is called. (`select` would take no high numbers.)"""
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        if self._woken in dict(poll.poll(1000 * seconds)):
            os.read(self._woken, 4096)

    def _told(self) -> set[str]:
        return {one.payload for one in self._connection.notifies(timeout=0)}

    def wake(self) -> None:
        """Let `wait` return at once."""
        with self._closing, suppress(BlockingIOError):  # it has been woken often enough
            if not self._is_closed:
                os.write(self._wakes, b"!")

    def close(self) -> None:
        """Give up the connection. Only `wake` may be called afterwards, and does nothing."""
        self._connection.close()
        with self._closing:
            if not self._is_closed:
                self._is_closed = True
                os.close(self._woken)
                os.close(self._wakes)
