"""Orientation and several frames."""

import io
import json
from typing import Any

import numpy as np
import pytest
from pictures import distance, examined, hashes, photo, saved
from PIL import Image, ImageOps

from safelight.decode.pixels import turned
from safelight.decode.rules import DecodeLimits, could_not_check, eighths_for, frames_to_take
from safelight.errors import CouldNotCheck
from safelight.matching.rules import MatchPolicy, fully_checked, judge
from safelight.model import ImageHashes
from safelight.sandbox.child import MAX_MESSAGE

LOSSLESS_ENOUGH = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 95, "speed": 10},
}
# How to store an upright picture so that the orientation turns it back.
STORE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(image: Image.Image, orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = image.transpose(STORE[orientation]) if orientation > 1 else image
    return saved(lying, kind, exif=exif, **LOSSLESS_ENOUGH[kind])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_pillow_turns_them(orientation: int) -> None:
    image = photo("rocket").resize((60, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = Image.open(io.BytesIO(saved(image, "PNG", exif=exif)))
    want = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(turned(np.asarray(image), orientation), want)


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("kind", LOSSLESS_ENOUGH)
def test_a_photo_is_hashed_upright_whichever_way_it_is_stored(kind: str, mode: str) -> None:
    image = photo("coffee")
    upright = hashes(stored(image, 1, kind), mode)
    assert upright.frames[0].stored is None
    for orientation in range(2, 9):
        result = hashes(stored(image, orientation, kind), mode)
        assert (result.width, result.height) == image.size
        assert distance(result.pdq, upright.pdq) <= 10
        if kind == "TIFF":  # Pillow turns it, for us as for everybody else
            assert result.frames[0].stored is None
            continue
        assert "turned" in result.flags
        lying = hashes(
            saved(image.transpose(STORE[orientation]), kind, **LOSSLESS_ENOUGH[kind]), mode
        )
        assert result.frames[0].stored is not None
        assert distance(result.frames[0].stored[0], lying.pdq) <= 2


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_the_eight_hashes_are_distinct(mode: str) -> None:
    result = hashes(stored(photo("coffee"), 1, "JPEG"), mode)
    for first in range(8):
        for second in range(first):
            assert distance(result.dihedral[first], result.dihedral[second]) > 60


def test_a_turned_fast_hash_is_near_the_exact_one_for_sides_of_any_length() -> None:
    for size in ((1200, 800), (1201, 803)):
        image = photo("coffee").resize(size)
        for orientation in (3, 6, 8):
            data = stored(image, orientation, "JPEG")
            assert distance(hashes(data).pdq, hashes(data, "fast").pdq) <= 10


def frames(count: int) -> list[Image.Image]:
    """Pictures that differ: the same photo, shifted further and further."""
    array = np.asarray(photo("coffee").resize((200, 140)))
    return [Image.fromarray(np.roll(array, 60 * n, axis=1)) for n in range(count)]


ANIMATED = {
    "GIF": {},
    "PNG": {},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 90, "speed": 10},
    "TIFF": {},
    "MPO": {"quality": 90},
}


@pytest.mark.parametrize("kind", ANIMATED)
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_every_frame_is_hashed(kind: str, mode: str) -> None:
    # Pillow writes a wrong index into an MPO file of more than two pictures
    pictures = frames(2 if kind == "MPO" else 6)
    data = saved(pictures[0], kind, save_all=True, append_images=pictures[1:], **ANIMATED[kind])
    result = hashes(data, mode)
    assert [frame.number for frame in result.frames] == list(range(len(pictures)))
    assert result.flags == (("pages",) if kind in ("TIFF", "MPO") else ("animated",))
    for frame in result.frames:
        alone = hashes(saved(pictures[frame.number], "PNG"), mode)
        assert distance(frame.pdq, alone.pdq) <= 10


def test_pages_may_differ_in_size() -> None:
    small, large = photo().resize((300, 200)), photo()
    result = hashes(saved(small, "TIFF", save_all=True, append_images=[large]))
    assert (result.width, result.height) == (300, 200)
    assert result.frames[1].pdq == hashes(saved(large, "TIFF")).pdq


def two_in_one(**options: Any) -> tuple[bytes, int]:
    """A JPEG file of two pictures with an index (MPF), and where the second one begins."""
    first, second = photo().resize((300, 200)), photo("coffee").resize((150, 100))
    data = saved(first, "MPO", save_all=True, append_images=[second], quality=90, **options)
    return data, data.rindex(b"\xff\xd8\xff")


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_a_second_picture_that_was_cut_off_is_not_said_of_the_first(mode: str) -> None:
    data, start = two_in_one()
    first, second = hashes(data, mode).frames
    for cut in (start, start + 2, start + 50):
        result = hashes(data[:cut], mode)
        assert result.frames == (first,)
        assert result.flags == ("pages", "more_pictures_missing")
    partly = hashes(data[:-200], mode)
    assert partly.flags == ("pages", "more_pictures_missing")
    assert partly.frames[0] == first
    assert distance(partly.frames[1].pdq, second.pdq) <= 60


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_a_broken_index_of_pictures_costs_a_flag_not_the_picture(mode: str) -> None:
    data, _ = two_in_one()
    at = data.index(b"MPF\0")
    whole = hashes(data, mode)
    flags = set()
    for place in range(at + 4, at + 90):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        result = hashes(bytes(broken), mode)
        assert result.frames[0] == whole.frames[0]
        flags |= set(result.flags)
    # where the index is not even seen, the second picture is a file behind the first
    assert flags == {"pages", "more_pictures_missing", "trailing_data"}


def test_the_gain_map_of_a_phone_photo_flags_nothing() -> None:
    xmp = b'<x xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    data, _ = two_in_one(xmp=xmp)
    assert b"hdrgm:Version" in data
    result = hashes(data)
    assert result.frames[0] == hashes(two_in_one()[0]).frames[0]
    assert set(result.flags) <= {"pages"}


def test_an_animation_cut_off_keeps_the_frames_before_the_cut() -> None:
    pictures = frames(6)
    data = saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:])
    result = hashes(data[: len(data) * 2 // 3])
    whole = hashes(data)
    assert result.frames[0] == whole.frames[0]
    assert "truncated" in result.flags


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        (0, (0,)),
        (1, (0,)),
        (2, (0, 1)),
        (16, tuple(range(16))),
        (17, (*range(15), 16)),
        (151, tuple(range(0, 151, 10))),
    ],
)
def test_frames_to_take(count: int, numbers: tuple[int, ...]) -> None:
    assert frames_to_take(count) == numbers


@pytest.mark.parametrize("kind", [kind for kind in ANIMATED if kind != "MPO"])
def test_frames_between_that_were_not_looked_at_are_said(kind: str) -> None:
    shades = [Image.new("RGB", (32, 32), (5 * n, 40, 200 - 5 * n)) for n in range(20)]
    data = saved(shades[0], kind, save_all=True, append_images=shades[1:], **ANIMATED[kind])
    result = hashes(data)
    assert [frame.number for frame in result.frames] == list(frames_to_take(20))
    assert result.flags == ("pages" if kind == "TIFF" else "animated", "frames_skipped")
    assert not fully_checked(judge(result, [], MatchPolicy()))


def test_many_frames_with_transparency_fit_into_an_answer() -> None:
    pictures = [one.convert("RGBA") for one in frames(16)]
    for one in pictures:
        one.putpixel((0, 0), (0, 0, 0, 0))
    data = saved(pictures[0], "WEBP", save_all=True, append_images=pictures[1:], lossless=True)
    result = hashes(data)
    assert result.flags == ("animated", "transparent")
    assert all(frame.stored is not None for frame in result.frames)
    assert len(json.dumps([frame.to_json() for frame in result.frames])) < MAX_MESSAGE // 2


def test_pages_too_large_together_are_skipped_and_said() -> None:
    pages = [photo().resize((100, 100))] * 6
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    result = examined(data, max_pixels=10_000)
    assert isinstance(result, ImageHashes)
    assert [frame.number for frame in result.frames] == [0, 1, 2, 3]
    assert result.flags == ("pages", "frames_skipped")


def test_pages_behind_a_broken_one_are_hashed() -> None:
    small, large = photo().resize((50, 50)), photo().resize((200, 200))
    data = saved(
        small, "TIFF", save_all=True, append_images=[large, photo("coffee").resize((9, 9))]
    )
    result = examined(data, max_pixels=10_000)
    assert isinstance(result, ImageHashes)
    assert [frame.number for frame in result.frames] == [0, 2]
    assert result.flags == ("pages", "more_pictures_missing")


def test_a_long_animation_is_read_only_so_far() -> None:
    limits = DecodeLimits(max_pixels=1000)
    assert limits.frames_within_reach(10, 10) == 40
    assert limits.frames_within_reach(100, 1000) == 1


@pytest.mark.parametrize(
    ("width", "height", "turn", "eighths"),
    [
        (4000, 3000, False, 1),  # 375 samples are left
        (2048, 2048, False, 1),  # just 256
        (2047, 4000, False, 2),
        (1024, 1024, False, 2),
        (512, 9999, False, 4),
        (511, 9999, False, 8),
        (4000, 3000, True, 1),
        (4001, 3000, True, 8),
    ],
)
def test_scale_of_fast_hashes(width: int, height: int, turn: bool, eighths: int) -> None:
    assert eighths_for(width, height, turned=turn) == eighths


def test_limits() -> None:
    limits = DecodeLimits(max_pixels=100, max_bytes=10)
    limits.check_pixels(10, 10)
    limits.check_bytes(10)
    for code, check in (
        ("too_many_pixels", lambda: limits.check_pixels(10, 11)),
        ("damaged", lambda: limits.check_pixels(0, 11)),
        ("empty", lambda: limits.check_bytes(0)),
        ("too_large", lambda: limits.check_bytes(11)),
    ):
        with pytest.raises(CouldNotCheck) as caught:
            check()
        assert caught.value.code == code
        assert str(caught.value) == str(could_not_check(code))
