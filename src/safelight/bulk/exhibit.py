"""Which exhibit a scan is of: what a person says, and no machine can know."""

from dataclasses import asdict, dataclass
from typing import Any

from safelight.errors import BadInput

LONGEST = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """The exhibit that was scanned, who scans it, and on what authority; empty where not told."""

    number: str
    examiner: str = ""
    authority: str = ""

    def __post_init__(self) -> None:
        for name, value in self._options().items():
            if len(value) > LONGEST or not value.isprintable():
                raise BadInput(
                    f"--{name}: {value[:40]!r} cannot be used: give up to {LONGEST} printable"
                    " characters on one line."
                )
        if not self.number.strip():
            raise BadInput("--examiner and --authority go with --exhibit ID: name the exhibit.")

    def _options(self) -> dict[str, str]:
        """The values by the options that give them."""
        return {
            "exhibit": self.number,
            "examiner": self.examiner,
            "authority": self.authority,
        }

    def to_json(self) -> dict[str, Any]:
        """The exhibit as plain JSON values."""
        return asdict(self)


def exhibit_of(number: str | None, examiner: str | None, authority: str | None) -> Exhibit | None:
    """The exhibit as the command line gives it; None where none is named."""
    if number is None and examiner is None and authority is None:
        return None
    return Exhibit(number=number or "", examiner=examiner or "", authority=authority or "")
