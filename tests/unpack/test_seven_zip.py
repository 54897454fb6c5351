"""7z: every method, solid blocks in bounded memory, passwords, damage. py7zr makes them."""

import io
import os
import random
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import py7zr
import pytest
from archives import Seen, on_disk, walked, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.decode.rules import REASONS
from safelight.source import Source
from safelight.unpack.walk import UnpackLimits, walk

FILES = {
    "a.txt": b"hello",
    "folder/b.bin": random.Random(1).randbytes(300_000),
    "empty": b"",
    "zeros": bytes(2_000_000),
    "text": b"some words, again and again; " * 3000,
    "Größe \U0001f600": b"x",
}
METHODS: dict[str, list[dict[str, Any]] | None] = {
    "as 7z does": None,
    "lzma": [{"id": py7zr.FILTER_LZMA}],
    "lzma2": [{"id": py7zr.FILTER_LZMA2}],
    "bzip2": [{"id": py7zr.FILTER_BZIP2}],
    "deflate": [{"id": py7zr.FILTER_DEFLATE}],
    "zstd": [{"id": py7zr.FILTER_ZSTD}],
    "copy": [{"id": py7zr.FILTER_COPY}],
    "x86 and lzma": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA}],
    "x86 and lzma2": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_LZMA2}],
    "arm and lzma2": [{"id": py7zr.FILTER_ARM}, {"id": py7zr.FILTER_LZMA2}],
    "x86 and bzip2": [{"id": py7zr.FILTER_X86}, {"id": py7zr.FILTER_BZIP2}],
    "delta and lzma2": [{"id": py7zr.FILTER_DELTA, "dist": 4}, {"id": py7zr.FILTER_LZMA2}],
}


def made_of(files: dict[str, bytes], **options: Any) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return out.getvalue()


def expected(files: dict[str, bytes]) -> list[Seen]:
    inside = [Seen((name.encode(),), data) for name, data in files.items()]
    return [*inside, Seen((), members=len(files), format="7z")]


@pytest.mark.parametrize("method", METHODS)
def test_every_member_is_given(method: str) -> None:
    made = made_of(FILES, filters=METHODS[method])
    assert walked(made) == expected(FILES)
    assert walked(made, start=3) == expected(FILES)[3:]


CONTENT = st.binary(max_size=3000).map(lambda data: data and b"\0" + data)  # no container


@settings(max_examples=30, deadline=None)
@given(st.lists(CONTENT, max_size=6), st.sampled_from(sorted(METHODS)))
def test_sizes_of_every_kind(contents: list[bytes], method: str) -> None:
    files = {str(number): data for number, data in enumerate(contents)}
    made = made_of(files, filters=METHODS[method])
    assert walked(made)[:-1] == expected(files)[:-1]


def test_a_file_on_disk_is_read_through_its_descriptor(tmp_path: Path) -> None:
    assert walked(on_disk(tmp_path, made_of(FILES))) == expected(FILES)


def test_files_and_links_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in" / "empty folder").mkdir(parents=True)
    (tmp_path / "in" / "a").write_bytes(b"hello")
    os.utime(tmp_path / "in" / "a", (1_700_000_000, 1_700_000_000))
    (tmp_path / "in" / "link").symlink_to("/etc/passwd")
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as archive:
        archive.writeall(tmp_path / "in", "in")
    found = walked((tmp_path / "x.7z").read_bytes())
    assert sorted(found[:-1], key=lambda item: item.path) == [
        Seen((b"in/a",), b"hello"),
        Seen((b"in/link",), code="not_a_file"),
    ]
    items = walk(Source(os.open(tmp_path / "x.7z", os.O_RDONLY)))
    times = {item.chain[0].name: item.chain[0].modified for item in items if item.chain}
    assert times[b"in/a"] == "2023-11-14T22:13:20+00:00"


def test_several_blocks(tmp_path: Path) -> None:
    parts = [{"a": b"1" * 5000, "b": b"2"}, {"c": b"3" * 70_000}, {"d": b"", "e": b"5"}]
    methods = [METHODS["lzma2"], METHODS["x86 and lzma"], METHODS["zstd"]]
    for files, filters in zip(parts, methods, strict=True):
        with py7zr.SevenZipFile(tmp_path / "x.7z", "a", filters=filters) as archive:
            for name, data in files.items():
                archive.writestr(data, name)
    files = {name: data for part in parts for name, data in part.items()}
    assert walked((tmp_path / "x.7z").read_bytes()) == expected(files)


def test_a_password_for_the_members() -> None:
    files = {name: data for name, data in FILES.items() if data}
    assert walked(made_of(files, password="x")) == [
        *[Seen((name.encode(),), code="password_protected") for name in files],
        Seen((), members=len(files), format="7z"),
    ]


def test_a_password_for_the_list() -> None:
    made = made_of(FILES, password="x", header_encryption=True)
    assert walked(made) == [Seen((), code="password_protected")]


@pytest.mark.parametrize(
    "method",
    [
        {"id": py7zr.FILTER_BROTLI, "level": 1},
        {"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24},
    ],
)
def test_a_method_that_is_not_read(method: dict[str, Any]) -> None:
    made = made_of({"a": b"hello"}, filters=[method])
    assert walked(made)[0] == Seen((b"a",), code="unsupported_compression")


def test_a_list_in_a_method_that_is_not_read() -> None:
    made = bytearray(made_of(FILES))
    list_at = 32 + int.from_bytes(made[12:20], "little")
    method = made.index(b"\x21\x21\x01", list_at)  # LZMA2, as py7zr packs a list
    made[method : method + 2] = b"\x21\x7f"
    made[28:32] = zlib.crc32(made[list_at:]).to_bytes(4, "little")
    made[8:12] = zlib.crc32(made[12:32]).to_bytes(4, "little")
    assert walked(bytes(made)) == [Seen((), code="unsupported_compression")]


def test_a_solid_block_is_never_held(tmp_path: Path) -> None:
    data = {str(number): random.Random(number).randbytes(1 << 20) for number in range(48)}
    (tmp_path / "x.7z").write_bytes(made_of(data, filters=METHODS["zstd"]))
    source = Source(os.open(tmp_path / "x.7z", os.O_RDONLY))
    limits = UnpackLimits(max_member_bytes=4 << 20)
    count = 0
    tracemalloc.start()
    for item in walk(source, limits):
        if item.chain:
            assert item.source is not None
            count += sum(map(len, item.source.chunks()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 48 << 20
    assert peak < 24 << 20  # the dictionary of the list alone takes sixteen


def test_an_archive_in_a_solid_block() -> None:
    files = {"a.zip": zipped({"x": b"1"}), "b.zip": zipped({"y": b"2"}), "c": b"3"}
    assert walked(made_of(files)) == [
        Seen((b"a.zip", b"x"), b"1"),
        Seen((b"a.zip",), members=1, format="zip"),
        Seen((b"b.zip", b"y"), b"2"),
        Seen((b"b.zip",), members=1, format="zip"),
        Seen((b"c",), b"3"),
        Seen((), members=3, format="7z"),
    ]


def test_damage_in_a_solid_block() -> None:
    made = bytearray(made_of({str(number): b"%d" % number * 99 for number in range(9)}))
    made[34:50] = bytes(16)
    found = walked(bytes(made))
    assert {item.code for item in found[:-1]} == {"member_damaged"}
    assert found[-1] == Seen((), members=9, format="7z")


def test_an_archive_that_is_cut_off() -> None:
    assert walked(made_of(FILES)[:-1000]) == [Seen((), code="archive_damaged")]


def test_a_bomb() -> None:
    made = made_of({"a": bytes(100 << 20), "b": b"x"})
    codes = [item.code for item in walked(made)]
    assert codes[0] == "suspicious_ratio"
    assert codes[1] in ("suspicious_ratio", "member_damaged")


def test_an_archive_of_nothing() -> None:
    assert walked(made_of({})) == [Seen((), members=0, format="7z")]


SMALL = {
    name: made_of({"a": b"hello" * 50, "b": b"", "c": b"x"}, filters=method)
    for name, method in METHODS.items()
}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_archive_never_fails(data: st.DataObject) -> None:
    made = bytearray(SMALL[data.draw(st.sampled_from(sorted(METHODS)))])
    for _ in range(data.draw(st.integers(1, 5))):
        made[data.draw(st.integers(6, len(made) - 1))] = data.draw(st.integers(0, 255))
    for item in walked(bytes(made[: data.draw(st.integers(32, len(made)))])):
        assert item.code is None or item.code in REASONS


PICTURE = b"\xff\xd8\xff\xe0" + random.Random(9).randbytes(100)


def by_hand(listing: bytes, packed: bytes) -> bytes:
    start = struct.pack("<QQI", len(packed), len(listing), zlib.crc32(listing))
    return (
        b"7z\xbc\xaf\x27\x1c\0\4" + struct.pack("<I", zlib.crc32(start)) + start + packed + listing
    )


def stored(streams: list[bytes], names: list[str] | None, without_data: bytes = b"") -> bytes:
    """The streams as they are, one block each, and files of these names."""
    count, sizes = bytes([len(streams)]), bytes(len(data) for data in streams)
    crcs = b"".join(struct.pack("<I", zlib.crc32(data)) for data in streams)
    listing = b"\1\4\6\0" + count + b"\x09" + sizes + b"\0"
    listing += b"\7\x0b" + count + b"\0" + b"\1\1\0" * len(streams) + b"\x0c" + sizes
    listing += b"\x0a\1" + crcs + b"\0\0"
    if names is not None:
        text = b"".join(name.encode("utf-16-le") + b"\0\0" for name in names)
        listing += b"\5" + bytes([len(names)])
        if without_data:
            listing += b"\x0e" + bytes([len(without_data)]) + without_data
        listing += b"\x11" + bytes([len(text) + 1]) + b"\0" + text + b"\0"
    return by_hand(listing + b"\0", b"".join(streams))


def test_streams_that_are_files_are_not_noted() -> None:
    assert walked(stored([b"hello", PICTURE], ["a", "b"])) == expected(
        {"a": b"hello", "b": PICTURE}
    )


@pytest.mark.parametrize(
    "made",
    [
        stored([b"hello", PICTURE], ["a"]),
        stored([b"hello", PICTURE], ["a", "b"], b"\x40"),
        stored([b"hello", PICTURE], None),
        by_hand(b"\1\0", PICTURE),
        by_hand(b"", PICTURE),
        made_of({"a": b"hello"}) + PICTURE,
    ],
)
def test_bytes_that_are_no_files_are_noted(made: bytes) -> None:
    assert walked(made)[-1].flags == ("members_missing",)


def test_a_gap_before_the_list_is_noted() -> None:
    made = made_of({"a": b"hello"})
    offset, size, crc = struct.unpack("<QQI", made[12:32])
    start = struct.pack("<QQI", offset + len(PICTURE), size, crc)
    head = made[:8] + struct.pack("<I", zlib.crc32(start)) + start
    at = 32 + offset
    found = walked(head + made[32:at] + PICTURE + made[at:])
    assert (found[0], found[-1].flags) == (Seen((b"a",), b"hello"), ("members_missing",))
    assert walked(made + bytes(600)) == expected({"a": b"hello"})
