"""The values that cross from one stage to the next, each defined once.

Hashes are lower-case hexadecimal text here, as every exchange writes them (PhotoDNA alone in
base64), and bytes in the database. A PDQ hash is 64 hexadecimal digits; the first digit holds the
first four of the 256 bits.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntFlag, StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # arrays are named here and made elsewhere: the model costs no NumPy
    import numpy as np
    import numpy.typing as npt

# The eight ways a picture can be turned and mirrored, in the order the reference `pdqhash` gives.
ORIENTATIONS = (
    "identity",
    "rot90",  # turned a quarter, counter-clockwise
    "rot180",
    "rot270",
    "flip_vertical",  # top and bottom exchanged
    "flip_horizontal",  # left and right exchanged
    "transpose",
    "anti_transpose",
)

PDQ_BITS = 256
PDQ_BYTES = 32
DEFAULT_RADIUS = 31
DEFAULT_MIN_QUALITY = 50
MAX_RADIUS = 64


class Algorithm(StrEnum):
    """A hash algorithm a list entry can be of."""

    PDQ = "pdq"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    VPDQ = "vpdq"  # a video; its value is that of video_value(), its frames are beside it
    PHOTODNA = "photodna"  # opaque: never computed here, and matched only where it is equal

    @property
    def size(self) -> int:
        """The length of one hash, in bytes."""
        sizes = {"pdq": 32, "md5": 16, "sha1": 20, "sha256": 32, "vpdq": 32, "photodna": 144}
        return sizes[self.value]

    def text(self, value: bytes) -> str:
        """A hash as exchanges write it."""
        return b64encode(value).decode() if self is Algorithm.PHOTODNA else value.hex()


FILE_DIGESTS = (Algorithm.SHA256, Algorithm.SHA1, Algorithm.MD5)  # of a file's bytes; surest first
PERCEPTUAL = frozenset({Algorithm.PDQ, Algorithm.VPDQ})  # may be near without being equal


class HashMode(StrEnum):
    """How the pixels for a perceptual hash were obtained.

    `exact`: full RGB decode, bit for bit what the reference `pdqhash` gives.
    `fast`: luma only and scaled, for screening; at most 10 bits from exact at quality 80 and above.
    """

    EXACT = "exact"
    FAST = "fast"


class FrameSampling(StrEnum):
    """Which frames of a video are hashed.

    `second`: one a second, as vPDQ does. `key_frames`: those that stand alone in the stream, for
    triage. `none`: no video is decoded.
    """

    SECOND = "second"
    KEY_FRAMES = "key_frames"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How far a file is looked into.

    `mode` is that of pictures; those inside a container are always hashed exactly. `archives`: the
    members of archives, mails and documents are items of their own.
    """

    mode: HashMode = HashMode.EXACT
    video: FrameSampling = FrameSampling.SECOND
    archives: bool = False

    def exact(self) -> Depth:
        """The same file looked at again where a quick look is not enough."""
        quick = self.video is FrameSampling.KEY_FRAMES
        return Depth(
            mode=HashMode.EXACT,
            video=FrameSampling.SECOND if quick else self.video,
            archives=False,
        )

    def to_json(self) -> dict[str, Any]:
        """The depth as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Depth:
        """The depth that `to_json` gave; ValueError or TypeError if it is not one."""
        return cls(
            mode=HashMode(data["mode"]),
            video=FrameSampling(data["video"]),
            archives=bool(data["archives"]),
        )


class Verdict(StrEnum):
    """The machine's answer about one file. It never says that something is illegal, or clean.

    `skipped`: the file was left out, as asked, because it is already graded; nothing was decoded.
    """

    KNOWN = "known"
    SIMILAR = "similar"
    NO_MATCH = "no_match"
    UNREADABLE = "unreadable"
    SKIPPED = "skipped"


FOUND = frozenset({Verdict.KNOWN, Verdict.SIMILAR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Cryptographic digests of a file's bytes, hexadecimal."""

    md5: str
    sha1: str
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHashes:
    """The PDQ hashes of one frame; a still picture has one frame, number 0.

    `time` is that of a video's frame, in seconds from its beginning. `dihedral` holds the hash
    of the upright frame and of its turned and mirrored forms, in the order of ORIENTATIONS.
    `stored` is the same of the pixels as they lie in the file, given only where an EXIF
    orientation or transparency makes them differ: other tools hash those. `stored_quality` is
    the quality of `stored`; it can be far from `quality`, as where the drawing is all in the
    transparency and the colours under it are one flat black.
    """

    number: int
    quality: int  # 0 to 100
    dihedral: tuple[str, ...]
    stored: tuple[str, ...] | None = None
    stored_quality: int | None = None  # 0 to 100; None where `stored` is
    time: float | None = None  # None: not a video's

    @property
    def pdq(self) -> str:
        """The hash of the upright frame."""
        return self.dihedral[0]

    def to_json(self) -> dict[str, Any]:
        """The frame as plain JSON values."""
        out: dict[str, Any] = {
            "frame": self.number,
            "pdq": self.pdq,
            "pdq_quality": self.quality,
            "dihedral": list(self.dihedral),
        }
        if self.stored is not None:
            out["stored_dihedral"] = list(self.stored)
            out["stored_quality"] = self.stored_quality
        if self.time is not None:
            out["time"] = self.time
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FrameHashes:
        """The frame from what `to_json` gave."""
        stored = data.get("stored_dihedral")
        return cls(
            number=data["frame"],
            quality=data["pdq_quality"],
            dihedral=tuple(data["dihedral"]),
            stored=None if stored is None else tuple(stored),
            stored_quality=None if stored is None else data["stored_quality"],
            time=data.get("time"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHashes:
    """Everything hashed from one picture file.

    `width` and `height` are those of the upright picture, in pixels. An animated picture, or one of
    several pages, has up to 16 frames. `flags` may hold `truncated` (only part of the file could
    be decoded), `damaged` (the decoder complained and went on), `animated`, `pages` (several
    pictures in one file), `unusual_pixels`, `preview_only`, `trailing_data` (a file behind the
    picture), `more_pictures_missing` (some of them are not there), `frames_capped`,
    `frames_skipped` (not every page or frame was looked at), `turned` (an EXIF orientation was
    applied) and `transparent`; decode/rules.py explains each.
    """

    digests: Digests
    format: str  # jpeg, png, gif, webp, tiff, bmp, heif, avif
    width: int
    height: int
    mode: HashMode
    frames: tuple[FrameHashes, ...]
    flags: tuple[str, ...] = ()

    kind = "image"

    @property
    def pdq(self) -> str:
        """PDQ of the first frame, 64 hexadecimal digits."""
        return self.frames[0].pdq

    @property
    def pdq_quality(self) -> int:
        """Quality of the first frame, 0 to 100; below 50 a hash says little."""
        return self.frames[0].quality

    @property
    def dihedral(self) -> list[str]:
        """PDQ of the first frame in the eight orientations, in the order of ORIENTATIONS."""
        return list(self.frames[0].dihedral)

    @property
    def md5(self) -> str:
        """MD5 of the file's bytes."""
        return self.digests.md5

    @property
    def sha1(self) -> str:
        """SHA-1 of the file's bytes."""
        return self.digests.sha1

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes."""
        return self.digests.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoHashes:
    """Everything hashed from one video file; its sound is never decoded.

    `width` and `height` are those of the frames as they are stored, in pixels. `duration` is in
    seconds, None where the file does not tell and its end was not reached. `flags` may hold what
    those of pictures hold, and `key_frames_only` (other frames were not looked at) and
    `frames_capped` (so many frames that the end was not looked at).
    """

    digests: Digests
    format: str  # mp4, matroska, avi, mpegts, …
    width: int
    height: int
    duration: float | None
    sampling: FrameSampling
    frames: tuple[FrameHashes, ...]
    flags: tuple[str, ...] = ()

    kind = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A file that was opened to look at what is in it; each member is an item of its own.

    `members` counts those directly inside. `flags` says why some were not reached.
    """

    digests: Digests
    kind: str  # archive, mail, document
    format: str
    members: int
    flags: tuple[str, ...] = ()


# What lies inside of what, and how it came out: `row` is one of a table, `picture` of a document.
MEMBER_KINDS = ("archive_member", "compressed", "message", "attachment", "picture", "row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One step of a derivation: where in its container an item lies."""

    name: bytes  # as the container has it; need not be text
    kind: str  # one of MEMBER_KINDS
    modified: str = ""  # as the container gives it; empty where it gives none


@dataclass(frozen=True, slots=True, kw_only=True)
class NotChecked:
    """A file whose picture could not be examined, and why.

    `digests` is None where even the bytes could not be read.
    """

    code: str  # stable: empty, not_a_picture, unknown_format, too_large, damaged, crashed, …
    message: str  # for people: what happened and what to do
    kind: str = "other"  # image, video, audio, archive, document, text, other
    format: str = "unknown"
    digests: Digests | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What an earlier file says of a file by its digest; empty where it does not say."""

    file: str  # its name
    verdict: str = ""  # of an earlier scan
    their_class: str = ""  # the class a source gives it

    def to_json(self) -> dict[str, str]:
        """The grade as rows write it."""
        told = {"file": self.file, "verdict": self.verdict, "class": self.their_class}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was left out because it is already graded: digested, and not decoded."""

    digests: Digests
    kind: str
    format: str
    grade: Grade


Examined = ImageHashes | VideoHashes | Container | NotChecked | Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing found in a file: the file itself (no members), or what lies inside, and how.

    `facts` is what a data set tells beside: of a row of a table its other columns, of a sidecar
    what is written in it; None for what tells nothing.
    """

    members: tuple[Member, ...] = ()  # from the outermost container inwards
    examined: Examined
    facts: Mapping[str, str] | None = None


class EntryFlag(IntFlag):
    """What sets an entry apart in matching."""

    OBSERVED = 1  # told and counted, and no verdict hangs on it
    EXACT_ONLY = 2  # near to too much: matches only where it is equal


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryArrays:
    """Entries of one algorithm, for matching; row i is entry ids[i] of list lists[i].

    `qualities` are 0 to 100, negative where the list does not tell. `classes` are positions in
    `class_names`: what the source calls the kind of thing it is. Of a video (VPDQ) there is one row
    for every frame, whose value is the frame's PDQ hash; `times` are then those of the frames.
    `flags` are sums of EntryFlag; from the moment `until` on an entry no longer counts.
    """

    algorithm: Algorithm
    ids: npt.NDArray[np.int64]  # [n]
    lists: npt.NDArray[np.int32]  # [n], position among the lists asked for
    values: npt.NDArray[np.uint8]  # [n, algorithm.size]
    qualities: npt.NDArray[np.int16]  # [n]
    classes: npt.NDArray[np.int32] | None = None  # [n]; None: no class is known of any
    class_names: tuple[str, ...] = ("",)
    times: npt.NDArray[np.int32] | None = None  # [n], milliseconds; None: not of videos
    flags: npt.NDArray[np.uint8] | None = None  # [n]; None: no entry has any
    until: npt.NDArray[np.int64] | None = None  # [n], seconds since 1970; None: no entry ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A stretch of a video that matches a stretch of a video on a list; seconds from the start."""

    start: float
    end: float
    list_start: float
    list_end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoMatch:
    """How much of two videos is the same, as vPDQ defines it, and where.

    `query_percent` is the share of the examined frames of enough quality that are near one of the
    entry's; `list_percent` the share of the entry's that are near one of the examined.
    """

    query_percent: float
    list_percent: float
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One entry of one hash list that a file matched.

    `distance` is in bits (0 for cryptographic hashes); `orientation` is one of ORIENTATIONS, the
    one of the examined picture that matched; `frame` is its frame number and `time`, in a video,
    its time in seconds. `their_class` is the class the source gives the entry, empty if none.
    `video` is there where the entry is a video. `known` says that this match alone makes the file
    known, `flood` that the entry suddenly matches far more than it did before: a person must look
    before anything is done on this match.
    """

    list_name: str
    entry: int
    algorithm: Algorithm
    distance: int
    orientation: str = "identity"
    frame: int = 0
    time: float | None = None
    their_class: str = ""
    video: VideoMatch | None = None
    known: bool = False
    flood: bool = False

    def to_json(self) -> dict[str, Any]:
        """The match as the CLI and API write it."""
        out: dict[str, Any] = {
            "list": self.list_name,
            "entry": self.entry,
            "class": self.their_class,
            "algorithm": self.algorithm.value,
            "distance": self.distance,
            "orientation": self.orientation,
            "frame": self.frame,
        }
        if self.time is not None:
            out["time"] = self.time
        if self.video is not None:
            out |= asdict(self.video)
        if self.flood:
            out["flood"] = True
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The verdict about one file, with every reason for it.

    `observed` are matches with lists and entries in observe mode: they have no part in the verdict,
    nor have `suppressed` ones, which a list of files to ignore explains as well or better.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    matches: tuple[Match, ...] = ()
    observed: tuple[Match, ...] = ()
    suppressed: tuple[Match, ...] = ()
    examined: Examined


class History(NamedTuple):
    """How often an entry matched in the last days, by days in UTC.

    `days` before today on which it matched, the `greatest` number of one of them, and what it is
    `today` so far.
    """

    days: int
    greatest: int
    today: int


class VideoFrame(NamedTuple):
    """One frame of a video on a list. A named tuple: a list has millions of them."""

    milliseconds: int  # from the video's beginning
    quality: int  # 0 to 100
    value: bytes  # PDQ, 32 bytes


def video_value(frames: Sequence[VideoFrame]) -> bytes:
    """What stands for a video on a list: SHA-256 of its frames, each as time, quality, hash.

    Time is 8 bytes, big-endian, quality one.
    """
    digest = sha256()
    for frame in frames:
        digest.update(frame.milliseconds.to_bytes(8, "big"))
        digest.update(frame.quality.to_bytes(1, "big"))
        digest.update(frame.value)
    return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnswer:
    """The verdict about one item of a file.

    `inside` counts the items in a container by their verdicts, and those checked in part.
    """

    members: tuple[Member, ...] = ()
    answer: Answer
    facts: Mapping[str, str] | None = None
    inside: dict[str, Any] | None = None


class HashRow(NamedTuple):
    """One hash read from a hash file. A named tuple: files have millions of them."""

    line: int  # of the file, from 1
    algorithm: Algorithm
    value: bytes  # algorithm.size bytes
    quality: int | None = None  # 0 to 100; None where the file gives none
    their_id: str = ""  # what the source calls it; empty where the file gives none
    their_class: str = ""
    guessed: bool = False  # the file does not name the algorithm; 64 digits were taken for PDQ
    mode: HashMode | None = None  # of a PDQ hash; None where the file does not say
    frames: tuple[VideoFrame, ...] = ()  # of a video (VPDQ), in order of time


class RejectedRow(NamedTuple):
    """One row of a hash file that no hash could be read from."""

    line: int
    reason: str
    text: str  # the beginning of the row
