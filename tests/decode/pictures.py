"""Pictures for the tests: ordinary photos from scikit-image, saved in every way Pillow knows."""

import io
import os
from functools import cache
from typing import Any

import numpy as np
import skimage.data
from PIL import Image, ImageCms

from safelight.decode.rules import DecodeLimits
from safelight.examine import ExamineLimits, Examiner, memory_file
from safelight.model import Depth, Examined, HashMode, ImageHashes, NotChecked


def photo(name: str = "astronaut") -> Image.Image:
    """An RGB photo from scikit-image's wheel; a new object, for saving leaves traces on it."""
    return Image.fromarray(_pixels(name))


@cache
def _pixels(name: str) -> np.ndarray:
    pixels: np.ndarray = getattr(skimage.data, name)()
    return pixels


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The file Pillow writes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def lab(image: Image.Image) -> Image.Image:
    """The picture in CIELAB."""
    srgb, profile = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(srgb, profile, "RGB", "LAB")
    result = ImageCms.applyTransform(image, transform)
    assert result is not None
    return result


def pattern(width: int = 64, height: int = 64) -> Image.Image:
    """A generated picture of coloured clouds, ours to give away, with a hash of good quality."""
    coarse = np.random.default_rng(20).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def distance(left: str, right: str) -> int:
    """Bits in which two hexadecimal hashes differ."""
    return (int(left, 16) ^ int(right, 16)).bit_count()


def examined(data: bytes, mode: str = "exact", **limits: int) -> Examined:
    """What Safelight says about these bytes, decoded in the test process."""
    fd = memory_file(data)
    try:
        examiner = Examiner(None, ExamineLimits(decode=DecodeLimits(**limits)))
        return examiner.examine(fd, Depth(mode=HashMode(mode)))
    finally:
        os.close(fd)


def hashes(data: bytes, mode: str = "exact") -> ImageHashes:
    """The hashes of a picture that must be readable."""
    result = examined(data, mode)
    assert isinstance(result, ImageHashes), result
    return result


def refusal(data: bytes, **limits: int) -> str:
    """The code with which bytes that must not be readable were refused."""
    result = examined(data, **limits)
    assert isinstance(result, NotChecked), result
    assert result.digests is not None
    assert result.digests.size == len(data)
    return result.code
