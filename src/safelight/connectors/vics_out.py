"""VICS (Project VIC) JSON, versions 1.3 and 2.0, out: a case with its media, and no pictures.

Media are written one after another. A medium has MD5 and SHA-1 of its own, SHA-256 and PDQ among
its AlternativeHashes, and its files with paths and times. `Category` is written only where the
caller gives a number: numbers mean different things to different programs, so none is ever guessed.
`IsPrecategorized` goes with a category and with nothing else. Times have seven decimals, as .NET
reads them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Version(StrEnum):
    """A version of the data model."""

    V1_3 = "1.3"
    V2_0 = "2.0"


_CONTEXT = {
    Version.V1_3: (
        "odata.metadata",
        "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Cases",
    ),
    Version.V2_0: (
        "@odata.context",
        "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Cases",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VicsCase:
    """What stands above the media."""

    case_id: str
    number: str
    contact: str
    version: str  # of this program
    updated: str
    metadata: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VicsFile:
    """Where a medium lies. Times as text; empty where not told."""

    folder: str
    name: str
    source: str
    created: str = ""
    written: str = ""
    accessed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VicsMedium:
    """One medium, and all files that are it."""

    md5: str
    sha1: str
    size: int
    mime: str
    hashes: Sequence[tuple[str, str]]  # name, value
    files: Sequence[VicsFile]
    category: int | None
    suspected: bool
    tags: Sequence[str]
    comments: str


def vics_case(case: VicsCase, media: Sequence[VicsMedium], version: Version) -> Iterator[str]:
    """The file, in pieces."""
    name, context = _CONTEXT[version]
    head = {
        "CaseID": case.case_id,
        "CaseNumber": case.number,
        "ContactName": case.contact,
        "SourceApplicationName": "Safelight",
        "SourceApplicationVersion": case.version,
        "TotalMediaFiles": sum(len(medium.files) for medium in media),
        "TotalPrecategorized": sum(medium.category is not None for medium in media),
        "CaseMetadata": [
            {"PropertyName": key, "PropertyValue": value} for key, value in case.metadata
        ],
    }
    yield f'{{"{name}":{json.dumps(context)},"value":[{json.dumps(head)[:-1]},"Media":['
    for number, medium in enumerate(media, start=1):
        comma = "," if number > 1 else ""
        yield f"{comma}\n{json.dumps(_medium(number, medium, case.updated))}"
    yield "\n]}]}\n"


def _medium(number: int, medium: VicsMedium, updated: str) -> dict[str, Any]:
    told: dict[str, Any] = {"MediaID": number}
    if medium.category is not None:
        told |= {"Category": medium.category, "IsPrecategorized": True}
    return told | {
        "MD5": medium.md5.upper(),
        "SHA1": medium.sha1.upper(),
        "AlternativeHashes": [
            {"HashName": name, "HashValue": value} for name, value in medium.hashes
        ],
        "MediaSize": medium.size,
        "MimeType": medium.mime,
        "IsSuspected": medium.suspected,
        "Tags": "; ".join(medium.tags),
        "Comments": medium.comments,
        "DateUpdated": updated,
        "MediaFiles": [_file(file, medium.md5) for file in medium.files],
    }


def _file(file: VicsFile, md5: str) -> dict[str, Any]:
    times = {"Created": file.created, "Written": file.written, "Accessed": file.accessed}
    return {
        "FileName": file.name,
        "FilePath": file.folder,
        **{name: time for name, time in times.items() if time},
        "Unallocated": False,
        "SourceID": file.source,
        "MD5": md5.upper(),
    }
