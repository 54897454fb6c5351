"""What an audit of a data set was asked to do: kept beside its results."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from safelight.connectors.manifest import ManifestColumns
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Depth

VERSION = 3
_NOT_COMPARED = frozenset(
    (
        *("matched_against", "manifest_sha256"),  # the hashes and the rows have fingerprints
        "settings.remote_memory_mb",
        *("environment.platform", "environment.machine", "environment.kernel_isa"),
    )
)


class Layout(StrEnum):
    """How the files of a data set hang together.

    `folder`: every file for itself. `webdataset`: tars are shards, and of a sample's files those
    that are no pictures tell of the picture. `huggingface`: Parquet files are shards, and a
    `metadata.csv`, `.jsonl` or `.parquet` tells of the files in its folder.
    """

    FOLDER = "folder"
    WEBDATASET = "webdataset"
    HUGGINGFACE = "huggingface"


class PartFormat(StrEnum):
    """The format of the parts of a result."""

    PARQUET = "parquet"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRequest:
    """What was asked, and with what. Equal requests over an unchanged data set give equal parts.

    `environment` and `settings` are the versions and limits in force, `matched_against` the facts
    of lists and the digests of hash files.
    """

    roots: tuple[str, ...]  # absolute paths, or URLs
    manifest: str  # path or URL; empty: none
    base: str  # what the manifest's paths hang on
    columns: ManifestColumns
    layout: Layout
    format: PartFormat
    sources: Sources
    policy: MatchPolicy
    depth: Depth
    fingerprint: str  # of the entries matched against
    environment: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    matched_against: Mapping[str, Any] = field(default_factory=dict)
    manifest_sha256: str | None = None  # None: there is none, or it is in an object store

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON values; what another is compared with."""
        return {
            "version": VERSION,
            "roots": list(self.roots),
            "manifest": self.manifest,
            "base": self.base,
            "manifest_file_column": self.columns.file,
            "manifest_member_column": self.columns.member,
            "carry": list(self.columns.carry),
            "layout": self.layout.value,
            "format": self.format.value,
            "lists": list(self.sources.lists),
            "hashes": list(self.sources.hashes),
            "algorithm": self.sources.algorithm,
            **asdict(self.policy),
            **self.depth.to_json(),
            "hashes_fingerprint": self.fingerprint,
            "environment": dict(self.environment),
            "settings": dict(self.settings),
            "matched_against": dict(self.matched_against),
            "manifest_sha256": self.manifest_sha256,
        }

    def differences(self, other: dict[str, Any]) -> Iterator[str]:
        """The names of what was otherwise before: what was asked, versions, limits."""
        mine = self.to_json()
        for name in mine:
            yield from _differences(name, mine[name], other.get(name))


def _differences(name: str, mine: Any, other: Any) -> Iterator[str]:
    if name in _NOT_COMPARED or mine == other:
        return
    if not (isinstance(mine, dict) and isinstance(other, dict)):
        yield name
        return
    for inner in dict.fromkeys((*mine, *other)):
        yield from _differences(f"{name}.{inner}", mine.get(inner), other.get(inner))
