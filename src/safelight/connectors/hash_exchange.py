"""Signal files of python-threatexchange: its exchange `local_file`, `<type> <signal>` a line.

Types that are no hash of a file (`raw_text`, `url`, …) are rejected one by one. What the program's
own `dataset` command prints behind a hash is left aside.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from safelight.connectors.hash_records import algorithm_named, parse, record_rows
from safelight.connectors.hash_text import SHOWN, Row
from safelight.connectors.hash_video import to_vpdq
from safelight.model import Algorithm, HashRow, RejectedRow, VideoFrame

# As SignalType.get_name() has them.
NAMES = {
    Algorithm.PDQ: "pdq",
    Algorithm.MD5: "video_md5",
    Algorithm.SHA256: "video_sha256",
    Algorithm.VPDQ: "vpdq",
    Algorithm.PHOTODNA: "photodna",
}
_NO_HASHES = {
    "raw_text": "text, not a hash of a file",
    "trend_query": "a search for words, not a hash of a file",
    "url": "an address, not a hash of a file",
    "url_md5": "the hash of an address, not of a file",
    "pdq_ocr": "a hash with the words read from the picture, which is not kept here",
    "text_tlsh": "the hash of a text",
}
_LINE = re.compile(r"([a-z][a-z0-9_]{2,40})\s+(\S.*)", re.DOTALL)
LONGEST_LINE = 1 << 25  # characters: a video of some days


def is_signal_line(line: str) -> bool:
    """Whether the line names a type of signal."""
    found = _LINE.match(line.strip())
    return found is not None and (found[1] in _NO_HASHES or algorithm_named(found[1]) is not None)


def signal_rows(lines: Iterable[str], stated: Algorithm | None) -> Iterator[Row]:
    """A row for every line. Lines without a type are signals of the one that is stated."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] == "#":
            continue
        yield from _rows(number, text, stated)


def signal_line(algorithm: Algorithm, value: bytes, frames: Sequence[VideoFrame]) -> str | None:
    """The line for one hash; None for what the exchange has no type for."""
    if algorithm not in NAMES:
        return None
    videos = "[" + ", ".join(f'"{one}"' for one in to_vpdq(frames)) + "]"
    return f"{NAMES[algorithm]} {videos if frames else algorithm.text(value)}"


def _rows(number: int, text: str, stated: Algorithm | None) -> Iterator[Row]:
    found = _LINE.match(text)
    if found is None:
        yield _stated(number, text, stated)
        return
    name, signal = found.groups()
    algorithm = algorithm_named(name)
    if algorithm is Algorithm.VPDQ:
        end = signal.rfind("]") + 1
        yield from record_rows(number, {"vpdq": signal[: end or None]}, None, text)
    elif algorithm is not None:
        yield from record_rows(number, {algorithm.value: signal.split()[0]}, None, text)
    else:
        reason = _NO_HASHES.get(name, "not a hash known here")
        yield RejectedRow(number, f"a signal of the type {name}: {reason}", text[:SHOWN])


def _stated(number: int, text: str, stated: Algorithm | None) -> Row:
    parsed = parse(text, stated)
    if isinstance(parsed, str):
        return RejectedRow(number, parsed, text[:SHOWN])
    return HashRow(number, *parsed)
