"""From any of Pillow's colour modes to RGB or luma, so that a picture looks the same in each.

Tools that hash palette numbers, inverted CMYK or clipped 16-bit values miss a picture that was
merely saved again in another mode.

Stated choices: transparent parts lie on white, and the same picture without regard to transparency
is given as well; a picture that is transparent everywhere is taken for opaque. Whole numbers of
more than 8 bits are scaled by the smallest depth of 8, 10, 12, 14, 16, 24 or 32 bits that holds the
largest; negative ones by their range. Fractions from 0 to 1 are scaled by 255, from 0 to 255 taken
as they are, others by their range.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from safelight.decode.pixels import Pixels

_AS_IS = {"L", "RGB", "LA", "RGBA"}
_CONVERTED = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}
_WITH_KEY_COLOUR = {"1": "LA", "L": "LA", "P": "RGBA", "RGB": "RGBA"}
_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
# Tags of a TIFF; a photometric interpretation of 0 means that 0 is white.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_UNSIGNED, _SIGNED = 1, 2


def pixels_of(image: Image.Image, *, fast: bool) -> tuple[Pixels, Pixels | None]:
    """The pixels of a loaded image on white, and without transparency where there is any.

    uint8, height × width × 3, or height × width for grey pictures and when `fast` asks for luma.
    Raises ValueError for a mode that is not known.
    """
    plain = _to_eight_bits(image)
    if plain.mode not in ("LA", "RGBA"):
        return _array(plain, fast=fast), None
    opaque = plain.convert("L" if plain.mode == "LA" else "RGB")
    alpha = plain.getchannel("A")
    low, high = alpha.getextrema()
    if low == 255 or high == 0:
        return _array(opaque, fast=fast), None
    white = Image.new(opaque.mode, opaque.size, "white")
    white.paste(opaque, mask=alpha)
    return _array(white, fast=fast), _array(opaque, fast=fast)


def _array(image: Image.Image, *, fast: bool) -> Pixels:
    return np.asarray(image.convert("L") if fast else image)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """The image in mode L, LA, RGB or RGBA."""
    mode = image.mode
    if "transparency" in image.info and mode in _WITH_KEY_COLOUR:
        return image.convert(_WITH_KEY_COLOUR[mode])
    if mode in _AS_IS:
        return image
    if mode in _CONVERTED:
        return image.convert(_CONVERTED[mode])
    if mode == "LAB":
        converted = ImageCms.applyTransform(image, _lab_to_srgb())
        assert converted is not None  # noqa: S101  None only comes of inPlace
        return converted
    if mode == "F":
        return Image.fromarray(scaled_fractions(np.asarray(image)))
    if mode == "I" or mode.startswith("I;16"):
        grey = scaled_whole_numbers(_whole_numbers(image))
        return Image.fromarray(255 - grey if _tag(image, _PHOTOMETRIC, 1) == 0 else grey)
    raise ValueError(f"colour mode {mode} is not known")


def are_unusual(image: Image.Image) -> bool:
    """Whether the pixels of a loaded image are numbers of which nobody can say which is white.

    Signed ones, whole ones beyond 16 bits, and fractions outside 0 to 255.
    """
    if _SIGNED in _tags(image, _SAMPLE_FORMAT):
        return True
    if image.mode == "I":
        values = _whole_numbers(image)
        return bool(values.min() < 0 or values.max() >= 1 << 16)
    if image.mode == "F":
        values = np.asarray(image)
        return not bool(np.all((values >= 0) & (values <= 255)))
    return False


def _whole_numbers(image: Image.Image) -> NDArray[np.integer]:
    """The values of a grey image; Pillow takes those of 32 bits for signed in any case."""
    values: NDArray[np.integer] = np.asarray(image)
    bits, kind = _tag(image, _BITS, 0), _tag(image, _SAMPLE_FORMAT, _UNSIGNED)
    return values.view(np.uint32) if bits == 32 and kind == _UNSIGNED else values


def _tags(image: Image.Image, number: int) -> tuple[int, ...]:
    value = getattr(image, "tag_v2", {}).get(number, ())
    return value if isinstance(value, tuple) else (value,)


def _tag(image: Image.Image, number: int, default: int) -> int:
    return next(iter(_tags(image, number)), default)


@cache
def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")


def scaled_whole_numbers(values: NDArray[np.integer]) -> Pixels:
    """Whole numbers of any depth as uint8, by the rule at the head of this module."""
    low, high = int(values.min()), int(values.max())
    if low >= 0:
        low, high = 0, next(2**depth - 1 for depth in _DEPTHS if high < 2**depth)
    return _scaled(values, low, high)


def scaled_fractions(values: NDArray[np.floating]) -> Pixels:
    """Fractions as uint8, by the rule at the head of this module; what is no number becomes 0."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(values.shape, np.uint8)
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return _scaled(values, low, high)


def _scaled(
    values: "NDArray[np.integer] | NDArray[np.floating]", low: float, high: float
) -> Pixels:
    factor = 255.0 / ((high - low) or 1.0)
    result: Pixels = ((values.astype(np.float64) - low) * factor + 0.5).astype(np.uint8)
    return result
