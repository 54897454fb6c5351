"""The coders of a 7z block, chained as the block says.

PPMd is left out: its only decoder for Python, pyppmd, writes past its memory when data is damaged.
"""

import lzma
from collections.abc import Callable, Iterable, Iterator

import bcj
from py7zr.archiveinfo import Folder

from safelight.source import Source
from safelight.unpack.inflate import (
    Deflate,
    Deflate64,
    Inflater,
    bzip2,
    checked,
    inflated,
    lzma1_filter,
    raw_lzma,
    zstandard,
)
from safelight.unpack.packed import Room, pieces
from safelight.unpack.rules import could_not_check

_COPY, _LZMA1, _LZMA2, _DELTA = b"\0", b"\3\1\1", b"\x21", b"\3"
_AES = b"\6\xf1\7\1"
_SIMPLE: dict[bytes, Callable[[], Inflater]] = {
    b"\4\1\x08": Deflate,
    b"\4\1\x09": Deflate64,
    b"\4\2\2": bzip2,
    b"\4\xf7\x11\1": zstandard,
}
# both ways in which 7z names each filter for machine code
_BRANCHES: dict[bytes, str] = {
    b"\4": "BCJDecoder",
    b"\5": "PPCDecoder",
    b"\6": "IA64Decoder",
    b"\7": "ARMDecoder",
    b"\x08": "ARMTDecoder",
    b"\x09": "SparcDecoder",
    b"\3\3\1\3": "BCJDecoder",
    b"\3\3\2\5": "PPCDecoder",
    b"\3\3\4\1": "IA64Decoder",
    b"\3\3\5\1": "ARMDecoder",
    b"\3\3\7\1": "ARMTDecoder",
    b"\3\3\x08\5": "SparcDecoder",
}

Coder = tuple[bytes, bytes, int]  # method, properties, bytes that it gives


def unpacked(folder: Folder, packed: Source, room: Room) -> Iterator[bytes]:
    """What a block unpacks to, in pieces; nothing is read yet.

    Raises CouldNotCheck at once where a password or a method is missing.
    """
    chain = _chain(folder)
    if any(method == _AES for method, _, _ in chain):
        raise could_not_check("password_protected")
    found: Iterable[bytes] = _Later(packed)
    for stage in _stages(chain):
        found = stage(found, room)
    return iter(found)


class _Later:
    """The pieces of a source, read when somebody asks for the first."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        return pieces(self._source)


def _chain(folder: Folder) -> list[Coder]:
    """The coders in the order in which they are applied to the packed bytes."""
    one_to_one = all(
        (coder["numinstreams"], coder["numoutstreams"]) == (1, 1) for coder in folder.coders
    )
    if not one_to_one or len(folder.packed_indices) != 1:
        raise could_not_check("unsupported_compression")
    following = {bond.outcoder: bond.incoder for bond in folder.bindpairs}
    order, at = list[int](), folder.packed_indices[0]
    while at not in order:
        order.append(at)
        at = following.get(at, at)
    return [_coder(folder, at) for at in order]


def _coder(folder: Folder, at: int) -> Coder:
    coder = folder.coders[at]
    return coder["method"], coder["properties"] or b"", folder.unpacksizes[at]


Stage = Callable[[Iterable[bytes], Room], Iterable[bytes]]


def _stages(chain: list[Coder]) -> Iterator[Stage]:
    before = b""
    for position, (method, properties, size) in enumerate(chain):
        following = chain[position + 1 : position + 2]
        if method == _DELTA and before in (_LZMA1, _LZMA2):
            pass  # done with the one before it
        elif method in (_LZMA1, _LZMA2):
            yield _inflating(_lzma(method, properties, size, following))
        elif method in _BRANCHES:
            yield _converting(_BRANCHES[method], size)
        elif method in _SIMPLE:
            yield _inflating(_SIMPLE[method])
        elif method != _COPY:
            raise could_not_check("unsupported_compression")
        before = method


def _inflating(make: Callable[[], Inflater]) -> Stage:
    return lambda packed, room: inflated(packed, make, room)


def _lzma(
    method: bytes, properties: bytes, size: int, following: list[Coder]
) -> Callable[[], Inflater]:
    if method == _LZMA1:
        filters = [lzma1_filter(properties)]
    else:
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": _lzma2_dictionary(properties)}]
    if following and following[0][0] == _DELTA:
        distance = following[0][1][0] + 1 if following[0][1] else 1
        filters.insert(0, {"id": lzma.FILTER_DELTA, "dist": distance})
    return lambda: raw_lzma(filters, size)


def _lzma2_dictionary(properties: bytes) -> int:
    if len(properties) != 1 or properties[0] > 40:
        raise could_not_check("member_damaged")
    bits = properties[0]
    return (2 | bits & 1) << (bits // 2 + 11)


def _converting(name: str, size: int) -> Stage:
    def convert(found: Iterable[bytes], room: Room) -> Iterator[bytes]:  # noqa: ARG001
        decoder = getattr(bcj, name)(size)
        for piece in found:
            if converted := bytes(decoder.decode(piece)):
                yield converted
        if rest := bytes(decoder.decode(b"")):
            yield rest

    return lambda found, room: checked(convert(found, room), size, None)
