"""Whether what is left of a message, once its files were taken out, may hold another. Pure.

A reader of mail may see a picture where Safelight sees a text. Nothing is decoded here on
suspicion: the message is said not to be fully looked at.
"""

import re

# Ten lines of base64, also in a quoted message, or as much of it in one line.
_MUCH_BASE64 = re.compile(
    rb"(?:^[>|\t ]{0,8}[A-Za-z0-9+/_-]{60,}={0,2}[ \t]*(?:\r?\n|\Z)){10}"
    rb"|(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{600}",
    re.MULTILINE,
)
_BEGINS_FILE = re.compile(
    rb"^[>|\t ]{0,8}(?:=ybegin |begin-base64(?:-encoded)? |begin [0-7]{3,4} )"
    rb"|data:[^:,\"'<>\s]{0,200}base64|data:image/[^:,\"'<>\s]{0,200},%",
    re.MULTILINE | re.IGNORECASE,
)
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_PART_LINE = re.compile(
    rb"^(?:content-[a-z-]{1,40}:|mime-version:"
    rb"|[A-Za-z0-9+/]{40,}={0,2}[ \t]*\r?$|M[ -`]{60}[ \t]*\r?$)",
    re.MULTILINE | re.IGNORECASE,
)


def text_may_hold_files(text: bytes) -> bool:
    """Whether a text holds what may be a file."""
    return bool(is_binary(text) or _BEGINS_FILE.search(text) or _MUCH_BASE64.search(text))


def is_binary(data: bytes) -> bool:
    """Whether there are bytes that no text has."""
    return _BINARY.search(data) is not None


def gap_may_hold_files(text: bytes) -> bool:
    """Whether what lies before, between or behind parts holds what may be one."""
    return _PART_LINE.search(text) is not None or text_may_hold_files(text)
