"""One file, from its descriptor to its hashes: the work of a child, and the parent's side of it."""

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from safelight.decode.picture import open_picture, prepare_child, samples
from safelight.decode.pixels import Frame, Picture, Pixels, turned
from safelight.decode.rules import FLAGS, REASONS, DecodeLimits
from safelight.decode.source import Source
from safelight.errors import CouldNotCheck
from safelight.hashing.digests import digest
from safelight.hashing.perceptual import Perceptual, hash_pixels
from safelight.model import Digests, Examined, FrameHashes, HashMode, ImageHashes, NotChecked
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool
from safelight.settings import Settings

# Digesting is allowed a second for so many bytes on top of the limits for decoding.
_SLOWEST_BYTES_PER_SECOND = 20_000_000

_DIGESTS_ONLY = "digests"
_self_test_files: dict[str, int] = {}


# --- in the child ---------------------------------------------------------------------------------


def prepare() -> None:
    """Load all that decoding needs, and try it, while files may still be opened."""
    prepare_child()
    for name, data in samples().items():
        _self_test_files[name] = memory_file(data)
    self_test(close=False)


def self_test(*, close: bool = True) -> None:
    """Decode a tiny file of every format. Raises RuntimeError, naming the file, when one fails."""
    for name, fd in _self_test_files.items():
        answer = work(fd, _request(HashMode.EXACT, DecodeLimits()))
        if "picture" not in answer:
            raise RuntimeError(f"the sample {name} cannot be decoded ({answer.get('detail')})")
        if close:
            os.close(fd)


def work(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    """Digest the file, and hash its picture if it is one. Raises MemoryError only.

    The answer has `digests`, `kind`, `format`, and either `picture` or `code` and `detail`. It
    never holds text from the file.
    """
    source = Source(fd)
    answer: dict[str, Any] = {"digests": None, "kind": "other", "format": "unknown"}
    try:
        answer["digests"] = asdict(digest(source.chunks()))
        answer["kind"], answer["format"] = source.sniffed.kind, source.sniffed.format
    except OSError as exc:
        return {**answer, "code": "read_error", "detail": type(exc).__name__}
    if request["mode"] == _DIGESTS_ONLY:
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


# --- in the parent --------------------------------------------------------------------------------


def make_pool(settings: Settings, *, children: int) -> ChildPool:
    """A pool of decoding children under the limits of the settings; nothing is started yet."""
    limits = Limits(
        memory_mb=settings.decode_memory_mb,
        cpu_seconds=settings.decode_seconds,
        wall_seconds=settings.decode_seconds + 5.0,
    )
    return ChildPool("safelight.examine:work", children=children, limits=limits)


def decode_limits(settings: Settings) -> DecodeLimits:
    """What the settings say about the largest picture."""
    return DecodeLimits(max_pixels=settings.max_pixels, max_bytes=settings.max_image_bytes)


class Examiner:
    """Examines files in the children of a pool, or with `pool=None` in this very process.

    Without children there is no protection from a file made to attack a decoder: only for files of
    one's own. Safe to use from many threads.
    """

    def __init__(self, pool: ChildPool | None, limits: DecodeLimits | None = None) -> None:
        self._pool = pool
        self._limits = limits or DecodeLimits()

    def examine(self, fd: int, *, mode: HashMode = HashMode.EXACT) -> Examined:
        """Hash the open file `fd`; its position may be moved. A failure is a value: NotChecked.

        A file whose decoding crashes, hangs or eats memory still gets its digests, so that it is
        found by them. Raises SandboxUnavailable when children cannot be started.
        """
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return _not_checked("not_a_file")
        request = _request(mode, self._limits)
        try:
            return parse_answer(self._ask(fd, request, found.st_size), mode)
        except ChildFailed as exc:
            return self._without_picture(fd, found.st_size, exc)

    def _ask(self, fd: int, request: dict[str, Any], size: int) -> dict[str, Any]:
        if self._pool is not None:
            return self._pool.run(fd, request, more_seconds=size / _SLOWEST_BYTES_PER_SECOND)
        try:
            return work(fd, request)
        except MemoryError as exc:
            raise ChildFailed("out_of_memory", "There is not enough memory.") from exc

    def _without_picture(self, fd: int, size: int, failure: ChildFailed) -> NotChecked:
        request = _request(_DIGESTS_ONLY, self._limits)
        try:
            answer = self._ask(fd, request, size)
            return _not_checked(failure.code, answer, str(failure))
        except (ChildFailed, *_NONSENSE):
            return _not_checked(failure.code, None, str(failure))


def _request(mode: str, limits: DecodeLimits) -> dict[str, Any]:
    return {"mode": mode, "max_pixels": limits.max_pixels, "max_bytes": limits.max_bytes}


_NONSENSE = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
_WORD = re.compile(r"[A-Za-z0-9_]{0,40}")
_HASH = re.compile(r"[0-9a-f]{64}")


def parse_answer(untrusted_answer: dict[str, Any], mode: HashMode) -> Examined:
    """What a child answered about a file. Raises ChildFailed for what no honest child answers."""
    try:
        if "picture" in untrusted_answer:
            return _image_hashes(untrusted_answer, mode)
        detail = _word(untrusted_answer["detail"])
        return _not_checked(untrusted_answer["code"], untrusted_answer, detail)
    except _NONSENSE as exc:
        raise ChildFailed("crashed", "A decoding process gave a senseless answer.") from exc


def _image_hashes(untrusted_answer: dict[str, Any], mode: HashMode) -> ImageHashes:
    picture = untrusted_answer["picture"]
    frames = tuple(_frame(frame) for frame in picture["frames"])
    if not 1 <= len(frames) <= 4:
        raise ValueError("number of frames")
    digests = _digests(untrusted_answer["digests"])
    if digests is None:
        raise ValueError("no digests")
    return ImageHashes(
        digests=digests,
        format=_word(picture["format"]),
        width=_number(picture["width"], 1 << 32),
        height=_number(picture["height"], 1 << 32),
        mode=mode,
        frames=frames,
        flags=_flags(picture["flags"]),
    )


def _frame(untrusted_frame: dict[str, Any]) -> FrameHashes:
    frame = FrameHashes.from_json(untrusted_frame)
    _number(frame.number, 1 << 32)
    _number(frame.quality, 100)
    if frame.stored is not None:
        _number(frame.stored_quality, 100)
    for hashes in (frame.dihedral, frame.dihedral if frame.stored is None else frame.stored):
        if len(hashes) != 8 or not all(_HASH.fullmatch(value) for value in hashes):
            raise ValueError("hashes")
    return frame


def _flags(untrusted_flags: Iterable[str]) -> tuple[str, ...]:
    return tuple(flag for flag in FLAGS if flag in set(untrusted_flags))


def _number(untrusted_value: object, most: int) -> int:
    # JSON's true is an int to Python
    if type(untrusted_value) is not int or not 0 <= untrusted_value <= most:
        raise ValueError("number")
    return untrusted_value


def _word(untrusted_value: str) -> str:
    if not _WORD.fullmatch(untrusted_value):
        raise ValueError("word")
    return untrusted_value


def _digests(untrusted_values: dict[str, Any] | None) -> Digests | None:
    if untrusted_values is None:
        return None
    digests = Digests(**untrusted_values)
    _number(digests.size, 1 << 63)
    for value, length in ((digests.md5, 32), (digests.sha1, 40), (digests.sha256, 64)):
        if not re.fullmatch(f"[0-9a-f]{{{length}}}", value):
            raise ValueError("digest")
    return digests


def _not_checked(
    code: str, untrusted_answer: dict[str, Any] | None = None, detail: str = ""
) -> NotChecked:
    message = REASONS[code] + (f" ({detail.rstrip('.')})" if detail else "")
    if untrusted_answer is None:
        return NotChecked(code=code, message=message)
    return NotChecked(
        code=code,
        message=message,
        kind=_word(untrusted_answer["kind"]),
        format=_word(untrusted_answer["format"]),
        digests=_digests(untrusted_answer["digests"]),
    )


def memory_file(data: bytes) -> int:
    """A file in memory that holds `data`; the caller closes the descriptor."""
    fd = os.memfd_create("safelight", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def hashes_or_error(examined: Examined) -> ImageHashes:
    """The hashes; raises CouldNotCheck for a picture that was not examined."""
    if isinstance(examined, NotChecked):
        raise CouldNotCheck(examined.code, examined.message)
    return examined
