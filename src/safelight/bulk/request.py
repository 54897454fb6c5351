"""What a scan was asked to do: kept on disk, so that it can be gone on with later."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from safelight.errors import BadPath
from safelight.files import show_path
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, Depth

VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """What a scan was asked to do; enough to go on with it later.

    `inodes` are those of the roots when the scan began: a folder on which a medium was mounted is
    another one when the medium is away. `fingerprint` is that of the entries matched against.
    """

    scan_id: str
    roots: tuple[bytes, ...]  # absolute paths
    inodes: tuple[int, ...]
    result: str  # where the rows go
    sources: Sources
    policy: MatchPolicy
    depth: Depth
    fingerprint: str
    ended: bool = False

    def check_roots_are_there(self) -> None:
        """Raise BadPath where a root is gone, or is not the folder the scan began with."""
        for root, inode in zip(self.roots, self.inodes, strict=True):
            if inodes_of([root]) != (inode,):
                raise BadPath(
                    f"{show_path(root)} is not what this scan began with: is the medium mounted?"
                    " Mount it there and go on, or begin a new scan."
                )

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        return {
            "version": VERSION,
            "scan_id": self.scan_id,
            "roots_hex": [root.hex() for root in self.roots],
            "inodes": self.inodes,
            "result": self.result,
            "lists": self.sources.lists,
            "hashes": self.sources.hashes,
            "algorithm": self.sources.algorithm,
            "radius": self.policy.radius,
            "min_quality": self.policy.min_quality,
            "depth": self.depth.to_json(),
            "fingerprint": self.fingerprint,
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
            roots=tuple(bytes.fromhex(root) for root in data["roots_hex"]),
            inodes=tuple(data["inodes"]),
            result=data["result"],
            sources=Sources(
                lists=tuple(data["lists"]),
                hashes=tuple(data["hashes"]),
                algorithm=None if algorithm is None else Algorithm(algorithm),
            ),
            policy=MatchPolicy(
                radius=data["radius"],
                min_quality=data["min_quality"],
            ),
            depth=Depth.from_json(data["depth"]),
            fingerprint=data["fingerprint"],
            ended=data["ended"],
        )


def inodes_of(roots: Sequence[bytes]) -> tuple[int, ...]:
    """The inode numbers of paths, 0 for one that is not there."""
    found = []
    for root in roots:
        try:
            found.append(os.stat(root).st_ino)
        except OSError:
            found.append(0)
    return tuple(found)
