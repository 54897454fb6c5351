"""JPEG by libjpeg-turbo, straight to RGB or to a scaled luma plane.

Gives the same pixels as Pillow in a quarter of the time. Takes grey and three-component files of 8
bits; what it refuses goes to Pillow.
"""

from collections.abc import Iterator
from math import ceil

import numpy as np
import simplejpeg

from safelight.decode import pillow
from safelight.decode.jpeg_header import JpegHeader, read_jpeg_header
from safelight.decode.pixels import Frame, Picture, Pixels, nothing_decoded
from safelight.decode.rules import DecodeLimits, could_not_check, eighths_for
from safelight.source import Source


def open_jpeg(source: Source, limits: DecodeLimits, *, fast: bool) -> Picture:
    """Decode the first picture of the file at once, further ones as they are asked for."""
    header = read_jpeg_header(source.whole)
    if header is not None:
        limits.check_pixels(header.width, max(1, header.height))  # height 0: stated after the scan
    if header is None or header.height == 0 or not header.plain or header.components not in (1, 3):
        return pillow.open_picture(source, "jpeg", limits, fast=fast)
    flags: set[str] = set()
    try:
        frame = _decode(source.whole, header, flags, fast=fast)
    except ValueError:  # also in the tolerant pass: an unusual subsampling, or nothing to be had
        return pillow.open_picture(source, "jpeg", limits, fast=fast)
    if header.orientation != 1:
        flags.add("turned")
    rest = _further(source, limits, flags, fast=fast) if header.several else iter(())
    wide, high = header.width, header.height
    return Picture(
        format="jpeg",
        width=wide if header.orientation < 5 else high,
        height=high if header.orientation < 5 else wide,
        flags=flags,
        frames=_chain(frame, rest),
    )


def _chain(first: Frame, rest: Iterator[Frame]) -> Iterator[Frame]:
    yield first
    del first  # its memory is wanted for the next one
    yield from rest


def _decode(data: bytes, header: JpegHeader, flags: set[str], *, fast: bool) -> Frame:
    eighths = 8
    if fast:
        turned = header.orientation != 1
        eighths = eighths_for(header.width, header.height, turned=turned)
    colour = "GRAY" if fast or header.components == 1 else "RGB"
    pixels = _decode_strictly_or_not(data, header, colour, eighths, flags)
    return Frame(
        number=0,
        pixels=pixels[:, :, 0] if colour == "GRAY" else pixels,
        width=header.width,
        height=header.height,
        orientation=header.orientation,
        eighths=eighths,
    )


def _decode_strictly_or_not(
    data: bytes, header: JpegHeader, colour: str, eighths: int, flags: set[str]
) -> Pixels:
    """Decode; where the decoder complains, decode again telling it to go on, and say so in `flags`.

    Raises ValueError where the decoder refuses even then.
    """
    size = {}
    if eighths < 8:
        size = {
            "min_height": ceil(header.height * eighths / 8),
            "min_width": ceil(header.width * eighths / 8),
        }
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, colour, **size))
    except ValueError as exc:
        complaint = str(exc)
    pixels = np.asarray(simplejpeg.decode_jpeg(data, colour, strict=False, **size))
    flags.add("truncated" if "Premature end" in complaint else "damaged")
    if nothing_decoded(pixels):
        raise could_not_check("damaged")
    return pixels


def _further(
    source: Source, limits: DecodeLimits, flags: set[str], *, fast: bool
) -> Iterator[Frame]:
    """The further pictures of a file that holds several."""
    try:
        picture = pillow.open_picture(source, "jpeg", limits, fast=fast, skip_first=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a broken index of pictures: the first one was good, keep it
        flags.add("more_pictures_missing")
        return
    yield from picture.frames
    flags |= picture.flags
