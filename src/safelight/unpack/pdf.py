"""PDF: its pictures and the files attached to it. Its text and drawings are not looked at.

Every picture object counts, whether a page shows it or not, and so do pictures that an older
version of the document left behind.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
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
from safelight.unpack.pdf_inline import inline_pictures
from safelight.unpack.pdf_picture import CONFIGURATION, attached_bytes, picture_bytes
from safelight.unpack.rules import MEMBERS_MISSING, PICTURES_ONLY, could_not_check

_JPEG_STREAM = re.compile(rb"stream\r?\n(?=\xff\xd8\xff)")
_READ_BYTES = 1 << 20
_MOST_NESTED = 4  # file specifications lie at most so deep in an object

Key = tuple[int, int]  # number and generation of an object
_Drawing = tuple[StreamObject | None, Any]  # drawing commands, and the resources they name


class _Document:
    """A PDF whose objects have been looked through."""

    def __init__(self, source: Source, room: Room) -> None:
        self.room = room
        self.reader = PdfReader(source.stream())
        if self.reader.is_encrypted and self.reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise could_not_check("password_protected")
        self.pictures: list[Key] = []
        self.forms: list[Key] = []  # drawings that pages show, with pictures in them perhaps
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
            elif isinstance(found, StreamObject) and _is_drawing(found):
                self.forms.append(key)
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

    @property
    def page_count(self) -> int:
        """How many pages can be reached."""
        try:
            with apply_configuration(CONFIGURATION):
                return len(self.reader.pages)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  pypdf raises nearly every class there is
            self.room.notes.add(MEMBERS_MISSING)
            return 0

    def page(self, number: int) -> _Drawing:
        """The drawing commands of a page, and its resources."""
        page = self.reader.pages[number]
        return page.get_contents(), _value(page, "/Resources")

    def form(self, key: Key) -> _Drawing:
        """The drawing commands of what a page may show, and its resources."""
        found = self.get(key)
        return (
            (found, _value(found, "/Resources"))
            if isinstance(found, StreamObject)
            else (None, None)
        )


def _value(found: DictionaryObject, key: str) -> Any:
    value = found.get(key)
    return None if value is None else value.get_object()


def _is_picture(found: StreamObject) -> bool:
    if _value(found, "/Subtype") == "/Image":
        return True
    return "/Width" in found and "/Height" in found and "/BitsPerComponent" in found


def _is_drawing(found: StreamObject) -> bool:
    return _value(found, "/Subtype") == "/Form" or "/PatternType" in found


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
        yield _entry(b"object %d" % key[0], document, key)
    yield from _inline(document)
    places = sorted(at for found in document.reader.xref.values() for at in found.values())
    yield from _unlisted(source, places)
    for key, name in document.attached.items():
        encoded = name.encode("utf-8", "surrogateescape") or b"object %d" % key[0]
        yield _attachment(encoded, document, key)


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


def _entry(name: bytes, document: _Document, found: Key | StreamObject) -> Entry:
    """A picture, by its object's key or as it is."""

    def pieces() -> Iterator[bytes]:
        with apply_configuration(CONFIGURATION):
            data = picture_bytes(document.get(found) if isinstance(found, tuple) else found)
        document.room.took(len(data))
        yield data

    member = Member(name=name, kind="picture")
    return Entry(member=member, source=PackedSource(pieces, document.room))


def _attachment(name: bytes, document: _Document, key: Key) -> Entry:
    def pieces() -> Iterator[bytes]:
        with apply_configuration(CONFIGURATION):
            data = attached_bytes(document.get(key))
        document.room.took(len(data))
        yield data

    member = Member(name=name, kind="attachment")
    return Entry(member=member, source=PackedSource(pieces, document.room))


def _inline(document: _Document) -> Iterator[Entry]:
    """Pictures written out among the drawing commands of pages, and of what pages show."""
    for label, drawing in _drawings(document):
        with apply_configuration(CONFIGURATION):
            pictures = _inline_in(document, drawing)
        for number, picture in enumerate(pictures, start=1):
            yield _entry(b"%s inline %d" % (label, number), document, picture)


def _drawings(document: _Document) -> Iterator[tuple[bytes, Callable[[], _Drawing]]]:
    for number in range(document.page_count):
        yield b"page %d" % (number + 1), partial(document.page, number)
    for key in document.forms:
        yield b"object %d" % key[0], partial(document.form, key)


def _inline_in(document: _Document, drawing: Callable[[], _Drawing]) -> list[StreamObject]:
    try:
        return list(inline_pictures(*drawing(), document.reader))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  pypdf raises nearly every class there is
        document.room.notes.add(MEMBERS_MISSING)
        return []
    finally:
        document.reader.resolved_objects.clear()


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
