"""What hits mean. Pure: values in, values out.

The words: `known` is a cryptographic hash that is equal, or a PDQ hash that is equal and of enough
quality to say something; `similar` is a PDQ hash within the radius, or a video that is in part the
same; the worst of all hits is the verdict. A hash of low quality (a flat or featureless picture) is
near to everything and proves nothing, so it is compared for equality only, and equality alone makes
it `similar`; in videos such frames are left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from safelight.errors import BadInput
from safelight.matching import reasons
from safelight.model import (
    DEFAULT_MIN_QUALITY,
    DEFAULT_RADIUS,
    MAX_RADIUS,
    PERCEPTUAL,
    Algorithm,
    Answer,
    Container,
    Examined,
    FrameSampling,
    HashMode,
    ImageHashes,
    Match,
    NotChecked,
    Skipped,
    Verdict,
    VideoHashes,
    VideoMatch,
)

# Fast hashes of photographs of quality 80 and above are at most 10 bits from exact; of drawings
# with strong flat colours up to 16 were seen (docs/explanation/hashing.md). What is within 20 bits
# of the radius is examined again. 2 is the most the quality itself differs between the modes.
FAST_SLACK_BITS = 20
FAST_TRUSTED_QUALITY = 82

DEFAULT_VIDEO_PERCENT = 50
DEFAULT_SCENE_SECONDS = 5.0

# Flags of a file of which something was not looked at, and how a reason says so.
PARTIAL = {
    "truncated": "only the part of the picture that could be decoded was compared",
    "damaged": "the picture was decoded with errors, its hash may be off",
    "unusual_pixels": "the pixels are numbers of an unusual range, the hash may be off",
    "preview_only": "only the preview in the file was compared, not the picture it goes with",
    "more_pictures_missing": "a further picture that the file announces is missing or cut off",
    "frames_skipped": "not every page or frame was looked at",
    "trailing_data": "what the file holds behind the end of the picture was not looked at",
    "frames_capped": "the animation or video is so long that its end was not looked at",
    "key_frames_only": "of the video only the frames that stand alone in it were compared",
    "more_streams": "further videos or a cover picture in the same file were not looked at",
    "too_many_members": "there is so much in the file that not everything was looked at",
    "too_much_data": "what is in the file is so large that not everything was looked at",
    "too_deep": "files packed into files in it are nested too deep to be looked at",
    "members_missing": "something in the file could not be taken out of it to be looked at",
    "pictures_only": "of the document only its pictures were compared",
    "nothing_compared": "no frame of the video has enough quality, so none was compared",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """How near is near: at most `radius` bits, of hashes that both have `min_quality`."""

    radius: int = DEFAULT_RADIUS
    min_quality: int = DEFAULT_MIN_QUALITY


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchPolicy:
    """What a request asks. `radius` in bits, 0 to 64; `min_quality` 0 to 100; None: as lists say.

    Each list says how near is near for it; a request can only ask for less (`MatchList.within`).
    A video matches where `video_percent` of its frames, or of those of the video on the list, are
    near the other's, or a scene of at least `scene_seconds` is.
    """

    radius: int | None = None
    min_quality: int | None = None
    video_percent: int = DEFAULT_VIDEO_PERCENT
    scene_seconds: float = DEFAULT_SCENE_SECONDS

    def __post_init__(self) -> None:
        if self.radius is not None and not 0 <= self.radius <= MAX_RADIUS:
            raise BadInput(
                f"a radius of {self.radius} cannot be used: give 0 (equal) to {MAX_RADIUS};"
                " 31 is what the exchanges recommend."
            )
        if self.min_quality is not None and not 0 <= self.min_quality <= 100:
            raise BadInput(
                f"a minimum quality of {self.min_quality} cannot be used: give 0 to 100;"
                " 50 is what the exchanges recommend."
            )
        if not 1 <= self.video_percent <= 100:
            raise BadInput(
                f"{self.video_percent} percent of a video's frames cannot be used: give 1 to 100;"
                f" {DEFAULT_VIDEO_PERCENT} is the default."
            )
        if not 1 <= self.scene_seconds < float("inf"):
            raise BadInput(
                f"a scene of {self.scene_seconds} seconds cannot be used: give 1 or more;"
                f" {DEFAULT_SCENE_SECONDS:g} is the default."
            )


AS_LISTED = MatchPolicy()  # asks for nothing: every list as it says


class Standing(Enum):
    """What a hit on a list is worth: it depends on the list."""

    COUNTS = "counts"
    OBSERVED = "observed"  # told, and no more: the list, or the entry, is in observe mode
    IGNORE = "ignore"  # the list holds files that are of no interest


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchList:
    """What matching knows of a list: what its hits are worth, and how near is near for it.

    `confirmed`: people at its source looked at every entry. From the moment `until` on (seconds
    since 1970) it no longer counts; None: no end was agreed.
    """

    name: str
    standing: Standing = Standing.COUNTS
    confirmed: bool = False
    radius: int = DEFAULT_RADIUS
    min_quality: int = DEFAULT_MIN_QUALITY
    until: int | None = None

    def within(self, policy: MatchPolicy) -> Nearness:
        """How near is near for a request: it narrows what the list says, and never widens it."""
        radius, quality = policy.radius, policy.min_quality
        return Nearness(
            radius=self.radius if radius is None else min(self.radius, radius),
            min_quality=self.min_quality if quality is None else max(self.min_quality, quality),
        )


def not_widened(lists: Iterable[MatchList], policy: MatchPolicy) -> list[str]:
    """What to tell of lists that give less than the request asks for."""
    told = []
    for one in lists:
        if policy.radius is not None and policy.radius > one.radius:
            told.append(
                f"list {one.name} compares within {one.radius} bits, as it says; a request can ask"
                f" for fewer, not for {policy.radius}."
            )
        if policy.min_quality is not None and policy.min_quality < one.min_quality:
            told.append(
                f"list {one.name} compares hashes of quality {one.min_quality} and more, as it"
                f" says; a request can ask for more, not for {policy.min_quality}."
            )
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A match with what is needed to judge it.

    `quality` is the lower of the two hashes', if known; `near` what the list and the request agree
    on; `confirmed` that people at the list's source looked at what is on it; `stored` that it is
    one of a picture's pixels as they lie in the file, not of the upright ones. From the moment
    `until` on (seconds since 1970) the entry no longer counts.
    """

    match: Match
    quality: int = 100
    standing: Standing = Standing.COUNTS
    near: Nearness = Nearness()
    exact_only: bool = False
    confirmed: bool = False
    stored: bool = False
    until: int | None = None

    def is_one(self, *, slack: int = 0) -> bool:
        """Whether the two are equal, or so near, and say so much, that the list calls it a match.

        `slack` widens the radius, for hashes that may have drifted (fast mode).
        """
        match = self.match
        if match.distance == 0 and match.algorithm is not Algorithm.VPDQ:
            return True
        near = match.distance <= self.near.radius + slack
        return near and not self.exact_only and self.quality >= self.near.min_quality

    @property
    def is_known(self) -> bool:
        """Whether it makes the file known: equal, and by a hash that says something."""
        if self.match.algorithm is Algorithm.PDQ:
            return self.match.distance == 0 and self.quality >= self.near.min_quality
        return self.match.algorithm is not Algorithm.VPDQ

    @property
    def always_counts(self) -> bool:
        """Whether no list to ignore sets it aside: what is known, and all that people confirmed
        and that is equal, however little its hash says.
        """
        equal = self.match.distance == 0 and self.match.algorithm is not Algorithm.VPDQ
        return self.is_known or (self.confirmed and equal)


def current(hits: Iterable[Hit], now: datetime) -> list[Hit]:
    """The hits without those on lists and entries whose time was over at `now`."""
    second = now.timestamp()
    return [hit for hit in hits if hit.until is None or second < hit.until]


def best_per_entry(hits: Iterable[Hit]) -> list[Hit]:
    """Keep the nearest hit of each entry by each algorithm; digests first, then from nearest.

    Where an ignore list is near as well, the nearest of each frame: it explains only what it sees.
    """
    hits = list(hits)
    apart = any(_is_to_ignore(hit) and hit.match.algorithm in PERCEPTUAL for hit in hits)
    return _best(hits, apart=apart)


def _best(hits: Iterable[Hit], *, apart: bool) -> list[Hit]:
    best: dict[tuple[str, int, Algorithm, object], Hit] = {}
    for hit in hits:
        match = hit.match
        key = (match.list_name, match.entry, match.algorithm, _seen_in(hit) if apart else None)
        if key not in best or _order(hit) < _order(best[key]):
            best[key] = hit
    return sorted(best.values(), key=_order)


def _seen_in(hit: Hit) -> tuple[int, bool]:
    """Which of a file's hashes it is that hit."""
    return hit.match.frame, hit.stored


def _is_to_ignore(hit: Hit) -> bool:
    return hit.standing is Standing.IGNORE


def _order(hit: Hit) -> tuple[bool, int, int, str, int, int]:
    """Digests, then from nearest; of equally near ones the hash that says more."""
    match = hit.match
    perceptual = match.algorithm in PERCEPTUAL
    return (perceptual, match.distance, -hit.quality, match.list_name, match.entry, match.frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Hits by what they are worth for a verdict; of each entry the nearest."""

    counting: tuple[Hit, ...]
    observed: tuple[Hit, ...]
    suppressed: tuple[tuple[Hit, Hit], ...]  # each with what on an ignore list explains it
    ignoring: tuple[Hit, ...]  # on ignore lists


def weigh(hits: Sequence[Hit]) -> Weighed:
    """Tell what counts from what does not.

    A file that is known from any list is known, whatever is on a list to ignore. Else a hit does
    not count that such a list explains as well or better, unless it `always_counts`:

    - by an equal digest: then the very file is of no interest, and nothing about it counts;
    - a picture's by an entry that is as near or nearer, of the same frame;
    - a video's by a video that shares as much or more, in all of the scenes. One with a single
      picture by a digest only: which other frames are near that is not known.
    """
    counting = [hit for hit in hits if hit.standing is Standing.COUNTS]
    ignoring = _best(filter(_is_to_ignore, hits), apart=True)
    suppressed: list[tuple[Hit, Hit]] = []
    if not any(hit.is_known for hit in counting):
        explained = [
            (hit, None if hit.always_counts else _explanation(hit, ignoring)) for hit in counting
        ]
        suppressed = [(hit, by) for hit, by in explained if by is not None]
        counting = [hit for hit, by in explained if by is None]
    return Weighed(
        counting=tuple(_best(counting, apart=False)),
        observed=tuple(_best((h for h in hits if h.standing is Standing.OBSERVED), apart=False)),
        suppressed=tuple(suppressed),
        ignoring=tuple(_best(ignoring, apart=False)),
    )


def _explanation(hit: Hit, ignoring: Sequence[Hit]) -> Hit | None:
    """The hit on a list to ignore that explains this one as well or better; the best first."""
    return next((by for by in ignoring if _explains(by, hit)), None)


def _explains(by: Hit, hit: Hit) -> bool:
    if by.match.algorithm not in PERCEPTUAL:
        return True
    ours, theirs = by.match.video, hit.match.video
    if _seen_in(by) != _seen_in(hit) and hit.match.time is None:
        return False
    if ours is not None and theirs is not None:
        near = hit.match.time is not None or by.match.distance <= hit.match.distance
        return near and _covers(ours, theirs, is_video=hit.match.time is not None)
    is_picture = ours is None and theirs is None and hit.match.time is None
    return is_picture and by.match.distance <= hit.match.distance


def _covers(ours: VideoMatch, theirs: VideoMatch, *, is_video: bool) -> bool:
    """Whether one video shares all with a file that another shares with it."""
    if ours.query_percent < theirs.query_percent or ours.list_percent < theirs.list_percent:
        return False
    if not is_video:
        return ours.query_percent >= 100  # else which of the frames is not known
    return all(
        any(mine.start <= one.start and one.end <= mine.end for mine in ours.scenes)
        for one in theirs.scenes
    )


def needs_exact(examined: Examined, hits: Sequence[Hit]) -> bool:
    """Tell whether a quick look may not stand.

    It may not where something is near, nor where the drift of a picture's hash is not bounded.
    """
    near = any(hit.match.algorithm in PERCEPTUAL for hit in hits)
    if isinstance(examined, VideoHashes):
        return near and examined.sampling is FrameSampling.KEY_FRAMES
    if not isinstance(examined, ImageHashes) or examined.mode is HashMode.EXACT:
        return False
    if near:
        return True
    qualities = (
        quality
        for frame in examined.frames
        for quality in (frame.quality, frame.stored_quality)
        if quality is not None
    )
    return any(quality < FAST_TRUSTED_QUALITY for quality in qualities)


def judge(
    examined: Examined,
    hits: Sequence[Hit],
    policy: MatchPolicy,
    lists: Sequence[MatchList] = (),
) -> Answer:
    """Return the verdict about one file and every reason for it.

    `lists` are all that it was compared with; none: those that say what the exchanges recommend.

    1. An equal cryptographic hash is known, even where the picture could not be decoded.
    2. An equal PDQ hash of enough quality is known; one of low quality is similar.
    3. A PDQ hash within the radius is similar, and so is a video that is in part the same.
    4. A similar match that a list of files to ignore explains as well or better does not count
       (`weigh`), unless it is an equal hash of a list whose source confirmed it; where the file is
       known from any list, all its matches count.
    5. Otherwise a file that could not be examined is unreadable: unknown is not clean.

    Hits on lists and entries in observe mode are told and have no part in this. A video without a
    frame that is good enough for every list gets the flag `nothing_compared`.
    """
    asked = _qualities(lists or (MatchList(name=""),), policy)
    examined = _held_against(examined, asked)
    weighed = weigh(hits)
    if weighed.counting:
        known = any(hit.is_known for hit in weighed.counting)
        verdict = Verdict.KNOWN if known else Verdict.SIMILAR
    else:
        verdict = Verdict.UNREADABLE if isinstance(examined, NotChecked) else Verdict.NO_MATCH
    return Answer(
        verdict=verdict,
        reasons=(*_reasons(weighed), *_limits(examined, asked)),
        matches=tuple(replace(hit.match, known=hit.is_known) for hit in weighed.counting),
        observed=tuple(hit.match for hit in weighed.observed),
        suppressed=tuple(hit.match for hit, _ in weighed.suppressed),
        examined=examined,
    )


def _reasons(weighed: Weighed) -> Iterator[str]:
    yield from map(reason_of, weighed.counting)
    if not any(hit.is_known for hit in weighed.counting):
        files = (hit for hit in weighed.ignoring if hit.match.algorithm not in PERCEPTUAL)
        yield from (reasons.on_ignore_list(hit.match) for hit in files)
    for hit, by in weighed.suppressed:
        yield ignored_reason(hit, by)


def ignored_reason(hit: Hit, by: Hit) -> str:
    """Why a hit does not count that another explains."""
    return f"ignored_near: {reason_of(hit)}; {reasons.explained(by.match)}"


def reason_of(hit: Hit) -> str:
    """What makes the hit one, for a reader."""
    return reasons.why(
        hit.match,
        hit.quality,
        radius=hit.near.radius,
        min_quality=hit.near.min_quality,
        exact_only=hit.exact_only,
    )


def _qualities(lists: Sequence[MatchList], policy: MatchPolicy) -> dict[str, int]:
    """The lowest quality that each list compares; those to ignore only where there is no other."""
    some = [one for one in lists if one.standing is not Standing.IGNORE] or lists
    return {one.name: one.within(policy).min_quality for one in some}


def _held_against(examined: Examined, asked: Mapping[str, int]) -> Examined:
    """What was examined, with the flag that only the lists can give."""
    if not isinstance(examined, VideoHashes):
        return examined
    if any(frame.quality >= max(asked.values()) for frame in examined.frames):
        return examined
    return replace(examined, flags=(*examined.flags, "nothing_compared"))


def fully_checked(answer: Answer) -> bool:
    """Tell whether nothing about the file was left unexamined."""
    examined = answer.examined
    return not isinstance(examined, NotChecked | Skipped) and not PARTIAL.keys() & set(
        examined.flags
    )


def _limits(examined: Examined, asked: Mapping[str, int]) -> list[str]:
    """What the comparison could not cover."""
    if isinstance(examined, NotChecked):
        return [f"{examined.code}: {examined.message}"]
    if isinstance(examined, Skipped):
        return []
    out = [f"{flag}: {_partial(flag, examined)}" for flag in examined.flags if flag in PARTIAL]
    if not isinstance(examined, ImageHashes):
        return out
    worst = min(frame.quality for frame in examined.frames)
    return out + _low_quality(worst, asked)


def _low_quality(quality: int, asked: Mapping[str, int]) -> list[str]:
    """That a picture says too little for some lists, or for all."""
    names = [name for name, least in asked.items() if quality < least]
    if not names:
        return []
    some = "" if len(names) == len(asked) else f" with {', '.join(names)}"
    least = min(asked[name] for name in names)
    text = f"low_quality: PDQ quality {quality} is below {least}, compared for equality only{some}"
    return [text]


def _partial(flag: str, examined: ImageHashes | VideoHashes | Container) -> str:
    text = PARTIAL[flag]
    if isinstance(examined, VideoHashes):
        return text.replace("the picture", "the video")
    return text
