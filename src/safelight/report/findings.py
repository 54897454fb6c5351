"""The tables of single items: where they lie, what they are, and what they matched. Pure."""

from collections.abc import Sequence
from typing import Any

from safelight.matching.reasons import TURNS, clock
from safelight.model import ORIENTATIONS
from safelight.report.blocks import Cell, Table
from safelight.report.show import Row, place, plain, short_time, why_not_checked

ENTRIES_SHOWN = 3
SCENES_SHOWN = 5


def finding_table(rows: Sequence[Row]) -> Table:
    """What was found."""
    return Table(
        ("no.", "item, SHA-256", "verdict", "match"),
        (0.06, 0.53, 0.1, 0.31),
        [_finding(number, row) for number, row in enumerate(rows, start=1)],
    )


def unchecked_table(rows: Sequence[Row]) -> Table:
    """What was not checked, or only in part."""
    return Table(
        ("item", "code"),
        (0.75, 0.25),
        [(_item(row), Cell([*why_not_checked(row).split("+")])) for row in rows],
    )


def _finding(number: int, row: Row) -> tuple[Cell, ...]:
    part = [] if row["fully_checked"] else ["checked in part"]
    return (
        Cell([str(number)]),
        _item(row),
        Cell([row["verdict"], *part]),
        Cell(_match_lines(row["matches"])),
    )


def _item(row: Row) -> Cell:
    first, *inside = place(row)
    lines = [first, *(f"inside: {name}" for name in inside)]
    lines.append(plain(row["sha256"]) if row["sha256"] else "bytes not read")
    lines.append(", ".join(_of_file(row)))
    return Cell([line for line in lines if line], exact=True)


def _of_file(row: Row) -> list[str]:
    told = [f"{plain(row['kind'])}, {plain(row['format'])}"]
    if isinstance(row.get("size"), int):
        told.append(f"{row['size']:,} bytes")
    times = row.get("times") or {}
    told += [f"{name} {short_time(time)}" for name, time in times.items()]
    members = row.get("derivation") or ()
    if members and members[-1].get("modified"):
        told.append(f"modified {plain(members[-1]['modified'])} (as its container says)")
    return told


def _match_lines(matches: Sequence[dict[str, Any]]) -> list[str]:
    """The entries matched, the best first, each with every hash it was matched by."""
    entries: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for match in matches:
        key = (match["list"], match["entry"], match["class"])
        entries.setdefault(key, []).append(match)
    lines: list[str] = []
    for (name, number, label), some in [*entries.items()][:ENTRIES_SHOWN]:
        lines.append(f"{'also ' if lines else ''}{plain(name)}, entry {plain(number)}")
        lines += [f"class {plain(label)}"] if label else []
        lines += [line for match in some for line in _match(match)]
    more = len(entries) - ENTRIES_SHOWN
    return [*lines, f"and {more:,} more entries"] if more > 0 else lines


def _match(match: dict[str, Any]) -> list[str]:
    """One hash's match, with the scenes of a video."""
    how = [f"{plain(match['algorithm']).upper()}", _how_near(match)]
    if (turn := match.get("orientation")) in TURNS and turn != ORIENTATIONS[0]:
        how.append(TURNS[turn])
    if match.get("time") is not None:
        how.append(f"at {clock(match['time'])}")
    flood = ["floods: suddenly matches far more than before"] if match.get("flood") else []
    return [", ".join(filter(None, how)), *_scenes(match), *flood]


def _how_near(match: dict[str, Any]) -> str:
    if _is_frame_of_a_video(match):
        at = clock(match["scenes"][0]["list_start"])
        return f"{match['distance']} of 256 bits from what the entry's video shows at {at}"
    if match["algorithm"] == "vpdq" and "query_percent" in match:
        here, there = match["query_percent"], match["list_percent"]
        return f"{here:g} % of this video, {there:g} % of the entry's"
    if match["algorithm"] in ("pdq", "vpdq"):
        return f"{match['distance']} of 256 bits differ"
    return "same bytes"


def _scenes(match: dict[str, Any]) -> list[str]:
    scenes = () if _is_frame_of_a_video(match) else match.get("scenes") or ()
    lines = [
        f"{clock(one['start'])} to {clock(one['end'])} is {clock(one['list_start'])} to"
        f" {clock(one['list_end'])} there"
        for one in scenes[:SCENES_SHOWN]
    ]
    more = len(scenes) - SCENES_SHOWN
    return [*lines, f"and {more:,} more scenes"] if more > 0 else lines


def _is_frame_of_a_video(match: dict[str, Any]) -> bool:
    """Whether the item is a picture, and the entry a video that shows it."""
    return bool(match["algorithm"] == "vpdq" and "time" not in match and match.get("scenes"))
