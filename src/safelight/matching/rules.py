"""What hits mean. Pure: values in, values out.

The words: `known` is a cryptographic hash that is equal, or a PDQ hash that is equal and of enough
quality to say something; `similar` is a PDQ hash within the radius; the worst of all hits is the
verdict. A hash of low quality (a flat or featureless picture) is near to everything and proves
nothing, so it is compared for equality only, and equality alone makes it `similar`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from safelight.errors import BadInput
from safelight.model import (
    DEFAULT_MIN_QUALITY,
    DEFAULT_RADIUS,
    MAX_RADIUS,
    Algorithm,
    Answer,
    Examined,
    HashMode,
    ImageHashes,
    Match,
    NotChecked,
    Verdict,
)

# Fast hashes of photographs of quality 80 and above are at most 10 bits from exact; of drawings
# with strong flat colours up to 16 were seen (docs/explanation/hashing.md). What is within 20 bits
# of the radius is examined again. 2 is the most the quality itself differs between the modes.
FAST_SLACK_BITS = 20
FAST_TRUSTED_QUALITY = 82

# Flags of a picture of which something was not looked at, and how a reason says so.
PARTIAL = {
    "truncated": "only the part of the picture that could be decoded was compared",
    "damaged": "the picture was decoded with errors, its hash may be off",
    "unusual_pixels": "the pixels are numbers of an unusual range, the hash may be off",
    "preview_only": "only the preview in the file was compared, not the picture it goes with",
    "more_pictures_missing": "a further picture that the file announces is missing or cut off",
    "trailing_data": "what the file holds behind the end of the picture was not looked at",
    "frames_capped": "the animation is so long that its end was not looked at",
}

_TURNS = {
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
    """How near is near. `radius` in bits, 0 to 64; `min_quality` 0 to 100."""

    radius: int
    min_quality: int

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A match with what is needed to judge it: the lower quality of the two hashes, if known."""

    match: Match
    quality: int = 100


def best_per_entry(hits: Iterable[Hit]) -> list[Hit]:
    """Keep the nearest hit of each entry by each algorithm; digests first, then from nearest."""
    best: dict[tuple[str, int, Algorithm], Hit] = {}
    for hit in hits:
        key = (hit.match.list_name, hit.match.entry, hit.match.algorithm)
        if key not in best or _order(hit) < _order(best[key]):
            best[key] = hit
    return sorted(best.values(), key=_order)


def needs_exact(examined: Examined, hits: Sequence[Hit]) -> bool:
    """Tell whether a fast hash may not stand: something is near, or its drift is not bounded."""
    if isinstance(examined, NotChecked) or examined.mode is HashMode.EXACT:
        return False
    if any(hit.match.algorithm is Algorithm.PDQ for hit in hits):
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
    3. A PDQ hash within the radius is similar.
    4. Otherwise a file that could not be examined is unreadable: unknown is not clean.
    """
    reasons = [_reason(hit, policy) for hit in hits] + _limits(examined, policy)
    if hits:
        known = any(_is_known(hit, policy) for hit in hits)
        verdict = Verdict.KNOWN if known else Verdict.SIMILAR
    else:
        verdict = Verdict.UNREADABLE if isinstance(examined, NotChecked) else Verdict.NO_MATCH
    return Answer(
        verdict=verdict,
        reasons=tuple(reasons),
        matches=tuple(hit.match for hit in hits),
        examined=examined,
    )


def fully_checked(answer: Answer) -> bool:
    """Tell whether nothing about the file was left unexamined."""
    examined = answer.examined
    return isinstance(examined, ImageHashes) and not PARTIAL.keys() & set(examined.flags)


def _is_known(hit: Hit, policy: MatchPolicy) -> bool:
    if hit.match.algorithm is not Algorithm.PDQ:
        return True
    return hit.match.distance == 0 and hit.quality >= policy.min_quality


def _order(hit: Hit) -> tuple[bool, int, int, str, int, int]:
    """Digests, then from nearest; of equally near ones the hash that says more."""
    match = hit.match
    is_pdq = match.algorithm is Algorithm.PDQ
    return (is_pdq, match.distance, -hit.quality, match.list_name, match.entry, match.frame)


def _reason(hit: Hit, policy: MatchPolicy) -> str:
    match = hit.match
    where = f"entry {match.entry} of list {match.list_name}"
    if match.algorithm is not Algorithm.PDQ:
        return f"same_{match.algorithm}: byte for byte the file of {where}"
    turned = f", {_TURNS[match.orientation]}" if match.orientation != "identity" else ""
    if hit.quality < policy.min_quality:
        return (
            f"same_pdq_low_quality: the PDQ hash is that of {where}{turned}, but at quality"
            f" {hit.quality} it says little"
        )
    if match.distance == 0:
        return f"same_pdq: the PDQ hash is that of {where}{turned}"
    return f"near_pdq: {match.distance} of 256 bits from {where}{turned} (radius {policy.radius})"


def _limits(examined: Examined, policy: MatchPolicy) -> list[str]:
    """What the comparison could not cover."""
    if isinstance(examined, NotChecked):
        return [f"{examined.code}: {examined.message}"]
    out = [f"{flag}: {PARTIAL[flag]}" for flag in examined.flags if flag in PARTIAL]
    low = [frame for frame in examined.frames if frame.quality < policy.min_quality]
    if low:
        out.append(
            f"low_quality: PDQ quality {min(frame.quality for frame in low)} is below"
            f" {policy.min_quality}, compared for equality only"
        )
    return out
