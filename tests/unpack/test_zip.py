"""zip: what is in one, what cannot be read, what is hostile. `zipfile` is the oracle."""

import io
import os
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from archives import Seen, on_disk, seen, walked, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.decode.rules import REASONS
from safelight.source import MemorySource, Source
from safelight.unpack.walk import UnpackLimits, walk

FILES = {
    "a.txt": b"hello",
    "folder/b.bin": random.Random(1).randbytes(300_000),
    "empty": b"",
    "zeros": bytes(2_000_000),
}
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def expected(files: dict[str, bytes], flags: tuple[str, ...] = ()) -> list[Seen]:
    inside = [Seen((name.encode(),), data) for name, data in files.items()]
    return [*inside, Seen((), members=len(files), flags=flags, format="zip")]


@pytest.mark.parametrize("method", METHODS)
def test_every_member_is_given(method: int) -> None:
    assert walked(zipped(FILES, method)) == expected(FILES)


def test_a_file_on_disk_is_read_through_its_descriptor(tmp_path: object) -> None:
    assert walked(on_disk(tmp_path, zipped(FILES))) == expected(FILES)


def test_members_before_start_are_left_out() -> None:
    assert walked(zipped(FILES), start=2) == expected(FILES)[2:]


def test_folders_are_no_items() -> None:
    files = {"folder/": b"", "folder/a": b"x"}
    assert walked(zipped(files)) == expected({"folder/a": b"x"})


def test_when_a_member_was_changed() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a", (2021, 5, 6, 7, 8, 10)), b"x")
    item = next(walk(MemorySource(out.getvalue())))
    assert item.chain[0].modified == "2021-05-06T07:08:10"


def test_more_than_32_bits_hold() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a", "w", force_zip64=True) as file:
        file.write(b"hello")
    data = bytearray(out.getvalue())
    # the list, too, moves size and offset into the extra field
    at = data.index(b"PK\1\2")
    fields = struct.pack("<QQQ", 5, 5, 0)
    listed = bytearray(data[at : at + 46 + 1])
    struct.pack_into("<LL", listed, 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", listed, 30, 4 + len(fields))
    struct.pack_into("<L", listed, 42, 0xFFFFFFFF)
    listed += struct.pack("<HH", 1, len(fields)) + fields
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(listed), at)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at + len(listed), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    made = bytes(data[:at]) + bytes(listed) + end64 + locator + end
    assert zipfile.ZipFile(io.BytesIO(made)).read("a") == b"hello"
    assert walked(made) == expected({"a": b"hello"})


def test_names_are_bytes_as_they_are() -> None:
    names = ["../../etc/passwd", "/absolute", "line\nbreak", "C:\\x", "ÿ", "same", "\U0001f600"]
    made = zipped([(name, b"x") for name in names])
    assert [item.path for item in walked(made)] == [*[(n.encode(),) for n in names], ()]
    # not UTF-8, though it says so, and with a NUL in it
    made = zipped({"ÿÿ": b"x"}).replace("ÿÿ".encode(), b"\xff\0\xfe\x01")
    assert walked(made)[0] == Seen((b"\xff\0\xfe\x01",), b"x")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_the_same_name_are_all_given() -> None:
    made = zipped([("a", b"one"), ("a", b"two")])
    assert [item.data for item in walked(made)] == [b"one", b"two", None]


def encrypted(data: bytes) -> bytes:
    made = bytearray(data)
    made[6] |= 1
    made[made.index(b"PK\1\2") + 8] |= 1
    return bytes(made)


def test_a_member_with_a_password_is_not_checked() -> None:
    made = encrypted(zipped({"secret": b"hello", "open": b"world"}))
    assert walked(made) == [
        Seen((b"secret",), code="password_protected"),
        Seen((b"open",), b"world"),
        Seen((), members=2, format="zip"),
    ]


def changed_method(data: bytes, method: int) -> bytes:
    made = bytearray(data)
    made[8:10] = method.to_bytes(2, "little")
    at = made.index(b"PK\1\2") + 10
    made[at : at + 2] = method.to_bytes(2, "little")
    return bytes(made)


@pytest.mark.parametrize(
    ("method", "code"),
    [
        (1, "unsupported_compression"),  # shrunk
        (6, "unsupported_compression"),  # imploded
        (98, "unsupported_compression"),  # PPMd
        (99, "password_protected"),  # AES
    ],
)
def test_other_methods_are_not_checked(method: int, code: str) -> None:
    made = changed_method(zipped({"a": b"hello"}), method)
    assert walked(made)[0] == Seen((b"a",), code=code)


def test_a_wrong_checksum_is_damage() -> None:
    made = zipped({"a": b"hello" * 100, "b": b"world"})
    crc = made.index(b"PK\1\2") + 16
    made = made[:crc] + b"\0\0\0\0" + made[crc + 4 :]
    assert walked(made) == [
        Seen((b"a",), code="member_damaged"),
        Seen((b"b",), b"world"),
        Seen((), members=2, format="zip"),
    ]


@pytest.mark.parametrize("size", [0, 10, 10_000, 0xFFFFFFF0])
def test_a_size_that_lies_is_damage(size: int) -> None:
    made = bytearray(zipped({"a": b"hello" * 100}))
    struct.pack_into("<L", made, made.index(b"PK\1\2") + 24, size)
    assert walked(bytes(made))[0].code in ("member_damaged", "member_too_large")


def test_bytes_in_front_and_behind() -> None:
    made = b"PK00" + zipped(FILES)
    assert walked(made + b"\0\r\n") == expected(FILES)
    assert walked(made + b"some notes") == expected(FILES, ("members_missing",))


@pytest.mark.parametrize(
    ("comment", "flags"), [(b"a comment", ()), (b"\xff\xd8\xff\xe0", ("members_missing",))]
)
def test_comments(comment: bytes, flags: tuple[str, ...]) -> None:
    made = zipped(FILES)
    made = made[:-2] + len(comment).to_bytes(2, "little") + comment
    assert walked(made) == expected(FILES, flags)


def test_members_that_are_not_on_the_list_are_missed() -> None:
    first, second = zipped({"hidden": b"x"}), zipped({"shown": b"y"})
    both = expected({"shown": b"y"}, ("members_missing",))
    assert walked(first + second) == both
    # between two members that are listed
    made = zipped({"shown": b"y"})
    local = first[: first.index(b"PK\1\2")]
    at = made.index(b"PK\1\2")
    end = bytearray(made[at:])
    struct.pack_into("<L", end, len(end) - 6, at + len(local))
    assert walked(made[:at] + local + bytes(end)) == both


def test_a_zip_that_is_cut_off_gives_what_is_there() -> None:
    made = zipped(FILES)
    cut = made[: made.index(b"PK\1\2")]
    assert walked(cut) == expected(FILES, ("members_missing",))
    second = made.index(b"PK\3\4", 10)
    assert walked(made[: second + 1000]) == [
        Seen((b"a.txt",), b"hello"),
        Seen((b"folder/b.bin",), code="member_damaged"),
        Seen((), members=2, flags=("members_missing",), format="zip"),
    ]


def test_a_streamed_zip_that_is_cut_off_gives_what_is_there() -> None:
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(self.data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    cut = pipe.data[: pipe.data.index(b"PK\1\2")]
    assert walked(cut) == expected(FILES, ("members_missing",))


def test_nothing_of_a_zip_is_damage() -> None:
    assert walked(b"PK\x03\x04") == [Seen((), code="archive_damaged", members=None)]


def overlapping(count: int, kernel: bytes) -> bytes:
    """A list of many members that all have the same packed bytes."""
    made = zipped({"a": kernel})
    at = made.index(b"PK\1\2")
    listed = made[at : made.index(b"PK\5\6")]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(listed) * count, at, 0)
    return made[:at] + listed * count + end


def test_members_that_share_their_bytes_are_given_once() -> None:
    codes = [item.code for item in walked(overlapping(5, b"hello"))]
    assert codes == [None, *["suspicious_ratio"] * 4, None]


def test_a_member_that_reaches_into_the_next_is_suspicious() -> None:
    made = bytearray(zipped({"a": b"hello", "b": b"world"}, zipfile.ZIP_STORED))
    at = made.index(b"PK\1\2")
    struct.pack_into("<LL", made, at + 20, 30, 30)
    assert [item.code for item in walked(bytes(made))] == ["suspicious_ratio", None, None]


def test_a_bomb_is_not_unpacked_to_its_end() -> None:
    limits = UnpackLimits(max_ratio=100)
    assert walked(zipped({"a": bytes(100 << 20)}), limits)[0].code == "suspicious_ratio"


def test_a_member_too_large_for_memory_still_gives_its_bytes() -> None:
    limits = UnpackLimits(max_member_bytes=1000)
    data = random.Random(2).randbytes(5000)
    item = next(walk(MemorySource(zipped({"a": data})), limits))
    assert item.source is not None
    assert b"".join(item.source.chunks()) == data
    with pytest.raises(Exception, match="memory") as caught:
        item.source.stream()
    assert caught.value.code == "member_too_large"  # type: ignore[attr-defined]


def test_a_hundred_thousand_empty_members() -> None:
    made = zipped([(str(number), b"") for number in range(100_000)], zipfile.ZIP_STORED)
    *_, last = walk(MemorySource(made))
    assert seen(last) == Seen((), members=100_000, format="zip")
    limits = UnpackLimits(max_members=500)
    found = walked(made, limits)
    assert found[-1] == Seen((), members=500, flags=("too_many_members",), format="zip")
    assert len(found) == 501


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_zip_never_fails(data: st.DataObject) -> None:
    made = bytearray(zipped({"a": b"hello" * 50, "b/c": zipped({"x": b"y"})}))
    for _ in range(data.draw(st.integers(1, 8))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    for item in walked(bytes(made[: data.draw(st.integers(0, len(made)))])):
        assert item.code is None or item.code in REASONS


PICTURE = b"\xff\xd8\xff\xe0" + random.Random(9).randbytes(3000)


def by_hand(
    *,
    between: bytes = b"",
    before_list: bytes = b"",
    behind_list: bytes = b"",
    own_extra: bytes = b"",
    extra: bytes = b"",
    comment: bytes = b"",
    folder: bytes | None = None,
) -> bytes:
    """Two stored members, or one and a folder, with bytes where no member has any."""
    local, listing = b"", b""
    second = (b"b.txt", b"world") if folder is None else (b"d/", b"")
    for name, data, mine, gap in (
        (b"a.txt", b"hello", own_extra, between),
        (*second, b"", (folder or b"") + before_list),
    ):
        sizes = (zlib.crc32(data), len(data), len(data), len(name))
        own = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, *sizes, len(mine))
        lengths = (len(extra), len(comment), 0, 0, 0, len(local))
        mark = (b"PK\1\2", 20, 20, 0, 0, 0, 0)
        listing += struct.pack("<4s6H3L5H2L", *mark, *sizes, *lengths) + name + extra + comment
        local += own + name + mine + data + gap
    at, size = len(local), len(listing)
    locator = b""
    if behind_list:
        end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, size, at)
        locator = end64 + behind_list + struct.pack("<4sLQL", b"PK\6\7", 0, at + size, 1)
        at = size = 0xFFFFFFFF
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, size, at, 0)
    return local + listing + locator + end


def field(data: bytes) -> bytes:
    return struct.pack("<2H", 0x9999, len(data)) + data


@pytest.mark.parametrize(
    "where",
    [
        {"between": PICTURE},
        {"before_list": PICTURE},
        {"behind_list": PICTURE},
        {"own_extra": field(PICTURE)},
        {"own_extra": field(b"x" * 5000)},
        {"extra": field(PICTURE)},
        {"comment": PICTURE},
        {"comment": b"a note, and then " + PICTURE},
        {"folder": PICTURE},
        {"folder": zipped({"hidden": b"x"})[:37]},
    ],
)
def test_bytes_that_belong_to_no_member_are_noted(where: dict[str, bytes]) -> None:
    assert walked(by_hand(**where))[-1].flags == ("members_missing",)


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"folder": b""},
        {"between": bytes(4096)},
        {"between": b"PK\7\x08" + bytes(range(20))},
        {"own_extra": field(bytes(5000))},
        {"extra": field(b"a time")},
        {"comment": b"a note"},
    ],
)
def test_padding_and_short_fields_are_not_noted(where: dict[str, bytes]) -> None:
    assert walked(by_hand(**where))[-1].flags == ()


def test_a_gap_too_long_to_be_looked_at_is_noted(tmp_path: Path) -> None:
    first = by_hand()
    at = first.index(b"PK\1\2")
    hole = (1 << 30) + 100
    end = bytearray(first[at:])
    struct.pack_into("<L", end, len(end) - 6, at + hole)
    with open(tmp_path / "z", "wb") as file:
        file.write(first[:at])
        file.seek(hole, os.SEEK_CUR)
        file.write(end)
    source = Source(os.open(tmp_path / "z", os.O_RDONLY))
    assert walked(source)[-1].flags == ("members_missing",)


@pytest.mark.parametrize("method", METHODS[1:3])
def test_bytes_behind_the_packed_ones_of_a_member_are_noted(method: int) -> None:
    made = bytearray(zipped({"a": b"hello" * 100}, method))
    at = made.index(b"PK\1\2")
    packed = struct.unpack_from("<L", made, at + 20)[0]
    struct.pack_into("<L", made, at + 20, packed + len(PICTURE))
    struct.pack_into("<L", made, len(made) - 6, at + len(PICTURE))
    made[at:at] = PICTURE
    assert walked(bytes(made)) == expected({"a": b"hello" * 100}, ("members_missing",))


def test_a_method_that_the_list_gives_otherwise_is_noted() -> None:
    made = bytearray(zipped({"a": b"hello" * 100}))
    struct.pack_into("<H", made, made.index(b"PK\1\2") + 10, 0)
    assert walked(bytes(made))[-1].flags == ("members_missing",)
