"""The file beside a results file that says what the results are: `<results>.about.json`.

The rows hold only what two honest runs have in common. All that differs (who, when, with what
versions, on which machine) stands here, with the digest that ties it to the rows. It is written
when a scan begins, as not complete, and again whenever the scan stops or ends.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

from safelight.bulk.environment import clock, environment, mount_of
from safelight.bulk.request import ScanRequest, limits_of
from safelight.bulk.rows import Tally, path_fields, path_of
from safelight.errors import BadInput, BadPath, CorruptFile
from safelight.files import disk_errors, replace_private, show_path
from safelight.matching.load import Loaded
from safelight.settings import Settings

About = dict[str, Any]

FORM = 1
SUFFIX = ".about.json"
_LARGEST = 64 << 20  # bytes


def about_path(result: str | Path) -> Path:
    """Where the file about a results file lies."""
    return Path(f"{result}{SUFFIX}")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file of ours, hexadecimal."""
    with disk_errors(path), path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def read_about(result: Path) -> About:
    """What stands beside a results file; BadInput where nothing does, CorruptFile for nonsense."""
    path = about_path(result)
    if not path.exists():
        raise BadInput(
            f"{show_path(path)} is missing: it says what was scanned, and against what. It is"
            " written beside every results file; keep the two together."
        )
    try:
        with disk_errors(path):
            untrusted_about = json.loads(path.read_bytes()[:_LARGEST])
        return check_about(untrusted_about)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as exc:
        raise CorruptFile(
            f"{show_path(path)} is damaged, or of another version of Safelight."
        ) from exc


def check_about(untrusted_about: Any) -> About:
    """The same if it has the parts that others rely on; ValueError, KeyError, TypeError if not.

    What the parts hold is still what somebody else wrote.
    """
    if untrusted_about["form"] != FORM:
        raise ValueError("another version's")
    for name in ("asked", "settings", "matched_against", "environment", "results"):
        if not isinstance(untrusted_about[name], dict):
            raise TypeError(name)
    asked, against = untrusted_about["asked"], untrusted_about["matched_against"]
    for part in (asked["policy"], asked["depth"], *untrusted_about["runs"]):
        if not isinstance(part, dict):
            raise TypeError("part")
    for place in (*asked["roots"], *against["files"], *untrusted_about["left_out"]):
        path_of(place)
    for file in (*against["files"], *untrusted_about["left_out"]):
        if not isinstance(file["sha256"], str):
            raise TypeError("sha256")
    return dict(untrusted_about)


def refuse_existing(result: Path) -> None:
    """Raise BadPath where a file about other results would be overwritten."""
    path = about_path(result)
    if path.exists() or path.is_symlink():
        raise BadPath(f"{show_path(path)} exists already; name another results file.")


class AboutFile:
    """The file about one scan, kept up to date while the scan runs."""

    def __init__(self, request: ScanRequest, about: About) -> None:
        self._request = request
        self._path = about_path(request.result)
        self._about = about

    @classmethod
    def begin(
        cls, request: ScanRequest, loaded: Loaded, settings: Settings, *, now: datetime
    ) -> "AboutFile":
        """Write what the scan is going to be."""
        file = cls(request, _about(request, loaded, settings))
        file._begin_run(now)
        return file

    @classmethod
    def go_on(
        cls, request: ScanRequest, loaded: Loaded, settings: Settings, *, now: datetime
    ) -> "AboutFile":
        """Note that a scan is gone on with; where the file is gone it is made anew, and says so."""
        if not about_path(request.result).exists():
            file = cls(request, _about(request, loaded, settings))
            file._about["runs"].append({"began": None, "ended": None, "lost": True})
        else:
            file = cls(request, read_about(Path(request.result)))
        file._begin_run(now)
        return file

    def _begin_run(self, now: datetime) -> None:
        run: dict[str, Any] = {"began": _text(now), "ended": None, "clock": clock()}
        found = environment()
        if self._about["environment"] not in ({}, found):
            run["environment"] = found  # gone on with other versions: a result to look at twice
        self._about["environment"] = self._about["environment"] or found
        self._about["runs"].append(run)
        self._about["complete"] = False
        self._about["results"] |= {"bytes": 0, "sha256": None}
        self._write()

    def end_run(self, tally: Tally, *, now: datetime, complete: bool) -> None:
        """Note how far the scan has come, and the digest of its rows."""
        result = Path(self._request.result)
        self._about["complete"] = complete
        self._about["counts"] = tally.to_json()
        self._about["results"] |= {"bytes": result.stat().st_size, "sha256": sha256_of(result)}
        self._about["runs"][-1]["ended"] = _text(now)
        self._write()

    @property
    def sha256(self) -> str:
        """The digest of the rows, once a run has ended."""
        return str(self._about["results"]["sha256"])

    def _write(self) -> None:
        data = json.dumps(self._about, ensure_ascii=False, indent=1) + "\n"
        replace_private(self._path, data.encode())


def _about(request: ScanRequest, loaded: Loaded, settings: Settings) -> About:
    exhibit = request.exhibit
    return {
        "form": FORM,
        "complete": False,
        "exhibit": exhibit.number if exhibit else None,
        "examiner": exhibit.examiner if exhibit else None,
        "authority": exhibit.authority if exhibit else None,
        "results": {"file": Path(request.result).name, "bytes": 0, "sha256": None},
        "scan": request.scan_id,
        "asked": _asked(request),
        "settings": limits_of(settings),
        "matched_against": _matched_against(request, loaded),
        "left_out": [file_of(path) for path in request.graded],
        "verifies": request.verifies.sha256 if request.verifies else None,
        "counts": {},
        "environment": {},
        "runs": [],
    }


def _asked(request: ScanRequest) -> dict[str, Any]:
    algorithm = request.sources.algorithm
    return {
        "roots": [_root(request, root) for root in request.roots],
        "policy": asdict(request.policy),
        "algorithm": None if algorithm is None else algorithm.value,
        "depth": request.depth.to_json(),
    }


def _root(request: ScanRequest, root: bytes) -> dict[str, Any]:
    """A root as the rows name it, and how it was mounted; `at` where it was mounted elsewhere."""
    named = request.name_of(root)
    told: dict[str, Any] = {**path_fields(named), "mount": mount_of(root)}
    return told if named == root else told | {"at": path_fields(root)}


def _matched_against(request: ScanRequest, loaded: Loaded) -> dict[str, Any]:
    return {
        "fingerprint": loaded.fingerprint,
        "entries": loaded.entries,
        "unread": loaded.unread,
        "warnings": list(loaded.warnings),
        "lists": list(request.sources.lists),
        "files": [file_of(path) for path in request.sources.hashes],
        "facts": facts_of(loaded),
    }


def facts_of(loaded: Loaded) -> list[Mapping[str, Any]]:
    """What the loader tells of each list: name, source, meaning, licence, entries, digest."""
    return [asdict(one) for one in loaded.about]


def file_of(path: str) -> dict[str, Any]:
    """A file by its path and its digest."""
    return {**path_fields(path.encode("utf-8", "surrogateescape")), "sha256": sha256_of(Path(path))}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
