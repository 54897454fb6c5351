"""One record of a hash file: what its fields are called, and the hashes it holds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from string import hexdigits
from typing import Any

from safelight.connectors.hash_photodna import parse_photodna
from safelight.connectors.hash_text import SHOWN, Row
from safelight.connectors.hash_video import parse_frames
from safelight.model import Algorithm, HashMode, HashRow, RejectedRow, video_value

LONGEST = 500  # characters of what a source calls an entry

# Other words are another program's own use of the name `mode`.
_MODES = {mode.value: mode for mode in HashMode}
_NOT_EXACT = (
    "a PDQ hash of the mode fast, which is for screening and not for lists: hash the file again "
    "with --mode exact"
)

_BY_DIGITS = {
    32: Algorithm.MD5,
    40: Algorithm.SHA1,
    64: Algorithm.PDQ,
    2 * Algorithm.PHOTODNA.size: Algorithm.PHOTODNA,
}
_PLAIN = frozenset(Algorithm) - {Algorithm.VPDQ}
_ABOUT = frozenset({"quality", "id", "class"})
_SIZES = {algorithm: algorithm.size for algorithm in Algorithm}

# The digests of no bytes at all: on a list they would match every empty file.
OF_NOTHING = {
    (Algorithm.MD5, bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")),
    (Algorithm.SHA1, bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709")),
    (
        Algorithm.SHA256,
        bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ),
}

_ALGORITHM_NAMES = {
    **dict.fromkeys(("pdq", "pdqhash", "pdqimage"), Algorithm.PDQ),
    **dict.fromkeys(("md5", "md5hash", "videomd5", "md5sum"), Algorithm.MD5),
    **dict.fromkeys(("sha1", "sha1hash", "sha1sum"), Algorithm.SHA1),
    **dict.fromkeys(("sha256", "sha256hash", "sha2256", "sha256sum"), Algorithm.SHA256),
    **dict.fromkeys(("videosha256",), Algorithm.SHA256),
    **dict.fromkeys(("vpdq", "videovpdq"), Algorithm.VPDQ),
    **dict.fromkeys(("photodna", "photodnahash", "pdna"), Algorithm.PHOTODNA),
}
_COLUMNS = {
    **dict.fromkeys(("hash", "value", "hashvalue", "signal", "signalstr", "digest"), "hash"),
    **dict.fromkeys(("algorithm", "hashtype", "type", "signaltype"), "algorithm"),
    **dict.fromkeys(("quality", "pdqquality"), "quality"),
    **dict.fromkeys(("id", "theirid", "uuid", "mediaid", "entryid"), "id"),
    **dict.fromkeys(("class", "category", "classification", "theirclass"), "class"),
    **dict.fromkeys(("mode", "hashmode"), "mode"),
}


def parse(text: str, stated: Algorithm | None) -> tuple[Algorithm, bytes] | str:
    """The algorithm and value, or the reason why not."""
    prefix, colon, digits = text.partition(":")
    if colon:
        named = _ALGORITHM_NAMES.get(_plain(prefix))
        if named is None:
            return f"{prefix[:40]!r} is not an algorithm known here"
        return _value(digits.strip(), named)
    return _value(text, stated)


def _value(digits: str, algorithm: Algorithm | None) -> tuple[Algorithm, bytes] | str:
    if algorithm is Algorithm.VPDQ:
        return "a video (vpdq) is a list of frames, not one hash"
    if algorithm is Algorithm.PHOTODNA:
        opaque = parse_photodna(digits)
        return opaque if isinstance(opaque, str) else (algorithm, opaque)
    if len(digits.split(maxsplit=1)) > 1:
        return (
            "more than a hash in the line; of a file by md5sum or sha256sum keep the first word, "
            "and state the algorithm"
        )
    if digits.strip(hexdigits):
        return "not hexadecimal"
    if algorithm is None:
        algorithm = _BY_DIGITS.get(len(digits))
        if algorithm is None:
            return f"{len(digits)} digits are no hash known here (MD5 32, SHA-1 40, PDQ 64)"
    if len(digits) != 2 * _SIZES[algorithm]:
        return f"{algorithm} has {2 * _SIZES[algorithm]} digits, not {len(digits)}"
    value = bytes.fromhex(digits)
    if (algorithm, value) in OF_NOTHING:
        return f"the {algorithm} of an empty file, which would match every empty file"
    return algorithm, value


@lru_cache(maxsize=1024)
def column(cell: str) -> str:
    """What a column holds, by its name: an algorithm, or one of _COLUMNS; empty when unknown."""
    plain = _plain(cell)
    return _ALGORITHM_NAMES.get(plain) or _COLUMNS.get(plain, "")


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    """A name without what people write differently: case, blanks, hyphens, underscores."""
    return "".join(character for character in name.lower() if character.isalnum())


def usual_algorithm(names: Sequence[str]) -> Algorithm | None:
    """The algorithm of columns that name one hash, and nothing twice; None for any others."""
    used = [name for name in names if name]
    hashes = [name for name in used if name in _PLAIN]
    others = set(used) - set(hashes)
    if len(hashes) != 1 or len(used) != len(set(used)) or not others <= _ABOUT:
        return None
    return Algorithm(hashes[0])


def plain_record(
    number: int,
    algorithm: Algorithm,
    digits: str,
    quality: int | None,
    their_id: str,
    their_class: str,
) -> HashRow | None:
    """The row of a record that needs no more looking at; None where it may."""
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        return None
    if len(value) != algorithm.size or (algorithm, value) in OF_NOTHING:
        return None
    return HashRow(number, algorithm, value, quality, their_id[:LONGEST], their_class[:LONGEST])


def algorithm_named(name: str) -> Algorithm | None:
    """The algorithm that people and exchanges call so, if it is known here."""
    return _ALGORITHM_NAMES.get(_plain(name))


def words(data: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a JSON object that are known here, as text."""
    record = {}
    for key, value in data.items():
        name = column(key)
        if name and value is not None and not isinstance(value, dict | list | bool):
            record[name] = str(value).strip()
    return record


def further_hashes(data: Mapping[str, Any]) -> list[dict[str, str]]:
    """PDQ hashes beside the first of a row of `safelight hash`, as records.

    Those of the other frames, and of turned pictures the hash of the pixels as they are stored,
    which other tools make, with a quality of their own.
    """
    frames = data.get("frames")
    parts = [data, *(frames if isinstance(frames, list) else [])]
    records = []
    for part in parts:
        if not isinstance(part, dict):
            continue
        about = {key: value for key, value in words(part).items() if key in ("pdq", "quality")}
        stored = part.get("stored_dihedral")
        if part is not data and "pdq" in about:
            records.append(about)
        if isinstance(stored, list) and stored and isinstance(stored[0], str):
            quality = part.get("stored_quality")
            told = {"quality": str(quality)} if isinstance(quality, int) else {}
            records.append({**told, "pdq": stored[0]})
    return records


def video_of(data: Mapping[str, Any]) -> Any:
    """The frames of a video in a JSON object: under `vpdq`, or with times as `safelight` has them.

    None where there are none.
    """
    for key, value in data.items():
        if isinstance(value, list) and column(key) == Algorithm.VPDQ:
            return value
    frames = data.get("frames")
    if isinstance(frames, list) and frames and isinstance(frames[0], dict) and "time" in frames[0]:
        return frames
    return None


def record_rows(
    number: int,
    record: Mapping[str, str],
    stated: Algorithm | None,
    text: str,
    more: Sequence[Mapping[str, str]] = (),
    video: Any = None,
) -> Iterator[Row]:
    """A row for every hash of the record, or one rejected row for every bad one.

    `more` are further hashes of the same thing, each given once, with the id and class of the
    record. `video` are its frames, if it is one.
    """
    rows = _rows(number, record, stated, text)
    if video is not None:
        rows = chain([_video_row(number, record, video, text)], rows)
    if more:
        about = {name: record[name] for name in ("id", "class", "mode") if name in record}
        others = (_rows(number, {**about, **one}, stated, text) for one in more)
        rows = _once(chain(rows, *others))
    found = False
    for row in rows:
        found = True
        yield row
    if not found:
        yield RejectedRow(number, "no hash in the row", text[:SHOWN])


def _once(rows: Iterable[Row]) -> Iterator[Row]:
    """Each hash, and each reason against one, once however many frames a picture has."""
    seen: set[object] = set()
    for row in rows:
        what = (row.algorithm, row.value) if isinstance(row, HashRow) else row.reason
        if what not in seen:
            seen.add(what)
            yield row


def _rows(
    number: int, record: Mapping[str, str], stated: Algorithm | None, text: str
) -> Iterator[Row]:
    for algorithm, digits in _hashes(record, stated):
        if algorithm is Algorithm.VPDQ:
            yield _video_row(number, record, digits, text)
            continue
        yield _row(number, record, algorithm, digits, text)


def _video_row(number: int, record: Mapping[str, str], untrusted_frames: Any, text: str) -> Row:
    frames = parse_frames(untrusted_frames)
    if isinstance(frames, str):
        return RejectedRow(number, frames, text[:SHOWN])
    said = kept(record.get("id", "")), kept(record.get("class", ""))
    return HashRow(number, Algorithm.VPDQ, video_value(frames), None, *said, frames=frames)


def _row(
    number: int, record: Mapping[str, str], algorithm: Any, digits: str, text: str
) -> HashRow | RejectedRow:
    parsed = parse(digits, algorithm) if algorithm != "" else _unknown(record)
    quality = _quality(record.get("quality", ""))
    if isinstance(parsed, str) or isinstance(quality, str):
        reason = parsed if isinstance(parsed, str) else str(quality)
        return RejectedRow(number, reason, text[:SHOWN])
    is_pdq = parsed[0] is Algorithm.PDQ
    mode = _MODES.get(record.get("mode", "").lower()) if is_pdq else None
    if mode is HashMode.FAST:
        return RejectedRow(number, _NOT_EXACT, text[:SHOWN])
    their_id, their_class = kept(record.get("id", "")), kept(record.get("class", ""))
    guessed = is_pdq and algorithm is None and ":" not in digits
    known = quality if is_pdq else None
    return HashRow(number, *parsed, known, their_id, their_class, guessed, mode)


def _hashes(record: Mapping[str, str], stated: Algorithm | None) -> Iterator[tuple[Any, str]]:
    """The algorithm (None: by length; empty: unknown) and digits of every hash in the record."""
    for algorithm in Algorithm:
        if record.get(algorithm):
            yield algorithm, record[algorithm]
    if record.get("hash"):
        name = record.get("algorithm", "")
        yield (_ALGORITHM_NAMES.get(_plain(name), "") if name else stated), record["hash"]


def _unknown(record: Mapping[str, str]) -> str:
    return f"{record['algorithm'][:40]!r} is not an algorithm known here"


def _quality(text: str) -> int | str | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100 or number != int(number):
        return f"the quality {text[:20]!r} is not a whole number from 0 to 100"
    return int(number)


def kept(text: str) -> str:
    """The source's own words as the database can keep them."""
    if text.isascii() and text.isprintable():
        return text[:LONGEST]
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:LONGEST]
