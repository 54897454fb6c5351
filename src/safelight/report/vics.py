"""What was found, as a VICS case: which media, where, and what their sources call them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safelight.bulk.about import About
from safelight.bulk.rows import path_of
from safelight.connectors.vics_out import Version, VicsCase, VicsFile, VicsMedium, vics_case
from safelight.errors import BadInput, CorruptFile
from safelight.files import show_path
from safelight.model import PERCEPTUAL, Verdict
from safelight.report.gather import is_found, rows_of
from safelight.report.show import Row, name_of, plain, visible
from safelight.report.withheld import Withheld, notes, withheld, without_classes

Mapping = dict[str, dict[str, int]]  # list -> class by its source -> category

_MIME = {
    **{("image", name): f"image/{name}" for name in ("jpeg", "png", "gif", "webp", "tiff", "bmp")},
    ("image", "heif"): "image/heif",
    ("image", "avif"): "image/avif",
    ("video", "mp4"): "video/mp4",
    ("video", "matroska"): "video/x-matroska",
    ("video", "webm"): "video/webm",
    ("video", "avi"): "video/x-msvideo",
}


def read_mapping(path: Path) -> Mapping:
    """Categories by list and class: `{"list": {"class": number}}`; BadInput for anything else."""
    try:
        untrusted_mapping = json.loads(path.read_text("utf-8-sig"))
        return {
            str(name): {str(label): _number(number) for label, number in classes.items()}
            for name, classes in untrusted_mapping.items()
        }
    except (OSError, ValueError, AttributeError, RecursionError) as exc:
        raise BadInput(
            f"{show_path(path)} holds no categories ({exc}). Give JSON of the form"
            ' {"name of the list": {"class by its source": 1}}, with whole numbers.'
        ) from exc


def _number(untrusted_number: object) -> int:
    if type(untrusted_number) is not int or not 0 <= untrusted_number <= 999:
        raise ValueError(f"{untrusted_number!r} is no category")
    return untrusted_number


def vics_report(result: Path, about: About, version: Version, mapping: Mapping) -> Iterator[str]:
    """The case file, in pieces; BadInput where the rows lack the MD5 that VICS goes by."""
    found: dict[str, _Medium] = {}
    left_out = withheld(about)
    kept = {name: classes for name, classes in mapping.items() if name not in left_out}
    try:
        for row in rows_of(result):
            if is_found(row):
                _take(found, row)
        media = [_vics_medium(one, kept, left_out) for one in found.values()]
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise CorruptFile(f"{show_path(result)}: not the rows of a scan.") from exc
    return vics_case(_case(about, left_out), media, version)


@dataclass(slots=True)
class _Medium:
    """One file's bytes, wherever they lie; the first row stands for all."""

    row: Row
    files: list[VicsFile] = field(default_factory=list)


def _take(found: dict[str, _Medium], row: Row) -> None:
    if "exhibit" not in row:
        raise BadInput(
            "VICS wants sizes and times, which only the rows of a scan with --exhibit have: scan"
            " again with --exhibit ID."
        )
    found.setdefault(row["sha256"], _Medium(row)).files.append(_file(row))


def _vics_medium(medium: _Medium, mapping: Mapping, left_out: Withheld) -> VicsMedium:
    row = without_classes(medium.row, left_out)
    category, conflict = _category(row, mapping)
    lists = {match["list"] for match in row["matches"]}
    comments = [*row["reasons"], *notes({name: left_out[name] for name in lists & {*left_out}})]
    hashes = [("SHA256", row["sha256"])]
    if row.get("pdq"):
        hashes.append(("PDQ", row["pdq"]))
    return VicsMedium(
        md5=row["md5"],
        sha1=row["sha1"],
        size=row["size"],
        mime=_MIME.get((row["kind"], row["format"]), "application/octet-stream"),
        hashes=hashes,
        files=medium.files,
        category=category,
        suspected=category is None,
        tags=_tags(row["matches"]),
        comments=" ".join([*map(plain, comments), *([conflict] if conflict else [])]),
    )


def _category(row: Row, mapping: Mapping) -> tuple[int | None, str]:
    """The category that the sources' classes are mapped to, of files that are the same bytes.

    What is only similar is not what the source has classed. Where sources disagree there is none.
    """
    if row["verdict"] != Verdict.KNOWN:
        return None, ""
    numbers = {
        mapping[match["list"]][match["class"]]
        for match in row["matches"]
        if match["algorithm"] not in PERCEPTUAL and match["class"] in mapping.get(match["list"], {})
    }
    if len(numbers) > 1:
        told = ", ".join(map(str, sorted(numbers)))
        return None, f"The sources' classes are mapped to several categories ({told})."
    return next(iter(numbers), None), ""


def _tags(matches: Sequence[dict[str, Any]]) -> list[str]:
    """The sources' own words, each with its list."""
    told = {f"{plain(one['list'])}: {plain(one['class'])}" for one in matches if one["class"]}
    return sorted(told)


def _file(row: Row) -> VicsFile:
    times = row.get("times") or {}
    steps = [name_of(step) for step in row.get("derivation", ())]
    path = b"/".join([path_of(row), *steps])
    folder, _, name = path.rpartition(b"/")
    return VicsFile(
        folder=visible(folder or b"/"),
        name=visible(name),
        source=plain(row.get("exhibit") or ""),
        created=_seven_decimals(times.get("born", "")),
        written=_seven_decimals(times.get("modified", "")),
        accessed=_seven_decimals(times.get("accessed", "")),
    )


def _seven_decimals(time: str) -> str:
    """A time as .NET reads it; one that its calendar lacks is left out."""
    return "" if time.startswith("@") or len(time) != 30 else time[:27] + "Z"


def _case(about: About, left_out: Withheld) -> VicsCase:
    digest = str(about["results"].get("sha256"))
    runs = about["runs"]
    ended = str(runs[-1].get("ended") or "") if runs else ""
    told = {
        "Authority": about.get("authority"),
        "ResultsSHA256": digest,
        "HashesFingerprint": about["matched_against"].get("fingerprint"),
        "LeftOut": " ".join(notes(left_out)),
    }
    return VicsCase(
        case_id="-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])),
        number=plain(about.get("exhibit") or ""),
        contact=plain(about.get("examiner") or ""),
        version=plain(about["environment"].get("version") or ""),
        updated=ended,
        metadata=[(name, plain(value)) for name, value in told.items() if value],
    )
