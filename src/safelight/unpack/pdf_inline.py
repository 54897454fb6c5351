"""Pictures written out among the drawing commands of a PDF, with names cut short."""

import re
from collections.abc import Iterator
from typing import Any

from pypdf import PdfReader
from pypdf.generic import (
    ArrayObject,
    ContentStream,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
)

_LIKELY = re.compile(rb"\bBI\b.{0,1000}?\bID\b", re.DOTALL)
_KEYS = {
    "/BPC": "/BitsPerComponent",
    "/CS": "/ColorSpace",
    "/D": "/Decode",
    "/DP": "/DecodeParms",
    "/F": "/Filter",
    "/H": "/Height",
    "/IM": "/ImageMask",
    "/W": "/Width",
}
_FILTERS = {
    "/A85": "/ASCII85Decode",
    "/AHx": "/ASCIIHexDecode",
    "/CCF": "/CCITTFaxDecode",
    "/DCT": "/DCTDecode",
    "/Fl": "/FlateDecode",
    "/LZW": "/LZWDecode",
    "/RL": "/RunLengthDecode",
}


def inline_pictures(
    contents: StreamObject | None, resources: Any, reader: PdfReader
) -> Iterator[StreamObject]:
    """The pictures in drawing commands, as if each was an object of its own."""
    if contents is None or not _LIKELY.search(contents.get_data()):
        return
    if not isinstance(contents, ContentStream):
        contents = ContentStream(contents, reader)
    for operands, operator in contents.operations:
        if operator == b"INLINE IMAGE":
            yield _as_object(operands, resources)


def _as_object(inline: Any, resources: Any) -> StreamObject:
    data = bytes(inline["data"])
    found: dict[Any, Any] = {"__streamdata__": data, "/Length": NumberObject(len(data))}
    for key, value in inline["settings"].items():
        name = _KEYS.get(key, str(key))
        if name == "/Filter":
            value = _filters(value)
        if name == "/ColorSpace":
            value = _space(value, resources)
        if name != "/L":
            found[NameObject(name)] = value
    return StreamObject.initialize_from_dictionary(found)


def _filters(value: Any) -> Any:
    if isinstance(value, ArrayObject):
        return ArrayObject(_filters(each) for each in value)
    return NameObject(_FILTERS.get(value, value))


def _space(value: Any, resources: Any) -> Any:
    """A colour space that may be named in the resources."""
    spaces = resources.get("/ColorSpace") if isinstance(resources, DictionaryObject) else None
    spaces = None if spaces is None else spaces.get_object()
    if isinstance(value, NameObject) and isinstance(spaces, DictionaryObject) and value in spaces:
        return spaces[value]
    return value
