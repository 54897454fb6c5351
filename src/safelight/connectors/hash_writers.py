"""Hash lists written in the formats that `hash_files` reads.

Each entry names what every source calls it. A format that has no place for a kind of hash leaves
those out and counts them.
"""

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from safelight.connectors.hash_exchange import signal_line
from safelight.connectors.hash_video import to_vpdq
from safelight.model import Algorithm, VideoFrame
from safelight.store.entries import Assertion, Entry
from safelight.store.export import Exported

_AT_A_TIME = 4096  # lines
VICS_CONTEXT = (
    "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/CUSTOM/$metadata#Media"
)
_CATEGORY = re.compile(r"category (-?\d{1,6}) of ")


Frames = tuple[VideoFrame, ...]


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"
    HEX = "hex"
    THREATEXCHANGE = "threatexchange"
    VICS = "vics"


class Writer(ABC):
    """Makes the text of a file; counts what it wrote and what it left out."""

    head = ""
    between = ""
    tail = ""

    def __init__(self) -> None:
        self.entries = self.left_out = 0

    def pieces(self, entries: Iterable[Exported]) -> Iterator[bytes]:
        """The file, some thousand entries at a time."""
        gathered = [self.head]
        for one in entries:
            text = self.text(one.entry, one.frames)
            if text is None:
                self.left_out += 1
                continue
            gathered.append((self.between if self.entries else "") + text)
            self.entries += 1
            if len(gathered) >= _AT_A_TIME:
                yield "".join(gathered).encode()
                gathered.clear()
        yield "".join([*gathered, self.tail]).encode()

    @abstractmethod
    def text(self, entry: Entry, frames: Frames) -> str | None:
        """An entry's text; None where the format cannot hold it."""


class _Csv(Writer):
    head = "algorithm,hash,quality,mode,id,class,source,derived_from\n"

    def text(self, entry: Entry, frames: Frames) -> str | None:
        """A line for every source; videos are too long for a cell."""
        if frames:
            return None
        out = io.StringIO()
        lines = csv.writer(out, lineterminator="\n")
        about = (entry.algorithm.value, _digits(entry), _quality(entry), entry.mode)
        for said in standing(entry):
            lines.writerow(
                (*about, said.their_id, said.their_class, said.source, said.derived_from)
            )
        return out.getvalue()


class _Jsonl(Writer):
    def text(self, entry: Entry, frames: Frames) -> str | None:
        """One object; `id` and `class` are those of the first source."""
        sources = standing(entry)
        row: dict[str, Any] = {"algorithm": entry.algorithm.value}
        row |= {"vpdq": to_vpdq(frames)} if frames else {"hash": _digits(entry)}
        if entry.quality >= 0:
            row |= {"quality": entry.quality, "mode": entry.mode}
        if sources:
            row |= {"id": sources[0].their_id, "class": sources[0].their_class}
        row["assertions"] = [
            {
                "source": said.source,
                "id": said.their_id,
                "class": said.their_class,
                "derived_from": said.derived_from,
            }
            for said in sources
        ]
        return json.dumps(row, ensure_ascii=False) + "\n"


class _Hex(Writer):
    def text(self, entry: Entry, frames: Frames) -> str | None:
        """The algorithm and the hash."""
        return None if frames else f"{entry.algorithm}:{_digits(entry)}\n"


class _ThreatExchange(Writer):
    def text(self, entry: Entry, frames: Frames) -> str | None:
        """As its exchange `local_file` has it; it knows no SHA-1."""
        line = signal_line(entry.algorithm, entry.value, frames)
        return None if line is None else line + "\n"


class _Vics(Writer):
    head = f'{{"@odata.context":"{VICS_CONTEXT}","value":[\n'
    between = ",\n"
    tail = "\n]}\n"

    def text(self, entry: Entry, frames: Frames) -> str | None:
        """A medium with one hash; its category only where the source's class has one."""
        if frames:
            return None
        digits = entry.value.hex().upper()
        medium: dict[str, Any] = {"MediaID": entry.id}
        classes = [said.their_class for said in standing(entry) if said.their_class]
        found = next(filter(None, map(_CATEGORY.match, classes)), None)
        if found:
            medium["Category"] = int(found[1])
        if entry.algorithm is Algorithm.PHOTODNA:
            medium["PhotoDNA"] = _digits(entry)
        elif entry.algorithm in (Algorithm.MD5, Algorithm.SHA1):
            medium[entry.algorithm.value.upper()] = digits
        else:
            name = {Algorithm.PDQ: "PDQ", Algorithm.SHA256: "SHA256"}[entry.algorithm]
            medium["AlternativeHashes"] = [{"HashName": name, "HashValue": digits}]
        if classes:
            medium["Comments"] = "; ".join(classes)
        return json.dumps(medium, ensure_ascii=False, separators=(",", ":"))


_WRITERS: dict[ExportFormat, type[Writer]] = {
    ExportFormat.CSV: _Csv,
    ExportFormat.JSONL: _Jsonl,
    ExportFormat.HEX: _Hex,
    ExportFormat.THREATEXCHANGE: _ThreatExchange,
    ExportFormat.VICS: _Vics,
}


def writer(form: ExportFormat) -> Writer:
    """A writer of the format."""
    return _WRITERS[form]()


def standing(entry: Entry) -> list[Assertion]:
    """What is said of the entry and not retracted."""
    return [said for said in entry.assertions if said.retracted_at is None]


def _digits(entry: Entry) -> str:
    return entry.algorithm.text(entry.value)


def _quality(entry: Entry) -> str:
    return str(entry.quality) if entry.quality >= 0 else ""
