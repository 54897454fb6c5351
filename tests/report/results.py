"""Rows and the file about them, for the tests of reports."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from safelight.bulk.about import about_path
from safelight.bulk.rows import path_fields
from safelight.files import to_line

TIMES = {
    "modified": "2026-01-02T03:04:05.123456789Z",
    "changed": "2026-01-03T03:04:05.000000001Z",
    "born": "2025-12-31T23:59:59.999999999Z",
}


def match(**more: Any) -> dict[str, Any]:
    return {
        "list": "hotline",
        "entry": 7,
        "class": "",
        "algorithm": "pdq",
        "distance": 6,
        "orientation": "identity",
        "frame": 0,
        **more,
    }


def row(path: bytes = b"/m/a.png", verdict: str = "no_match", *matches: Any, **more: Any) -> Any:
    """A row as a scan of an exhibit writes it."""
    number = sha256(path).hexdigest()
    return {
        **path_fields(path),
        "sha256": number,
        "kind": "image",
        "format": "png",
        "verdict": verdict,
        "fully_checked": verdict not in ("unreadable", "skipped"),
        "reasons": ["because: it is so"],
        "matches": list(matches),
        "pdq": "ab" * 32,
        "pdq_quality": 100,
        "mode": "exact",
        "flags": [],
        "exhibit": "2026-117/3",
        "md5": number[:32],
        "sha1": number[:40],
        "size": 1234,
        "times": TIMES,
        **more,
    }


def known(path: bytes = b"/m/k.png", **more: Any) -> Any:
    return row(path, "known", match(algorithm="sha256", distance=0, **{"class": "A1"}), **more)


def similar(path: bytes = b"/m/s.png", distance: int = 6, **more: Any) -> Any:
    return row(path, "similar", match(distance=distance), **more)


def unchecked(path: bytes = b"/m/u.png", code: str = "empty", **more: Any) -> Any:
    return row(path, "unreadable", code=code, pdq=None, **more)


def about(**more: Any) -> dict[str, Any]:
    """What stands beside rows."""
    return {
        "form": 1,
        "complete": True,
        "exhibit": "2026-117/3",
        "examiner": "E4",
        "authority": "order 12",
        "results": {"file": "a.jsonl", "bytes": 0, "sha256": None},
        "scan": "20261122-010203-abcd",
        "asked": {
            "roots": [
                {"path": "/m", "mount": {"type": "ext4", "source": "/dev/x", "options": "ro"}}
            ],
            "policy": {"radius": 31, "min_quality": 50, "video_percent": 50, "scene_seconds": 5.0},
            "algorithm": None,
            "depth": {"mode": "exact", "video": "second", "archives": True},
        },
        "settings": {"max_pixels": 120000000},
        "matched_against": {
            "fingerprint": "f" * 32,
            "entries": 40,
            "unread": 0,
            "warnings": [],
            "lists": [],
            "files": [{"path": "/h/known.csv", "sha256": "c" * 64}],
            "facts": [{"name": "hotline", "source": "Example hotline", "meaning": "unverified"}],
        },
        "left_out": [],
        "verifies": None,
        "counts": {},
        "environment": {"tool": "safelight", "version": "0.1.0", "packages": {"pillow": "13.0.0"}},
        "runs": [
            {
                "began": "2026-11-22T01:02:03.000000Z",
                "ended": "2026-11-22T01:02:04.000000Z",
                "clock": {"source": "system clock, UTC", "synchronised": True},
            }
        ],
        **more,
    }


def write(folder: Path, *rows: Any, **more: Any) -> Path:
    """A results file and the file about it."""
    result = folder / "a.jsonl"
    result.write_bytes(b"".join(to_line(one).encode() for one in rows))
    told = about(**more)
    told["results"] = told["results"] | {"sha256": sha256(result.read_bytes()).hexdigest()}
    about_path(result).write_text(json.dumps(told))
    return result
