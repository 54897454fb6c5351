"""Pictures for the tests: ordinary photos from scikit-image, saved in every way Pillow knows."""

import io
from functools import cache
from typing import Any

import numpy as np
import skimage.data
from PIL import Image, ImageCms


@cache
def photo(name: str = "astronaut") -> Image.Image:
    """An RGB photo that ships inside scikit-image's wheel."""
    return Image.fromarray(getattr(skimage.data, name)())


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


def pattern(size: int = 64) -> Image.Image:
    """A generated picture with structure in both directions, ours to give away."""
    y, x = np.mgrid[0:size, 0:size] / size
    red = 127 + 120 * np.sin(9 * x + 4 * y * y)
    green = 255 * (x * y)
    blue = 127 + 120 * np.cos(7 * y - 5 * x * x)
    return Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8))
