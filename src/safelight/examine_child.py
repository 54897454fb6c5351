"""One file, from its descriptor to the hashes of every item in it: the work of a child process.

Loads the decoders and NumPy, which `examine`, the parent's side, does without. What the answers
look like stands in `examine_answers`, which reads them.
"""

import os
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict
from typing import Any

from safelight.connectors.sidecars import LARGEST_SIDECAR, sidecar_facts, suffix_of
from safelight.decode import video
from safelight.decode.picture import open_picture, prepare_child, samples
from safelight.decode.pixels import Frame, Picture, Pixels, Video, turned
from safelight.errors import CouldNotCheck
from safelight.examine import (
    DIGESTS_ONLY,
    ExamineLimits,
    memory_file,
    request_for,
)
from safelight.examine_answers import ALIVE_BYTES, GRADED, pack_frame, pack_member
from safelight.hashing.digests import Digester
from safelight.hashing.perceptual import Perceptual, hash_pixels
from safelight.matching.graded_heads import is_graded
from safelight.model import Depth, FrameHashes, FrameSampling, HashMode
from safelight.source import Source, open_source
from safelight.unpack import walk as unpack

Answer = dict[str, Any]
Answers = Generator[Answer, None, Answer]

_ALIVE: Answer = {"alive": True}

_FRAMES_AT_ONCE = 128  # of a video, in one message
_LONGEST_SILENCE = 1.0  # seconds: each message gives a child that is at work its time anew

_self_test_files: dict[str, int] = {}


def prepare() -> None:
    """Load all that decoding needs, and try it, while files may still be opened."""
    prepare_child()
    video.prepare()
    unpack.prepare()
    for name, data in (samples() | video.samples()).items():
        _self_test_files[name] = memory_file(data)
    self_test(close=False)


def self_test(*, close: bool = True) -> None:
    """Decode a tiny file of every format. Raises RuntimeError, naming the file, when one fails."""
    for name, fd in _self_test_files.items():
        answer = last_of(work(fd, request_for(Depth(), ExamineLimits())))
        if "picture" not in answer and "video" not in answer:
            raise RuntimeError(f"the sample {name} cannot be decoded ({answer.get('detail')})")
        if close:
            os.close(fd)


def last_of(answers: Answers) -> Answer:
    """The last of a child's answers."""
    while True:
        try:
            next(answers)
        except StopIteration as stop:
            last: Answer = stop.value
            return last


def work(fd: int, request: dict[str, Any]) -> Answers:
    """Digest the file and hash what it is, or every item in it. Raises MemoryError only.

    Yields `begin`, then `item`, for every member of a container, each with its number; before a
    video is answered, its `frames`; and `alive` where digesting takes long. The answer about an
    item has `digests`, `kind`, `format`, and one of `picture`, `video`, `container`, or `code` and
    `detail`. Of text from the file it holds the names of members, and where the request has `carry`
    the `facts` that a data set's sidecar tells.
    """
    try:
        source = open_source(fd)
    except OSError as exc:
        nothing: Answer = {"digests": None, "kind": "other", "format": "unknown"}
        return {**nothing, "code": "read_error", "detail": type(exc).__name__}
    try:
        opened = request["archives"] and unpack.is_container(source.sniffed)
    except OSError:
        opened = False
    if not opened:
        return (yield from examine_source(source, request))
    limits = ExamineLimits.from_json(request["limits"])
    for item in unpack.walk(source, limits.unpack, start=request["start"]):
        if not item.chain:
            return (yield from _answer(item, request))
        place = {"members": [pack_member(member) for member in item.chain]}
        yield {"begin": item.number, **place}
        answer = yield from _answer(item, for_member(request, item.number))
        yield {"item": answer, "number": item.number, **place, **_told(item, request)}
    raise AssertionError("the container itself comes last")


def for_member(request: dict[str, Any], number: int) -> dict[str, Any]:
    """The request for a member: pictures exactly, and in full the video that is looked at again."""
    again = request["in_full"] and number == request["start"]
    video = FrameSampling.SECOND if again else request["video"]
    return {**request, "mode": HashMode.EXACT, "video": video}


def _told(item: unpack.Item, request: dict[str, Any]) -> dict[str, Any]:
    """The facts in a sidecar, where they are asked for and it can be read as one."""
    carry, source = request.get("carry"), item.source
    name = item.chain[-1].name
    if carry is None or source is None or item.code is not None or not suffix_of(name):
        return {}
    try:
        if source.size > LARGEST_SIDECAR:
            return {}
        facts = sidecar_facts(name, source.whole, carry)
    except (CouldNotCheck, OSError):
        return {}
    return {} if facts is None else {"facts": facts}


def _answer(item: unpack.Item, request: dict[str, Any]) -> Answers:
    """The answer about a member, or about a container after its members."""
    about: Answer = {"digests": None, "kind": item.kind, "format": item.format}
    failed = request["failed"] if item.number == request["start"] else None
    if item.source is None:
        return {**about, "code": item.code, "detail": ""}
    if item.code is None and item.container is None and failed is None:
        return (yield from examine_source(item.source, request))
    answer = yield from _digested(item.source)
    answer = {**answer, "kind": item.kind, "format": item.format}
    if "code" in answer:
        return answer
    if item.container is None or failed is not None:
        return {**answer, "code": failed or item.code, "detail": ""}
    facts = {"members": item.container.members, "flags": list(item.container.flags)}
    return {**answer, "container": facts}


def examine_source(source: Source, request: dict[str, Any]) -> Answers:
    """The answer about bytes that are one thing, whatever is in it."""
    answer = yield from _digested(source)
    if "code" in answer or request["mode"] == DIGESTS_ONLY:
        return answer
    if any(is_graded(heads, answer["digests"]) for heads in request["also"]):
        return {**answer, GRADED: True}
    try:
        if source.sniffed.may_be_video:
            return {**answer, **(yield from _video(source, request))}
        limits = ExamineLimits.from_json(request["limits"])
        picture = open_picture(source, limits.decode, fast=request["mode"] == HashMode.FAST)
        return {**answer, "picture": _hash_picture(picture)}
    except CouldNotCheck as exc:
        return {**answer, "code": exc.code, "detail": ""}
    except MemoryError:
        raise
    except Exception as exc:  # noqa: BLE001  decoders raise nearly every class there is
        return {**answer, "code": "damaged", "detail": type(exc).__name__}


def _digested(source: Source) -> Answers:
    """Digests, kind and format of the bytes, or the code of what keeps them from being read."""
    answer: Answer = {"digests": None, "kind": "other", "format": "unknown"}
    digester, told = Digester(), 0
    try:
        for chunk in source.chunks():
            digester.update(chunk)
            if digester.size - told >= ALIVE_BYTES:
                told = digester.size
                yield _ALIVE
        answer["digests"] = asdict(digester.digests())
        answer["kind"], answer["format"] = source.sniffed.kind, source.sniffed.format
    except CouldNotCheck as exc:
        return {**answer, "code": exc.code, "detail": ""}
    except OSError as exc:
        return {**answer, "code": "read_error", "detail": type(exc).__name__}
    return answer


def _video(source: Source, request: dict[str, Any]) -> Answers:
    """Send the hashes of the frames, and then answer about the video."""
    limits = ExamineLimits.from_json(request["limits"])
    opened = video.open_video(source, limits.video, FrameSampling(request["video"]))
    count = 0
    try:
        for frames in _some_at_once(_hash_frame(frame) for frame in opened.frames):
            count += len(frames)
            yield {"frames": [pack_frame(frame) for frame in frames]}
    except CouldNotCheck:
        if not count:
            raise
        opened.flags.add("damaged")  # the frames up to there are good
    return {"video": _video_facts(opened, count)}


def _video_facts(opened: Video, count: int) -> Answer:
    return {
        "format": opened.format,
        "width": opened.width,
        "height": opened.height,
        "duration": opened.duration,
        "frames": count,
        "flags": sorted(opened.flags),
    }


def _some_at_once(frames: Iterator[FrameHashes]) -> Iterator[list[FrameHashes]]:
    """The frames in lists; those before a failure are given before it is raised."""
    some: list[FrameHashes] = []
    since = time.monotonic()
    try:
        for frame in frames:
            some.append(frame)
            if len(some) == _FRAMES_AT_ONCE or time.monotonic() - since > _LONGEST_SILENCE:
                yield some
                some, since = [], time.monotonic()
    except CouldNotCheck:
        if some:
            yield some
        raise
    if some:
        yield some


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
        time=frame.time,
    )


def _hash(frame: Frame, pixels: Pixels, orientation: int) -> Perceptual:
    sideways = orientation >= 5
    return hash_pixels(
        turned(pixels, orientation),
        width=frame.height if sideways else frame.width,
        height=frame.width if sideways else frame.height,
        eighths=frame.eighths,
    )
