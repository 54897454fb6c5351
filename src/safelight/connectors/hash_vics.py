"""VICS (Project VIC) JSON 1.x and 2.0: hash sets, and cases with their media.

A hash set is an object whose `value` is a list of media; in a case each element of `value` has a
list `Media`. Of a medium are read MD5, SHA1, PhotoDNA, and what is known here among its
AlternativeHashes. Nothing else is kept, least of all the miniature pictures: not in
a list, not in a message, not among the rejects. Counts in the header are not believed.

The numbers of categories mean different things to different exporters (0 and 5 changed places), and
nothing in a file tells which. So a number is never put into words unless the words were given.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safelight.connectors.hash_records import algorithm_named, kept, parse, plain_record
from safelight.connectors.hash_text import SHOWN, Row
from safelight.connectors.json_stream import BadJson, JsonStream
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.model import Algorithm, HashRow, RejectedRow

_CONTEXT = re.compile(r"DataModels/(\d+(?:\.\d+)*)\.xml(?:/(\w+))?", re.IGNORECASE)
_MOST_CLASSES = 1000  # kept ready
_SHORT = 1 << 20  # characters of a medium or a small case
_SHAPE = re.compile(
    r'\s*\{(?:\s*"[^"]{0,200}"\s*:\s*(?:"[^"]{0,500}"|[\w.+-]+)\s*,){0,20}\s*"value"\s*:\s*\[',
    re.IGNORECASE,
)

_OWN = {"MD5": Algorithm.MD5, "SHA1": Algorithm.SHA1, "PhotoDNA": Algorithm.PHOTODNA}

# Seen in public exporters of the United States' data model, of now and of before.
PROFILES: Mapping[str, Mapping[int, str]] = {
    "us": {
        0: "Non-Pertinent",
        1: "Child Abuse Material (CAM)",
        2: "Child Exploitive (Non-CAM) Age Difficult",
        3: "CGI/Animation - Child Exploitive",
        4: "Comparison Images",
    },
    "legacy": {
        0: "Uncategorized",
        1: "Child Abuse Material (CAM)",
        2: "Child Exploitive (Non-CAM) Age Difficult",
        3: "CGI/Animation - Child Exploitive",
        4: "Comparison Images",
        5: "Non-Pertinent",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """What a source means by the numbers of its categories."""

    profile: str  # its name; empty: not told
    words: Mapping[int, str] = field(default_factory=dict)

    def called(self, number: str, context: str) -> str:
        """The class of an entry: always the number, and whose it is."""
        if not self.profile:
            return f"category {number} of {context}"
        word = self.words.get(int(number)) if number.lstrip("-").isdecimal() else None
        return f"category {number} of {self.profile}" + (f": {word}" if word else "")


UNTOLD = Categories(profile="")


def load_categories(chosen: str) -> Categories:
    """A profile by its name, or from a file; raise BadInput.

    The file is JSON, `{"1": "word", …}`, or lines `1,word`; its name is the profile's.
    """
    if chosen in PROFILES:
        return Categories(profile=chosen, words=PROFILES[chosen])
    path = Path(chosen)
    try:
        text = path.read_text("utf-8-sig")
        is_json = text.lstrip()[:1] == "{"
        words = json.loads(text) if is_json else dict(filter(None, csv.reader(text.splitlines())))
        found = {int(number): kept(str(word).strip()) for number, word in words.items()}
    except (OSError, ValueError, AttributeError) as exc:
        raise BadInput(
            f"{show_path(path)} holds no categories ({exc}). Give one of {', '.join(PROFILES)}, or "
            'a file of lines such as 1,word or of JSON such as {"1": "word"}.'
        ) from exc
    return Categories(profile=kept(path.stem), words=found)


def is_vics(start: str) -> bool:
    """Whether a JSON file that begins so is VICS."""
    return "projectvic/datamodels/" in start.lower() or _SHAPE.match(start) is not None


def vics_rows(
    read: Callable[[int], str], categories: Categories, left_out: Counter[str]
) -> Iterator[Row]:
    """A row for every hash of every medium; its line is the medium's place in the file.

    `left_out` counts hashes that are not imported, by their names.
    """
    media = _Media(categories, left_out)
    stream = JsonStream(read)
    try:
        for key in stream.keys():  # noqa: SIM118 - a stream is no mapping
            if key.lower() == "value" and stream.peek() == "[":
                yield from _elements(stream, media)
            else:
                media.note(key, stream.value())
        if stream.peek():
            raise BadJson(stream.offset, "the file goes on behind the end of its object")
    except BadJson as exc:
        reason = f"not JSON from byte {exc.offset:,} on ({exc.reason}): nothing behind it was read"
        yield RejectedRow(media.number + 1, reason, "")


def _elements(stream: JsonStream, media: "_Media") -> Iterator[Row]:
    """Media, or cases that have media; a large case is read as it comes."""
    for _ in stream.elements():
        whole = stream.short_value(_SHORT)
        if whole is None and stream.peek() == "{":
            yield from _case(stream, media)
        elif isinstance(whole, dict) and isinstance(whole.get("Media"), list):
            for medium in whole["Media"]:
                yield from media.rows(medium, stream)
        else:
            yield from media.rows(whole, stream)


def _case(stream: JsonStream, media: "_Media") -> Iterator[Row]:
    facts = {}
    has_media = False
    for key in stream.keys():  # noqa: SIM118
        if key == "Media" and stream.peek() == "[":
            has_media = True
            for _ in stream.elements():
                yield from media.rows(stream.value(), stream)
        else:
            facts[key] = stream.value()
    if not has_media:  # one medium, with a large miniature
        yield from media.rows(facts, stream)


class _Media:
    """Turns media into rows, one after another."""

    def __init__(self, categories: Categories, left_out: Counter[str]) -> None:
        self.number = 0
        self._categories = categories
        self._left_out = left_out
        self._context = "VICS"
        self._classes: dict[str, str] = {}

    def note(self, key: str, value: Any) -> None:
        """A fact of the header."""
        found = _CONTEXT.search(value) if isinstance(value, str) else None
        if found and key.lower() in ("odata.metadata", "@odata.context"):
            self._context = f"VICS {found[1]}" + (f" {found[2]}" if found[2] else "")
            self._classes.clear()

    def rows(self, medium: Any, stream: JsonStream) -> Iterator[Row]:
        """A row for each hash of the medium that the stream gave last."""
        self.number += 1
        if not isinstance(medium, dict):
            yield RejectedRow(self.number, _at(stream, "not an object"), "")
            return
        their_id, their_class = _word(medium.get("MediaID")), self._class(medium)
        found = False
        for algorithm, digits in self._hashes(medium):
            found = True
            plain = plain_record(self.number, algorithm, digits, None, their_id, their_class)
            if plain is not None:
                yield plain
                continue
            parsed = parse(digits, algorithm)
            if isinstance(parsed, str):
                text = f"MediaID {their_id}: {algorithm} {digits}"
                yield RejectedRow(self.number, _at(stream, parsed), text[:SHOWN])
            else:
                yield HashRow(self.number, *parsed, None, their_id, their_class)
        if not found:
            reason = _at(stream, "no hash that is known here")
            yield RejectedRow(self.number, reason, f"MediaID {their_id}"[:SHOWN])

    def _class(self, medium: Mapping[str, Any]) -> str:
        number = _word(medium.get("Category"))
        if number not in self._classes:
            called = self._categories.called(number, self._context) if number else ""
            if len(self._classes) > _MOST_CLASSES:
                return kept(called)
            self._classes[number] = kept(called)
        return self._classes[number]

    def _hashes(self, medium: Mapping[str, Any]) -> Iterator[tuple[Algorithm, str]]:
        given = False
        for key, algorithm in _OWN.items():
            if digits := _hash(medium.get(key)):
                given = True
                yield algorithm, digits
        others = medium.get("AlternativeHashes")
        for other in others if isinstance(others, list) else ():
            if not isinstance(other, dict) or not (digits := _hash(other.get("HashValue"))):
                continue
            name = _word(other.get("HashName"))
            known = algorithm_named(name)
            if known is None or known is Algorithm.VPDQ:
                self._left_out[name[:40] or "without a name"] += 1
            else:
                given = True
                yield known, digits
        if not given:
            yield from ((Algorithm.MD5, digits) for digits in _of_files(medium))


def _at(stream: JsonStream, reason: str) -> str:
    return f"{reason} (the medium at byte {stream.last_offset:,})"


def _of_files(medium: Mapping[str, Any]) -> list[str]:
    """The MD5 of the medium's files, where the medium itself has no hash."""
    files = medium.get("MediaFiles")
    listed = files if isinstance(files, list) else []
    found = (_word(file.get("MD5")) for file in listed if isinstance(file, dict))
    return list(dict.fromkeys(filter(None, found)))


def _hash(value: Any) -> str:
    """A hash as it is written, which may be longer than a word; empty for anything else."""
    return value.strip() if type(value) is str else _word(value)


def _word(value: Any) -> str:
    """A text or number as text; empty for anything else."""
    if type(value) is str:
        return kept(value.strip())
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return str(int(value) if value.is_integer() else value)
    return ""
