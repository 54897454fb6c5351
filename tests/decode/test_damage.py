"""Files that are cut off, broken, or made to hurt."""

import io
import random
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import distance, examined, hashes, pattern, photo, refusal, saved
from PIL import Image

from safelight.decode.colour import scaled_fractions, scaled_whole_numbers
from safelight.decode.picture import samples
from safelight.decode.rules import FLAGS, REASONS
from safelight.model import ImageHashes, NotChecked


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def test_empty() -> None:
    assert refusal(b"") == "empty"


@pytest.mark.parametrize(
    ("data", "code", "kind"),
    [
        (b"just a note\n", "not_a_picture", "text"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "damaged", "video"),
        (b"%PDF-1.7\n", "not_a_picture", "document"),
        (b"\x00\x01\x02\x03", "unknown_format", "other"),
        (b"8BPS\0\x01", "unknown_format", "image"),
        (b"\xff\xd8\xff", "damaged", "image"),
        (b"GIF89a", "damaged", "image"),
    ],
)
def test_refusals_keep_kind_and_digests(data: bytes, code: str, kind: str) -> None:
    result = examined(data)
    assert isinstance(result, NotChecked)
    assert (result.code, result.kind) == (code, kind)
    assert result.message.startswith(REASONS[code])
    assert result.digests is not None


def test_too_large_and_too_many_pixels() -> None:
    data = saved(photo(), "JPEG")
    assert refusal(data, max_bytes=len(data) - 1) == "too_large"
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"):
        small = saved(photo().resize((100, 100)), kind)
        assert refusal(small, max_pixels=9_999) == "too_many_pixels"
        assert isinstance(examined(small, max_pixels=10_000), ImageHashes)
    assert refusal(samples()["rgb.heic"], max_pixels=4000) == "too_many_pixels"


def test_a_page_larger_than_the_first_is_left_out_and_said() -> None:
    first, second = photo().resize((50, 50)), photo().resize((200, 200))
    data = saved(first, "TIFF", save_all=True, append_images=[second])
    result = examined(data, max_pixels=10_000)
    assert isinstance(result, ImageHashes)
    assert len(result.frames) == 1
    assert result.flags == ("pages", "more_pictures_missing")


def test_bombs_are_refused_before_they_go_off() -> None:
    bomb = png(50_000, 50_000, png_chunk(b"IDAT", zlib.compress(bytes(50_001 * 1000))))
    assert refusal(bomb) == "too_many_pixels"
    lie = bytearray(saved(photo().resize((64, 64)), "JPEG"))
    at = lie.index(b"\xff\xc0")
    lie[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    assert refusal(bytes(lie)) == "too_many_pixels"
    half = photo().resize((64, 64)).convert("RGBA")
    half.putalpha(128)
    canvas = bytearray(saved(half, "WEBP"))
    assert canvas[12:16] == b"VP8X"
    canvas[24:30] = (16_382).to_bytes(3, "little") * 2
    assert refusal(bytes(canvas)) == "too_many_pixels"


def test_a_text_bomb_costs_a_flag_not_the_picture() -> None:
    whole = saved(photo(), "PNG")
    bomb = png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(50_000_000)))
    result = hashes(whole[:33] + bomb + whole[33:])
    assert result.flags == ("damaged",)
    assert result.dihedral == hashes(whole).dihedral


def test_a_jpeg_whose_header_promises_more_than_comes_is_truncated() -> None:
    data = bytearray(saved(photo().resize((64, 64)), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 3000, 3000)
    assert set(hashes(bytes(data)).flags) & {"truncated", "damaged"}


def test_a_polyglot_is_still_a_picture() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("name", "content")
    for kind in ("JPEG", "PNG", "GIF"):
        data = saved(photo(), kind)
        joined = hashes(data + archive.getvalue())
        assert joined.dihedral == hashes(data).dihedral
        assert joined.sha256 != hashes(data).sha256


CUT = {
    "JPEG": saved(photo(), "JPEG", quality=85),
    "JPEG progressive": saved(photo(), "JPEG", quality=85, progressive=True),
    "PNG": saved(photo().resize((256, 256)), "PNG"),
    "GIF": saved(photo().resize((256, 256)), "GIF"),
    "BMP": saved(photo().resize((256, 256)), "BMP"),
    "TIFF": saved(photo().resize((256, 256)), "TIFF"),
    "WEBP": saved(photo().resize((256, 256)), "WEBP"),
    "AVIF": saved(photo().resize((256, 256)), "AVIF", speed=10),
}


@pytest.mark.parametrize("kind", CUT)
def test_a_file_cut_off_anywhere_is_flagged_or_refused(kind: str) -> None:
    whole = CUT[kind]
    complete = hashes(whole)
    for part in range(1, 40):
        result = examined(whole[: len(whole) * part // 40])
        if isinstance(result, NotChecked):
            assert result.code in {"damaged", "unknown_format", "not_a_picture"}, result
        elif result.dihedral != complete.dihedral:
            assert "truncated" in result.flags, (kind, part, result.flags)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG progressive", "PNG", "GIF", "BMP"])
def test_most_of_a_file_is_enough_to_find_it(kind: str) -> None:
    result = hashes(CUT[kind][: len(CUT[kind]) * 39 // 40])
    assert result.flags == ("truncated",)
    assert distance(result.pdq, hashes(CUT[kind]).pdq) <= 31


def test_a_jpeg_without_its_last_bytes_is_flagged() -> None:
    data = CUT["JPEG"]
    result = hashes(data[:-2])
    assert result.flags == ("truncated",)
    assert result.dihedral == hashes(data).dihedral
    assert hashes(data[:-2], "fast").flags == ("truncated",)


def test_a_jpeg_of_which_nothing_is_left_is_damaged_not_flat() -> None:
    data = saved(photo(), "JPEG", quality=85)
    scan = data.index(b"\xff\xda")
    assert refusal(data[: scan + 14]) == "damaged"


def test_a_jpeg_with_broken_data_is_flagged() -> None:
    data = bytearray(CUT["JPEG"])
    middle = len(data) // 2
    data[middle : middle + 4] = b"\xff\xd3\xff\x11"
    result = hashes(bytes(data))
    assert set(result.flags) & {"damaged", "truncated"}


@pytest.mark.parametrize("name", sorted(samples()))
def test_mutated_files_never_get_out(name: str) -> None:
    random_numbers = random.Random(name)
    for _ in range(40):
        data = bytearray(samples()[name])
        for _ in range(random_numbers.randint(1, 8)):
            data[random_numbers.randrange(len(data))] = random_numbers.randrange(256)
        result = examined(bytes(data), max_pixels=1_000_000)
        if isinstance(result, NotChecked):
            assert result.code in REASONS
            assert result.digests is not None
        else:
            assert set(result.flags) <= set(FLAGS)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(samples())), st.integers(0, 4000), st.binary(max_size=40))
def test_spliced_files_never_get_out(name: str, at: int, junk: bytes) -> None:
    data = samples()[name]
    result = examined(data[:at] + junk + data[at:], max_pixels=1_000_000)
    assert isinstance(result, ImageHashes | NotChecked)


def test_settings_of_pillow_are_put_back() -> None:
    before = Image.MAX_IMAGE_PIXELS
    refusal(saved(photo(), "PNG"), max_pixels=10)
    hashes(saved(pattern(), "PNG")[:-20])
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([0, 255], [0, 255]),  # fits in 8 bits: as it is
        ([0, 4095], [0, 255]),  # 12 bits used
        ([0, 65535], [0, 255]),
        ([0, 32768], [0, 128]),
        ([-100, 100], [0, 255]),
        ([7, 7], [7, 7]),
    ],
)
def test_scaling_of_whole_numbers(values: list[int], want: list[int]) -> None:
    assert scaled_whole_numbers(np.array([values], np.int32)).tolist() == [want]


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([0.0, 1.0], [0, 255]),
        ([0.0, 0.5], [0, 128]),
        ([0.0, 200.0], [0, 200]),
        ([-1.0, 3.0], [0, 255]),
        ([0.0, 1000.0], [0, 255]),
        ([float("nan"), 1.0], [0, 255]),
        ([float("inf"), 0.5], [255, 128]),
        ([float("nan"), float("nan")], [0, 0]),
    ],
)
def test_scaling_of_fractions(values: list[float], want: list[int]) -> None:
    assert scaled_fractions(np.array([values], np.float32)).tolist() == [want]
