"""mbox: messages one behind the other, each after a line that begins with `From `."""

import re
from collections.abc import Iterator

from safelight.model import Member
from safelight.source import Source
from safelight.unpack.mail import MESSAGE
from safelight.unpack.mime import read_part, sent
from safelight.unpack.packed import Entry, Room
from safelight.unpack.rules import MEMBERS_MISSING

# The line has a time of day and a year, or an empty line before it and a header behind it; a
# sentence that begins with this word has neither.
_FROM_LINE = re.compile(
    rb"\nFrom (?:[^\n]*\d\d:\d\d[^\n]*\d{4}[^\n]*\n"
    rb"|(?:(?<=\n\nFrom )|(?<=\n\r\nFrom ))[^\n]*\n(?=[!-9;-~]{1,100}:))"
)
_OLD_LINE_ENDS = re.compile(rb"\r\rFrom [^\r\n]*\r(?!\n)")  # lines that only \r ends
_LINE_BYTES = 4096
_READ_BYTES = 1 << 20


def members(source: Source, room: Room) -> Iterator[Entry]:
    """The messages, as windows: a mailbox of any size is never held."""
    begin, number = None, 0
    for line_begin, line_end in _from_lines(source, room):
        if begin is not None:
            number += 1
            yield _message(source, begin, line_begin, number)
        begin = line_end
    if begin is not None:
        yield _message(source, begin, source.size, number + 1)


def _from_lines(source: Source, room: Room) -> Iterator[tuple[int, int]]:
    """Where each line that begins a message begins and ends."""
    at, data = -1, b"\n"  # data: what lies from `at` on, with an end of line before the first
    while True:
        more = source.read_at(at + len(data), _READ_BYTES)
        data += more
        if _OLD_LINE_ENDS.search(data):
            room.notes.add(MEMBERS_MISSING)
        end = 0
        for found in _FROM_LINE.finditer(data):
            yield max(0, at + found.start()), at + found.end()
            end = found.end() - 1
        if not more:
            return
        end = max(end, len(data) - _LINE_BYTES)
        at, data = at + end, data[end:]


def _message(source: Source, begin: int, end: int, number: int) -> Entry:
    message = source.window(begin, max(0, end - begin))
    head = message.head
    member = Member(
        name=b"message %d" % number,
        kind="message",
        modified=sent(read_part(head, 0, len(head), "").headers),
    )
    return Entry(member=member, source=message, sniffed=MESSAGE)
