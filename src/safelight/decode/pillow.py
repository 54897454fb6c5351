"""Every format but HEIC, and every JPEG that the fast decoder does not take, by Pillow.

Only the decoder of the format that was recognised is tried. A picture that Pillow refuses is tried
once more with Pillow told to go on past errors; the picture is then flagged.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import AvifImagePlugin, Image, ImageFile

from safelight.decode.colour import are_unusual, pixels_of
from safelight.decode.complete import (
    is_preview,
    jpeg_complaint,
    png_ends_early,
    tiff_ends_early,
    tiff_jpeg_complaint,
)
from safelight.decode.pixels import Frame, Picture, nothing_decoded
from safelight.decode.rules import MOST_FRAMES, DecodeLimits, could_not_check, frames_to_take
from safelight.errors import CouldNotCheck
from safelight.sniff import webp_size
from safelight.source import Source

# Our names of formats and Pillow's decoders for them.
DECODERS: dict[str, tuple[str, ...]] = {
    "jpeg": ("JPEG", "MPO"),
    "png": ("PNG",),
    "gif": ("GIF",),
    "webp": ("WEBP",),
    "tiff": ("TIFF",),
    "bmp": ("BMP",),
}
_PAGES = {"tiff", "jpeg"}  # any frame can be reached without decoding those before it
_TURNED_BY_PILLOW = {"tiff"}
_ORIENTATION_TAG = 0x0112
_ENDS_EARLY = (
    "truncated",
    "unexpected end",
    "broken",
    "eof",
    "end of file",
    "not enough",
    "buffer",
)

_LOCK = threading.RLock()


def _after_fork_in_child() -> None:
    """A thread that held the lock at the fork is not there to release it."""
    global _LOCK
    _LOCK = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)


@contextmanager
def _settings(limits: DecodeLimits, *, tolerant: bool) -> Iterator[None]:
    """Pillow's global settings for the time of one call; the caller's are put back.

    A program that hashes in its own process from several threads decodes one at a time here.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        saved = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits.max_pixels, tolerant
        try:
            yield
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
            raise could_not_check("too_many_pixels") from exc
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = saved


class _Reader:
    """The frames of one file; opens it again, tolerantly, at the first error."""

    def __init__(self, source: Source, name: str, limits: DecodeLimits, *, fast: bool) -> None:
        self._source, self._name, self._limits, self._fast = source, name, limits, fast
        self._tolerant = False
        self._image: Image.Image | None = None
        self.flags: set[str] = set()

    def frame(self, number: int) -> Frame:
        """Decode a frame. Raises whatever Pillow raises when it fails tolerantly too."""
        try:
            return self._frame(number)
        except (MemoryError, CouldNotCheck):
            raise
        except Exception as exc:
            if self._tolerant:
                raise
            complaint = f"{type(exc).__name__} {exc}".lower()
        self._tolerant, self._image = True, None
        frame = self._frame(number)
        ends_early = any(words in complaint for words in _ENDS_EARLY)
        self.flags.add(self._fault("truncated" if ends_early else "damaged", number))
        if nothing_decoded(frame.pixels if frame.bare is None else frame.bare):
            raise could_not_check("damaged")
        return frame

    def _frame(self, number: int) -> Frame:
        with _settings(self._limits, tolerant=self._tolerant):
            if self._image is None:
                self._image = self._open()
            image = self._image
            image.seek(number)
            self._limits.check_pixels(*image.size)
            image.load()
            self._check(image)
            pixels, bare = pixels_of(image, fast=self._fast)
            orientation = 1 if self._name in _TURNED_BY_PILLOW else _orientation(image)
        high, wide = pixels.shape[:2]
        return Frame(
            number=number,
            pixels=pixels,
            bare=bare,
            width=wide,
            height=high,
            orientation=orientation,
        )

    def _check(self, image: Image.Image) -> None:
        """Set a flag for what is missing from the loaded frame without Pillow saying so."""
        number = image.tell()
        if are_unusual(image):
            self.flags.add("unusual_pixels")
        if self._name == "jpeg":
            offset = getattr(image, "offset", 0)
            self._flag(jpeg_complaint(self._source.whole[offset:]), number)
        elif self._name == "tiff":
            self._flag("truncated" if tiff_ends_early(image) else None, number)
            self._flag(tiff_jpeg_complaint(self._source, image), number)
            if number == 0 and is_preview(self._source, image):
                self.flags.add("preview_only")
        elif self._name == "png" and getattr(image, "n_frames", 1) == 1:
            self._flag("truncated" if png_ends_early(self._source, image, 1) else None, number)

    def _flag(self, fault: str | None, number: int) -> None:
        if fault is not None:
            self.flags.add(self._fault(fault, number))

    def parts_missing(self, frames: int) -> bool:
        """Whether data of one of the first `frames` frames of an animated PNG are missing."""
        image = self._image
        assert image is not None  # noqa: S101  the first frame has been decoded
        return png_ends_early(self._source, image, frames)

    def _open(self) -> Image.Image:
        stream = self._source.stream()
        if self._name == "avif":  # Image.open() looks at the major brand only
            return AvifImagePlugin.AvifImageFile(stream)
        return Image.open(stream, formats=DECODERS[self._name])

    def count(self) -> int:
        """The number of frames; those after a fault are not counted."""
        image = self._image
        assert image is not None  # noqa: S101  the first frame has been decoded
        if not getattr(image, "is_animated", False):
            return 1
        try:
            with _settings(self._limits, tolerant=self._tolerant):
                return int(getattr(image, "n_frames", 1))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  as above
            self.lost(1)
            return 1

    def lost(self, number: int) -> None:
        """Note that there is nothing to be had of frame `number`, or of those after it."""
        self.flags.add(self._fault("truncated", number))

    @property
    def has_pages(self) -> bool:
        """Whether a frame can be had where those before it cannot."""
        return self._name in _PAGES

    def _fault(self, flag: str, number: int) -> str:
        """The flag for a fault: one in a later page says nothing against the first picture."""
        return "more_pictures_missing" if number > 0 and self.has_pages else flag


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  EXIF data is as untrusted as pixels, and says nothing if broken
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def open_picture(
    source: Source, name: str, limits: DecodeLimits, *, fast: bool, skip_first: bool = False
) -> Picture:
    """Decode the first frame at once, the further ones as they are asked for.

    `name` is "avif" or one of DECODERS. `skip_first`: leave the first frame out of `frames`.
    """
    stated = webp_size(source.head) if name == "webp" else None
    if stated is not None:
        limits.check_pixels(*stated)
    reader = _Reader(source, name, limits, fast=fast)
    first = reader.frame(0)
    wanted = _wanted(reader, name, first, limits)
    sideways = first.orientation >= 5
    return Picture(
        format=name,
        width=first.height if sideways else first.width,
        height=first.width if sideways else first.height,
        flags=reader.flags,
        frames=_frames(reader, None if skip_first else first, wanted, limits.frame_budget),
    )


def _wanted(reader: _Reader, name: str, first: Frame, limits: DecodeLimits) -> tuple[int, ...]:
    """Numbers of the frames after the first that are to be decoded; sets the flags for them."""
    count = reader.count()
    if count > 1:
        reader.flags.add("pages" if name in _PAGES else "animated")
    if name not in _PAGES:
        reach = limits.frames_within_reach(first.width, first.height)
        if count > reach:
            reader.flags.add("frames_capped")
            count = reach
    if name == "png" and count > 1 and reader.parts_missing(count):
        reader.flags.add("truncated")
    if count > MOST_FRAMES:
        reader.flags.add("frames_skipped")
    return frames_to_take(count)[1:]


def _frames(
    reader: _Reader, first: Frame | None, wanted: tuple[int, ...], budget: int
) -> Iterator[Frame]:
    if first is not None:
        _flag(reader, first)
        yield first
        budget -= first.width * first.height
    del first  # its memory is wanted for the next one
    for number in wanted:
        try:
            frame = reader.frame(number)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  the frames before it were good: keep them, and say so
            reader.lost(number)
            if not reader.has_pages:
                return
            continue
        budget -= frame.width * frame.height
        if budget < 0:
            reader.flags.add("frames_skipped")
            return
        _flag(reader, frame)
        yield frame


def _flag(reader: _Reader, frame: Frame) -> None:
    if frame.orientation != 1:
        reader.flags.add("turned")
    if frame.bare is not None:
        reader.flags.add("transparent")
