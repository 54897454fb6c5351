"""JSON that may be gigabytes, an element of an array at a time.

Only the text around one element is kept. Objects can be entered, so that an array deep inside one
is read as it comes.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

LONGEST_ELEMENT = 1 << 26  # characters
_CHUNK = 1 << 20  # characters
_ENDS = frozenset(",]} \t\r\n")
_BLANK = re.compile(r"[ \t\r\n]*")


class BadJson(ValueError):
    """The text is not JSON from `offset` on, in bytes of UTF-8."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason


class JsonStream:
    """Reads values one after another; every method may raise BadJson."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self._text = ""
        self._at = 0
        self._last = 0  # where the last value begins
        self._gone = 0  # bytes before the text that is kept
        self._is_over = False
        self._decode = json.JSONDecoder().raw_decode

    @property
    def offset(self) -> int:
        """Where we are, in bytes of UTF-8."""
        return self._bytes_to(self._at)

    @property
    def last_offset(self) -> int:
        """Where the value that was taken last begins."""
        return self._bytes_to(self._last)

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        if (character := self._text[self._at : self._at + 1]) > " ":
            return character
        while True:
            end = _BLANK.match(self._text, self._at)
            self._at = end.end() if end else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def expect(self, character: str) -> None:
        """Pass this character."""
        found = self.peek()
        if found != character:
            raise BadJson(self.offset, f"{found!r} stands where {character!r} should")
        self._at += 1

    def value(self) -> Any:
        """The next value, whole."""
        value, end = self._decoded(LONGEST_ELEMENT)
        self._last, self._at = self._at, end
        return value

    def short_value(self, longest: int) -> Any:
        """The next value if it is whole within so many characters; None, and nothing is passed."""
        try:
            value, end = self._decoded(longest)
        except BadJson:
            return None
        self._last, self._at = self._at, end
        return value

    def _decoded(self, longest: int) -> tuple[Any, int]:
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except (ValueError, RecursionError) as exc:
                if len(self._text) - self._at > longest or not self._more():
                    raise BadJson(self.offset, _reason(exc)) from exc
                continue
            # A number may go on, unless something stands behind it that ends it.
            if isinstance(value, dict | list | str) or self._text[end : end + 1] in _ENDS:
                return value, end
            if not self._more():
                return value, end

    def keys(self) -> Iterator[str]:
        """The keys of the object that comes next; take the value of each before the next key."""
        self.expect("{")
        while self.peek() != "}":
            key = self.value()
            if not isinstance(key, str):
                raise BadJson(self.offset, "a key that is no text")
            self.expect(":")
            yield key
            if self.peek() != "}":
                self.expect(",")
        self._at += 1

    def elements(self) -> Iterator[int]:
        """The places of the elements of the array that comes next; take each before the next."""
        self.expect("[")
        number = 0
        while self.peek() != "]":
            number += 1
            yield number
            if self.peek() != "]":
                self.expect(",")
        self._at += 1

    def _bytes_to(self, at: int) -> int:
        return self._gone + len(self._text[:at].encode("utf-8", "surrogatepass"))

    def _more(self) -> bool:
        """Read on, and let go of what was passed."""
        if self._is_over:
            return False
        self._gone = self._bytes_to(self._at)
        # As much again as there is: a long element is not looked through once for every chunk.
        piece = self._read(max(_CHUNK, len(self._text) - self._at))
        self._text = self._text[self._at :] + piece
        self._at = self._last = 0
        self._is_over = not piece
        return not self._is_over


def _reason(exc: Exception) -> str:
    return exc.msg if isinstance(exc, json.JSONDecodeError) else "too deep"
