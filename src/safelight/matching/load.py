"""Where the entries to match come from: hash lists in the database, or hash files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight.model import Algorithm

ROWS_PER_BATCH = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a person asked to match against. Neither lists nor hash files: all enabled lists."""

    lists: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()  # absolute paths of hash files
    algorithm: Algorithm | None = None  # of hashes whose file does not say

    @classmethod
    def of(
        cls,
        lists: Sequence[str] | None,
        hashes: Sequence[Path] | None,
        algorithm: Algorithm | None,
    ) -> "Sources":
        """The sources as the command line gives them."""
        files = tuple(str(path.absolute()) for path in hashes or ())
        return cls(lists=tuple(lists or ()), hashes=files, algorithm=algorithm)
