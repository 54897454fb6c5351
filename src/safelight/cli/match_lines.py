"""`safelight match -`: hashes from standard input, each answered as it comes, until its end."""

import os
import select
import sys
from collections.abc import Callable, Iterator
from typing import Any

from safelight.cli import EXIT_ERROR
from safelight.cli.match_notes import SECONDS_BETWEEN_NOTES, MatchNotes
from safelight.cli.output import Output
from safelight.errors import BadHash, BadInput
from safelight.files import show_text, to_line
from safelight.model import Match

LONGEST_LINE = 4096  # bytes; the longest hash, in the longest way to write it, has 576
_BLOCK = 1 << 16

Row = dict[str, Any]
Reasoned = tuple[Match, str]  # with what makes it one
Parts = dict[str, tuple[Reasoned, ...]]  # by what they are worth: one of SAID
# The row of one hash, and the numbers of the entries it matched.
Answer = Callable[[str], tuple[Row, frozenset[int]]]


def answer_lines(fd: int, answer: Answer, output: Output, notes: MatchNotes) -> int:
    """Answer each line of `fd` on standard output; return the exit code.

    What waits is answered together; nothing waits for more. `notes` are told how many lines matched
    each entry, at Ctrl-C too. A line that is no hash is answered with an error. BadInput where
    there is no input to read.
    """
    lines = _Lines(answer, output, notes)
    try:
        for block in _blocks(fd, notes.note_if_due):
            _write("".join(map(lines.answered, block)))
    finally:
        notes.note()
    return lines.exit_code


class _Lines:
    """Answers lines, and counts what came of them."""

    def __init__(self, answer: Answer, output: Output, notes: MatchNotes) -> None:
        self._answer, self._output, self._notes = answer, output, notes
        self._found = self._bad = False

    def answered(self, untrusted_line: bytes) -> str:
        """What to print about a line; nothing about an empty one."""
        text = untrusted_line.decode("utf-8", "replace").strip()
        if not text:
            return ""
        try:
            if len(untrusted_line) > LONGEST_LINE:
                raise BadHash(f"the line has more than {LONGEST_LINE:,} bytes: it is no hash.")
            row, entries = self._answer(text)
        except BadHash as exc:
            self._bad = True
            row = {"hash": text[:80], "error": {"code": exc.code, "message": str(exc)}}
        else:
            self._notes.add(entries)
            self._found |= bool(row["matches"])
        return to_line(row) if self._output is Output.JSON else _as_text(row)

    @property
    def exit_code(self) -> int:
        """2: a line was no hash; 1: something matched; 0: nothing did."""
        return EXIT_ERROR if self._bad else int(self._found)


def match_row(text: str, parts: Parts) -> Row:
    """The row of one hash: its matches, and apart from them those that count for nothing."""
    row: Row = {"hash": text}
    for name, matches in parts.items():
        if matches or name == "matches":
            row[name] = [{**match.to_json(), "reason": reason} for match, reason in matches]
    return row


def _as_text(row: Row) -> str:
    """A line for every match, with tabs; one that says so where there is none."""
    if "error" in row:
        return (
            f"{show_text(row['hash'])}\terror ({row['error']['code']}): {row['error']['message']}\n"
        )
    lines = [
        "\t".join((show_text(row["hash"]), *_told(match), SAID[name].strip()))
        for name in SAID
        for match in row.get(name, ())
    ]
    return "".join(
        f"{line.rstrip()}\n" for line in lines or [f"{show_text(row['hash'])}\tno match"]
    )


def _told(match: dict[str, Any]) -> Iterator[str]:
    for name in ("list", "entry", "algorithm", "distance", "reason"):
        yield show_text(str(match[name]))


SAID = {
    "matches": "",
    "observed": " (observed)",
    "to_ignore": " (to ignore)",
    "suppressed": " (ignored)",
}


def _blocks(fd: int, idle: Callable[[], None]) -> Iterator[list[bytes]]:
    """The lines of `fd`, as many together as are there; `idle` is called now and then."""
    rest = b""
    while True:
        ready, _, _ = select.select([fd], [], [], SECONDS_BETWEEN_NOTES)
        idle()
        if not ready:
            continue
        data = _read(fd)
        *lines, rest = (rest + data).split(b"\n")
        rest = rest[: LONGEST_LINE + 1]  # of a line without end its beginning tells that it is bad
        if not data:
            yield [rest]
            return
        yield lines


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _BLOCK)
    except OSError as exc:  # closed, or open to write: that is no end of the hashes
        raise BadInput(f"standard input cannot be read: {exc.strerror}.") from exc


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass"))
    sys.stdout.buffer.flush()
