"""What a scan must say of a made file. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

FOUND = ("known", "similar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the row of one item must hold. Empty and None: no matter.

    `file` is below the pack's collection, `inside` the names of the members on the way in.
    `flags` must be among the row's. `at` is a time in a video that some scene must take in.
    """

    capability: str
    file: str
    inside: tuple[str, ...] = ()
    verdicts: tuple[str, ...]
    code: str = ""
    flags: tuple[str, ...] = ()
    algorithm: str = ""
    orientation: str = ""
    most_bits: int | None = None
    fully_checked: bool | None = None
    pdq: str = ""
    at: float | None = None

    def to_json(self) -> dict[str, Any]:
        """What is expected as plain JSON values, without what does not matter."""
        return {name: value for name, value in asdict(self).items() if value not in ("", (), None)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Expected":
        """What `to_json` gave; TypeError or ValueError if it is not that."""
        told = dict(data)
        for name in ("inside", "verdicts", "flags"):
            told[name] = tuple(told.get(name, ()))
        return cls(**told)


def disagreements(expected: Expected, row: dict[str, Any] | None) -> Iterator[str]:
    """What in the row is not as expected, in words."""
    if row is None:
        yield "there is no row of it"
        return
    if row["verdict"] not in expected.verdicts:
        yield f"verdict {row['verdict']} instead of {' or '.join(expected.verdicts)}"
    if row.get("code", "") != expected.code:
        yield f"code {row.get('code') or 'none'} instead of {expected.code or 'none'}"
    for flag in expected.flags:
        if flag not in row.get("flags", ()):
            yield f"flag {flag} is missing"
    if expected.fully_checked is not None and row["fully_checked"] is not expected.fully_checked:
        yield f"fully checked: {row['fully_checked']}"
    if expected.pdq and row.get("pdq") != expected.pdq:
        yield f"PDQ {row.get('pdq')} instead of {expected.pdq}"
    yield from _of_match(expected, row["matches"])


def _of_match(expected: Expected, matches: list[dict[str, Any]]) -> Iterator[str]:
    if not set(expected.verdicts) <= set(FOUND):
        return
    some = [one for one in matches if expected.algorithm in ("", one["algorithm"])]
    if not some:
        yield f"no match by {expected.algorithm or 'any hash'}"
        return
    best = some[0]
    if expected.orientation and best["orientation"] != expected.orientation:
        yield f"orientation {best['orientation']} instead of {expected.orientation}"
    if expected.most_bits is not None and best["distance"] > expected.most_bits:
        yield f"{best['distance']} bits away instead of at most {expected.most_bits}"
    if expected.at is not None and not any(_takes_in(one, expected.at) for one in some):
        yield f"no scene at {expected.at:g} seconds"


def _takes_in(match: dict[str, Any], at: float) -> bool:
    scenes = match.get("scenes") or ()
    near = match.get("time") is not None and abs(match["time"] - at) <= 2
    return near or any(one["start"] <= at <= one["end"] for one in scenes)
