"""What a report for other programs leaves out: the classes of lists not to be given away. Pure.

What a report says of the examined files themselves (digests, names, times) is the examiner's own.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Any

Withheld = Mapping[str, str]  # list -> why

_UNKNOWN = "unknown"


def withheld(about: Mapping[str, Any]) -> Withheld:
    """The lists whose classes, tags and categories are to be left out, and why.

    Of hash files, and of lists in files about older scans, nobody knows: theirs are handed on.
    """
    facts = about["matched_against"].get("facts") or ()
    reasons = {str(one.get("name")): _why(one) for one in facts if isinstance(one, dict)}
    return {name: why for name, why in reasons.items() if why}


def _why(facts: Mapping[str, Any]) -> str:
    if facts.get("redistribution") == "forbidden":
        return "its redistribution is forbidden"
    purposes = facts.get("permitted_purposes", [_UNKNOWN])
    if isinstance(purposes, list | tuple) and not {"export", _UNKNOWN} & set(map(str, purposes)):
        return "its permitted purposes lack export"
    return ""


def notes(names: Withheld) -> Iterator[str]:
    """What to tell whoever reads the report."""
    for name, why in sorted(names.items()):
        yield f"Classes, tags and categories from the list {name} are left out: {why}."


def without_classes(row: dict[str, Any], names: Container[str]) -> dict[str, Any]:
    """The row without the classes of matches with these lists; matches are kept."""
    parts = {
        part: [_without_class(one, names) for one in row[part]]
        for part in ("matches", "observed", "suppressed")
        if isinstance(row.get(part), list)
    }
    return {**row, **parts}


def _without_class(match: Any, names: Container[str]) -> Any:
    if isinstance(match, dict) and str(match.get("list")) in names:
        return {**match, "class": ""}
    return match
