"""A message: what is attached to it, the pictures shown in it, messages forwarded in it.

Its own text is no item, but files written out in that text are. Saved web pages (mht) are messages.
"""

import re
from collections.abc import Iterator

from safelight.errors import CouldNotCheck
from safelight.model import Member
from safelight.sniff import HEAD_BYTES, Sniffed
from safelight.source import MemorySource, Source
from safelight.unpack.mail_rest import gap_may_hold_files, is_binary, text_may_hold_files
from safelight.unpack.mime import Part, parts_of, read_part, sent
from safelight.unpack.packed import Entry, PackedSource, Room, pieces
from safelight.unpack.rules import MEMBERS_MISSING, TOO_DEEP, could_not_check
from safelight.unpack.transfer import base64_rest, decoder, embedded

MESSAGE = Sniffed("mail", "eml")
_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})
_SEALED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_MOST_NESTED = 50  # multiparts in each other
_LENGTH_LINE = re.compile(rb"\d+[ \t]*\r?\n")


def members(source: Source, room: Room) -> Iterator[Entry]:
    """The parts of a message that are files, in order."""
    if source.size > room.most:
        raise could_not_check("member_too_large")
    data = source.whole
    length = _LENGTH_LINE.match(data)  # with which Apple's programs begin a message
    waiting = [read_part(data, length.end() if length else 0, len(data), "")]
    while waiting:
        part = waiting.pop()
        if part.is_ambiguous:
            room.notes.add(MEMBERS_MISSING)
        if part.type == "multipart/encrypted":
            yield Entry(member=_attachment(part), code="password_protected")
        elif part.is_multipart and (inside := _inside(data, part, room)):
            waiting += reversed(inside)
        else:
            yield from _leaf(source, part, room)


def _inside(data: bytes, part: Part, room: Room) -> list[Part]:
    if part.place.count(".") >= _MOST_NESTED:
        room.notes.add(TOO_DEEP)
        return []
    found, ended, gaps = parts_of(data, part)
    if not ended or any(gap_may_hold_files(data[begin:end]) for begin, end in gaps):
        room.notes.add(MEMBERS_MISSING)
    return found


def _leaf(source: Source, part: Part, room: Room) -> Iterator[Entry]:
    content = _content(source, part, room)
    if _is_left_over(source, part):
        room.notes.add(MEMBERS_MISSING)
    if part.type in _MESSAGES:
        yield Entry(member=_message(part, content), source=content, sniffed=MESSAGE)
    elif part.type in _SEALED:
        signed = part.headers.get_param("smime-type") == "signed-data"
        code = "archive_not_supported" if signed else "password_protected"
        yield Entry(member=_attachment(part), source=content, code=code)
    elif _is_text_of_mail(part, content):
        yield from _in_text(part, content, room)
    else:
        yield Entry(member=_attachment(part), source=content)


def _is_left_over(source: Source, part: Part) -> bool:
    """Whether what may be a file lies behind the end of an encoded part."""
    if part.encoding != "base64":
        return False
    return gap_may_hold_files(base64_rest(source.read_at(part.begin, part.end - part.begin)))


def _content(source: Source, part: Part, room: Room) -> Source:
    stored = source.window(part.begin, part.end - part.begin)
    decode = decoder(part.encoding)
    if decode is None:
        return stored

    def unpack() -> Iterator[bytes]:
        for piece in decode(pieces(stored)):
            room.took(len(piece))
            if piece:
                yield piece

    return PackedSource(unpack, room)


def _is_text_of_mail(part: Part, content: Source) -> bool:
    if part.name or not part.type.startswith("text/"):
        return False
    try:
        return content.sniffed.kind == "text" or content.sniffed.format == "unknown"
    except CouldNotCheck:
        return False


def _in_text(part: Part, content: Source, room: Room) -> Iterator[Entry]:
    """Files in the text, and the text itself where it is encrypted, binary or cannot be read."""
    try:
        if is_binary(content.head[:HEAD_BYTES]):
            room.notes.add(MEMBERS_MISSING)
            yield Entry(member=_attachment(part), source=content)
            return
        text = content.whole
    except CouldNotCheck as exc:
        yield Entry(member=_attachment(part), source=content, code=exc.code)
        return
    files, rest = embedded(text)
    if b"-----BEGIN PGP MESSAGE-----" in text:
        yield Entry(member=_attachment(part), source=content, code="password_protected")
    elif text_may_hold_files(rest):
        room.notes.add(MEMBERS_MISSING)
    for name, data in files:
        room.took(len(data))
        yield Entry(member=Member(name=name, kind="attachment"), source=MemorySource(data))


def _attachment(part: Part) -> Member:
    name = part.name or str(part.headers.get("content-location", ""))
    name = name or f"part {part.place}".rstrip()
    return Member(name=name.encode("utf-8", "surrogateescape"), kind="attachment")


def _message(part: Part, content: Source) -> Member:
    name = part.name or f"part {part.place}".rstrip()
    try:
        head = content.head
    except CouldNotCheck:
        head = b""
    return Member(
        name=name.encode("utf-8", "surrogateescape"),
        kind="message",
        modified=sent(read_part(head, 0, len(head), "").headers),
    )
