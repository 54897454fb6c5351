"""The text of a hash file, its encoding and its lines; and what every reader makes of it."""

import codecs
import io
from collections.abc import Iterator
from itertools import chain

from safelight.model import HashRow, RejectedRow

Row = HashRow | RejectedRow

SHOWN = 200  # characters of a rejected row
LONGEST_LINE = 1 << 20  # characters
TOO_LONG = f"a line of more than {LONGEST_LINE:,} characters\n"
_COMMENTS = 10_000  # lines before the first that says something


def decoded(file: io.BufferedReader) -> io.TextIOWrapper:
    """Text in UTF-8 or UTF-16, told from the first bytes; what is neither becomes U+FFFD."""
    return io.TextIOWrapper(file, encoding=_encoding(file.peek(4)[:4]), errors="replace")


def beginning(file: io.BufferedReader) -> str:
    """The first some thousand characters, which stay to be read."""
    start = file.peek()
    decoder = codecs.getincrementaldecoder(_encoding(start[:4]))("replace")
    return decoder.decode(start)


def _encoding(start: bytes) -> str:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if len(start) > 3 and start[1] == start[3] == 0:
        return "utf-16-le"
    if len(start) > 3 and start[0] == start[2] == 0:
        return "utf-16-be"
    return "utf-8-sig"


def bounded(text: io.TextIOWrapper, longest: int = LONGEST_LINE) -> Iterator[str]:
    """The lines. Of one that never ends only the beginning is kept, so that memory stays flat."""
    read = text.readline
    while line := read(longest):
        if len(line) == longest and line[-1] != "\n":
            while (more := read(longest)) and more[-1] != "\n":
                pass
            if not line.strip():
                line = TOO_LONG  # blank so far, and yet not a blank line
        yield line


def peek(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The first line that is neither blank nor a comment, and all the lines."""
    seen = []
    for line in lines:
        seen.append(line)
        if line.strip() and not line.startswith("#"):
            return line, chain(seen, lines)
        if len(seen) > _COMMENTS:
            break
    return "", chain(seen, lines)
