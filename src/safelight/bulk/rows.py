"""A scan's result rows: one JSON object per file, one file per line."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from safelight.matching.rules import PARTIAL, fully_checked
from safelight.model import Answer, ImageHashes, NotChecked, Verdict


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


def scan_row(path: bytes, answer: Answer) -> dict[str, Any]:
    """The row of one file, as documented in docs/reference/scan-results.md."""
    examined = answer.examined
    row: dict[str, Any] = {
        **path_fields(path),
        "sha256": examined.digests.sha256 if examined.digests else None,
        "kind": examined.kind,
        "format": examined.format,
        "verdict": answer.verdict.value,
        "fully_checked": fully_checked(answer),
        "reasons": list(answer.reasons),
        "matches": [match.to_json() for match in answer.matches],
        "pdq": None,
        "pdq_quality": None,
    }
    if isinstance(examined, NotChecked):
        row["code"] = examined.code
        return row
    row |= {"pdq": examined.pdq, "pdq_quality": examined.pdq_quality}
    row |= {"mode": examined.mode.value, "flags": list(examined.flags)}
    return row


def hash_row(path: bytes, examined: ImageHashes | NotChecked) -> dict[str, Any]:
    """The row `safelight hash` writes for one file."""
    digests = examined.digests
    row: dict[str, Any] = path_fields(path)
    row |= {
        "md5": digests.md5 if digests else None,
        "sha1": digests.sha1 if digests else None,
        "sha256": digests.sha256 if digests else None,
        "kind": examined.kind,
        "format": examined.format,
    }
    if isinstance(examined, NotChecked):
        none = dict.fromkeys(("width", "height", "pdq", "pdq_quality", "dihedral"))
        error = {"code": examined.code, "message": examined.message}
        return row | none | {"error": error}
    row |= {
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


@dataclass(slots=True)
class Tally:
    """Counts over rows; what a scan's summary and exit code are made from."""

    verdicts: Counter[str] = field(default_factory=Counter)
    not_checked: Counter[str] = field(default_factory=Counter)  # by code
    in_part: Counter[str] = field(default_factory=Counter)  # by flag
    partly_checked: int = 0

    def add(self, row: dict[str, Any]) -> None:
        """Count one row."""
        self.verdicts[row["verdict"]] += 1
        if "code" in row:
            self.not_checked[row["code"]] += 1
        elif not row["fully_checked"]:
            self.partly_checked += 1
            self.in_part.update(flag for flag in row.get("flags", ()) if flag in PARTIAL)

    @property
    def files(self) -> int:
        """Files counted so far."""
        return self.verdicts.total()

    @property
    def found(self) -> int:
        """Files that are known or similar."""
        return self.verdicts[Verdict.KNOWN] + self.verdicts[Verdict.SIMILAR]

    @property
    def unchecked(self) -> int:
        """Files of which something was not examined."""
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
            **{verdict.value: self.verdicts[verdict] for verdict in Verdict},
            "not_checked": dict(sorted(self.not_checked.items())),
            "partly_checked": self.partly_checked,
        }
