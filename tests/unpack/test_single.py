"""Single compressed files: names, several streams, what follows, damage, bombs."""

import bz2
import gzip
import io
import itertools
import lzma
import random
from collections.abc import Callable

import pytest
from archives import Seen, walked, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.decode.rules import REASONS
from safelight.errors import CouldNotCheck
from safelight.source import MemorySource
from safelight.unpack.inflate import gzip_member, inflated, zstd
from safelight.unpack.packed import Room
from safelight.unpack.walk import UnpackLimits, walk

NOISE = random.Random(1).randbytes(300_000)
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zstd": zstd.compress,
}


def one(data: bytes | None, form: str, code: str | None = None, *flags: str) -> list[Seen]:
    return [Seen((b"content",), data, code), Seen((), members=1, format=form, flags=flags)]


@pytest.mark.parametrize("name", PACK)
def test_the_content_is_the_member(name: str) -> None:
    made = PACK[name](NOISE)
    assert walked(made) == one(NOISE, name)
    assert walked(made, start=1) == one(NOISE, name)[1:]


@pytest.mark.parametrize("name", PACK)
def test_nothing_compressed(name: str) -> None:
    assert walked(PACK[name](b""))[0].data in (b"", None)


@pytest.mark.parametrize("name", PACK)
def test_what_is_cut_off_is_damaged(name: str) -> None:
    assert walked(PACK[name](NOISE)[:-20_000])[0] == one(None, name, "member_damaged")[0]


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_streams_one_behind_the_other(name: str) -> None:
    made = PACK[name](NOISE) + PACK[name](b"hello")
    assert walked(made) == one(NOISE + b"hello", name)
    assert walked(made + bytes(512)) == one(NOISE + b"hello", name)


def test_zstd_frames_that_hold_nothing() -> None:
    empty = b"\x50\x2a\x4d\x18\x04\0\0\0note"
    made = empty + zstd.compress(NOISE) + empty + zstd.compress(b"hello") + empty
    assert walked(made) == one(NOISE + b"hello", "zstd")


@pytest.mark.parametrize("name", PACK)
def test_what_follows_is_noted(name: str) -> None:
    made = PACK[name](NOISE) + b"\xff\xd8\xff\xe0 a hidden picture"
    assert walked(made) == one(NOISE, name, None, "members_missing")


def test_the_name_that_gzip_gives() -> None:
    out = io.BytesIO()
    with gzip.GzipFile("photo.jpg", "wb", fileobj=out, mtime=1_700_000_000) as file:
        file.write(b"x")
    item = next(walk(MemorySource(out.getvalue())))
    assert item.chain[0].name == b"photo.jpg"
    assert item.chain[0].modified == "2023-11-14T22:13:20+00:00"
    assert item.chain[0].kind == "compressed"


def test_the_name_that_is_left_of_the_archives() -> None:
    made = zipped({"folder/photo.jpg.xz": lzma.compress(b"x")})
    assert walked(made)[0].path == (b"folder/photo.jpg.xz", b"photo.jpg")


@pytest.mark.parametrize("name", ["bzip2", "xz", "zstd"])
def test_a_bomb(name: str) -> None:
    made = PACK[name](bytes(80 << 20))
    assert walked(made)[0].code == "suspicious_ratio"
    assert walked(made, UnpackLimits(max_ratio=1 << 30))[0].code is None


def test_gzip_without_end() -> None:
    def endless() -> "itertools.chain[bytes]":
        head = gzip.compress(b"")[:10]
        empty_block = b"\x00\x00\x00\xff\xff"
        block = b"\x00\xff\xff\x00\x00" + bytes(0xFFFF)
        return itertools.chain([head], [empty_block], itertools.repeat(block))

    room = Room(UnpackLimits(max_total_bytes=10_000_000))
    with pytest.raises(CouldNotCheck) as caught:
        for _ in inflated(endless(), gzip_member, room):
            pass
    assert caught.value.code == "too_much_data"


def test_a_dictionary_larger_than_memory() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    made = bytearray(lzma.compress(NOISE, filters=filters))
    made[16] = 38  # two gigabytes
    made[20:24] = __import__("zlib").crc32(made[12:20]).to_bytes(4, "little")
    assert walked(bytes(made))[0].code == "out_of_memory"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_files_never_fail(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(PACK)))
    made = bytearray(PACK[name](b"hello" * 100))
    for _ in range(data.draw(st.integers(1, 4))):
        made[data.draw(st.integers(6, len(made) - 1))] = data.draw(st.integers(0, 255))
    for item in walked(bytes(made)):
        assert item.code is None or item.code in REASONS


PICTURE = b"\xff\xd8\xff\xe0 a hidden picture"


def gzip_with(flags: int, fields: bytes) -> bytes:
    made = gzip.compress(b"hello")
    return made[:3] + bytes([flags]) + made[4:10] + fields + made[10:]


def skipped(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


@pytest.mark.parametrize(
    ("form", "made", "flags"),
    [
        ("gzip", gzip_with(4, b"\x06\0BC\2\0\1\0"), ()),
        ("gzip", gzip_with(24, b"name\0a comment\0"), ()),
        ("gzip", gzip_with(4, len(PICTURE).to_bytes(2, "little") + PICTURE), ("members_missing",)),
        ("gzip", gzip_with(4, (9000).to_bytes(2, "little") + b"x" * 9000), ("members_missing",)),
        ("gzip", gzip_with(24, b"name\0" + b"x" * 9000 + b"\0"), ("members_missing",)),
        ("gzip", gzip_with(16, PICTURE + b"\0"), ("members_missing",)),
        ("gzip", gzip.compress(b"") + gzip_with(16, PICTURE + b"\0"), ("members_missing",)),
        ("zstd", zstd.compress(b"hello") + skipped(PICTURE), ("members_missing",)),
        ("zstd", skipped(b"x" * 9000) + zstd.compress(b"hello"), ("members_missing",)),
        ("zstd", skipped(b"a note") + zstd.compress(b"hello"), ()),
    ],
)
def test_headers_that_hold_a_file_are_noted(form: str, made: bytes, flags: tuple[str, ...]) -> None:
    found = walked(made)
    assert (found[0].data, found[1].flags, found[1].format) == (b"hello", flags, form)
