"""PDF: its pictures and the files attached to it. Its text and drawings are not looked at.

Every picture object counts, whether a page shows it or not, and so do pictures that an older
version of the document left behind.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from pypdf import PasswordType, PdfReader, apply_configuration
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    IndirectObject,
    PdfObject,
    StreamObject,
)

from safelight.errors import CouldNotCheck
from safelight.model import Member
from safelight.source import Source
from safelight.unpack.packed import Entry, PackedSource, Room
from safelight.unpack.pdf_picture import CONFIGURATION, attached_bytes, inline_bytes, picture_bytes
from safelight.unpack.rules import MEMBERS_MISSING, PICTURES_ONLY, could_not_check

_JPEG_STREAM = re.compile(rb"stream\r?\n(?=\xff\xd8\xff)")
_INLINE = re.compile(rb"\bBI\b.{0,1000}?\bID\b", re.DOTALL)
_READ_BYTES = 1 << 20
_MOST_NESTED = 4  # file specifications lie at most so deep in an object

Key = tuple[int, int]  # number and generation of an object


class _Document:
    """A PDF whose objects have been looked through."""

    def __init__(self, source: Source, room: Room) -> None:
        self.room = room
        self.reader = PdfReader(source.stream())
        if self.reader.is_encrypted and self.reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise could_not_check("password_protected")
        self.pictures: list[Key] = []
        self.attached: dict[Key, str] = {}
        for key in self._keys():
            self._look_at(key)

    def _keys(self) -> list[Key]:
        reader = self.reader
        listed = {(number, part) for part, found in reader.xref.items() for number in found}
        return sorted(listed | {(number, 0) for number in reader.xref_objStm})

    def get(self, key: Key) -> PdfObject | None:
        """The object; it is not kept, since a document may be larger than memory."""
        found = self.reader.get_object(IndirectObject(*key, self.reader))
        if isinstance(found, StreamObject):
            self.reader.resolved_objects.pop((key[1], key[0]), None)
        return found

    def _look_at(self, key: Key) -> None:
        try:
            found = self.get(key)
            if isinstance(found, StreamObject) and _is_picture(found):
                self.pictures.append(key)
            elif isinstance(found, StreamObject) and _value(found, "/Type") == "/EmbeddedFile":
                self.attached.setdefault(key, "")
            for specification in _specifications(found, _MOST_NESTED):
                self._attach(specification)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  pypdf raises nearly every class there is
            self.room.notes.add(MEMBERS_MISSING)

    def _attach(self, specification: DictionaryObject) -> None:
        name = _value(specification, "/UF") or _value(specification, "/F")
        files = _value(specification, "/EF")
        if isinstance(files, DictionaryObject):
            for reference in files.values():
                if isinstance(reference, IndirectObject):
                    key = (reference.idnum, reference.generation)
                    self.attached[key] = str(name or "")


def _value(found: DictionaryObject, key: str) -> Any:
    value = found.get(key)
    return None if value is None else value.get_object()


def _is_picture(found: StreamObject) -> bool:
    if _value(found, "/Subtype") == "/Image":
        return True
    return "/Width" in found and "/Height" in found and "/BitsPerComponent" in found


def _specifications(found: object, depth: int) -> Iterator[DictionaryObject]:
    """The file specifications in an object, not following references."""
    if isinstance(found, DictionaryObject) and "/EF" in found:
        yield found
    elif depth and isinstance(found, DictionaryObject):
        for value in found.values():
            yield from _specifications(value, depth - 1)
    elif depth and isinstance(found, ArrayObject):
        for value in found:
            yield from _specifications(value, depth - 1)


def members(source: Source, room: Room) -> Iterator[Entry]:
    """The pictures by the numbers of their objects, those on pages, the attached files."""
    room.notes.add(PICTURES_ONLY)
    document = _open(source, room)
    if document is None:
        room.notes.add(MEMBERS_MISSING)
        yield from _unlisted(source, [])
        return
    for key in document.pictures:
        yield _entry(b"object %d" % key[0], "picture", document, key, picture_bytes)
    yield from _inline(document)
    places = sorted(at for found in document.reader.xref.values() for at in found.values())
    yield from _unlisted(source, places)
    for key, name in document.attached.items():
        encoded = name.encode("utf-8", "surrogateescape") or b"object %d" % key[0]
        yield _entry(encoded, "attachment", document, key, attached_bytes)


def _open(source: Source, room: Room) -> _Document | None:
    """The document, or None where it cannot be read but by looking for pictures in its bytes."""
    try:
        with apply_configuration(CONFIGURATION):
            return _Document(source, room)
    except (CouldNotCheck, MemoryError):
        raise
    except Exception as exc:
        if next(_unlisted(source, []), None) is None:
            raise could_not_check("archive_damaged") from exc
        return None


def _entry(
    name: bytes,
    kind: str,
    document: _Document,
    key: Key,
    unpack: Callable[[PdfObject | None], bytes],
) -> Entry:
    def pieces() -> Iterator[bytes]:
        with apply_configuration(CONFIGURATION):
            data = unpack(document.get(key))
        document.room.took(len(data))
        yield data

    return Entry(member=Member(name=name, kind=kind), source=PackedSource(pieces, document.room))


def _inline(document: _Document) -> Iterator[Entry]:
    """Pictures written out among the drawing commands of a page."""
    with apply_configuration(CONFIGURATION):
        found = list(_inline_names(document))
    for page, name in found:
        yield _inline_entry(document, page, name)


def _inline_names(document: _Document) -> Iterator[tuple[int, str]]:
    try:
        for number, page in enumerate(document.reader.pages):
            contents = page.get_contents()
            if contents is not None and _INLINE.search(contents.get_data()):
                names = (name for name in page.images.keys() if isinstance(name, str))  # noqa: SIM118
                yield from ((number, name) for name in names if name.startswith("~"))
            document.reader.resolved_objects.clear()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  pypdf raises nearly every class there is
        document.room.notes.add(MEMBERS_MISSING)


def _inline_entry(document: _Document, page: int, name: str) -> Entry:
    def pieces() -> Iterator[bytes]:
        with apply_configuration(CONFIGURATION):
            data = inline_bytes(document.reader.pages[page], name)
        document.room.took(len(data))
        yield data

    label = b"page %d inline %s" % (page + 1, name.strip("~").encode())
    return Entry(
        member=Member(name=label, kind="picture"), source=PackedSource(pieces, document.room)
    )


def _unlisted(source: Source, places: list[int]) -> Iterator[Entry]:
    """JPEG pictures in objects that do not begin at any of these places, which are sorted."""
    at, data = 0, b""
    while more := source.read_at(at + len(data), _READ_BYTES):
        data += more
        for found in _JPEG_STREAM.finditer(data):
            begin = at + found.end()
            if not _is_listed(source, begin, places):
                name = b"bytes at %d" % begin
                window = source.window(begin, _stream_end(source, begin) - begin)
                yield Entry(member=Member(name=name, kind="picture"), source=window)
        at, data = at + max(0, len(data) - 11), data[-11:]


def _is_listed(source: Source, begin: int, places: list[int]) -> bool:
    """Whether the object around this place is the one that the document lists there."""
    following = bisect_right(places, begin)
    if not following or begin - places[following - 1] > _READ_BYTES:
        return False
    return b"endobj" not in source.read_at(places[following - 1], begin - places[following - 1])


def _stream_end(source: Source, begin: int) -> int:
    at = begin
    while data := source.read_at(at, _READ_BYTES):
        if (found := data.find(b"endstream")) >= 0:
            end = at + found
            line_end = source.read_at(max(begin, end - 2), min(2, end - begin))
            return end - len(line_end) + len(line_end.rstrip(b"\r\n"))
        at += max(1, len(data) - 8)
    return source.size
