"""The JPEG header reader against Pillow, and on broken headers."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import photo, saved
from PIL import Image

from safelight.decode.jpeg_header import JpegHeader, exif_orientation, read_jpeg_header


def small(colour: str = "RGB") -> Image.Image:
    return photo().resize((40, 30)).convert(colour)


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x010F] = "maker"
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize(
    ("colour", "options", "components"),
    [
        ("RGB", {}, 3),
        ("RGB", {"progressive": True}, 3),
        ("RGB", {"comment": b"\xff\xda in a comment is no scan"}, 3),
        ("L", {}, 1),
        ("CMYK", {}, 4),
    ],
)
def test_header(colour: str, options: dict[str, bool], components: int) -> None:
    assert read_jpeg_header(saved(small(colour), "JPEG", **options)) == JpegHeader(
        width=40, height=30, components=components, plain=True, orientation=1, several=False
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation: int) -> None:
    data = saved(small(), "JPEG", exif=exif(orientation))
    header = read_jpeg_header(data)
    assert header is not None
    assert header.orientation == Image.open(io.BytesIO(data)).getexif()[0x0112] == orientation


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(("value", "want"), [(6, 6), (0, 1), (9, 1), (65535, 1)])
def test_exif_of_either_byte_order(order: str, value: int, want: int) -> None:
    number = lambda n, size: n.to_bytes(size, order)  # type: ignore[arg-type]  # noqa: E731
    start = b"II*\0" if order == "little" else b"MM\0*"
    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(value, 2) + b"\0\0"
    tiff = start + number(8, 4) + number(1, 2) + entry
    assert exif_orientation(tiff) == want
    assert exif_orientation(tiff[:-4]) == 1  # cut off before the value


@given(st.binary(max_size=200))
def test_exif_never_fails(data: bytes) -> None:
    for start in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        assert 1 <= exif_orientation(start + data) <= 8


@given(st.binary(max_size=200), st.data())
def test_header_never_fails(junk: bytes, data: st.DataObject) -> None:
    whole = saved(small(), "JPEG", exif=exif(3))
    at = data.draw(st.integers(2, 700))
    read_jpeg_header(whole[:at] + junk)
    read_jpeg_header(whole[:at] + junk + whole[at:])
    read_jpeg_header(b"\xff\xd8" + junk)


def test_lossless_and_twelve_bit_files_are_not_plain() -> None:
    data = saved(small(), "JPEG")
    at = data.index(b"\xff\xc0")
    for changed in (b"\xff\xc3", b"\xff\xc9"):
        header = read_jpeg_header(data[:at] + changed + data[at + 2 :])
        assert header is not None
        assert not header.plain
    twelve = data[: at + 4] + b"\x0c" + data[at + 5 :]
    header = read_jpeg_header(twelve)
    assert header is not None
    assert not header.plain


def test_no_frame_header() -> None:
    assert read_jpeg_header(b"\xff\xd8\xff\xd9") is None
    assert read_jpeg_header(b"\xff\xd8\xff\xc0\x00\x05\x08") is None
