"""A scan's result rows: one JSON object per file, one file per line."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from safelight.bulk.inside import all_checked
from safelight.bulk.stamp import Stamp
from safelight.matching.rules import PARTIAL, fully_checked
from safelight.model import (
    Answer,
    Container,
    Digests,
    Examined,
    ImageHashes,
    Item,
    Member,
    NotChecked,
    Skipped,
    Verdict,
    VideoHashes,
)

ALREADY_GRADED = "already_graded"


def path_fields(path: bytes) -> dict[str, str]:
    """`path`, and `path_b64` where the name is not UTF-8 and `path` therefore only resembles it."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {
            "path": path.decode("utf-8", "replace"),
            "path_b64": base64.b64encode(path).decode("ascii"),
        }


def path_of(row: dict[str, Any]) -> bytes:
    """The path in bytes that `path_fields` wrote."""
    if "path_b64" in row:
        return base64.b64decode(row["path_b64"])
    path: str = row["path"]
    return path.encode("utf-8")


def derivation_fields(members: Sequence[Member]) -> dict[str, Any]:
    """`derivation`: where in the file the item lies, step by step; nothing for the file itself."""
    return {"derivation": [_step(member) for member in members]} if members else {}


def _step(member: Member) -> dict[str, str]:
    name = path_fields(member.name)
    step = {"kind": member.kind, "name": name["path"]}
    if "path_b64" in name:
        step["name_b64"] = name["path_b64"]
    if member.modified:
        step["modified"] = member.modified
    return step


def is_member(row: dict[str, Any]) -> bool:
    """Whether the row is about something inside the file that its path names."""
    return "derivation" in row


def scan_row(
    path: bytes,
    answer: Answer,
    members: Sequence[Member] = (),
    more: Mapping[str, Any] | None = None,
    inside: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The row of one item, as documented in docs/reference/scan-results.md.

    A container is fully checked when all that lies in it, counted in `inside`, is.

    `more` is what is told of the item from elsewhere (an exhibit, a manifest), and stands last.
    """
    examined = answer.examined
    row: dict[str, Any] = {
        **path_fields(path),
        **derivation_fields(members),
        **_digest_fields(examined.digests),
        "kind": examined.kind,
        "format": examined.format,
        "verdict": answer.verdict.value,
        "fully_checked": fully_checked(answer) and all_checked(inside),
        "reasons": list(answer.reasons),
        "matches": [match.to_json() for match in answer.matches],
        "pdq": None,
        "pdq_quality": None,
    }
    if answer.observed:
        row["observed"] = [match.to_json() for match in answer.observed]
    if answer.suppressed:
        row["suppressed"] = [match.to_json() for match in answer.suppressed]
    if inside is not None:
        row["inside"] = inside
    return row | _facts(examined) | dict(more or {})


def _digest_fields(digests: Digests | None) -> dict[str, str | None]:
    """The digests of the bytes; null where those could not be read."""
    return {name: getattr(digests, name, None) for name in ("md5", "sha1", "sha256")}


def _facts(examined: Examined) -> dict[str, Any]:
    """What is told of one kind of item and not of others."""
    if isinstance(examined, NotChecked):
        return {"code": examined.code}
    if isinstance(examined, Skipped):
        return {"skipped": ALREADY_GRADED, "earlier": examined.grade.to_json()}
    flags = {"flags": list(examined.flags)}
    if isinstance(examined, Container):
        return {"members": examined.members, **flags}
    if isinstance(examined, VideoHashes):
        return {
            "duration": examined.duration,
            "video": examined.sampling.value,
            "frames": len(examined.frames),
            **flags,
        }
    pdq = {"pdq": examined.pdq, "pdq_quality": examined.pdq_quality}
    return {**pdq, "mode": examined.mode.value, **flags}


def exhibit_fields(exhibit: str, answer: Answer, stamp: Stamp | None) -> dict[str, Any]:
    """What a row tells of an exhibit's item, for those it is handed on to.

    `exhibit`, `size`, and `times` of what is a file.
    """
    digests = answer.examined.digests
    told: dict[str, Any] = {"size": digests.size if digests else None}
    if stamp is not None:
        told = stamp.to_json()
    return {"exhibit": exhibit, **told}


def hash_row(path: bytes, item: Item) -> dict[str, Any]:
    """The row `safelight hash` writes for one item."""
    examined = item.examined
    digests = examined.digests
    row: dict[str, Any] = {**path_fields(path), **derivation_fields(item.members)}
    row |= {**_digest_fields(digests), "kind": examined.kind, "format": examined.format}
    if isinstance(examined, ImageHashes):
        return row | _image_fields(examined)
    row |= dict.fromkeys(("width", "height", "pdq", "pdq_quality", "dihedral"))
    if isinstance(examined, NotChecked):
        return row | {"error": {"code": examined.code, "message": examined.message}}
    if isinstance(examined, VideoHashes):
        row |= {"width": examined.width, "height": examined.height}
        frames = [frame.to_json() for frame in examined.frames]
        return row | _facts(examined) | {"frames": frames}
    return row | _facts(examined)


def _image_fields(examined: ImageHashes) -> dict[str, Any]:
    row: dict[str, Any] = {
        "width": examined.width,
        "height": examined.height,
        "pdq": examined.pdq,
        "pdq_quality": examined.pdq_quality,
        "dihedral": examined.dihedral,
        "mode": examined.mode.value,
        "flags": list(examined.flags),
    }
    if len(examined.frames) > 1:
        row["frames"] = [frame.to_json() for frame in examined.frames]
    elif examined.frames[0].stored is not None:
        row["stored_dihedral"] = list(examined.frames[0].stored)
        row["stored_quality"] = examined.frames[0].stored_quality
    return row


def is_skipped(row: dict[str, Any]) -> bool:
    """Whether the row is about something that was left out, as asked."""
    return bool(row["verdict"] == Verdict.SKIPPED)


def is_unchecked(row: dict[str, Any]) -> bool:
    """Whether something of the item itself was not examined; what lies in it has its own rows."""
    if is_skipped(row):
        return False
    return "code" in row or any(flag in PARTIAL for flag in row.get("flags", ()))


@dataclass(slots=True)
class Tally:
    """Counts over rows; what a scan's summary and exit code are made from."""

    verdicts: Counter[str] = field(default_factory=Counter)
    not_checked: Counter[str] = field(default_factory=Counter)  # by code
    in_part: Counter[str] = field(default_factory=Counter)  # by flag
    partly_checked: int = 0
    observed: int = 0  # items that match lists in observe mode, whatever their verdict
    suppressed: int = 0  # items of which a list to ignore explains a near match
    files: int = 0  # items inside of files are not among them

    def add(self, row: dict[str, Any]) -> None:
        """Count one row."""
        self.verdicts[row["verdict"]] += 1
        self.files += not is_member(row)
        self.observed += bool(row.get("observed"))
        self.suppressed += bool(row.get("suppressed"))
        if "code" in row:
            self.not_checked[row["code"]] += 1
        elif is_unchecked(row):
            self.partly_checked += 1
            self.in_part.update(flag for flag in row.get("flags", ()) if flag in PARTIAL)

    def absorb(self, other: "Tally") -> None:
        """Count what the other has counted as well."""
        self.verdicts += other.verdicts
        self.not_checked += other.not_checked
        self.in_part += other.in_part
        self.partly_checked += other.partly_checked
        self.observed += other.observed
        self.suppressed += other.suppressed
        self.files += other.files

    @property
    def members(self) -> int:
        """Items inside of files counted so far."""
        return self.verdicts.total() - self.files

    @property
    def found(self) -> int:
        """Items that are known or similar."""
        return self.verdicts[Verdict.KNOWN] + self.verdicts[Verdict.SIMILAR]

    @property
    def skipped(self) -> int:
        """Items left out because they are already graded."""
        return self.verdicts[Verdict.SKIPPED]

    @property
    def unchecked(self) -> int:
        """Items of which something was not examined."""
        return self.not_checked.total() + self.partly_checked

    @property
    def exit_code(self) -> int:
        """1: found; 0: nothing found and everything checked; 2: not everything checked."""
        if self.found:
            return 1
        return 2 if self.unchecked else 0

    def to_json(self) -> dict[str, Any]:
        """The counts as plain JSON values."""
        return {
            "files": self.files,
            "members": self.members,
            **{verdict.value: self.verdicts[verdict] for verdict in Verdict},
            "not_checked": dict(sorted(self.not_checked.items())),
            "partly_checked": self.partly_checked,
            "observed": self.observed,
            "suppressed": self.suppressed,
        }
