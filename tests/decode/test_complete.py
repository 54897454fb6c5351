"""Pictures of which a decoder leaves out a part without saying so must be flagged."""

import io
import zlib

import numpy as np
import pytest
import tifffile
from pictures import examined, hashes, photo, saved
from PIL import Image
from test_damage import png_chunk

from safelight.matching.rules import MatchPolicy, fully_checked, judge
from safelight.model import NotChecked

SIZE = 256


def small() -> Image.Image:
    return photo().resize((SIZE, SIZE))


def recompressed(data: bytes, keep: float, kind: bytes = b"IDAT") -> bytes:
    """A PNG whose last run of `kind` holds a proper stream of the first part of its data."""
    at, chunks = 8, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    skip = 4 if kind == b"fdAT" else 0
    rows = zlib.decompress(b"".join(body[skip:] for name, body in chunks if name == kind))
    part = zlib.compress(rows[: int(len(rows) * keep)])
    first = next(number for number, (name, _) in enumerate(chunks) if name == kind)
    body = chunks[first][1][:skip] + part
    kept = [c for c in chunks[:first] if c[0] != kind] + [(kind, body)]
    kept += [c for c in chunks[first:] if c[0] != kind]
    return data[:8] + b"".join(png_chunk(*chunk) for chunk in kept)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "LA", "RGBA"])
def test_a_png_whose_data_end_early_but_properly(mode: str) -> None:
    whole = saved(small().convert(mode), "PNG")
    assert "truncated" in hashes(recompressed(whole, 0.3)).flags
    assert "truncated" in hashes(recompressed(whole, 0.3), "fast").flags
    assert hashes(recompressed(whole, 1)).flags == ()


def test_a_png_whose_last_row_is_black_is_whole() -> None:
    pixels = np.asarray(small()).copy()
    pixels[-1] = 0
    assert hashes(saved(Image.fromarray(pixels), "PNG")).flags == ()


def test_an_animated_png_whose_second_frame_ends_early() -> None:
    second = small().transpose(Image.Transpose.ROTATE_90)
    whole = saved(small(), "PNG", save_all=True, append_images=[second])
    assert hashes(whole).flags == ("animated",)
    assert hashes(recompressed(whole, 0.3, b"fdAT")).flags == ("truncated", "animated")
    assert hashes(recompressed(whole, 0.3)).flags == ("truncated", "animated")


def interlaced(keep: float) -> bytes:
    """A grey picture in seven passes; Pillow writes none."""
    pixels, rows = np.asarray(small().convert("L")), b""
    for left, top, across, down in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        rows += b"".join(b"\0" + row.tobytes() for row in pixels[top::down, left::across])
    data = zlib.compress(rows[: int(len(rows) * keep)])
    header = SIZE.to_bytes(4, "big") * 2 + b"\x08\0\0\0\x01"
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_an_interlaced_png() -> None:
    assert hashes(interlaced(1)).flags == ()
    assert hashes(interlaced(1)).dihedral == hashes(saved(small().convert("L"), "PNG")).dihedral
    assert hashes(interlaced(0.6)).flags == ("truncated",)


def spoilt(data: bytes) -> list[bytes]:
    """Cut off and ended properly; and its middle zeroed."""
    quarter = len(data) // 4
    return [
        data[:quarter] + b"\xff\xd9",
        data[:quarter] + bytes(2 * quarter) + data[3 * quarter :],
    ]


@pytest.mark.parametrize("progressive", [False, True])
def test_a_spoilt_cmyk_jpeg(progressive: bool) -> None:
    whole = saved(photo().convert("CMYK"), "JPEG", quality=90, progressive=progressive)
    assert hashes(whole).flags == ()
    for data in spoilt(whole):
        assert set(hashes(data).flags) & {"truncated", "damaged"}
        assert set(hashes(data, "fast").flags) & {"truncated", "damaged"}


def test_a_spoilt_further_picture_of_a_jpeg() -> None:
    other = photo().transpose(Image.Transpose.ROTATE_90)
    whole = saved(photo(), "MPO", save_all=True, append_images=[other], quality=90)
    assert hashes(whole).flags == ("pages",)
    at = whole.rindex(b"\xff\xda")
    middle = at + (len(whole) - at) // 2
    spoilt = whole[:middle] + bytes(5000) + whole[middle + 5000 :]
    assert hashes(spoilt).flags == ("pages", "more_pictures_missing")


@pytest.mark.parametrize("tiled", [False, True])
def test_a_tiff_that_lists_too_few_pieces(tiled: bool) -> None:
    out = io.BytesIO()
    shape = {"tile": (64, 64)} if tiled else {"rowsperstrip": 32}
    tifffile.imwrite(out, np.asarray(small()), photometric="rgb", **shape)
    data = out.getvalue()
    assert hashes(data).flags == ()
    short, start = bytearray(data), int.from_bytes(data[4:8], "little")
    for entry in range(int.from_bytes(data[start : start + 2], "little")):
        at = start + 2 + 12 * entry
        if int.from_bytes(data[at : at + 2], "little") in (273, 279, 324, 325):
            short[at + 4 : at + 8] = (3).to_bytes(4, "little")
    # what is listed no more lies behind the picture
    assert hashes(bytes(short)).flags == ("truncated", "trailing_data")


def test_a_tiff_of_spoilt_jpegs() -> None:
    whole = saved(photo(), "TIFF", compression="jpeg", quality=90)
    assert hashes(whole).flags == ()
    with Image.open(io.BytesIO(whole)) as image:
        start, length = image.tag_v2[273][0], image.tag_v2[279][0]
    middle = start + length // 2
    result = examined(whole[:middle] + bytes(length // 4) + whole[middle + length // 4 :])
    assert isinstance(result, NotChecked) or set(result.flags) & {"truncated", "damaged"}


def tagged(**options: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, np.asarray(small()), photometric="rgb", **options)
    return out.getvalue()


def with_sub_ifd() -> bytes:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(np.asarray(small()), photometric="rgb", subifds=1)
        writer.write(np.asarray(photo()), photometric="rgb")
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        tagged(subfiletype=1),
        tagged(extratags=[(50706, 1, 4, (1, 4, 0, 0), True)]),
        with_sub_ifd(),
    ],
)
def test_the_preview_in_a_raw_file_is_not_the_picture(data: bytes) -> None:
    result = hashes(data)
    assert result.flags == ("preview_only",)
    answer = judge(result, [], MatchPolicy())
    assert not fully_checked(answer)
    assert answer.reasons[0].startswith("preview_only: ")


def test_a_canon_raw_file_is_told_by_its_header() -> None:
    data = bytearray(tagged())
    assert hashes(bytes(data)).flags == ()
    start = int.from_bytes(data[4:8], "little")
    page = data[start:]
    moved = data[:4] + (len(data)).to_bytes(4, "little") + b"CR\2\0" + data[12:] + page
    assert "preview_only" in hashes(bytes(moved)).flags
