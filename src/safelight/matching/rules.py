"""What hits mean. Pure: values in, values out.

The words: `known` is a cryptographic hash that is equal, or a PDQ hash that is equal and of enough
quality to say something; `similar` is a PDQ hash within the radius, or a video that is in part the
same; the worst of all hits is the verdict. A hash of low quality (a flat or featureless picture) is
near to everything and proves nothing, so it is compared for equality only, and equality alone makes
it `similar`; in videos such frames are left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from safelight.errors import BadInput
from safelight.model import (
    DEFAULT_MIN_QUALITY,
    DEFAULT_RADIUS,
    MAX_RADIUS,
    Algorithm,
    Answer,
    Container,
    Examined,
    FrameSampling,
    HashMode,
    ImageHashes,
    Match,
    NotChecked,
    Scene,
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

TURNS = {
    "identity": "as it is",
    "rot90": "turned by 90°",
    "rot180": "turned by 180°",
    "rot270": "turned by 270°",
    "flip_vertical": "flipped upside down",
    "flip_horizontal": "mirrored",
    "transpose": "mirrored and turned",
    "anti_transpose": "mirrored and turned",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchPolicy:
    """How near is near. `radius` in bits, 0 to 64; `min_quality` 0 to 100.

    A video matches where `video_percent` of its frames, or of those of the video on the list, are
    near the other's, or a scene of at least `scene_seconds` is.
    """

    radius: int
    min_quality: int
    video_percent: int = DEFAULT_VIDEO_PERCENT
    scene_seconds: float = DEFAULT_SCENE_SECONDS

    @classmethod
    def default(cls) -> "MatchPolicy":
        """What the exchanges recommend for PDQ."""
        return cls(radius=DEFAULT_RADIUS, min_quality=DEFAULT_MIN_QUALITY)

    def __post_init__(self) -> None:
        if not 0 <= self.radius <= MAX_RADIUS:
            raise BadInput(
                f"a radius of {self.radius} cannot be used: give 0 (equal) to {MAX_RADIUS};"
                " 31 is what the exchanges recommend."
            )
        if not 0 <= self.min_quality <= 100:
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


class Standing(Enum):
    """What a hit on a list is worth: it depends on the list."""

    COUNTS = "counts"
    OBSERVED = "observed"  # told, and no more: the list is in observe mode
    IGNORE = "ignore"  # the list holds files that are of no interest


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchList:
    """What matching knows of a list: what its hits are worth, and how near is near for it.

    A request may narrow `radius` and raise `min_quality`, and never the other way round.
    """

    name: str
    standing: Standing = Standing.COUNTS
    radius: int = DEFAULT_RADIUS
    min_quality: int = DEFAULT_MIN_QUALITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A match with what is needed to judge it: the lower quality of the two hashes, if known."""

    match: Match
    quality: int = 100
    standing: Standing = Standing.COUNTS


def best_per_entry(hits: Iterable[Hit]) -> list[Hit]:
    """Keep the nearest hit of each entry by each algorithm; digests first, then from nearest."""
    best: dict[tuple[str, int, Algorithm], Hit] = {}
    for hit in hits:
        key = (hit.match.list_name, hit.match.entry, hit.match.algorithm)
        if key not in best or _order(hit) < _order(best[key]):
            best[key] = hit
    return sorted(best.values(), key=_order)


def needs_exact(examined: Examined, hits: Sequence[Hit]) -> bool:
    """Tell whether a quick look may not stand.

    It may not where something is near, nor where the drift of a picture's hash is not bounded.
    """
    near = any(hit.match.algorithm in _PERCEPTUAL for hit in hits)
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


def judge(examined: Examined, hits: Sequence[Hit], policy: MatchPolicy) -> Answer:
    """Return the verdict about one file and every reason for it.

    1. An equal cryptographic hash is known, even where the picture could not be decoded.
    2. An equal PDQ hash of enough quality is known; one of low quality is similar.
    3. A PDQ hash within the radius is similar, and so is a video that is in part the same.
    4. A file that is byte for byte on a list of files to ignore, and known from no other list, is
       not similar to anything either.
    5. Otherwise a file that could not be examined is unreadable: unknown is not clean.

    Hits on lists in observe mode are told and have no part in this. A video without a frame that
    is good enough to compare gets the flag `nothing_compared`.
    """
    examined = _held_against(examined, policy)
    counting = [hit for hit in hits if hit.standing is Standing.COUNTS]
    known = any(_is_known(hit, policy) for hit in counting)
    ignored = [] if known else [hit for hit in hits if _is_to_ignore(hit)]
    reasons = [_reason(hit, policy) for hit in counting]
    if ignored:
        reasons = [_ignored(hit) for hit in ignored] + [f"ignored_near: {one}" for one in reasons]
        counting = []
    if counting:
        verdict = Verdict.KNOWN if known else Verdict.SIMILAR
    else:
        verdict = Verdict.UNREADABLE if isinstance(examined, NotChecked) else Verdict.NO_MATCH
    return Answer(
        verdict=verdict,
        reasons=(*reasons, *_limits(examined, policy)),
        matches=tuple(hit.match for hit in counting),
        observed=tuple(hit.match for hit in hits if hit.standing is Standing.OBSERVED),
        examined=examined,
    )


def _held_against(examined: Examined, policy: MatchPolicy) -> Examined:
    """What was examined, with the flag that only a policy can give."""
    if not isinstance(examined, VideoHashes):
        return examined
    if any(frame.quality >= policy.min_quality for frame in examined.frames):
        return examined
    return replace(examined, flags=(*examined.flags, "nothing_compared"))


def fully_checked(answer: Answer) -> bool:
    """Tell whether nothing about the file was left unexamined."""
    examined = answer.examined
    return not isinstance(examined, NotChecked | Skipped) and not PARTIAL.keys() & set(
        examined.flags
    )


_PERCEPTUAL = frozenset({Algorithm.PDQ, Algorithm.VPDQ})


def _is_known(hit: Hit, policy: MatchPolicy) -> bool:
    if hit.match.algorithm is Algorithm.PDQ:
        return hit.match.distance == 0 and hit.quality >= policy.min_quality
    return hit.match.algorithm is not Algorithm.VPDQ


def _is_to_ignore(hit: Hit) -> bool:
    return hit.standing is Standing.IGNORE and hit.match.algorithm not in _PERCEPTUAL


def _order(hit: Hit) -> tuple[bool, int, int, str, int, int]:
    """Digests, then from nearest; of equally near ones the hash that says more."""
    match = hit.match
    perceptual = match.algorithm in _PERCEPTUAL
    return (perceptual, match.distance, -hit.quality, match.list_name, match.entry, match.frame)


def _reason(hit: Hit, policy: MatchPolicy) -> str:
    match = hit.match
    where = f"entry {match.entry} of list {match.list_name}"
    if match.algorithm not in _PERCEPTUAL:
        return f"same_{match.algorithm}: byte for byte the file of {where}"
    turned = f", {TURNS[match.orientation]}" if match.orientation != "identity" else ""
    at = "" if match.time is None else f", at {clock(match.time)}"
    if match.video is not None:
        return _video_reason(match, match.video, f"{where}{turned}", policy)
    if hit.quality < policy.min_quality:
        return (
            f"same_pdq_low_quality: the PDQ hash is that of {where}{turned}{at}, but at quality"
            f" {hit.quality} it says little"
        )
    if match.distance == 0:
        return f"same_pdq: the PDQ hash is that of {where}{turned}{at}"
    return (
        f"near_pdq: {match.distance} of 256 bits from {where}{turned}{at} (radius {policy.radius})"
    )


def _video_reason(match: Match, video: VideoMatch, where: str, policy: MatchPolicy) -> str:
    if match.time is None:
        return (
            f"near_vpdq: {match.distance} of 256 bits from what the video of {where} shows at"
            f" {clock(video.scenes[0].list_start)} (radius {policy.radius})"
        )
    scenes = ", ".join(map(_scene, video.scenes[:_SCENES_TOLD]))
    more = len(video.scenes) - _SCENES_TOLD
    return (
        f"near_vpdq: {video.query_percent:g} % of the frames are in the video of {where}, and"
        f" {video.list_percent:g} % of its frames in this one; {scenes}"
        + (f", and {more} more" if more > 0 else "")
        + f" (radius {policy.radius})"
    )


_SCENES_TOLD = 3


def _scene(scene: Scene) -> str:
    here = f"{clock(scene.start)} to {clock(scene.end)}"
    return f"{here} is {clock(scene.list_start)} to {clock(scene.list_end)} there"


def clock(seconds: float) -> str:
    """Seconds as people read them on a player: 1:15, 2:00:07."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _ignored(hit: Hit) -> str:
    match = hit.match
    return (
        f"on_ignore_list: byte for byte the file of entry {match.entry} of list {match.list_name},"
        " whose files are not looked at further"
    )


def _limits(examined: Examined, policy: MatchPolicy) -> list[str]:
    """What the comparison could not cover."""
    if isinstance(examined, NotChecked):
        return [f"{examined.code}: {examined.message}"]
    if isinstance(examined, Skipped):
        return []
    out = [f"{flag}: {_partial(flag, examined)}" for flag in examined.flags if flag in PARTIAL]
    if not isinstance(examined, ImageHashes):
        return out
    low = [frame.quality for frame in examined.frames if frame.quality < policy.min_quality]
    if low:
        out.append(
            f"low_quality: PDQ quality {min(low)} is below {policy.min_quality}, compared for"
            " equality only"
        )
    return out


def _partial(flag: str, examined: ImageHashes | VideoHashes | Container) -> str:
    text = PARTIAL[flag]
    if isinstance(examined, VideoHashes):
        return text.replace("the picture", "the video")
    return text
