"""One file, from its descriptor to the hashes of every item in it: the parent's side of it.

The work itself is `examine_child`, named by a string and loaded only where it is done: decoders and
NumPy are no business of a parent, which starts sooner without them.
"""

import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from safelight.connectors.facts import check_facts
from safelight.decode.rules import DecodeLimits
from safelight.decode.video_rules import VideoLimits
from safelight.errors import CouldNotCheck
from safelight.examine_answers import (
    GRADED,
    MOST_VIDEO_FRAMES,
    NONSENSE,
    check_alive,
    last_believed,
    not_checked,
    parse_answer,
    parse_frames,
    parse_members,
    parse_number,
    parse_skipped,
)
from safelight.files import write_all
from safelight.model import (
    Depth,
    Examined,
    FrameHashes,
    FrameSampling,
    ImageHashes,
    Item,
    Member,
    NotChecked,
    VideoHashes,
)
from safelight.sandbox.far import FarFile
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool
from safelight.settings import Settings
from safelight.unpack.rules import UnpackLimits

if TYPE_CHECKING:  # it brings NumPy, which hashing alone does without
    from safelight.matching.graded import Graded

# Digesting is allowed a second for so many bytes on top of the limits for decoding.
_SLOWEST_BYTES_PER_SECOND = 20_000_000

# A file whose members end so many children is made to do that.
MOST_CRASHES = 20

# Each video in a file that is looked at again costs a child and the way to it: after so many, all
# further ones are looked at in full at once.
MOST_LOOKS = 20

DIGESTS_ONLY = "digests"  # in place of a mode

_CHILD = "safelight.examine_child"
PARQUET_CHILD = "safelight.examine_parquet_child"


def make_pool(settings: Settings, *, children: int, child: str = _CHILD) -> ChildPool:
    """A pool of decoding children under the limits of the settings; nothing is started yet.

    `child` is the module whose `work` they do.
    """
    limits = Limits(
        memory_mb=settings.decode_memory_mb,
        cpu_seconds=settings.decode_seconds,
        wall_seconds=settings.decode_seconds + 5.0,
    )
    return ChildPool(f"{child}:work", children=children, limits=limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineLimits:
    """How large a thing is decoded or unpacked."""

    decode: DecodeLimits = field(default_factory=DecodeLimits)
    video: VideoLimits = field(default_factory=VideoLimits)
    unpack: UnpackLimits = field(default_factory=UnpackLimits)

    def to_json(self) -> dict[str, Any]:
        """The limits as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ExamineLimits":
        """The limits that `to_json` gave."""
        return cls(
            decode=DecodeLimits(**data["decode"]),
            video=VideoLimits(**data["video"]),
            unpack=UnpackLimits(**data["unpack"]),
        )


def examine_limits(settings: Settings) -> ExamineLimits:
    """What the settings say about the largest picture, video and container."""
    return ExamineLimits(
        decode=DecodeLimits(max_pixels=settings.max_pixels, max_bytes=settings.max_image_bytes),
        video=VideoLimits(max_pixels=settings.max_pixels, max_frames=settings.video_frames),
        unpack=UnpackLimits(
            max_depth=settings.archive_depth,
            max_members=settings.archive_members,
            max_member_bytes=settings.archive_member_mb << 20,
            max_total_bytes=settings.archive_total_gb << 30,
        ),
    )


class Examiner:
    """Examines files in the children of a pool, or with `pool=None` in this very process.

    Without children there is no protection from a file made to attack a decoder: only for files of
    one's own. Safe to use from many threads.
    """

    def __init__(
        self,
        pool: ChildPool | None,
        limits: ExamineLimits | None = None,
        graded: "Graded | None" = None,
        *,
        carry: Sequence[str] | None = None,
    ) -> None:
        """`graded`: what is not to be decoded, since it is already graded.

        `carry`: of data sets, give the facts of these names; of none, the telling ones.
        """
        self._pool = pool
        self._limits = limits or ExamineLimits()
        self._graded = graded
        self._more = {} if carry is None else {"carry": list(carry)}

    def examine(self, fd: int | FarFile, depth: Depth | None = None) -> Examined:
        """Hash the open file `fd` itself, not what is in it; see `walk`."""
        depth = depth or Depth()
        *_, last = self.walk(fd, Depth(mode=depth.mode, video=depth.video, archives=False))
        return last.examined

    def walk(
        self,
        fd: int | FarFile,
        depth: Depth,
        *,
        in_full: Callable[[Examined], bool] | None = None,
    ) -> Iterator[Item]:
        """Hash every item of the open file `fd`, the file itself last; its position may be moved.

        A failure is a value: NotChecked. A file or member whose decoding crashes, hangs or eats
        memory still gets its digests, so that it is found by them. Raises SandboxUnavailable when
        children cannot be started.

        `in_full` is asked about every video in the file of which key frames alone were hashed:
        whether it is to be looked at again, one frame a second, before it is given.
        """
        size = _size_of(fd)
        if size is None:
            yield Item(examined=not_checked("not_a_file"))
            return
        more = self._limits.unpack.max_total_bytes
        walk = _Walk(depth, size, size + more, self._graded, in_full)
        while True:
            request = request_for(depth, self._limits) | self._more | walk.resumption()
            try:
                last = yield from walk.read(self._stream(fd, request, size))
                break
            except _LookAgain:
                continue
            except ChildFailed as exc:
                yield from walk.fail(exc)
                if walk.is_over:
                    last = self._without_picture(fd, size, exc)
                    break
        yield Item(examined=last)

    def _stream(
        self, fd: int | FarFile, request: dict[str, Any], size: int
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        if isinstance(fd, FarFile):
            with fd.descriptor() as near:
                return (yield from self._stream(near, request, size))
        return (yield from self._stream_of(fd, request, size))

    def _stream_of(
        self, fd: int, request: dict[str, Any], size: int
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        also = () if self._graded is None else (self._graded.heads,)
        if self._pool is not None:
            more = size / _SLOWEST_BYTES_PER_SECOND
            return self._pool.stream(fd, request, more_seconds=more, also=also)
        return _in_this_process(fd, request | {"also": also})

    def _without_picture(self, fd: int | FarFile, size: int, failure: ChildFailed) -> NotChecked:
        request = request_for(Depth(), self._limits) | {"mode": DIGESTS_ONLY}
        try:
            answer = last_believed(self._stream(fd, request, size), size)
            return not_checked(failure.code, answer, str(failure))
        except (ChildFailed, *NONSENSE):
            return not_checked(failure.code, None, str(failure))


def _size_of(fd: int | FarFile) -> int | None:
    """The size in bytes; None for what is no file."""
    if isinstance(fd, FarFile):
        return fd.size
    found = os.fstat(fd)
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _in_this_process(
    fd: int, request: dict[str, Any]
) -> Generator[dict[str, Any], None, dict[str, Any]]:
    try:
        last: dict[str, Any] = yield from import_module(_CHILD).work(fd, request)
    except MemoryError as exc:
        raise ChildFailed("out_of_memory", "There is not enough memory.") from exc
    return last


class _LookAgain(Exception):
    """The walk is to be taken up again at the member that came last, which is wanted in full."""


@dataclass(slots=True)
class _Begun:
    """The member that the child said it would now examine."""

    number: int
    members: tuple[Member, ...]


@dataclass(slots=True)
class _Walk:
    """How far the walk through one file has come, over the children that it takes."""

    depth: Depth
    size: int  # bytes of the file
    member_size: int  # the most that one item in it may have
    graded: "Graded | None" = None
    in_full: Callable[[Examined], bool] | None = None
    begun: _Begun | None = None
    _start: int = 0  # the number of the next member wanted
    _failed: ChildFailed | None = None  # what happened to member _start, which is to be digested
    _full: int = -1  # the number of the member that is looked at in full
    _looks: int = 0  # members looked at again
    _crashes: int = 0
    _alive: int = 0  # signs of life since the last item
    _frames: list[FrameHashes] = field(default_factory=list)

    def resumption(self) -> dict[str, Any]:
        """The part of the request that says where to go on."""
        self.begun, self._frames, self._alive = None, [], 0
        failed = None if self._failed is None else self._failed.code
        return {
            "video": self.depth.video.value,
            "start": self._start,
            "failed": failed,
            "in_full": self._full == self._start,
        }

    def read(
        self, untrusted_answers: Generator[dict[str, Any], None, dict[str, Any]]
    ) -> Generator[Item, None, Examined]:
        """Yield the members as they come; return what the child says of the file itself."""
        with closing(untrusted_answers):  # a child nobody listens to keeps no place in the pool
            while True:
                try:
                    untrusted_part = next(untrusted_answers)
                except StopIteration as stop:
                    return self._examined(stop.value, self.depth)
                item = self._take(untrusted_part)
                if item is None:
                    continue
                if self._is_wanted_in_full(item.examined):
                    self._look_again()
                yield item

    def _look_again(self) -> NoReturn:
        self._full = self._start = self._start - 1
        self._looks += 1
        if self._looks == MOST_LOOKS:
            self.depth = replace(self.depth, video=FrameSampling.SECOND)
        raise _LookAgain

    def _is_wanted_in_full(self, examined: Examined) -> bool:
        if not isinstance(examined, VideoHashes) or self.in_full is None:
            return False
        return examined.sampling is FrameSampling.KEY_FRAMES and self.in_full(examined)

    def _take(self, untrusted_part: dict[str, Any]) -> Item | None:
        """An item when it is whole. Raises ChildFailed for what no honest child says."""
        try:
            if "frames" in untrusted_part:
                self._take_frames(untrusted_part["frames"])
            elif "begin" in untrusted_part:
                self._begin(untrusted_part)
            elif "item" in untrusted_part:
                return self._item(untrusted_part)
            else:
                self._take_sign_of_life()
        except NONSENSE as exc:
            raise ChildFailed("crashed", "A decoding process gave a senseless answer.") from exc
        return None

    def _take_frames(self, untrusted_frames: list[Any]) -> None:
        frames = parse_frames(untrusted_frames)
        if not frames or len(self._frames) + len(frames) > MOST_VIDEO_FRAMES:
            raise ValueError("number of frames")
        self._frames += frames

    def _begin(self, untrusted_part: dict[str, Any]) -> None:
        if self.begun is not None:
            raise ValueError("begun")
        number = self._number(untrusted_part["begin"])
        self.begun = _Begun(number, parse_members(untrusted_part["members"]))

    def _take_sign_of_life(self) -> None:
        self._alive += 1
        check_alive(self._alive, self.size if self.begun is None else self.member_size)

    def _number(self, untrusted_number: object) -> int:
        """The number of a member; none comes twice, so that every walk has an end."""
        number = parse_number(untrusted_number, 1 << 53)
        if number < self._start:
            raise ValueError("number")
        return number

    def _item(self, untrusted_part: dict[str, Any]) -> Item:
        number = self._number(untrusted_part["number"])
        members = parse_members(untrusted_part["members"])
        video = FrameSampling.SECOND if number == self._full else self.depth.video
        depth = Depth(video=video)  # members are always hashed exactly
        examined = self._examined(untrusted_part["item"], depth)
        self._start, self._failed = number + 1, None
        self.begun, self._frames, self._alive = None, [], 0
        untrusted_facts = untrusted_part.get("facts")
        facts = None if untrusted_facts is None else check_facts(untrusted_facts)
        return Item(members=members, examined=examined, facts=facts)

    def _examined(self, untrusted_answer: dict[str, Any], depth: Depth) -> Examined:
        """What is said of an item; that it was left out is held against what is graded."""
        if self.graded is None or GRADED not in untrusted_answer:
            return parse_answer(untrusted_answer, depth, self._frames)
        return parse_skipped(untrusted_answer, self.graded.grade_of)

    def fail(self, failure: ChildFailed) -> Iterator[Item]:
        """If a member ended the child, have it digested alone, or go past it if that failed too."""
        if self.begun is None:
            return
        self._crashes += 1
        if self._failed is None and not self.is_over:
            self._start, self._failed = self.begun.number, failure
            return
        code = (self._failed or failure).code
        yield Item(members=self.begun.members, examined=not_checked(code))
        self._start, self._failed = self.begun.number + 1, None

    @property
    def is_over(self) -> bool:
        """Whether, after a failure, there is no going on."""
        return self.begun is None or self._crashes >= MOST_CRASHES


def request_for(depth: Depth, limits: ExamineLimits) -> dict[str, Any]:
    """What a child is asked."""
    return {
        **depth.to_json(),
        "limits": limits.to_json(),
        "start": 0,
        "failed": None,
        "in_full": False,
        "also": (),
    }


def memory_file(data: bytes) -> int:
    """A file in memory that holds `data`; the caller closes the descriptor."""
    fd = os.memfd_create("safelight", os.MFD_CLOEXEC)
    write_all(fd, data)
    return fd


def hashes_or_error(examined: Examined) -> ImageHashes:
    """The hashes; raises CouldNotCheck for what is no picture or was not examined."""
    if isinstance(examined, NotChecked):
        raise CouldNotCheck(examined.code, examined.message)
    if not isinstance(examined, ImageHashes):
        raise CouldNotCheck("not_a_picture", not_checked("not_a_picture").message)
    return examined
