"""The encodings in which mail carries bytes, undone as leniently as mail programs do. Pure."""

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from urllib.parse import unquote_to_bytes

_BASE64 = b"+/=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_MORE_BASE64 = re.compile(rb"[=\s]*(?:[A-Za-z0-9+/]{2,}={0,2}[ \t]*(?:\r?\n|\Z)|\Z)")
_PADDING = re.compile(rb"=+")
_LINES_OF_PADDING = re.compile(rb"=[=\s]*")
_SOME_BYTES = 1 << 20

_DATA_URI = re.compile(
    rb"data:(?:[a-z]{1,20}/[a-z0-9.+-]{1,60})?"
    rb"(?:;[a-z0-9._-]{1,60}(?:=(?:[a-z0-9._%-]{1,60}|\"[^\"\r\n]{0,60}\"))?){0,4}"
    rb"(?:;base64,([A-Za-z0-9+/=%\s]+)|,([^\"'<>\s%]{0,80}%[^\"'<>\s]*))",
    re.IGNORECASE,
)
_ENTITY = re.compile(rb"&(?:#[0-9]{1,4};|#x[0-9a-f]{1,3};|[a-z]{3,9};)", re.IGNORECASE)
# A data address of fewer bytes holds no picture: the headers of any format take more.
_SMALLEST_BYTES = 32
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)


def decoder(encoding: str) -> Callable[[Iterable[bytes]], Iterator[bytes]] | None:
    """What undoes an encoding, piece by piece; None for one that leaves bytes as they are."""
    return _DECODERS.get(encoding)


def _some(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), _SOME_BYTES):
            yield piece[at : at + _SOME_BYTES]


def base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Base64, with anything else in between, and also where one text follows another.

    Padding where none can be is passed over. Words behind the padding, such as a footer that a
    mailing list added, are no base64.
    """
    rest, ended = b"", False
    for piece in _some(pieces):
        at = 0
        while at < len(piece):
            if ended and not _MORE_BASE64.match(piece, at):
                return
            padding = _PADDING.search(piece, at)
            rest += piece[at : padding.start() if padding else None].translate(None, _NOT_BASE64)
            at = padding.end() if padding else len(piece)
            ended = padding is not None and len(rest) % 4 > 1
            whole = len(rest) if ended else len(rest) // 4 * 4
            yield _quads(rest[:whole])
            rest = rest[whole:]
    yield _quads(rest)


def _quads(text: bytes) -> bytes:
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def _quoted_printable(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in _some(pieces):
        lines, newline, rest = (rest + piece).rpartition(b"\n")
        yield binascii.a2b_qp(lines + newline)
    yield binascii.a2b_qp(rest)


def uu(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What lies between `begin` and `end`, in uuencode."""
    rest, begun = b"", False
    for piece in (*pieces, b"\n"):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.rstrip() == b"end":
                return
            if begun:
                yield _uu_line(line.rstrip(b"\r"))
            begun = begun or line.startswith(b"begin ")


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:  # too long, as some programs pad it
        length = (line[0] - 32 & 63) * 4 + 5 if line else 0
        try:
            return binascii.a2b_uu(line[: length // 3])
        except binascii.Error:
            return b""


_DECODERS: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "base64": base64,
    "quoted-printable": _quoted_printable,
    "x-uuencode": uu,
    "uuencode": uu,
    "x-uue": uu,
}


def base64_rest(text: bytes) -> bytes:
    """What lies behind the padding of a base64 text and is no more base64."""
    for padding in _LINES_OF_PADDING.finditer(text):
        if not _MORE_BASE64.match(text, padding.end()):
            return text[padding.end() :]
    return b""


def embedded(text: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Files written out inside a text, as name and bytes, and the text without them.

    These are `data:` addresses, and uuencode. Addresses of fewer than 32 bytes are left out.
    """
    files, rest = _uuencoded(text)
    rest = _ENTITY.sub(_character, rest)
    data = [_data_bytes(found) for found in _DATA_URI.finditer(rest)]
    named = [(b"data %d" % number, each) for number, each in enumerate(data, start=1)]
    files = [one for one in named if len(one[1]) >= _SMALLEST_BYTES] + files
    return files, _DATA_URI.sub(b" ", rest)


def _character(entity: re.Match[bytes]) -> bytes:
    return unescape(entity[0].decode("ascii")).encode("utf-8", "replace")


def _data_bytes(found: re.Match[bytes]) -> bytes:
    if found[1] is None:
        return unquote_to_bytes(found[2])
    return b"".join(base64([unquote_to_bytes(found[1])]))


def _uuencoded(text: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    files, rest, at = [], [], 0
    while begin := _UU_BEGIN.search(text, at):
        end = text.find(b"\nend", begin.end() - 1)
        if end < 0:
            break
        files.append((begin[1], b"".join(uu([text[begin.start() : end + 4]]))))
        rest.append(text[at : begin.start()])
        at = end + 4
    return files, b"".join([*rest, text[at:]])
