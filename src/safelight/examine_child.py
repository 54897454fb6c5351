"""One file, from its descriptor to the hashes of every item in it: the work of a child process.

Loads the decoders and NumPy, which `examine`, the parent's side, does without. What the answers
look like stands in `examine_answers`, which reads them.
"""

import os
from collections.abc import Generator
from dataclasses import asdict
from typing import Any

from safelight.decode.picture import open_picture, prepare_child, samples
from safelight.decode.pixels import Frame, Picture, Pixels, turned
from safelight.decode.rules import DecodeLimits
from safelight.errors import CouldNotCheck
from safelight.examine import DIGESTS_ONLY, last_of, memory_file, request_for
from safelight.hashing.digests import digest
from safelight.hashing.perceptual import Perceptual, hash_pixels
from safelight.model import Depth, FrameHashes, HashMode
from safelight.source import Source

Answer = dict[str, Any]
Answers = Generator[Answer, None, Answer]

_self_test_files: dict[str, int] = {}


def prepare() -> None:
    """Load all that decoding needs, and try it, while files may still be opened."""
    prepare_child()
    for name, data in samples().items():
        _self_test_files[name] = memory_file(data)
    self_test(close=False)


def self_test(*, close: bool = True) -> None:
    """Decode a tiny file of every format. Raises RuntimeError, naming the file, when one fails."""
    for name, fd in _self_test_files.items():
        answer = last_of(work(fd, request_for(Depth(), DecodeLimits())))
        if "picture" not in answer:
            raise RuntimeError(f"the sample {name} cannot be decoded ({answer.get('detail')})")
        if close:
            os.close(fd)


def work(fd: int, request: dict[str, Any]) -> Answers:
    """Digest the file, and hash its picture if it is one. Raises MemoryError only.

    The answer has `digests`, `kind`, `format`, and either `picture` or `code` and `detail`. It
    never holds text from the file.
    """
    return (yield from _examine(Source(fd), request))


def _examine(source: Source, request: dict[str, Any]) -> Answers:
    answer: Answer = {"digests": None, "kind": "other", "format": "unknown"}
    try:
        answer["digests"] = asdict(digest(source.chunks()))
        answer["kind"], answer["format"] = source.sniffed.kind, source.sniffed.format
    except OSError as exc:
        return {**answer, "code": "read_error", "detail": type(exc).__name__}
    if request["mode"] == DIGESTS_ONLY:
        return answer
    limits = DecodeLimits(max_pixels=request["max_pixels"], max_bytes=request["max_bytes"])
    try:
        picture = open_picture(source, limits, fast=request["mode"] == HashMode.FAST)
        return {**answer, "picture": _hash_picture(picture)}
    except CouldNotCheck as exc:
        return {**answer, "code": exc.code, "detail": ""}
    except MemoryError:
        raise
    except Exception as exc:  # noqa: BLE001  decoders raise nearly every class there is
        return {**answer, "code": "damaged", "detail": type(exc).__name__}
    yield {}  # a generator, like the work of every child


def _hash_picture(picture: Picture) -> dict[str, Any]:
    frames = [_hash_frame(frame).to_json() for frame in picture.frames]
    return {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "frames": frames,
        "flags": sorted(picture.flags),
    }


def _hash_frame(frame: Frame) -> FrameHashes:
    stored = None
    if frame.orientation != 1 or frame.bare is not None:
        stored = _hash(frame, frame.pixels if frame.bare is None else frame.bare, 1)
    upright = _hash(frame, frame.pixels, frame.orientation)
    return FrameHashes(
        number=frame.number,
        quality=upright.quality,
        dihedral=upright.dihedral,
        stored=None if stored is None else stored.dihedral,
        stored_quality=None if stored is None else stored.quality,
    )


def _hash(frame: Frame, pixels: Pixels, orientation: int) -> Perceptual:
    sideways = orientation >= 5
    return hash_pixels(
        turned(pixels, orientation),
        width=frame.height if sideways else frame.width,
        height=frame.width if sideways else frame.height,
        eighths=frame.eighths,
    )
