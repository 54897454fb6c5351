"""tar: every flavour, sparse files, streams, what is hostile. `tarfile` and tar are the oracles."""

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import struct
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archives import Seen, on_disk, seen, tarred, walked, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.decode.rules import REASONS
from safelight.errors import CouldNotCheck
from safelight.source import MemorySource, Source
from safelight.unpack.inflate import zstd
from safelight.unpack.walk import UnpackLimits, walk

FILES = {
    "a.txt": b"hello",
    "folder/b.bin": random.Random(1).randbytes(300_001),
    "empty": b"",
    "zeros": bytes(2_000_000),
    "long/" + "n" * 300: b"long name",
}
FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def expected(files: dict[str, bytes], flags: tuple[str, ...] = ()) -> list[Seen]:
    inside = [Seen((name.encode(),), data) for name, data in files.items()]
    return [*inside, Seen((), members=len(files), flags=flags, format="tar")]


@pytest.mark.parametrize("form", FORMS)
def test_every_member_is_given(form: int) -> None:
    files = dict(FILES)
    if form == tarfile.USTAR_FORMAT:
        files.popitem()
        files["p" * 120 + "/" + "n" * 90] = b"prefix"
    assert walked(tarred(files, form)) == expected(files)


@pytest.mark.parametrize("time", ["yesterday", "", "nan", "1e999", "-5", "9" * 400, "\u0665"])
def test_a_time_that_is_none_hides_nothing(time: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a", "b"):
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = 5, {"mtime": time} if name == "a" else {}
            archive.addfile(info, io.BytesIO(b"hello"))
    assert walked(out.getvalue()) == expected({"a": b"hello", "b": b"hello"})
    first, *_ = walk(MemorySource(out.getvalue()))
    assert first.chain[0].modified == ""


def test_a_file_on_disk_is_read_through_its_descriptor(tmp_path: Path) -> None:
    assert walked(on_disk(tmp_path, tarred(FILES)), start=1) == expected(FILES)[1:]


def test_an_old_tar_without_a_signature() -> None:
    made = bytearray(tarred({"a": b"hello"}, tarfile.USTAR_FORMAT))
    made[257:265] = bytes(8)
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    assert walked(bytes(made)) == expected({"a": b"hello"})


def test_when_a_member_was_changed() -> None:
    item = next(walk(MemorySource(tarred({"a": b""}))))
    assert item.chain[0].modified == "2023-11-14T22:13:20+00:00"


def test_links_and_devices_are_named_and_not_followed() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"type {kind.decode()}")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        info = tarfile.TarInfo("file")
        archive.addfile(info)
    assert walked(out.getvalue()) == [
        *[Seen((f"type {kind}".encode(),), code="not_a_file") for kind in (2, 1, 3, 6)],
        Seen((b"file",), b""),
        Seen((), members=5, format="tar"),
    ]


def test_names_are_bytes_as_they_are() -> None:
    names = ["../../etc/passwd", "/absolute", "line\nbreak", "same", "same", "ÿ", "\udcff\udcfe"]
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape"
    ) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    found = [item.path for item in walked(out.getvalue())]
    assert found == [*[(os.fsencode(name),) for name in names], ()]


GNU_TAR = shutil.which("tar")


@pytest.mark.skipif(GNU_TAR is None, reason="gnu tar makes sparse archives; no other does")
@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        *(["--format=posix", f"--sparse-version={version}"] for version in ("0.0", "0.1", "1.0")),
    ],
)
@pytest.mark.parametrize("pieces", [1, 3, 60])
def test_holes_are_filled_again(tmp_path: Path, options: list[str], pieces: int) -> None:
    noise = random.Random(3)
    with open(tmp_path / "sparse", "wb") as file:
        for number in range(pieces):
            file.seek((number * 2 + 1) * 65536)
            file.write(noise.randbytes(4096))
        file.truncate((pieces * 2 + 5) * 65536)
    (tmp_path / "next").write_bytes(b"hello")
    subprocess.run(
        [GNU_TAR, "-C", tmp_path, *options, "--sparse", "-cf", tmp_path / "t", "sparse", "next"],
        check=True,
    )
    made = (tmp_path / "t").read_bytes()
    assert len(made) < (tmp_path / "sparse").stat().st_size
    wanted = expected({"sparse": (tmp_path / "sparse").read_bytes(), "next": b"hello"})
    assert walked(made) == wanted
    assert [item.data for item in walked(gzip.compress(made))[:2]] == [w.data for w in wanted[:2]]


PACK = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("name", PACK)
def test_a_compressed_tar(name: str) -> None:
    assert walked(PACK[name](tarred(FILES))) == [
        *[Seen((b"content", path.encode()), data) for path, data in FILES.items()],
        Seen((b"content",), members=len(FILES), format="tar"),
        Seen((), members=1, format=name),
    ]


def big_tar(path: Path, size: int) -> Source:
    """A tar of a hole of `size` bytes between two small files."""
    with open(path, "wb") as file:
        first, last = tarred({"first": b"1"})[:-9216], tarred({"last": b"2"})
        info = tarfile.TarInfo("big")
        info.size = size
        file.write(first[:1024] + info.tobuf(tarfile.GNU_FORMAT))
        file.seek(size, os.SEEK_CUR)
        file.write(last)
    return Source(os.open(path, os.O_RDONLY))


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_stays_flat_over_a_big_tar(tmp_path: Path) -> None:
    source = big_tar(tmp_path / "big.tar", 20 << 30)
    found = {}

    def work() -> None:
        for item in walk(source):
            if item.chain:
                assert item.source is not None
                found[item.chain[0].name] = (item.source.size, item.source.head[:1], item.format)

    assert peak_of(work) < 1 << 20
    assert found == {
        b"first": (1, b"1", "text"),
        b"big": (20 << 30, b"\0", "unknown"),
        b"last": (1, b"2", "text"),
    }


def test_a_big_member_is_read_and_sought_through_its_window(tmp_path: Path) -> None:
    source = big_tar(tmp_path / "big.tar", 5 << 30)
    big = [item.source for item in walk(source) if item.chain][1]
    assert big is not None
    with big.stream() as stream:
        assert stream.seek(-3, os.SEEK_END) == (5 << 30) - 3
        assert stream.read() == b"\0\0\0"
    assert len(next(big.chunks())) == 1 << 20


def test_memory_stays_flat_over_a_big_compressed_tar(tmp_path: Path) -> None:
    noise = random.Random(4).randbytes(1 << 20)
    with tarfile.open(tmp_path / "a.tgz", "w:gz", compresslevel=1) as archive:
        for number in range(100):
            info = tarfile.TarInfo(str(number))
            info.size = len(noise)
            archive.addfile(info, io.BytesIO(noise))
    source = Source(os.open(tmp_path / "a.tgz", os.O_RDONLY))
    limits = UnpackLimits(max_member_bytes=16 << 20)
    count = 0

    def work() -> None:
        nonlocal count
        for item in walk(source, limits):
            if item.source is not None and item.container is None:
                assert b"".join(item.source.chunks()) == noise
                count += 1

    assert peak_of(work) < 12 << 20
    assert count == 100


def test_a_tar_in_a_stream_that_is_too_large_to_hold_is_not_opened() -> None:
    limits = UnpackLimits(max_member_bytes=200_000)
    inner = tarred({"x": random.Random(5).randbytes(1_500_000)})
    found = walked(gzip.compress(tarred({"inner.tar": inner, "next": b"y"})), limits)
    assert found == [
        Seen((b"content", b"inner.tar"), inner, "member_too_large"),
        Seen((b"content", b"next"), b"y"),
        Seen((b"content",), members=2, format="tar"),
        Seen((), members=1, format="gzip"),
    ]


def test_a_zip_cut_off_in_a_compressed_tar_is_damaged_and_not_too_large() -> None:
    inner = zipped({"a.bin": random.Random(1).randbytes(2_500_000)})
    whole = tarred({"a.txt": b"hello", "in.zip": inner})
    data = gzip.compress(whole)
    for item in walk(MemorySource(data[: len(data) // 2])):
        if item.chain[-1:] and item.chain[-1].name == b"in.zip":
            assert (item.code, item.source is not None) == ("member_damaged", True)
            assert item.source is not None
            with pytest.raises(CouldNotCheck) as caught:
                list(item.source.chunks())
            assert caught.value.code == "member_damaged"
            return
    pytest.fail("the zip was not given")


def test_a_member_not_touched_in_time_has_flown_past() -> None:
    data = gzip.compress(tarred({"a": bytes(3_000_000), "b": b"y"}))
    items = list(walk(MemorySource(data)))
    assert items[0].source is not None
    assert seen(items[0]).code == "member_too_large"


def test_what_follows_the_end_mark_is_given_too() -> None:
    both = tarred({"a": b"x"}) + tarred({"b": b"y"})
    assert walked(both) == expected({"a": b"x", "b": b"y"})


def test_what_follows_a_damaged_header_is_given_too() -> None:
    made = bytearray(tarred({"a": b"x", "b": b"y", "c": b"z"}, tarfile.USTAR_FORMAT))
    made[1024] ^= 1
    assert walked(bytes(made)) == expected({"a": b"x", "c": b"z"}, ("members_missing",))


def test_rubbish_behind_the_end_is_noted() -> None:
    assert walked(tarred({"a": b"x"}) + b"rubbish") == expected({"a": b"x"}, ("members_missing",))


def test_a_tar_that_is_cut_off() -> None:
    made = tarred({"a": b"x", "b": bytes(5000)}, tarfile.USTAR_FORMAT)
    cut = Seen((b"b",), bytes(1000), "member_damaged")
    assert walked(made[: 1536 + 1000]) == [
        Seen((b"a",), b"x"),
        cut,
        Seen((), members=2, flags=("members_missing",), format="tar"),
    ]
    # without the end mark, and without the padding of the last member, nothing is missing
    assert walked(made[: 1536 + 5000]) == expected({"a": b"x", "b": bytes(5000)})


def test_a_compressed_tar_that_is_cut_off() -> None:
    noise = random.Random(6).randbytes(3_000_000)
    made = gzip.compress(tarred({"a": b"x", "b": noise}))[:1_000_000]
    assert walked(made) == [
        Seen((b"content", b"a"), b"x"),
        Seen((b"content", b"b"), code="member_damaged"),
        Seen((b"content",), members=2, flags=("members_missing",), format="tar"),
        Seen((), members=1, format="gzip"),
    ]


def with_size(data: bytes, field: bytes) -> bytes:
    made = bytearray(data)
    made[124:136] = field
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    return bytes(made)


@pytest.mark.parametrize(
    "field",
    [
        b"77777777777\0",
        b"\x80" + (1 << 80).to_bytes(11, "big"),
        b"\xff" * 12,
        b"not octal!!\0",
    ],
)
def test_sizes_that_lie(field: bytes) -> None:
    made = with_size(tarred({"a": b"x", "b": b"y"}, tarfile.USTAR_FORMAT), field)
    for data in (made, gzip.compress(made)):
        found = walked(data)
        assert not any(item.path[-1:] == (b"a",) and item.code is None for item in found)
        assert any("members_missing" in item.flags for item in found)


def test_a_long_name_without_end_is_damage() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    assert walked(info.tobuf(tarfile.GNU_FORMAT)) == [Seen((), code="archive_damaged")]


def test_a_hole_of_a_terabyte_is_a_bomb() -> None:
    info = tarfile.TarInfo("x")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[156:157] = b"S"
    block[483:495] = b"\x80" + (1 << 40).to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    item = next(walk(MemorySource(bytes(block))))
    assert item.source is not None
    total = 0

    def count(chunks: Iterator[bytes]) -> None:
        nonlocal total
        for chunk in chunks:
            total += len(chunk)

    with pytest.raises(Exception, match="far more") as caught:
        count(item.source.chunks())
    assert caught.value.code == "suspicious_ratio"  # type: ignore[attr-defined]
    assert total < 100 << 20


def test_a_hundred_thousand_empty_members() -> None:
    block = tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT)
    *_, last = walk(MemorySource(block * 100_000))
    assert seen(last) == Seen((), members=100_000, format="tar")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_tar_never_fails(data: st.DataObject) -> None:
    made = bytearray(tarred({"a" * 120: b"hello" * 50, "b/c": zipped({"x": b"y"}), "d": b"e"}))
    for _ in range(data.draw(st.integers(1, 8))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    whole = bytes(made[: data.draw(st.integers(0, len(made)))])
    for item in [*walked(whole), *walked(gzip.compress(whole))]:
        assert item.code is None or item.code in REASONS


def test_numbers_in_base_256() -> None:
    made = with_size(tarred({"a": b"x"}, tarfile.USTAR_FORMAT), b"\x80" + struct.pack(">3xQ", 1))
    assert walked(made) == expected({"a": b"x"})


PICTURE = b"\xff\xd8\xff\xe0" + random.Random(9).randbytes(3000)


def block(name: str, data: bytes, kind: bytes = b"0") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = len(data), kind
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


@pytest.mark.parametrize("kind", [b"V", b"D", b"N"])
def test_types_that_are_no_files_are_given_where_they_have_data(kind: bytes) -> None:
    end = bytes(1024)
    made = block("label", PICTURE, kind) + block("b", b"hello") + end
    assert walked(made) == expected({"label": PICTURE, "b": b"hello"})
    made = block("label", b"", kind) + block("b", b"hello") + end
    assert walked(made) == expected({"b": b"hello"})


def pax(key: bytes, value: bytes) -> bytes:
    record = b" " + key + b"=" + value + b"\n"
    length = next(n for n in range(len(record), len(record) + 9) if n == len(record) + len(str(n)))
    return str(length).encode() + record


@pytest.mark.parametrize(
    ("kind", "data", "flags"),
    [
        (b"x", pax(b"comment", PICTURE), ("members_missing",)),
        (b"x", pax(b"comment", b"a note") + PICTURE, ("members_missing",)),
        (b"g", PICTURE, ("members_missing",)),
        (b"L", b"a\0" + PICTURE, ("members_missing",)),
        (b"K", PICTURE, ("members_missing",)),
        (b"x", pax(b"comment", b"a note"), ()),
        (b"x", pax(b"SCHILY.dev", b"0,1," * 2000), ()),
        (b"L", b"a\0", ()),
    ],
)
def test_headers_that_hold_a_file_are_noted(
    kind: bytes, data: bytes, flags: tuple[str, ...]
) -> None:
    made = block("header", data, kind) + block("a", b"hello") + bytes(1024)
    assert walked(made) == expected({"a": b"hello"}, flags)


def test_stored_bytes_that_a_sparse_map_leaves_out_are_noted() -> None:
    head = block("h", pax(b"GNU.sparse.size", b"5") + pax(b"GNU.sparse.map", b"0,5"), b"x")
    assert walked(head + block("a", b"hello" + PICTURE) + bytes(1024)) == expected(
        {"a": b"hello"}, ("members_missing",)
    )
