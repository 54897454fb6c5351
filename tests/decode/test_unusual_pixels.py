"""TIFFs of deep, signed or inverted grey: hashed like the ordinary picture, or flagged."""

import io

import numpy as np
import pytest
import tifffile
from pictures import distance, hashes, photo, saved

GREY = np.asarray(photo().convert("L"))
PLAIN = hashes(saved(photo().convert("L"), "PNG"))


def tiff(values: np.ndarray, photometric: str = "minisblack") -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, values, photometric=photometric)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "flags"),
    [
        (tiff(GREY.astype(np.uint16) * 257), ()),
        (tiff(65535 - GREY.astype(np.uint16) * 257, "miniswhite"), ()),
        (tiff(4095 - GREY.astype(np.uint16) * 16, "miniswhite"), ()),
        (tiff(255 - GREY, "miniswhite"), ()),
        (tiff(GREY.astype(np.float32) / 255), ()),
        (tiff(GREY.astype(np.uint32) * 16843009), ("unusual_pixels",)),
        (tiff((GREY.astype(np.int32) * 257 - 32768).astype(np.int16)), ("unusual_pixels",)),
    ],
)
def test_grey_of_any_depth_hashes_alike(data: bytes, flags: tuple[str, ...]) -> None:
    result = hashes(data)
    assert result.flags == flags
    assert distance(result.pdq, PLAIN.pdq) <= 10


@pytest.mark.parametrize(
    "values",
    [
        GREY.astype(np.int32) * 1000,
        (GREY.astype(np.int16) - 128).astype(np.int8),
        GREY.astype(np.float32) * 3 - 100,
        np.where(GREY > 250, np.float32(np.nan), GREY.astype(np.float32)),
    ],
)
def test_what_cannot_be_told_is_flagged(values: np.ndarray) -> None:
    assert hashes(tiff(values)).flags == ("unusual_pixels",)
