"""Files hidden behind the end of a picture are said; padding and cameras' notes are not."""

import io
import zipfile

import pytest
from pictures import hashes, photo, saved
from PIL import Image

from safelight.matching.rules import MatchPolicy, fully_checked, judge


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("name", "content")
    return out.getvalue()


def small() -> Image.Image:
    return photo().resize((128, 128))


HOSTS = {
    "jpeg": saved(small(), "JPEG"),
    "jpeg progressive": saved(small(), "JPEG", progressive=True),
    "jpeg with thumbnail": saved(small(), "JPEG", exif=b"Exif\0\0" + saved(small(), "JPEG")),
    "jpeg of several": saved(small(), "MPO", save_all=True, append_images=[small()]),
    "png": saved(small(), "PNG"),
    "gif": saved(small(), "GIF"),
    "gif animated": saved(small(), "GIF", save_all=True, append_images=[photo("coffee")]),
    "webp": saved(small(), "WEBP", quality=81),
}
TAILS = {
    "jpeg": saved(photo("coffee"), "JPEG"),
    "zip": zipped(),
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
    answer = judge(joined, [], MatchPolicy.default())
    assert not fully_checked(answer)
    assert answer.reasons[0].startswith("trailing_data: ")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("tail", [b"\0" * 9000, b"\r\n", b"camera 1.0" * 30])
def test_padding_and_notes_do_not_matter(host: str, tail: bytes) -> None:
    assert hashes(HOSTS[host] + tail).flags == hashes(HOSTS[host]).flags


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
