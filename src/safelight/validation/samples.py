"""A made file and what must be said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safelight.validation.expect import Expected


@dataclass(frozen=True, slots=True)
class Sample:
    """The bytes of one file, and what its row and those of what is in it must hold."""

    file: str
    data: bytes
    expected: Sequence[Expected]


def sample(capability: str, file: str, data: bytes, *verdicts: str, **more: Any) -> Sample:
    """A file that is one item."""
    expected = Expected(capability=capability, file=file, verdicts=verdicts, **more)
    return Sample(file, data, [expected])
