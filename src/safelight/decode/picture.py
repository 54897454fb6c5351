"""The face of decoding: open a picture of whatever format, and get decoders ready for a child."""

from functools import cache
from importlib.resources import files

import pi_heif
from PIL import AvifImagePlugin, Image

from safelight.decode import heif, jpeg, pillow
from safelight.decode.pixels import Picture
from safelight.decode.rules import DecodeLimits, could_not_check
from safelight.decode.tail import has_tail
from safelight.source import Source


def open_picture(source: Source, limits: DecodeLimits, *, fast: bool) -> Picture:
    """Open a picture and decode its first frame.

    Raises CouldNotCheck for what is refused, MemoryError, and whatever a decoder raises for a file
    that it cannot read.
    """
    limits.check_bytes(source.size)
    sniffed = source.sniffed
    if not sniffed.readable:
        known = sniffed.kind not in ("image", "other")
        raise could_not_check("not_a_picture" if known else "unknown_format")
    picture = _open(source, sniffed.format, limits, fast=fast)
    if has_tail(source, sniffed.format):
        picture.flags.add("trailing_data")
    return picture


def _open(source: Source, name: str, limits: DecodeLimits, *, fast: bool) -> Picture:
    if name == "jpeg":
        return jpeg.open_jpeg(source, limits, fast=fast)
    if name == "heif":
        return heif.open_heif(source, limits, fast=fast)
    return pillow.open_picture(source, name, limits, fast=fast)


def prepare_child() -> None:
    """Load every decoder and the sample files, and keep each decoder to one thread.

    Changes settings of the whole process, so it is for a child only.
    """
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pi_heif.options.DECODE_THREADS = 1
    samples()


@cache
def samples() -> dict[str, bytes]:
    """A tiny file of every format that is decoded, made by tests/decode/make_samples.py."""
    folder = files("safelight.decode") / "samples"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}
