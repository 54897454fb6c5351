"""Files hidden behind the end of a picture are said; padding and cameras' notes are not."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import hashes, photo, saved
from PIL import Image

from safelight.decode.ends import bmp_end, boxes_end, tiff_end
from safelight.decode.picture import samples
from safelight.decode.tail import has_tail
from safelight.matching.rules import MatchPolicy, fully_checked, judge
from safelight.source import MemorySource


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("name", "content")
    return out.getvalue()


def small() -> Image.Image:
    return photo().resize((128, 128))


def rle_bmp() -> bytes:
    """A BMP compressed by runs: 64 rows of 32 pixels of one shade, and 32 of the next."""
    rows = b"".join(bytes([32, 2 * row, 32, 255 - 2 * row, 0, 0]) for row in range(64)) + b"\0\1"
    palette = b"".join(bytes([shade, shade, shade, 0]) for shade in range(256))
    start = 54 + len(palette)
    head = struct.pack("<2sIII", b"BM", start + len(rows), 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, 64, 64, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return head + info + palette + rows


HOSTS = {
    "jpeg": saved(small(), "JPEG"),
    "jpeg progressive": saved(small(), "JPEG", progressive=True),
    "jpeg with thumbnail": saved(small(), "JPEG", exif=b"Exif\0\0" + saved(small(), "JPEG")),
    "jpeg of several": saved(small(), "MPO", save_all=True, append_images=[small()]),
    "png": saved(small(), "PNG"),
    "gif": saved(small(), "GIF"),
    "gif animated": saved(small(), "GIF", save_all=True, append_images=[photo("coffee")]),
    "webp": saved(small(), "WEBP", quality=81),
    "bmp": saved(small(), "BMP"),
    "bmp of two colours": saved(small().convert("1"), "BMP"),
    "bmp with transparency": saved(small().convert("RGBA"), "BMP"),
    "bmp compressed": rle_bmp(),
    "tiff": saved(small(), "TIFF"),
    "tiff packed": saved(small(), "TIFF", compression="tiff_lzw"),
    "tiff of jpeg": saved(small(), "TIFF", compression="jpeg", quality=90),
    "tiff of several": saved(small(), "TIFF", save_all=True, append_images=[small()]),
    "tiff that is big": saved(small(), "TIFF", big_tiff=True),
    "avif": saved(small(), "AVIF", speed=10),
    "avif animated": saved(small(), "AVIF", speed=10, save_all=True, append_images=[small()]),
    "heif": samples()["rgb.heic"],
}
TAILS = {
    "jpeg": saved(photo("coffee"), "JPEG"),
    "zip": zipped(),
    "gzip": gzip.compress(b"content"),
    "xz": lzma.compress(b"content"),
    "bzip2": bz2.compress(b"content"),
    "motion photo": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(1000),
    "behind a note": b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data\0\0\0\x18ftypmp42" + bytes(100),
    "png": saved(small(), "PNG"),
    "unknown": bytes(range(1, 256)) * 20,
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("tail", TAILS)
def test_a_file_behind_a_picture(host: str, tail: str) -> None:
    alone, joined = hashes(HOSTS[host]), hashes(HOSTS[host] + TAILS[tail])
    assert "trailing_data" not in alone.flags
    assert set(joined.flags) == {"trailing_data", *alone.flags}
    assert joined.dihedral == alone.dihedral
    answer = judge(joined, [], MatchPolicy())
    assert not fully_checked(answer)
    assert answer.reasons[0].startswith("trailing_data: ")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("tail", [b"\0" * 9000, b"\r\n", b"camera 1.0" * 30])
def test_padding_and_notes_do_not_matter(host: str, tail: bytes) -> None:
    assert hashes(HOSTS[host] + tail).flags == hashes(HOSTS[host]).flags


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_whose_end_is_not_told_is_not_flagged(order: str) -> None:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    tags = [(256, 32), (257, 32), (258, 8), (259, 1), (262, 1), (273, 128), (278, 32)]
    for lengths, flagged in (([], False), ([(279, 1024)], True)):
        entries = sorted([*tags, *lengths])
        body = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in entries)
        head = mark + struct.pack(order + "IH", 8, len(entries)) + body + bytes(4)
        data = head.ljust(128, b"\0") + bytes(range(256)) * 4 + zipped()
        assert has_tail(MemorySource(data), "tiff") is flagged


def test_a_directory_that_names_itself_ends() -> None:
    data = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 330, 4, 1, 8, 8)
    assert tiff_end(io.BytesIO(data)) == len(data)


@given(st.binary(max_size=300), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0+\0\x08\0\0"]))
def test_no_bytes_are_too_strange(data: bytes, start: bytes) -> None:
    for find_end in (bmp_end, tiff_end, boxes_end):
        end = find_end(io.BytesIO(start + data))
        assert end is None or end >= 0


def test_a_box_of_the_makers_own_or_another_file_is_not_the_picture() -> None:
    picture = HOSTS["avif"]
    assert "trailing_data" in hashes(picture + b"\0\0\x20\0mpvd" + b"v" * 8184).flags
    assert "trailing_data" in hashes(picture + picture).flags


@pytest.mark.parametrize("host", ["png", "gif", "webp"])
def test_zeros_before_a_file_hide_nothing(host: str) -> None:
    zeros = bytes(17 << 20)
    assert "trailing_data" not in hashes(HOSTS[host] + zeros).flags
    assert "trailing_data" in hashes(HOSTS[host] + zeros + zipped()).flags
    assert "trailing_data" in hashes(HOSTS[host] + b"note" + zeros + zipped()).flags


def test_a_file_between_the_pictures_of_a_jpeg() -> None:
    whole = bytearray(HOSTS["jpeg of several"])
    second = whole.rindex(b"\xff\xd8\xff")
    index = whole.index(b"MPF\0") + 4
    offset = (second - index).to_bytes(4, "little")
    assert whole.count(offset) == 1
    moved = (second - index + len(TAILS["zip"])).to_bytes(4, "little")
    split = bytes(whole[:second] + TAILS["zip"] + whole[second:]).replace(offset, moved)
    assert hashes(split).flags == ("trailing_data", "pages")
