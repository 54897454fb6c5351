"""What a child answers about a file, read as what it is: the words of a process that may be lying.

Whatever is not of the form that an honest child gives is refused with ChildFailed.
"""

import base64
import itertools
import math
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Any

from safelight.decode.rules import FLAGS, MOST_FRAMES, REASONS
from safelight.model import (
    MEMBER_KINDS,
    Container,
    Depth,
    Digests,
    Examined,
    FrameHashes,
    FrameSampling,
    Grade,
    HashMode,
    ImageHashes,
    Member,
    NotChecked,
    Skipped,
    VideoHashes,
)
from safelight.sandbox.pool import ChildFailed

NONSENSE = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
GRADED = "graded"  # in an answer: the item was left out
LONGEST_NAME = 4096  # bytes of a member's name
MOST_VIDEO_FRAMES = 1_000_000
ALIVE_BYTES = 256 << 20  # digesting so much is a while; a sign of life starts the limits anew
_SPARE_ALIVE = 8  # signs of life beyond those that the bytes account for: files may grow
_DEEPEST = 32
_DIHEDRAL_BYTES = 8 * 32
_WORD = re.compile(r"[A-Za-z0-9_]{0,40}")
_HASH = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9A-Za-z:+. -]{0,40}")
_CONTAINER_KINDS = ("archive", "mail", "document")


def parse_answer(
    untrusted_answer: dict[str, Any], depth: Depth, frames: Sequence[FrameHashes] = ()
) -> Examined:
    """What a child answered about an item; `frames` are those it sent before, of a video.

    Raises ChildFailed for what no honest child answers.
    """
    try:
        if "picture" in untrusted_answer:
            return _image_hashes(untrusted_answer, depth.mode)
        if "video" in untrusted_answer:
            return _video_hashes(untrusted_answer, depth.video, tuple(frames))
        if "container" in untrusted_answer:
            return _container(untrusted_answer)
        detail = _word(untrusted_answer["detail"])
        return not_checked(untrusted_answer["code"], untrusted_answer, detail)
    except NONSENSE as exc:
        raise ChildFailed("crashed", "A decoding process gave a senseless answer.") from exc


def parse_skipped(
    untrusted_answer: dict[str, Any], grade_of: Callable[[Digests], Grade | None]
) -> Skipped:
    """An item that a child did not decode since it is already graded, if that is so."""
    try:
        digests = _all_digests(untrusted_answer)
        grade = grade_of(digests)
        if grade is None:
            raise ValueError("not graded")
        kind, form = _word(untrusted_answer["kind"]), _word(untrusted_answer["format"])
        return Skipped(digests=digests, kind=kind, format=form, grade=grade)
    except NONSENSE as exc:
        raise ChildFailed("crashed", "A decoding process gave a senseless answer.") from exc


def check_alive(count: int, size: int) -> None:
    """Raise ChildFailed for more signs of life than it takes to digest so many bytes."""
    if count > size // ALIVE_BYTES + _SPARE_ALIVE:
        raise ChildFailed("timed_out", "A decoding process gave signs of life and no answer.")


def last_believed(
    untrusted_answers: Generator[dict[str, Any], None, dict[str, Any]], size: int
) -> dict[str, Any]:
    """The last answer of a child that digests so many bytes. Raises ChildFailed without one."""
    with closing(untrusted_answers):
        for count in itertools.count(1):
            try:
                next(untrusted_answers)
            except StopIteration as stop:
                return dict(stop.value)
            check_alive(count, size)
    raise AssertionError("counting has no end")


def parse_frames(untrusted_frames: list[Any]) -> list[FrameHashes]:
    """Frames of a video as a child packs them: number, time, quality, eight hashes in Base64."""
    try:
        return [_video_frame(*frame) for frame in untrusted_frames]
    except NONSENSE as exc:
        raise ChildFailed("crashed", "A decoding process gave a senseless answer.") from exc


def pack_frame(frame: FrameHashes) -> list[Any]:
    """A frame of a video for `parse_frames`."""
    hashes = bytes.fromhex("".join(frame.dihedral))
    return [frame.number, frame.time, frame.quality, base64.b64encode(hashes).decode()]


def parse_members(untrusted_members: list[Any]) -> tuple[Member, ...]:
    """Where an item lies, as a child says."""
    try:
        if not 1 <= len(untrusted_members) <= _DEEPEST:
            raise ValueError("depth")
        return tuple(_member(*member) for member in untrusted_members)
    except NONSENSE as exc:
        raise ChildFailed("crashed", "A decoding process gave a senseless answer.") from exc


def pack_member(member: Member) -> list[str]:
    """A member for `parse_members`; of a name beyond all measure only the beginning."""
    name = base64.b64encode(member.name[:LONGEST_NAME]).decode()
    modified = member.modified if _TIME.fullmatch(member.modified) else ""
    return [name, member.kind, modified]


def parse_number(untrusted_value: object, most: int) -> int:
    """A whole number from 0 to `most`; ValueError for anything else."""
    # JSON's true is an int to Python
    if type(untrusted_value) is not int or not 0 <= untrusted_value <= most:
        raise ValueError("number")
    return untrusted_value


def not_checked(
    code: str, untrusted_answer: dict[str, Any] | None = None, detail: str = ""
) -> NotChecked:
    """The result of an item that was not examined."""
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


def _image_hashes(untrusted_answer: dict[str, Any], mode: HashMode) -> ImageHashes:
    picture = untrusted_answer["picture"]
    frames = tuple(_frame(frame) for frame in picture["frames"])
    if not 1 <= len(frames) <= MOST_FRAMES + 1:  # a HEIF's primary picture may be one more
        raise ValueError("number of frames")
    return ImageHashes(
        digests=_all_digests(untrusted_answer),
        format=_word(picture["format"]),
        width=parse_number(picture["width"], 1 << 32),
        height=parse_number(picture["height"], 1 << 32),
        mode=mode,
        frames=frames,
        flags=_flags(picture["flags"]),
    )


def _video_hashes(
    untrusted_answer: dict[str, Any], sampling: FrameSampling, frames: tuple[FrameHashes, ...]
) -> VideoHashes:
    video = untrusted_answer["video"]
    if len(frames) != parse_number(video["frames"], MOST_VIDEO_FRAMES):
        raise ValueError("number of frames")
    duration = video["duration"]
    return VideoHashes(
        digests=_all_digests(untrusted_answer),
        format=_word(video["format"]),
        width=parse_number(video["width"], 1 << 32),
        height=parse_number(video["height"], 1 << 32),
        duration=None if duration is None else _seconds(duration),
        sampling=sampling,
        frames=frames,
        flags=_flags(video["flags"]),
    )


def _container(untrusted_answer: dict[str, Any]) -> Container:
    container = untrusted_answer["container"]
    kind = _word(untrusted_answer["kind"])
    if kind not in _CONTAINER_KINDS:
        raise ValueError("kind")
    return Container(
        digests=_all_digests(untrusted_answer),
        kind=kind,
        format=_word(untrusted_answer["format"]),
        members=parse_number(container["members"], 1 << 53),
        flags=_flags(container["flags"]),
    )


def _member(untrusted_name: str, untrusted_kind: str, untrusted_modified: str) -> Member:
    if untrusted_kind not in MEMBER_KINDS:
        raise ValueError("kind")
    if not _TIME.fullmatch(untrusted_modified):
        raise ValueError("time")
    name = base64.b64decode(untrusted_name, validate=True)
    return Member(name=name, kind=untrusted_kind, modified=untrusted_modified)


def _frame(untrusted_frame: dict[str, Any]) -> FrameHashes:
    frame = FrameHashes.from_json(untrusted_frame)
    parse_number(frame.number, 1 << 32)
    parse_number(frame.quality, 100)
    if frame.time is not None:
        raise ValueError("time")
    if frame.stored is not None:
        parse_number(frame.stored_quality, 100)
    for hashes in (frame.dihedral, frame.dihedral if frame.stored is None else frame.stored):
        if len(hashes) != 8 or not all(_HASH.fullmatch(value) for value in hashes):
            raise ValueError("hashes")
    return frame


def _video_frame(number: object, time: object, quality: object, hashes: str) -> FrameHashes:
    values = base64.b64decode(hashes, validate=True)
    if len(values) != _DIHEDRAL_BYTES:
        raise ValueError("hashes")
    text = values.hex()
    return FrameHashes(
        number=parse_number(number, 1 << 40),
        quality=parse_number(quality, 100),
        dihedral=tuple(text[at : at + 64] for at in range(0, len(text), 64)),
        time=_seconds(time),
    )


def _seconds(untrusted_value: object) -> float:
    if type(untrusted_value) not in (int, float):
        raise ValueError("time")
    seconds = float(untrusted_value)  # type: ignore[arg-type]
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("time")
    return seconds


def _flags(untrusted_flags: Iterable[str]) -> tuple[str, ...]:
    return tuple(flag for flag in FLAGS if flag in set(untrusted_flags))


def _word(untrusted_value: str) -> str:
    if not _WORD.fullmatch(untrusted_value):
        raise ValueError("word")
    return untrusted_value


def _all_digests(untrusted_answer: dict[str, Any]) -> Digests:
    digests = _digests(untrusted_answer["digests"])
    if digests is None:
        raise ValueError("no digests")
    return digests


def _digests(untrusted_values: dict[str, Any] | None) -> Digests | None:
    if untrusted_values is None:
        return None
    digests = Digests(**untrusted_values)
    parse_number(digests.size, 1 << 63)
    for value, length in ((digests.md5, 32), (digests.sha1, 40), (digests.sha256, 64)):
        if not re.fullmatch(f"[0-9a-f]{{{length}}}", value):
            raise ValueError("digest")
    return digests
