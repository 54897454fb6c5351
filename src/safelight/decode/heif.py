"""HEIC and HEIF by libheif, which turns the picture upright by itself."""

from collections.abc import Iterator

import pi_heif

from safelight.decode.colour import pixels_of
from safelight.decode.pixels import Frame, Picture
from safelight.decode.rules import MOST_FRAMES, DecodeLimits, could_not_check, frames_to_take
from safelight.source import Source


def open_heif(source: Source, limits: DecodeLimits, *, fast: bool) -> Picture:
    """Open the file; its primary picture comes first, then the others.

    Raises what libheif raises for a file it cannot read.
    """
    file = pi_heif.open_heif(source.stream())
    if len(file) == 0:
        raise could_not_check("damaged")
    for image in file:
        limits.check_pixels(*image.size)
    wide, high = file.size
    flags = {"pages"} if len(file) > 1 else set[str]()
    if len(file) > MOST_FRAMES:
        flags.add("frames_skipped")
    numbers = dict.fromkeys((file.primary_index, *frames_to_take(len(file))))
    return Picture(
        format="heif",
        width=wide,
        height=high,
        flags=flags,
        frames=_frames(file, list(numbers), flags, limits.frame_budget, fast=fast),
    )


def _frames(
    file: pi_heif.HeifFile, numbers: list[int], flags: set[str], budget: int, *, fast: bool
) -> Iterator[Frame]:
    for number in numbers:
        pixels, bare = pixels_of(file[number].to_pillow(), fast=fast)
        if bare is not None:
            flags.add("transparent")
        high, wide = pixels.shape[:2]
        budget -= high * wide
        if budget < 0:
            flags.add("frames_skipped")
            return
        yield Frame(number=number, pixels=pixels, bare=bare, width=wide, height=high)
