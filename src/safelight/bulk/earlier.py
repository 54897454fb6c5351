"""Rows that an earlier scan wrote, and what the hashes in them match now. No media is touched.

A row holds the digests of its file (earlier versions wrote SHA-256 alone) and, of a picture, the
PDQ hash of the first frame, upright. Its turned and mirrored forms, further frames and those of
videos are not in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any

from safelight.bulk.rows import is_skipped
from safelight.matching.rules import Hit, MatchPolicy, current, judge
from safelight.matching.step import Matcher
from safelight.model import (
    FILE_DIGESTS,
    FOUND,
    Algorithm,
    Answer,
    Digests,
    Examined,
    FrameHashes,
    HashMode,
    ImageHashes,
    NotChecked,
)

Row = dict[str, Any]


class Comparable(Enum):
    """How much of its item a row can still be compared by."""

    WHOLE = "whole"  # all that a scan compares of it, but for turned forms and further frames
    IN_PART = "in_part"  # the row lacks a digest, or a hash of what the item shows
    NOTHING = "nothing"


def comparable_by(row: Row, digests: Sequence[Algorithm]) -> Comparable:
    """What is kept of an item in its row, for lists that hold these digests."""
    if not any(row.get(one) for one in FILE_DIGESTS) and not row.get("pdq"):
        return Comparable.NOTHING
    shows = row.get("pdq") is not None or "members" in row
    whole = shows and not is_skipped(row) and not digests_not_in(row, digests)
    return Comparable.WHOLE if whole else Comparable.IN_PART


def digests_not_in(row: Row, digests: Sequence[Algorithm]) -> list[Algorithm]:
    """Those of the digests that the row does not hold."""
    return [one for one in digests if not row.get(one)]


def new_matches(
    row: Row,
    matcher: Matcher,
    policy: MatchPolicy,
    *,
    now: datetime,
) -> Answer | None:
    """What the hashes in the row match that it does not tell yet; None if there is nothing."""
    told = {(match["list"], match["entry"]) for match in row["matches"]}
    hits = [
        hit
        for hit in current(_hits(row, matcher, policy), now)
        if (hit.match.list_name, hit.match.entry) not in told
    ]
    answer = judge(_examined(row), hits, policy, matcher.lists)
    return answer if answer.verdict in FOUND else None


def rematched_row(row: Row, answer: Answer, source: Mapping[str, Any]) -> Row:
    """The row again, with what matches now and did not; `rematch_of` says where it stood.

    It is not fully checked: the media was not seen again.
    """
    new = {
        **row,
        "verdict": answer.verdict.value,
        "fully_checked": False,
        "reasons": list(answer.reasons),
        "matches": [match.to_json() for match in answer.matches],
    }
    for name, matches in (("observed", answer.observed), ("suppressed", answer.suppressed)):
        new.pop(name, None)
        if matches:
            new[name] = [match.to_json() for match in matches]
    return {**new, "rematch_of": {**source, "verdict": row["verdict"]}}


def _hits(row: Row, matcher: Matcher, policy: MatchPolicy) -> list[Hit]:
    hits = [
        hit
        for one in FILE_DIGESTS
        if row.get(one)
        for hit in matcher.hash_hits(one, bytes.fromhex(row[one]), policy)
    ]
    if row.get("pdq"):
        quality = int(row["pdq_quality"])
        found = matcher.hash_hits(Algorithm.PDQ, bytes.fromhex(row["pdq"]), policy)
        hits += [hit for one in found if (hit := _of_quality(one, quality)).is_one()]
    return hits


def _of_quality(hit: Hit, quality: int) -> Hit:
    return replace(hit, quality=min(hit.quality, quality))


def _examined(row: Row) -> Examined:
    """What the scan examined, as far as the row tells."""
    digests = _digests(row)
    if not row.get("pdq") or digests is None:
        code, message = "not_kept", "the row holds no hash of what the file shows."
        return NotChecked(
            code=row.get("code", code),
            message=message,
            kind=row["kind"],
            format=row["format"],
            digests=digests,
        )
    quality = int(row["pdq_quality"])
    return ImageHashes(
        digests=digests,
        format=row["format"],
        width=0,
        height=0,
        mode=HashMode(row.get("mode", HashMode.EXACT)),
        frames=(FrameHashes(number=0, quality=quality, dihedral=(row["pdq"],)),),
        flags=_flags(row.get("flags", ())),
    )


def _flags(flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, flags))


def _digests(row: Row) -> Digests | None:
    if not row.get("sha256"):
        return None
    return Digests(
        md5=row.get("md5") or "", sha1=row.get("sha1") or "", sha256=row["sha256"], size=0
    )
