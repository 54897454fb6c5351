"""What an audit of a data set was asked to do: kept beside its results."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from safelight.connectors.manifest import ManifestColumns
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Depth

VERSION = 1


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
    """What was asked. Equal requests over an unchanged data set give equal parts."""

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
        }

    def differences(self, other: dict[str, Any]) -> Iterator[str]:
        """The names of what was asked otherwise before."""
        mine = self.to_json()
        yield from (name for name in mine if other.get(name) != mine[name])
