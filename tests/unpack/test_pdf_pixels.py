"""Pictures of PDFs in every colour space, depth and packing, against plain arithmetic."""

import io
import zlib

import numpy as np
import pytest
from archives import Seen, walked
from PIL import Image
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    ByteStringObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)
from test_pdf import raw, writer_of, written

NOISE = np.random.default_rng(1)
WIDTH, HEIGHT = 37, 23

PACK = {
    None: lambda data: data,
    "/FlateDecode": zlib.compress,
    "/ASCIIHexDecode": lambda data: data.hex().encode() + b">",
    "/RunLengthDecode": lambda data: (
        b"".join(b"\0" + data[at : at + 1] for at in range(len(data))) + b"\x80"
    ),
}


def packed_bits(samples: np.ndarray, bits: int) -> bytes:  # type: ignore[type-arg]
    rows = []
    for row in samples:
        text = "".join(format(value, f"0{bits}b") for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return b"".join(rows)


def found_in(settings: dict[str, object], data: bytes, packing: str | None = None) -> Seen:
    settings = dict(settings)
    if packing is not None:
        settings["/Filter"] = NameObject(packing)
    return walked(written(writer_of((settings, PACK[packing](data)))))[0]


def pixels(item: Seen, mode: str) -> np.ndarray:  # type: ignore[type-arg]
    assert item.data is not None
    picture = Image.open(io.BytesIO(item.data))
    assert picture.mode == mode
    return np.asarray(picture)


def with_space(name: str, *more: object, bits: int = 8, **rest: object) -> dict[str, object]:
    space = ArrayObject([NameObject(name), *more])  # type: ignore[list-item]
    return raw("/DeviceGray", WIDTH, HEIGHT, bits, **rest) | {"/ColorSpace": space}


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gray_and_palettes_of_every_depth(bits: int, packing: str | None) -> None:
    samples = NOISE.integers(0, 1 << bits, (HEIGHT, WIDTH))
    data = packed_bits(samples, bits)
    gray = found_in(raw("/DeviceGray", WIDTH, HEIGHT, bits), data, packing)
    assert np.array_equal(pixels(gray, "L"), samples * 255 // ((1 << bits) - 1))
    palette = NOISE.integers(0, 256, (1 << bits, 3), dtype=np.uint8)
    colours = ByteStringObject(palette.tobytes())
    last = NumberObject((1 << bits) - 1)
    indexed = with_space("/Indexed", NameObject("/DeviceRGB"), last, colours, bits=bits)
    assert np.array_equal(pixels(found_in(indexed, data, packing), "RGB"), palette[samples])


def test_a_palette_that_is_written_as_text() -> None:
    colours = TextStringObject("abcdef")
    space = with_space("/Indexed", NameObject("/DeviceRGB"), NumberObject(1), colours)
    found = pixels(found_in(space, bytes([0, 1] * (WIDTH * HEIGHT // 2) + [0])), "RGB")
    assert found[0, :2].tolist() == [list(b"abc"), list(b"def")]


def test_sixteen_bits() -> None:
    samples = NOISE.integers(0, 65536, (HEIGHT, WIDTH, 3))
    found = found_in(raw("/DeviceRGB", WIDTH, HEIGHT, 16), samples.astype(">u2").tobytes())
    assert np.array_equal(pixels(found, "RGB"), samples >> 8)


RGB = NOISE.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
WHITE = DictionaryObject(
    {NameObject("/WhitePoint"): ArrayObject([FloatObject(0.95), FloatObject(1), FloatObject(1.1)])}
)


def test_colours_of_a_calibrated_device() -> None:
    assert np.array_equal(pixels(found_in(with_space("/CalRGB", WHITE), RGB.tobytes()), "RGB"), RGB)


def test_of_lab_the_lightness() -> None:
    found = found_in(with_space("/Lab", WHITE), RGB.tobytes())
    assert np.array_equal(pixels(found, "L"), RGB[..., 0])


@pytest.mark.parametrize(("components", "mode"), [(1, "L"), (3, "RGB"), (4, "CMYK")])
def test_colours_of_a_profile(components: int, mode: str) -> None:
    samples = NOISE.integers(0, 256, (HEIGHT, WIDTH, components), dtype=np.uint8)
    writer = writer_of()
    profile = DecodedStreamObject()
    profile.set_data(b"any")
    profile[NameObject("/N")] = NumberObject(components)
    space = ArrayObject([NameObject("/ICCBased"), writer._add_object(profile)])
    stream = StreamObject()
    stream._data = samples.tobytes()
    settings = raw("/DeviceGray", WIDTH, HEIGHT) | {"/ColorSpace": space}
    for key, value in {**settings, "/Subtype": NameObject("/Image")}.items():
        stream[NameObject(key)] = value  # type: ignore[assignment]
    writer._add_object(stream)
    found = pixels(walked(written(writer))[0], mode)
    assert np.array_equal(found.reshape(samples.shape), samples)


def test_tints_darken() -> None:
    samples = NOISE.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    names = (NameObject("/Black"), NameObject("/DeviceCMYK"), DictionaryObject())
    one = found_in(with_space("/Separation", *names), samples.tobytes())
    assert np.array_equal(pixels(one, "L"), 255 - samples)
    two = ArrayObject([NameObject("/Cyan"), NameObject("/Gold")])
    many = with_space("/DeviceN", two, NameObject("/DeviceCMYK"), DictionaryObject())
    pairs = NOISE.integers(0, 256, (HEIGHT, WIDTH, 2), dtype=np.uint8)
    darkness = np.minimum(pairs.sum(axis=2, dtype=int), 255)
    assert np.array_equal(pixels(found_in(many, pairs.tobytes()), "L"), 255 - darkness)


def test_samples_the_other_way_round() -> None:
    ranges = ArrayObject([NumberObject(1), NumberObject(0)] * 3)
    found = found_in(raw("/DeviceRGB", WIDTH, HEIGHT, Decode=ranges), RGB.tobytes())
    assert np.array_equal(pixels(found, "RGB"), 255 - RGB)


def test_a_stencil() -> None:
    samples = NOISE.integers(0, 2, (HEIGHT, WIDTH))
    settings = raw("/DeviceGray", WIDTH, HEIGHT, 1, ImageMask=BooleanObject(True))
    del settings["/ColorSpace"]
    found = found_in(settings, packed_bits(samples, 1))
    assert np.array_equal(pixels(found, "L"), samples * 255)


def test_the_last_row_may_be_short() -> None:
    settings = raw("/DeviceRGB", WIDTH, HEIGHT)
    assert found_in(settings, RGB.tobytes()[:-5]).code is None
    assert found_in(settings, RGB.tobytes()[: -WIDTH * 6]).code == "member_damaged"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"/Width": NumberObject(0)}, "member_damaged"),
        ({"/Width": NumberObject(-5)}, "member_damaged"),
        ({"/BitsPerComponent": NumberObject(7)}, "member_damaged"),
        ({"/Width": NumberObject(1 << 40)}, "member_too_large"),
        ({"/ColorSpace": NameObject("/Pattern")}, "unsupported_compression"),
        ({"/Width": NameObject("/wide")}, "member_damaged"),
    ],
)
def test_pictures_that_cannot_be(change: dict[str, object], code: str) -> None:
    assert found_in(raw("/DeviceRGB", WIDTH, HEIGHT) | change, RGB.tobytes()).code == code
