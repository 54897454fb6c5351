"""Values from rows and files as people can read them, and cannot be misled by them. Pure."""

import base64
from typing import Any

from safelight.bulk.rows import path_of

Row = dict[str, Any]

LONGEST_PATH = 1000  # characters shown


def visible(path: bytes) -> str:
    """A path with everything that does not print, or turns the direction of text, as an escape.

    A backslash is doubled, so that an escape is never mistaken for a part of the name.
    """
    shown = "".join(map(_shown, path.decode("utf-8", "surrogateescape")))
    if len(shown) > LONGEST_PATH:
        shown = f"{shown[:LONGEST_PATH]}… ({len(shown) - LONGEST_PATH:,} characters more)"
    return shown


def plain(value: Any) -> str:
    """A text from a list or from a person, on one line, without characters that mislead."""
    text = value if isinstance(value, str) else str(value)
    shown = "".join(char if char.isprintable() else _escape(char) for char in text)
    return shown if len(shown) <= LONGEST_PATH else shown[:LONGEST_PATH] + "…"


def place(row: Row) -> list[str]:
    """Where an item lies: the file's path, then the way on to what is inside."""
    return [visible(path_of(row)), *(visible(name_of(step)) for step in row.get("derivation", ()))]


def why_not_checked(row: Row) -> str:
    """The code, or the flags of what was checked in part."""
    return str(row.get("code") or "+".join(row.get("flags", ())) or "in part")


def name_of(step: dict[str, str]) -> bytes:
    """The exact name of a member."""
    if "name_b64" in step:
        return base64.b64decode(step["name_b64"])
    return step["name"].encode("utf-8", "surrogateescape")


def short_time(text: str) -> str:
    """A time to the second, as tables have room for; the rows have it whole."""
    if text.startswith("@") or len(text) < 20:
        return plain(text)
    return f"{text[:10]} {text[11:19]}"


def _shown(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if 0xDC80 <= ord(char) <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else _escape(char)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
