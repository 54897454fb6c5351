"""What a scan was asked to do: kept on disk, so that it can be gone on with later."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from safelight.bulk.exhibit import Exhibit
from safelight.errors import BadPath, BadSetting
from safelight.files import show_path
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, Depth
from safelight.settings import PREFIX, Settings

VERSION = 5

# Settings that change no row.
_NO_MATTER = frozenset(
    {"home", "database_url", "database_admin_url", "organisation", "actor", "contact"}
)


def limits_of(settings: Settings) -> dict[str, Any]:
    """The settings that rows depend on."""
    names = (one.name for one in fields(settings) if not one.metadata["secret"])
    return {name: getattr(settings, name) for name in names if name not in _NO_MATTER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifies:
    """The results file that a scan repeats, as it was when the scan began."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """What a scan was asked to do; enough to go on with it later.

    `inodes` are those of the roots when the scan began: a folder on which a medium was mounted is
    another one when the medium is away. `limits` are the settings that rows depend on.
    `fingerprint` is that of the entries matched against, and `graded_fingerprint` that of what was
    left out. `named`: what the rows call the roots, where a second examiner has mounted the medium
    elsewhere; empty: as they are.
    """

    scan_id: str
    roots: tuple[bytes, ...]  # absolute paths
    inodes: tuple[int, ...]
    result: str  # where the rows go
    sources: Sources
    policy: MatchPolicy
    depth: Depth
    fingerprint: str
    limits: Mapping[str, Any] = field(default_factory=dict)
    named: tuple[bytes, ...] = ()
    exhibit: Exhibit | None = None
    graded: tuple[str, ...] = ()  # absolute paths of files of what is already graded
    graded_fingerprint: str = ""
    verifies: Verifies | None = None
    ended: bool = False

    def check_roots_are_there(self) -> None:
        """Raise BadPath where a root is gone, or is not the folder the scan began with."""
        for root, inode in zip(self.roots, self.inodes, strict=True):
            if inodes_of([root]) != (inode,):
                raise BadPath(
                    f"{show_path(root)} is not what this scan began with: is the medium mounted?"
                    " Mount it there and go on, or begin a new scan."
                )

    def check_limits(self, settings: Settings) -> None:
        """Raise BadSetting, naming them, where limits are not those the scan began with."""
        now = limits_of(settings)
        other = [
            f"{PREFIX}{name.upper()} was {was} and is {now.get(name)}"
            for name, was in self.limits.items()
            if now.get(name) != was
        ]
        if other:
            raise BadSetting(
                f"this scan began with other limits: {', '.join(other)}. Set what it began with"
                " and go on, or begin a new scan: its rows must all be made alike."
            )

    def name_of(self, path: bytes) -> bytes:
        """What the rows call a file found at `path`."""
        for root, name in zip(self.roots, self.named, strict=False):
            if path == root:
                return name
            if path.startswith(root.rstrip(b"/") + b"/"):
                return os.path.join(name, path[len(root.rstrip(b"/")) + 1 :])
        return path

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        return {
            "version": VERSION,
            "scan_id": self.scan_id,
            "roots_hex": [root.hex() for root in self.roots],
            "inodes": self.inodes,
            "named_hex": [name.hex() for name in self.named],
            "result": self.result,
            "lists": self.sources.lists,
            "hashes": self.sources.hashes,
            "algorithm": self.sources.algorithm,
            "policy": asdict(self.policy),
            "depth": self.depth.to_json(),
            "fingerprint": self.fingerprint,
            "limits": dict(self.limits),
            "exhibit": None if self.exhibit is None else self.exhibit.to_json(),
            "graded": self.graded,
            "graded_fingerprint": self.graded_fingerprint,
            "verifies": None if self.verifies is None else asdict(self.verifies),
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ScanRequest":
        """The request that `to_json` gave; KeyError, TypeError or ValueError if it is not one."""
        if data["version"] != VERSION:
            raise ValueError("another version's")
        algorithm = data["algorithm"]
        return cls(
            scan_id=data["scan_id"],
            roots=_paths(data["roots_hex"]),
            inodes=tuple(data["inodes"]),
            named=_paths(data["named_hex"]),
            result=data["result"],
            sources=Sources(
                lists=tuple(data["lists"]),
                hashes=tuple(data["hashes"]),
                algorithm=None if algorithm is None else Algorithm(algorithm),
            ),
            policy=MatchPolicy(**data["policy"]),
            depth=Depth.from_json(data["depth"]),
            fingerprint=data["fingerprint"],
            limits=dict(data["limits"]),
            exhibit=None if data["exhibit"] is None else Exhibit(**data["exhibit"]),
            graded=tuple(data["graded"]),
            graded_fingerprint=data["graded_fingerprint"],
            verifies=None if data["verifies"] is None else Verifies(**data["verifies"]),
            ended=data["ended"],
        )


def _paths(hexadecimal: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(path) for path in hexadecimal)


def inodes_of(roots: Sequence[bytes]) -> tuple[int, ...]:
    """The inode numbers of paths, 0 for one that is not there."""
    found = []
    for root in roots:
        try:
            found.append(os.stat(root).st_ino)
        except OSError:
            found.append(0)
    return tuple(found)
