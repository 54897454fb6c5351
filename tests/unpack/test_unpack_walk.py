"""Containers in containers, the limits of a walk, its numbers, and what is no container."""

import gzip
import io
import random
import tarfile
import zipfile

import pytest
from archives import Seen, seen, tarred, walked, zipped

from safelight.decode.rules import REASONS
from safelight.errors import CouldNotCheck
from safelight.sniff import Sniffed, sniff
from safelight.source import MemorySource
from safelight.unpack.rules import _MESSAGES, could_not_check, is_container
from safelight.unpack.walk import ContainerFacts, UnpackLimits, walk

NOISE = random.Random(1).randbytes(3_000_000)


def nested(depth: int, inmost: bytes = b"hello") -> bytes:
    made = zipped({"file": inmost})
    for number in range(depth - 1):
        made = zipped({f"{number}.zip": made})
    return made


def test_an_item_says_what_it_is() -> None:
    made = zipped({"in.zip": zipped({"a.txt": b"hello"}), "none": b"\0"})
    items = [
        (item.number, item.kind, item.format, item.container) for item in walk(MemorySource(made))
    ]
    inner = ContainerFacts(kind="archive", format="zip", members=1, flags=())
    outer = ContainerFacts(kind="archive", format="zip", members=2, flags=())
    assert items == [
        (0, "text", "text", None),
        (1, "archive", "zip", inner),
        (2, "other", "unknown", None),
        (3, "archive", "zip", outer),
    ]


def test_the_source_of_a_container_inside_has_its_bytes() -> None:
    inner = zipped({"a": NOISE})
    for outer in (zipped({"x": inner}), tarred({"x": inner}), gzip.compress(tarred({"x": inner}))):
        items = [item for item in walk(MemorySource(outer)) if item.format == "zip" and item.chain]
        found = [item.source for item in walk(MemorySource(outer)) if item.format == "zip"]
        assert items[0].container is not None
        assert found[0] is not None
        assert b"".join(found[0].chunks()) == inner


@pytest.mark.parametrize("start", range(9))
def test_a_walk_can_begin_again_anywhere(start: int) -> None:
    made = zipped(
        {
            "a": b"1",
            "b.tgz": gzip.compress(tarred({"c": b"2", "d.zip": zipped({"e": b"3"})})),
            "f": b"4",
        }
    )
    whole = walked(made)
    assert len(whole) == 8
    assert walked(made, start=start) == whole[start:]


def test_too_deep() -> None:
    found = walked(nested(6), UnpackLimits(max_depth=4))
    names = [b"4.zip", b"3.zip", b"2.zip", b"1.zip"]
    assert found[0] == Seen(tuple(names), zipped_of(6, 4), "too_deep")
    assert found[1] == Seen(tuple(names[:3]), members=1, flags=("too_deep",), format="zip")
    assert [item.flags for item in found[2:]] == [(), (), ()]


def zipped_of(depth: int, below: int) -> bytes:
    """What lies so many containers below the surface of `nested(depth)`."""
    made = nested(depth)
    for _ in range(below):
        with zipfile.ZipFile(io.BytesIO(made)) as archive:
            made = archive.read(archive.namelist()[0])
    return made


def test_a_compressed_tar_is_one_step_down() -> None:
    made = gzip.compress(tarred({"a": b"x"}))
    assert walked(made, UnpackLimits(max_depth=1))[0] == Seen((b"content", b"a"), b"x")
    twice = gzip.compress(made)
    assert walked(twice, UnpackLimits(max_depth=1))[0].code == "too_deep"


def wide(depth: int, fan: int, inmost: bytes) -> bytes:
    """Many archives in many archives, as 42.zip has them."""
    made = zipped({"0": inmost})
    for _ in range(depth - 1):
        made = zipped({str(number): made for number in range(fan)})
    return made


def test_a_bomb_of_many_archives_ends_at_the_number_of_members() -> None:
    made = wide(4, 16, bytes(1_000_000))
    assert len(made) < 20_000
    found = walked(made, UnpackLimits(max_members=1000))
    assert 1000 <= len(found) <= 1004
    assert found[-1].flags == ("too_many_members",)


def test_a_bomb_of_many_archives_ends_at_the_bytes() -> None:
    limits = UnpackLimits(max_total_bytes=50_000_000)
    found = walked(wide(3, 16, bytes(1_000_000)), limits)
    assert {item.code for item in found if item.data is None and item.code} == {"too_much_data"}
    assert sum(len(item.data or b"") for item in found) < 50_000_000


def test_too_much_data_in_one_stream() -> None:
    limits = UnpackLimits(max_total_bytes=5_000_000)
    found = walked(gzip.compress(tarred({"a": NOISE, "b": NOISE, "c": b"x"})), limits)
    assert found == [
        Seen((b"content", b"a"), NOISE),
        Seen((b"content", b"b"), code="too_much_data"),
        Seen((b"content",), members=2, flags=("too_much_data",), format="tar"),
        Seen((), members=1, format="gzip"),
    ]


def test_what_containers_hold_in_memory_counts_together() -> None:
    limits = UnpackLimits(max_member_bytes=4_000_000)
    inner = zipped({"big": NOISE, "small": b"x"})
    made = zipped({"1.zip": zipped({"2.zip": inner})}, zipfile.ZIP_DEFLATED)
    found = walked(made, limits)
    # two archives of three megabytes are held: two are left for what is in the inner one
    assert [item.code for item in found] == [None, None, None, None, None]
    item = next(walk(MemorySource(made), limits))
    assert item.source is not None
    with pytest.raises(CouldNotCheck) as caught:
        item.source.stream()
    assert caught.value.code == "member_too_large"


def test_members_are_unpacked_when_they_are_touched() -> None:
    broken = bytearray(zipped({"big": NOISE, "last": b"x"}))
    broken[2_000_000:2_000_100] = bytes(100)
    items = list(walk(MemorySource(bytes(broken))))
    assert [item.code for item in items] == [None, None, None]
    assert seen(items[0]).code == "member_damaged"
    assert seen(items[1]).data == b"x"


NOT_OPENED = {
    "rar": b"Rar!\x1a\x07\x01\0",
    "cab": b"MSCF\0\0\0\0",
    "ole": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "lz4": b"\x04\x22M\x18",
    "compress": b"\x1f\x9d\x90",
    "cpio": b"070701",
    "ar": b"!<arch>\n",
    "pst": b"!BDN",
    "tnef": b"x\x9f>\x22",
    "squashfs": b"hsqs",
}


@pytest.mark.parametrize("name", NOT_OPENED)
def test_containers_that_are_not_opened_say_so(name: str) -> None:
    data = NOT_OPENED[name] + bytes(100)
    assert is_container(sniff(data))
    assert walked(data) == [Seen((), code="archive_not_supported")]
    assert walked(zipped({"x": data}))[0] == Seen((b"x",), data, "archive_not_supported")


def test_office_files_with_a_password_say_so() -> None:
    data = NOT_OPENED["ole"] + bytes(70_000) + "EncryptedPackage".encode("utf-16-le") + bytes(100)
    assert walked(data) == [Seen((), code="password_protected")]


def test_disc_images_are_not_opened() -> None:
    data = bytearray(40_000)
    data[0x8001:0x8006] = b"CD001"
    source = MemorySource(bytes(data))
    assert source.sniffed == Sniffed("archive", "iso")
    assert [item.code for item in walk(source)] == ["archive_not_supported"]


@pytest.mark.parametrize(
    ("kind", "form", "is_one"),
    [
        ("archive", "zip", True),
        ("archive", "rar", True),
        ("mail", "mbox", True),
        ("document", "pdf", True),
        ("document", "ole", True),
        ("document", "rtf", False),
        ("image", "jpeg", False),
        ("other", "unknown", False),
    ],
)
def test_what_is_a_container(kind: str, form: str, is_one: bool) -> None:
    assert is_container(Sniffed(kind, form)) is is_one


def test_every_code_has_its_explanation() -> None:
    assert set(_MESSAGES) <= set(REASONS)
    assert could_not_check("too_deep").code == "too_deep"


def test_a_shard_of_a_data_set_costs_no_unpacking() -> None:
    """WebDataset: pictures and texts of a sample one behind the other, under one name."""
    files = {
        f"{number:05}.{end}": b"%d" % number for number in range(500) for end in ("jpg", "txt")
    }
    limits = UnpackLimits(max_total_bytes=0, max_member_bytes=0)
    found = walked(tarred(files, tarfile.USTAR_FORMAT), limits)
    assert [item.data for item in found[:-1]] == list(files.values())
