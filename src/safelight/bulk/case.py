"""Whose exhibit a scan is of: what a person says, and no machine can know."""

from dataclasses import asdict, dataclass
from typing import Any

from safelight.errors import BadInput

LONGEST = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The exhibit that was scanned, who did it, and on what authority; empty where not told."""

    exhibit: str
    examiner: str = ""
    authority: str = ""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if len(value) > LONGEST or not value.isprintable():
                raise BadInput(
                    f"--{name}: {value[:40]!r} cannot be used: give up to {LONGEST} printable"
                    " characters on one line."
                )
        if not self.exhibit.strip():
            raise BadInput("--examiner and --authority go with --exhibit ID: name the exhibit.")

    def to_json(self) -> dict[str, Any]:
        """The case as plain JSON values."""
        return asdict(self)


def case_of(exhibit: str | None, examiner: str | None, authority: str | None) -> Case | None:
    """The case as the command line gives it; None where none is named."""
    if exhibit is None and examiner is None and authority is None:
        return None
    return Case(exhibit=exhibit or "", examiner=examiner or "", authority=authority or "")
