"""One photo in every format and colour mode gives one hash, within 10 bits."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pdqhash
import pytest
from pictures import distance, examined, hashes, lab, pattern, photo, saved
from PIL import Image, ImageOps

from safelight.decode.picture import samples
from safelight.model import ImageHashes

DATA = Path(__file__).parent / "data"
PEER_TOLERANCE = 10  # bits, at quality 80 and above


def peer(image: Image.Image) -> tuple[list[str], int]:
    """What the reference says about an RGB image: eight hashes and the quality."""
    vectors, quality = pdqhash.compute_dihedral(np.asarray(image.convert("RGB")))
    return [np.packbits(vector).tobytes().hex() for vector in vectors], quality


def transparent(image: Image.Image) -> Image.Image:
    """The picture with alpha 255 but for one pixel."""
    result = image.convert("RGBA")
    result.putpixel((0, 0), (0, 0, 0, 0))
    return result


def deep(image: Image.Image, dtype: str, factor: float) -> Image.Image:
    return Image.fromarray((np.asarray(image.convert("L")).astype(float) * factor).astype(dtype))


def palette_with_hole(image: Image.Image) -> bytes:
    small = image.quantize(255)
    small.putpixel((0, 0), 255)
    return saved(small, "PNG", transparency=255)


def sixteen_bit_rgb_png(image: Image.Image) -> bytes:
    """Pillow cannot write one."""
    import struct  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    wide, high = image.size
    values = (np.asarray(image).astype(">u2") * 257).reshape(high, -1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", wide, high, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def sixteen_bit_rgb_tiff(image: Image.Image) -> bytes:
    """Pillow cannot write one."""
    import tifffile  # noqa: PLC0415

    out = io.BytesIO()
    tifffile.imwrite(out, np.asarray(image).astype(np.uint16) * 257, photometric="rgb")
    return out.getvalue()


Maker = Callable[[Image.Image], bytes]
SAVED: dict[str, tuple[str, Maker]] = {
    "jpeg": ("jpeg", lambda i: saved(i, "JPEG", quality=90)),
    "jpeg progressive": ("jpeg", lambda i: saved(i, "JPEG", quality=90, progressive=True)),
    "jpeg 4:4:4": ("jpeg", lambda i: saved(i, "JPEG", quality=90, subsampling=0)),
    "jpeg grey": ("jpeg", lambda i: saved(i.convert("L"), "JPEG", quality=90)),
    "jpeg CMYK": ("jpeg", lambda i: saved(i.convert("CMYK"), "JPEG", quality=90)),
    "jpeg RGB": ("jpeg", lambda i: saved(i, "JPEG", quality=90, keep_rgb=True)),
    "png": ("png", lambda i: saved(i, "PNG")),
    "png grey": ("png", lambda i: saved(i.convert("L"), "PNG")),
    "png LA": ("png", lambda i: saved(transparent(i).convert("LA"), "PNG")),
    "png RGBA": ("png", lambda i: saved(transparent(i), "PNG")),
    "png palette": ("png", lambda i: saved(i.quantize(256), "PNG")),
    "png palette, transparency": ("png", palette_with_hole),
    "png colour key": ("png", lambda i: saved(i, "PNG", transparency=(1, 2, 3))),
    "png 16-bit grey": ("png", lambda i: saved(deep(i, "uint16", 257), "PNG")),
    "png 16-bit rgb": ("png", sixteen_bit_rgb_png),
    "gif": ("gif", lambda i: saved(i, "GIF")),
    "webp": ("webp", lambda i: saved(i, "WEBP", quality=90)),
    "webp lossless alpha": ("webp", lambda i: saved(transparent(i), "WEBP", lossless=True)),
    "bmp": ("bmp", lambda i: saved(i, "BMP")),
    "bmp palette": ("bmp", lambda i: saved(i.quantize(256), "BMP")),
    "avif": ("avif", lambda i: saved(i, "AVIF", quality=90, speed=10)),
    "avif alpha": ("avif", lambda i: saved(transparent(i), "AVIF", quality=90, speed=10)),
    "tiff": ("tiff", lambda i: saved(i, "TIFF")),
    "tiff lzw": ("tiff", lambda i: saved(i, "TIFF", compression="tiff_lzw")),
    "tiff jpeg": ("tiff", lambda i: saved(i, "TIFF", compression="jpeg", quality=90)),
    "tiff palette": ("tiff", lambda i: saved(i.quantize(256), "TIFF")),
    "tiff CMYK": ("tiff", lambda i: saved(i.convert("CMYK"), "TIFF")),
    "tiff YCbCr": ("tiff", lambda i: saved(i.convert("YCbCr"), "TIFF")),
    "tiff LAB": ("tiff", lambda i: saved(lab(i), "TIFF")),
    "tiff LA": ("tiff", lambda i: saved(transparent(i).convert("LA"), "TIFF")),
    "tiff RGBA": ("tiff", lambda i: saved(transparent(i), "TIFF")),
    "tiff 16-bit grey": ("tiff", lambda i: saved(deep(i, "uint16", 257), "TIFF")),
    "tiff 16-bit big-endian": ("tiff", lambda i: saved(deep(i, ">u2", 257), "TIFF")),
    "tiff 12 bits used": ("tiff", lambda i: saved(deep(i, "uint16", 16), "TIFF")),
    "tiff 16-bit rgb": ("tiff", sixteen_bit_rgb_tiff),
    "tiff 32-bit whole": ("tiff", lambda i: saved(deep(i, "int32", 8_000_000), "TIFF")),
    "tiff fraction 0..1": ("tiff", lambda i: saved(deep(i, "float32", 1 / 255), "TIFF")),
    "tiff fraction 0..255": ("tiff", lambda i: saved(deep(i, "float32", 1), "TIFF")),
    "tiff fraction signed": ("tiff", lambda i: saved(deep(i, "float32", -3.5), "TIFF")),
}


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("name", SAVED)
def test_every_format_and_colour_mode_gives_the_same_hash(name: str, mode: str) -> None:
    image = photo("coffee")
    expected = image
    if name == "tiff fraction signed":
        expected = ImageOps.invert(image.convert("L"))  # scaled by its range, so negative
    want, _ = peer(expected)
    kind, make = SAVED[name]
    result = hashes(make(image), mode)
    assert result.format == kind
    assert (result.width, result.height) == image.size
    assert result.pdq_quality >= 80
    assert distance(result.pdq, want[0]) <= PEER_TOLERANCE
    assert len(result.frames) == 1
    unusual = name in ("tiff 32-bit whole", "tiff fraction signed")
    assert set(result.flags) - {"transparent"} == ({"unusual_pixels"} if unusual else set())


def test_one_bit_is_black_and_white_not_zero_and_one() -> None:
    image = photo("coffee").convert("1")
    want, quality = peer(image)
    for kind in ("PNG", "TIFF", "BMP", "GIF"):
        result = hashes(saved(image, kind))
        assert (result.dihedral, result.pdq_quality) == (want, quality)
    group4 = saved(image, "TIFF", compression="group4")
    assert hashes(group4).dihedral == want


def test_hsv_and_other_modes_in_memory() -> None:
    from safelight.decode.colour import pixels_of  # noqa: PLC0415

    image = photo("coffee")
    for mode in ("HSV", "RGBX", "La", "PA", "RGBa"):
        source = {"La": image.convert("LA"), "RGBa": image.convert("RGBA")}.get(mode, image)
        source = image.quantize(256) if mode == "PA" else source
        pixels, _ = pixels_of(source.convert(mode), fast=True)
        want = np.asarray(image.convert("L")).astype(int)
        assert np.abs(pixels.astype(int) - want).mean() < 4, mode
    with pytest.raises(ValueError, match="colour mode"):
        pixels_of(_OddMode(), fast=False)


class _OddMode(Image.Image):
    @property
    def mode(self) -> str:
        return "XYZ"


@pytest.mark.parametrize("name", [name for name in SAVED if name.startswith("jpeg")])
def test_jpeg_equals_the_reference_bit_for_bit(name: str) -> None:
    for photo_name in ("astronaut", "chelsea", "rocket"):
        data = SAVED[name][1](photo(photo_name))
        want, quality = peer(Image.open(io.BytesIO(data)))
        result = hashes(data)
        assert result.pdq == want[0]
        assert result.pdq_quality == quality
        assert result.dihedral == want


@pytest.mark.parametrize("size", [(5, 5), (1, 700), (63, 65), (129, 127), (1000, 17), (500, 300)])
@pytest.mark.parametrize("colour", ["RGB", "L"])
def test_jpeg_of_odd_sizes_equals_the_reference(size: tuple[int, int], colour: str) -> None:
    data = saved(photo().resize(size).convert(colour), "JPEG", quality=80)
    result = hashes(data)
    assert (result.width, result.height) == size
    if min(size) >= 5:
        want, quality = peer(Image.open(io.BytesIO(data)))
        assert (result.dihedral, result.pdq_quality) == (want, quality)
    assert len(hashes(data, "fast").pdq) == 64


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_fast_is_near_exact_at_every_scale(scale: int) -> None:
    image = photo("coffee").resize((601 * scale, 401 * scale), Image.Resampling.LANCZOS)
    data = saved(image, "JPEG", quality=90)
    exact, fast = hashes(data), hashes(data, "fast")
    assert distance(exact.pdq, fast.pdq) <= 10
    assert abs(exact.pdq_quality - fast.pdq_quality) <= 2


def test_a_picture_that_is_transparent_everywhere_is_hashed_by_its_colours() -> None:
    image = photo().copy()
    want = hashes(saved(image, "PNG")).dihedral
    image.putalpha(0)
    hidden = hashes(saved(image, "PNG"))
    assert hidden.dihedral == want
    assert hidden.flags == ()


def test_transparent_parts_lie_on_white_and_the_bare_colours_are_given_too() -> None:
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    result = hashes(saved(image, "PNG"))
    assert result.flags == ("transparent",)
    assert distance(result.pdq, peer(white)[0][0]) <= 4
    assert result.frames[0].stored is not None
    assert list(result.frames[0].stored) == peer(photo())[0]


def test_heic_made_by_libheif_is_read() -> None:
    result = hashes((DATA / "pattern.heic").read_bytes())
    assert (result.format, result.width, result.height) == ("heif", 384, 256)
    assert distance(result.pdq, peer(pattern(384, 256))[0][0]) <= PEER_TOLERANCE


def test_heic_that_libheif_turns_is_not_turned_twice() -> None:
    result = hashes((DATA / "turned.heic").read_bytes())
    assert (result.width, result.height) == (256, 384)
    upright = pattern(384, 256).transpose(Image.Transpose.ROTATE_90)
    assert distance(result.pdq, peer(upright)[0][0]) <= PEER_TOLERANCE
    assert result.flags == ()
    assert result.frames[0].stored is None


def test_every_sample_is_read() -> None:
    formats = set()
    for name, data in samples().items():
        result = examined(data)
        assert isinstance(result, ImageHashes), name
        formats.add(result.format)
    assert formats == {"jpeg", "png", "gif", "webp", "tiff", "bmp", "heif", "avif"}


@pytest.mark.parametrize("major", [b"miaf", b"isom", b"mif1", b"msf1", b"mp42"])
@pytest.mark.parametrize("name", ["rgb.heic", "rgb.avif"])
def test_a_picture_under_a_general_major_brand_is_read(name: str, major: bytes) -> None:
    data = samples()[name]
    assert data[8:12] in data[16 : int.from_bytes(data[:4], "big")]  # it is compatible with itself
    result = hashes(data[:8] + major + data[12:])
    assert result.format == hashes(data).format
    assert result.dihedral == hashes(data).dihedral
