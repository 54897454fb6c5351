"""One file, from its descriptor to its hashes: the parent's side of it.

The work itself is `examine_child`, named by a string and loaded only where it is done: decoders and
NumPy are no business of a parent, which starts sooner without them.
"""

import os
import re
import stat
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from safelight.decode.rules import FLAGS, REASONS, DecodeLimits
from safelight.errors import CouldNotCheck
from safelight.model import Digests, Examined, FrameHashes, HashMode, ImageHashes, NotChecked
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool
from safelight.settings import Settings

# Digesting is allowed a second for so many bytes on top of the limits for decoding.
_SLOWEST_BYTES_PER_SECOND = 20_000_000

DIGESTS_ONLY = "digests"  # in place of a mode

_CHILD = "safelight.examine_child"


def make_pool(settings: Settings, *, children: int) -> ChildPool:
    """A pool of decoding children under the limits of the settings; nothing is started yet."""
    limits = Limits(
        memory_mb=settings.decode_memory_mb,
        cpu_seconds=settings.decode_seconds,
        wall_seconds=settings.decode_seconds + 5.0,
    )
    return ChildPool(f"{_CHILD}:work", children=children, limits=limits)


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
        request = request_for(mode, self._limits)
        try:
            return parse_answer(self._ask(fd, request, found.st_size), mode)
        except ChildFailed as exc:
            return self._without_picture(fd, found.st_size, exc)

    def _ask(self, fd: int, request: dict[str, Any], size: int) -> dict[str, Any]:
        if self._pool is not None:
            return self._pool.run(fd, request, more_seconds=size / _SLOWEST_BYTES_PER_SECOND)
        try:
            answer: dict[str, Any] = import_module(_CHILD).work(fd, request)
            return answer
        except MemoryError as exc:
            raise ChildFailed("out_of_memory", "There is not enough memory.") from exc

    def _without_picture(self, fd: int, size: int, failure: ChildFailed) -> NotChecked:
        request = request_for(DIGESTS_ONLY, self._limits)
        try:
            answer = self._ask(fd, request, size)
            return _not_checked(failure.code, answer, str(failure))
        except (ChildFailed, *_NONSENSE):
            return _not_checked(failure.code, None, str(failure))


def request_for(mode: str, limits: DecodeLimits) -> dict[str, Any]:
    """What a child is asked: a HashMode, or DIGESTS_ONLY."""
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
