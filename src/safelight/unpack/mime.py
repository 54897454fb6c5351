"""Messages as MIME builds them: headers and parts. Pure.

The parser of the standard library copies a message several times over and decodes every part; here
places in the message are enough. Its parser of headers is used.
"""

import re
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value, parsedate_to_datetime

# As the parser of the standard library tells them; what is no such line begins the body.
_HEADERS = re.compile(rb"(?:(?:From |[!-9;-~]*[ \t]*:|[ \t])[^\n]*(?:\n|\Z))*")
_EMPTY_LINE = re.compile(rb"\r?\n")
_COMMENT = re.compile(r"\([^()]*\)")
_MOST_HEADERS = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a message, or the message itself: where its body lies, and what it is."""

    begin: int
    end: int
    type: str  # such as image/jpeg, in lower case
    encoding: str  # base64, quoted-printable, …, in lower case
    name: str  # of the file; empty where it has none
    place: str  # its number, such as 1.2; empty for the message itself
    headers: "Message[str, str]" = field(repr=False)

    @property
    def is_ambiguous(self) -> bool:
        """Whether it says twice what it is: programs differ in which they believe."""
        names = ("content-type", "content-transfer-encoding")
        return any(len(self.headers.get_all(name, [])) > 1 for name in names)

    @property
    def is_multipart(self) -> bool:
        """Whether its body is made of parts."""
        return self.type.startswith("multipart/")


def read_part(data: bytes, begin: int, end: int, place: str) -> Part:
    """The part that lies between two places of a message. Whatever is there is one."""
    most = min(end, begin + _MOST_HEADERS)
    found = _HEADERS.match(data, begin, most)
    headers_end = found.end() if found else begin
    empty = _EMPTY_LINE.match(data, headers_end, end)
    headers = BytesHeaderParser().parsebytes(data[begin:headers_end])
    return Part(
        begin=empty.end() if empty else headers_end,
        end=end,
        type=headers.get_content_type(),
        encoding=_encoding(headers),
        name=_file_name(headers),
        place=place,
        headers=headers,
    )


def _encoding(headers: "Message[str, str]") -> str:
    """The encoding without comments and quotes, which some programs pass over."""
    text = _COMMENT.sub(" ", str(headers.get("content-transfer-encoding", "")))
    return text.strip(" \t\r\n\"';").lower()


def _file_name(headers: "Message[str, str]") -> str:
    value = headers.get_param("filename", None, "content-disposition")
    if value is None:
        value = headers.get_param("name", None, "content-type")
    if value is None:
        return ""
    text = collapse_rfc2231_value(value)
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def sent(headers: "Message[str, str]") -> str:
    """When the message says that it was sent; empty where it does not."""
    try:
        return parsedate_to_datetime(str(headers["date"])).isoformat()
    except (ValueError, TypeError, OverflowError):
        return ""


def parts_of(data: bytes, part: Part) -> tuple[list[Part], bool, list[tuple[int, int]]]:
    """The parts of a multipart body, whether its end was found, and what lies around them."""
    boundary = part.headers.get_boundary()
    if not boundary:
        return [], False, []
    # beginning with what is always there, a search is many times faster
    marks = re.compile(
        rb"\n--"
        + re.escape(boundary.encode("utf-8", "surrogateescape"))
        + rb"(--)?[ \t]*(?:\r?\n|\Z)"
    )
    found: list[Part] = []
    gaps: list[tuple[int, int]] = []
    begin, at = None, max(0, part.begin - 1)  # the first may follow the headers at once
    while mark := marks.search(data, at, part.end):
        if begin is not None:
            found.append(_numbered(data, begin, _line_end(data, mark.start()), part, len(found)))
        else:
            gaps.append((part.begin, mark.start()))
        if mark[1]:
            return found, True, [*gaps, (mark.end(), part.end)]
        # the next mark may use the same end of line
        begin, at = mark.end(), max(mark.end() - 1, mark.start() + 1)
    if begin is not None:
        found.append(_numbered(data, begin, part.end, part, len(found)))
    return found, False, gaps


def _line_end(data: bytes, newline: int) -> int:
    """Where the line before this newline ends, which may have a carriage return as well."""
    return newline - 1 if data[newline - 1 : newline] == b"\r" else newline


def _numbered(data: bytes, begin: int, end: int, around: Part, before: int) -> Part:
    place = f"{around.place}.{before + 1}".lstrip(".")
    return read_part(data, min(begin, end), end, place)
